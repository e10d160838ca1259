using System.Globalization;
using Pgd.IntegrationTests.Branches;
using Xunit;

namespace Pgd.IntegrationTests.Replication;

/// <summary>Sources that encrypt, that show who they are and ask who one is; and what of that does not fit.</summary>
public sealed class EncryptedConnections : IDisposable
{
    // Nothing of it may be seen anywhere.
    private const string Password = "0123456789hush", Passphrase = "9876543210hush";
    private readonly string _folder = Directory.CreateTempSubdirectory("pgd").FullName;
    private readonly TestAuthority _authority, _other;

    public EncryptedConnections()
    {
        File.SetUnixFileMode(_folder, LabFolder.Traversable);
        (_authority, _other) = (new("pgd-test", _folder), new("pgd-other", _folder));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _authority.Dispose();
        _other.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task A_source_that_is_verified_in_full_is_copied_and_the_target_verifies_it_as_well()
    {
        using var servers = await StartAsync();
        // From where the target's server runs the path is another one.
        var url = Url(servers, "postgres", "verify-full", $"sslrootcert={Path.GetRelativePath(Environment.CurrentDirectory, _authority.Certificate)}");
        await SucceedAsync(servers, url, "validate");
        await SucceedAsync(servers, url, "init");
        await SucceedAsync(servers, url, "sync");
        await servers.AskSourceAsync("insert into things values (2)");

        await SucceedAsync(servers, url, "status", "--fail-above", "30s");
        await SucceedAsync(servers, url, "verify");
        Assert.Equal("true", await servers.AskSourceAsync("select bool_and(ssl)::text from pg_stat_ssl join pg_stat_replication using (pid)"));
        Assert.Contains($"sslrootcert={Uri.EscapeDataString(_authority.Certificate)}", await servers.AskTargetAsync("select subconninfo from pg_subscription"), StringComparison.Ordinal);
        Assert.Contains("sslmode=verify-full", await servers.AskTargetAsync("select subconninfo from pg_subscription"), StringComparison.Ordinal);
        await SucceedAsync(servers, url, "cutover", "--max-pause", "30s");
        var project = await servers.Root.InProcessAsync("project", "create", "prod", "--from", url);
        Assert.True(project.Status == 0, project.ToString());
        await servers.CleanAsync();
    }

    [Fact]
    public async Task A_file_that_only_this_machine_can_read_is_told_before_the_copy_and_when_it_is_to_follow()
    {
        using var servers = await StartAsync();
        var hidden = Path.Combine(Directory.CreateDirectory(Path.Combine(_folder, "hidden"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute).FullName, "ca.crt");
        File.Copy(_authority.Certificate, hidden);
        var url = Url(servers, "postgres", "verify-full", $"sslrootcert={hidden}");
        var warned = await SucceedAsync(servers, url, "validate");
        Assert.True(warned.Output.Contains($"the target's server does not read {hidden}, the sslrootcert of --source", StringComparison.Ordinal) && warned.Output.Contains("--publisher", StringComparison.Ordinal), warned.ToString());
        await SucceedAsync(servers, url, "init");

        await RefusedAsync(servers, url, ExitCode.Failed, "sync", "does not reach", hidden, "readable for its account", "--publisher");
        Assert.Equal("0", await servers.AskTargetAsync("select count(*) from pg_subscription"));
        await SucceedAsync(servers, url, "sync", "--publisher", Url(servers, "postgres", "verify-full", $"sslrootcert={_authority.Certificate}"));
        await SucceedAsync(servers, url, "status", "--fail-above", "30s");
    }

    [Fact]
    public async Task A_server_that_is_not_the_one_that_is_meant_is_told_by_what_is_wrong_with_its_certificate()
    {
        using var servers = await StartAsync();
        var nothing = Path.Combine(_folder, "nothing.crt");
        await File.WriteAllTextAsync(nothing, "nothing\n");
        await ToldAsync("localhost", "verify-full", _other.Certificate, ExitCode.Failed, "signed by CN=pgd-test, which is not in sslrootcert");
        await ToldAsync("localhost", "verify-ca", _other.Certificate, ExitCode.Failed, "signed by CN=pgd-test, which is not in sslrootcert");
        // As in libpq, by which definitions are read and changes come.
        await ToldAsync("localhost", "require", _other.Certificate, ExitCode.Failed, "signed by CN=pgd-test, which is not in sslrootcert");
        await ToldAsync("localhost", "verify-full", null, ExitCode.Failed, "signed by CN=pgd-test, which this machine does not know", "sslrootcert=FILE");
        await ToldAsync("127.0.0.1", "verify-full", _authority.Certificate, ExitCode.Failed, "is for localhost, and not for 127.0.0.1", "sslmode=verify-ca");
        await ToldAsync("localhost", "verify-full", $"{_folder}/none.crt", ExitCode.Misuse, "sslrootcert cannot be read", "none.crt");
        await ToldAsync("localhost", "verify-full", nothing, ExitCode.Misuse, "sslrootcert has no certificate in it");
        await servers.CleanSourceAsync();
        Assert.Equal("0", await servers.Target.AskAsync("select count(*) from pg_database where datname = 'shop'"));
        Assert.Empty(servers.Root.Workspace.State.ProjectNames());

        async Task ToldAsync(string host, string mode, string? root, ExitCode status, params string[] told)
        {
            var url = Url(servers, $"postgres:{Password}", mode, root is null ? null : $"sslrootcert={root}").Replace("localhost", host, StringComparison.Ordinal);
            foreach (var verb in (string[])["validate", "init", "sync", "status", "cutover"])
                await RefusedAsync(servers, url, status, verb, told);
            Refused(await servers.Root.InProcessAsync("project", "create", "prod", "--from", url), status, told);
        }
    }

    [Fact]
    public async Task A_server_that_encrypts_nothing_or_everything_is_told_from_one_that_does_as_is_asked()
    {
        using var servers = await StartAsync("hostssl all all 127.0.0.1/32 trust");
        await RefusedAsync(servers, Url(servers, $"postgres:{Password}", "disable"), ExitCode.Failed, "init", "no pg_hba.conf entry", "leave out sslmode=disable");
        await SucceedAsync(servers, Url(servers, "postgres", "require"), "validate");
        var plain = $"{TwoServers.Url(servers.Target, "postgres")}?sslmode=require".Replace("postgres@", $"postgres:{Password}@", StringComparison.Ordinal);
        await RefusedAsync(servers, plain, ExitCode.Failed, "init", "the server does not encrypt connections", "ssl = on", "sslmode=prefer");
    }

    [Fact]
    public async Task A_server_that_asks_who_one_is_gets_an_answer_and_one_that_is_wrong_is_told()
    {
        using var servers = await StartAsync("hostssl all guarded 127.0.0.1/32 trust clientcert=verify-ca", "host all postgres 127.0.0.1/32 trust");
        await servers.AskSourceAsync("create role guarded superuser login");
        var (certificate, key) = Write("client", _authority.Sign("guarded"));
        var (_, locked) = Write("locked", _authority.Sign("guarded", passphrase: Passphrase));
        var (stranger, strangersKey) = Write("stranger", _other.Sign("guarded"));
        await RefusedAsync(servers, Guarded(), ExitCode.Failed, "init", "valid client certificate", "sslcert=FILE and sslkey=FILE");
        await RefusedAsync(servers, Guarded($"sslcert={stranger}", $"sslkey={strangersKey}"), ExitCode.Failed, "init", "ssl_ca_file");
        await RefusedAsync(servers, Guarded($"sslcert={_folder}/none.crt", $"sslkey={key}"), ExitCode.Misuse, "init", "sslcert cannot be read", "none.crt");
        await RefusedAsync(servers, Guarded($"sslcert={certificate}", $"sslkey={_folder}/none.key"), ExitCode.Misuse, "init", "sslkey cannot be read", "none.key");
        await RefusedAsync(servers, Guarded($"sslcert={certificate}"), ExitCode.Misuse, "init", "certificate and its key cannot be read, or are not of each other", "sslkey=FILE");
        await RefusedAsync(servers, Guarded($"sslcert={certificate}", $"sslkey={strangersKey}"), ExitCode.Misuse, "init", "are not of each other");
        await RefusedAsync(servers, Guarded($"sslcert={certificate}", $"sslkey={locked}", $"sslpassword={Passphrase}x"), ExitCode.Misuse, "init", "sslpassword");
        await servers.CleanSourceAsync();

        var url = Guarded($"sslcert={certificate}", $"sslkey={key}");
        await SucceedAsync(servers, url, "init");
        // The key is this account's, and nobody else's.
        await RefusedAsync(servers, url, ExitCode.Failed, "sync", "does not reach", $"{key} (sslkey)", "--publisher");
        LabCommand.Run("install", "-o", "postgres", "-m", "600", key, $"{_folder}/servers.key");
        await SucceedAsync(servers, url, "sync", "--publisher", Guarded($"sslcert={certificate}", $"sslkey={_folder}/servers.key"));
        await SucceedAsync(servers, url, "status", "--fail-above", "30s");

        string Guarded(params string[] parameters) => Url(servers, $"guarded:{Password}", "verify-full", [$"sslrootcert={_authority.Certificate}", .. parameters]);

        (string, string) Write(string name, (string Certificate, string Key) signed)
        {
            var (first, second) = ($"{_folder}/{name}.crt", $"{_folder}/{name}.key");
            File.WriteAllText(first, signed.Certificate);
            using (new FileStream(second, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite }))
            {
            }

            File.WriteAllText(second, signed.Key);
            return (first, second);
        }
    }

    [Fact]
    public async Task A_key_that_libpq_refuses_ends_a_copy_with_nothing_left_at_the_source()
    {
        using var servers = await StartAsync();
        var (certificate, key) = _authority.Sign("postgres");
        await File.WriteAllTextAsync($"{_folder}/open.crt", certificate);
        await File.WriteAllTextAsync($"{_folder}/open.key", key);
        LabCommand.Run("chmod", "644", $"{_folder}/open.key");
        var url = Url(servers, "postgres", "require", $"sslcert={_folder}/open.crt", $"sslkey={_folder}/open.key");

        await RefusedAsync(servers, url, ExitCode.Failed, "init", "pg_dump", "has group or world access");

        await servers.CleanSourceAsync();
        LabCommand.Run("chmod", "600", $"{_folder}/open.key");
        await SucceedAsync(servers, url, "init");
    }

    [Theory]
    [InlineData("sslmode=nonsense", "sslmode must be one of disable, allow, prefer, require, verify-ca, verify-full")]
    [InlineData("sslmod=require", "a parameter is unknown; did you mean sslmode?")]
    [InlineData("colour=blue", "a parameter is unknown to libpq")]
    [InlineData("target_session_attrs=main", "target_session_attrs must be one of any, read-write")]
    [InlineData("channel_binding=maybe", "channel_binding must be one of disable, prefer, require")]
    [InlineData("connect_timeout=soon", "connect_timeout must be a number")]
    [InlineData("connect_timeout", "a parameter has no \"=\"")]
    public async Task What_an_address_cannot_say_is_refused_before_anybody_is_asked(string parameter, string told)
    {
        using var root = new ToolRoot("copy");
        var url = $"postgresql://postgres:{Password}@127.0.0.1:1/shop?{parameter}";
        foreach (var verb in (string[])["validate", "init", "sync", "status", "cutover"])
        {
            Refused(await root.InProcessAsync("replicate", verb, "--source", url, "--target", "postgresql://postgres@127.0.0.1:1/shop"), ExitCode.Misuse, told);
            Refused(await root.InProcessAsync("replicate", verb, "--target", url, "--source", "postgresql://postgres@127.0.0.1:1/shop"), ExitCode.Misuse, told);
        }

        Refused(await root.InProcessAsync("project", "create", "prod", "--from", url), ExitCode.Misuse, told);
    }

    private async Task<TwoServers> StartAsync(params string[] rules)
    {
        var servers = await TwoServers.StartAsync();
        servers.Fill("create table things (id int primary key); insert into things values (1)");
        _authority.Encrypt(servers.Source, "localhost", rules);
        return servers;
    }

    private static string Url(TwoServers servers, string user, string mode, params string?[] parameters) =>
        string.Create(CultureInfo.InvariantCulture, $"postgresql://{user}@localhost:{servers.Source.Port}/shop?{string.Join('&', [$"sslmode={mode}", .. parameters.OfType<string>().Select(parameter => parameter.Split('=') is [var name, var value] ? $"{name}={Uri.EscapeDataString(value)}" : parameter)])}");

    private static async Task<ToolResult> SucceedAsync(TwoServers servers, string url, string verb, params string[] arguments)
    {
        var result = await servers.Root.InProcessAsync(["replicate", verb, "--source", url, "--target", TwoServers.Url(servers.Target), .. arguments]);
        Assert.True(result.Status == 0, $"replicate {verb} of {url}: {result}");
        return result;
    }

    private static async Task RefusedAsync(TwoServers servers, string url, ExitCode status, string verb, params string[] told) =>
        Refused(await servers.Root.InProcessAsync("replicate", verb, "--source", url, "--target", TwoServers.Url(servers.Target)), status, told);

    private static void Refused(ToolResult result, ExitCode status, params string[] told)
    {
        Assert.True(result.Status == (int)status && told.All(text => result.Error.ReplaceLineEndings(" ").Contains(text, StringComparison.Ordinal)), $"{status}: {result}");
        Assert.DoesNotContain("bug in pgd", result.Error, StringComparison.Ordinal);
        Assert.All((string[])[Password, Passphrase], secret => Assert.DoesNotContain(secret, result.Error + result.Output, StringComparison.Ordinal));
    }
}
