using Pgd.Configuration;
using Pgd.Tests.Libpq;
using Xunit;

namespace Pgd.Tests.Configuration;

public sealed class HostConfigurationFiles : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Every_key_is_read()
    {
        _folder.Write("etc/config.yaml",
            """
            root: /srv/pgd          # where everything lives
            storage: btrfs
            runtime: native
            network: internal
            port-range: 22000-22099
            default-ttl: 7d
            host: 10.0.0.5
            tls: true
            branch-memory: 1.5GB
            max-branches: 40
            max-previews: 20
            min-free-disk: 5GB
            min-free-memory: 512MB
            stop-idle: 8h
            wait-lock: 30s
            postgres:
              binaries: [/opt/pg17/bin, ~/pg18/bin]
              user: pg
            snapshots:
              keep: last=2, daily=7
              branches: [prod/main, shop/golden]
            """);

        var configuration = Load().Configuration;

        Assert.Equal(("/srv/pgd", "btrfs", "native", new PortRange(22000, 22099)), (configuration.Root, configuration.Storage, configuration.Runtime, configuration.PortRange));
        Assert.Equal((TimeSpan.FromDays(7), "10.0.0.5", TimeSpan.FromSeconds(30)), (configuration.DefaultTimeToLive, configuration.Host, configuration.WaitForLock));
        Assert.Equal(["/opt/pg17/bin", "/home/ada/pg18/bin"], configuration.PostgresBinaries);
        Assert.Equal(("pg", "internal", 1536L << 20), (configuration.PostgresUser, configuration.Network, configuration.BranchMemory));
        Assert.Equal((40, 20, TimeSpan.FromHours(8), true), (configuration.MaximumBranches, configuration.MaximumPreviews, configuration.StopIdle, configuration.Tls));
        Assert.Equal("last=2,daily=7", configuration.KeepSnapshots?.ToString());
        Assert.Equal(["prod/main", "shop/golden"], configuration.SnapshotBranches.Select(branch => branch.ToString()));
        Assert.Equal((5L << 30, 512L << 20), (configuration.MinimumFreeDisk, configuration.MinimumFreeMemory));
    }

    [Fact]
    public void Options_beat_variables_which_beat_the_user_which_beats_the_system()
    {
        _folder.Write("etc/config.yaml", "host: system\nstorage: copy\nruntime: native\nroot: /system");
        _folder.Write("user/config.yaml", "host: user\nstorage: reflink\nroot: /user");

        var loaded = Load(new() { Root = "/option" }, ("PGD_HOST", "variable"), ("PGD_ROOT", "/variable"));

        Assert.Equal(("/option", "variable", "reflink", "native"), (loaded.Configuration.Root, loaded.Configuration.Host, loaded.Configuration.Storage, loaded.Configuration.Runtime));
        Assert.Equal("--root", loaded.RootSource);
        Assert.Equal(["etc/config.yaml", "user/config.yaml"], loaded.Files.Select(file => Path.GetRelativePath(_folder.Path, file)));
    }

    [Fact]
    public void The_root_says_where_it_came_from()
    {
        Assert.Equal(("/default", "default"), Root(Load()));
        Assert.Equal(("/variable", "PGD_ROOT"), Root(Load(null, ("PGD_ROOT", "/variable"))));
        var file = _folder.Write("user/config.yaml", "root: ~/pgd");
        Assert.Equal(("/home/ada/pgd", file), Root(Load()));

        static (string?, string) Root(LoadedConfiguration loaded) => (loaded.Configuration.Root, loaded.RootSource);
    }

    [Fact]
    public void Every_variable_is_read()
    {
        var configuration = Load(null,
            ("PGD_ROOT", "/srv"), ("PGD_STORAGE", "copy"), ("PGD_RUNTIME", "auto"), ("PGD_PORT_RANGE", "3000-3001"), ("PGD_DEFAULT_TTL", "1h"),
            ("PGD_HOST", "::1"), ("PGD_WAIT_LOCK", "0"), ("PGD_POSTGRES_BINARIES", "/a:/b"), ("PGD_POSTGRES_USER", "pg"), ("PGD_HOST_NAME", "runner-7"), ("PGD_NETWORK", "bridge"), ("PGD_BRANCH_MEMORY", "512MB"), ("PGD_TLS", "false")).Configuration;

        Assert.Equal(("/srv", "copy", "auto", new PortRange(3000, 3001), TimeSpan.FromHours(1)),
            (configuration.Root, configuration.Storage, configuration.Runtime, configuration.PortRange, configuration.DefaultTimeToLive));
        Assert.Equal(("::1", TimeSpan.Zero, "pg", "bridge", 512L << 20), (configuration.Host, configuration.WaitForLock, configuration.PostgresUser, configuration.Network, configuration.BranchMemory));
        Assert.Equal(["/a", "/b"], configuration.PostgresBinaries);
        Assert.False(configuration.Tls);
        Assert.Equal("runner-7", configuration.HostName);
    }

    [Theory]
    [InlineData("")]
    [InlineData("# only a comment")]
    [InlineData("---\n")]
    [InlineData("~")]
    [InlineData("root:\npostgres:\n")]
    public void A_file_may_say_nothing(string text)
    {
        _folder.Write("etc/config.yaml", text);

        Assert.Equal("/default", Load().Configuration.Root);
    }

    [Theory]
    [InlineData("\nstorag: btrfs", "2: unknown key \"storag\"", "Did you mean \"storage\"?")]
    [InlineData("postgres:\n  bin: [/x]", "2: unknown key \"postgres.bin\"", "Keys here: binaries, user.")]
    [InlineData("xyzzy: 1", "1: unknown key \"xyzzy\"", "Keys here: postgres, zfs, snapshots, root, storage, runtime, network, port-range, default-ttl, host, host-name, tls, branch-memory, max-branches, max-previews, min-free-disk, min-free-memory, stop-idle, wait-lock, projects.")]
    [InlineData("host-name: db runner", "1: \"host-name\": \"db runner\" cannot be the name of a machine", "It has 1 to 64 letters, digits, dots, hyphens and underscores, and begins with a letter or a digit.")]
    [InlineData("tls: yes", "1: \"tls\" cannot be \"yes\": it is one of true, false", null)]
    [InlineData("max-branches: 0", "1: \"max-branches\" must be at least 1, not 0", null)]
    [InlineData("max-previews: many", "1: ", null)]
    [InlineData("branch-memory: 8192", "1: \"branch-memory\": \"8192\" is not an amount of memory for a branch", "Write a number and a unit, at least 64MB, for example 512MB or 2GB.")]
    [InlineData("branch-memory: 1MB", "1: \"branch-memory\": \"1MB\" is not an amount of memory for a branch", null)]
    [InlineData("? [a]\n: 1", "1: unknown key \"[ a ]\"", null)]
    [InlineData("storage: zfz", "1: \"storage\" cannot be \"zfz\": it is one of auto, zfs, btrfs, reflink, copy", null)]
    [InlineData("host: a\nport-range: 1-2", "2: \"port-range\": \"1-2\" is not a range of ports", null)]
    [InlineData("default-ttl: 7 days", "1: \"default-ttl\" must be a duration such as 30m, 12h, 7d or never, not \"7 days\"", null)]
    [InlineData("root: relative", "1: \"root\" must be an absolute path, not \"relative\"", null)]
    [InlineData("root: \"\"", "1: \"root\" is empty", null)]
    [InlineData("root: [/a]", "1: \"root\" must be one value, not a list", null)]
    [InlineData("postgres: /usr", "1: \"postgres\" must hold keys and values, not a single value", null)]
    [InlineData("postgres:\n  binaries:\n  - a: b", "3: \"postgres.binaries\" must be one value, not keys and values", null)]
    [InlineData("postgres:\n  binaries: [x]", "2: \"postgres.binaries\" must be an absolute path, not \"x\"", null)]
    [InlineData("snapshots:\n  keep: dayly=7", "2: \"snapshots.keep\": there is no rule \"dayly\" for keeping snapshots", "Did you mean daily=7?")]
    [InlineData("snapshots:\n  branches:\n  - prod/main\n  - prod", "4: \"snapshots.branches\": \"prod\" is not the name of a branch", null)]
    [InlineData("snapshots:\n  schedule: hourly", "2: unknown key \"snapshots.schedule\"", "Keys here: keep, branches.")]
    [InlineData("- root", "1: keys and values were expected, not a list", null)]
    [InlineData("just text", "1: keys and values were expected, not a single value", null)]
    [InlineData("host: a\nhost: b", "2: duplicate key", "The file must be YAML.")]
    [InlineData("a: b\n---\nc: d", "3: a second YAML document begins here", "Keep one document in the file.")]
    public void Mistakes_are_named_with_their_line(string text, string message, string? hint)
    {
        var file = _folder.Write("etc/config.yaml", text);

        var e = Assert.Throws<PgdException>(() => Load());

        Assert.StartsWith($"{file}:{message}", e.Message, StringComparison.OrdinalIgnoreCase);
        Assert.Equal(ExitCode.Misuse, e.ExitCode);
        if (hint is not null)
            Assert.Equal(hint, e.Hint);
    }

    [Theory]
    [InlineData("root: [a")]
    [InlineData("\troot: a")]
    [InlineData("root: 'a")]
    [InlineData("root: *nowhere")]
    [InlineData("%YAML 9\n")]
    [InlineData("a: b: c")]
    public void What_is_not_YAML_is_named_with_its_line(string text)
    {
        var file = _folder.Write("etc/config.yaml", text);

        var e = Assert.Throws<PgdException>(() => Load());

        Assert.Matches($"^{System.Text.RegularExpressions.Regex.Escape(file)}:[0-9]+: .", e.Message);
        Assert.Equal(ExitCode.Misuse, e.ExitCode);
    }

    [Fact]
    public void A_file_with_the_other_ending_is_not_silently_ignored()
    {
        _folder.Write("etc/config.yml", "root: /a");

        Assert.Contains("config.yml is not read", Assert.Throws<PgdException>(() => Load()).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("PGD_STORAG", "Did you mean PGD_STORAGE?")]
    [InlineData("PGD_ROOTS", "Did you mean PGD_ROOT?")]
    [InlineData("PGD_DEFUALT_TTL", "Did you mean PGD_DEFAULT_TTL?")]
    public void A_mistyped_variable_is_an_error(string name, string hint)
    {
        var e = Assert.Throws<PgdException>(() => Load(null, (name, "x")));

        Assert.Equal($"unknown environment variable {name}", e.Message);
        Assert.Equal(hint, e.Hint);
    }

    [Theory]
    [InlineData("PGD_INPUT_ROOT")]
    [InlineData("PGD_DEBUG")]
    [InlineData("PGD_PORT")]
    [InlineData("PGD_SERVICE_HOST")]
    [InlineData("PGD_PORT_5432_TCP")]
    public void Other_programs_variables_are_left_alone(string name) => Assert.NotNull(Load(null, (name, "x")));

    [Fact]
    public void An_empty_variable_is_not_set() => Assert.Equal("/default", Load(null, ("PGD_ROOT", ""), ("PGD_STORAGE", "")).Configuration.Root);

    [Fact]
    public void Folders_follow_the_XDG_rules()
    {
        var moved = HostFolders.From(new Dictionary<string, string> { ["HOME"] = "/home/ada", ["XDG_CONFIG_HOME"] = "/x/config" });
        var relative = HostFolders.From(new Dictionary<string, string> { ["HOME"] = "/home/ada", ["XDG_CONFIG_HOME"] = "x" });

        Assert.Equal("/x/config/pgd/config.yaml", moved.UserFile);
        Assert.Equal("/home/ada/.config/pgd/config.yaml", relative.UserFile);
    }

    private LoadedConfiguration Load(HostConfiguration? options = null, params (string Name, string Value)[] variables) =>
        ConfigurationFiles.Load(variables.ToDictionary(pair => pair.Name, pair => pair.Value), options ?? new(), new()
        {
            Home = "/home/ada",
            SystemFile = Path.Combine(_folder.Path, "etc/config.yaml"),
            UserFile = Path.Combine(_folder.Path, "user/config.yaml"),
            DefaultRoot = "/default",
        });
}
