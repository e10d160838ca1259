using Pgd.Configuration;
using Pgd.Postgres;
using Pgd.Storage;
using Pgd.Tests.Libpq;
using Xunit;

namespace Pgd.Tests.Configuration;

/// <summary>What <c>projects:</c> of a host's configuration says.</summary>
public sealed class ProjectSettings : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Settings_of_a_project_are_read_with_who_says_them_and_the_user_wins_over_the_system()
    {
        _folder.Write("etc/config.yaml", "projects:\n  prod:\n    settings:\n      shared_buffers: 1GB\n      work_mem: 64MB\n  other: {}\n");
        _folder.Write("user/config.yaml", "projects:\n  prod:\n    settings:\n      work_mem: 128MB\n      shared_preload_libraries: \"\"\n      auto_explain.log_min_duration: 5\n  third:\n    settings: {jit: off}\n");

        var configuration = Load();

        Assert.Equal(["other", "prod", "third"], configuration.Projects.Keys.Order());
        Assert.Equal(
            ["auto_explain.log_min_duration=5 user/config.yaml:6", "shared_buffers=1GB etc/config.yaml:4", "shared_preload_libraries= user/config.yaml:5", "work_mem=128MB user/config.yaml:4"],
            configuration.SettingsOf("prod").Select(s => $"{s.Key}={s.Value.Value} {Path.GetRelativePath(_folder.Path, s.Value.Source)}").Order(StringComparer.Ordinal));
        Assert.Equal("off", configuration.SettingsOf("third")["jit"].Value);
        Assert.Empty(configuration.SettingsOf("other"));
        Assert.Empty(configuration.SettingsOf("nobody"));
    }

    [Theory]
    [InlineData("projects: {prod: {settings: {archive_mode: on}}}", "\"projects.prod.settings.archive_mode\" cannot be set: it keeps a branch from touching what its source works with (docs/safety.md)")]
    [InlineData("projects: {prod: {settings: {listen_addresses: '*'}}}", "\"projects.prod.settings.listen_addresses\" cannot be set: by it pgd finds, reaches and guards the server")]
    [InlineData("projects: {prod: {settings: {ssl_key_file: /x}}}", "\"projects.prod.settings.ssl_key_file\" cannot be set: whether branches have TLS is said by the key tls, and the rest follows")]
    [InlineData("projects: {prod: {settings: {recovery_target_time: now}}}", "\"projects.prod.settings.recovery_target_time\" cannot be set: it says up to where a server recovers, which is asked for by --at and its like")]
    [InlineData("projects: {prod: {settings: {Archive-Mode: on}}}", "\"projects.prod.settings.Archive-Mode\" cannot be the name of a setting: it has lower-case letters, digits and underscores")]
    [InlineData("projects: {prod: {settings: {work_mem: }}}", "\"projects.prod.settings.work_mem\" is empty")]
    [InlineData("projects: {prod: {settings: {work_mem: [1]}}}", "\"projects.prod.settings.work_mem\" must be one value, not a list")]
    [InlineData("projects: {prod: {setings: {work_mem: 1}}}", "unknown key \"projects.prod.setings\"")]
    [InlineData("projects: {Prod: {}}", "\"projects.Prod\" cannot be the name of a project: it has 1 to 50 lower-case letters, digits and inner hyphens")]
    public void What_cannot_be_is_refused_at_its_line(string yaml, string message)
    {
        _folder.Write("etc/config.yaml", $"host: 127.0.0.1\n{yaml}\n");

        var error = Assert.Throws<PgdException>(Load);

        Assert.Equal((ExitCode.Misuse, $"{_folder.Path}/etc/config.yaml:2: {message}"), (error.ExitCode, error.Message));
    }

    [Fact]
    public void Nothing_that_pgd_sets_itself_can_be_set_other_than_buffers()
    {
        var volume = new Volume(new("prod", "dev", "0a1b2c3d4e5f", 1), "/volume");
        for (var major = 13; major <= 18; major++)
        {
            foreach (var name in ServerSettings.Common("c", 1, "", "/s", volume).Concat(ServerSettings.Quarantine(major)).Concat(ServerSettings.Tls(major, volume)).Concat(ServerSettings.Promotion()).Select(s => s.Key))
                Assert.True(ReservedSettings.Fault(name) is not null, name);
        }

        foreach (var name in (string[])["shared_buffers", "work_mem", "shared_preload_libraries", "timezone", "pg_stat_statements.max", "wal_level"])
            Assert.Null(ReservedSettings.Fault(name));
    }

    private HostConfiguration Load() => ConfigurationFiles.Load(new Dictionary<string, string>(), new(), new()
    {
        Home = "/home/ada",
        SystemFile = Path.Combine(_folder.Path, "etc/config.yaml"),
        UserFile = Path.Combine(_folder.Path, "user/config.yaml"),
        DefaultRoot = "/default",
    }).Configuration;
}
