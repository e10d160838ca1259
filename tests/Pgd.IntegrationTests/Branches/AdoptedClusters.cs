using System.Globalization;
using Pgd.Configuration;
using Xunit;

namespace Pgd.IntegrationTests.Branches;

/// <summary>Clusters that were there before: branches come from them, and nothing happens to them.</summary>
public abstract class AdoptedClusters : IDisposable
{
    private protected const int Major = 15;
    private static readonly CancellationToken Never = CancellationToken.None;
    private readonly List<ScratchServer> _servers = [];

    /// <summary>With a root of pgd's own.</summary>
    protected AdoptedClusters(string storage, string root, string? pool)
    {
        Lab.Require(Environment.IsPrivilegedProcess, "Mounting file systems and running servers as another account need root");
        (Storage, Root) = (storage, root);
        Workspace = new(new() { Root = root, Runtime = "native", PortRange = Shop.NewPorts(), PostgresBinaries = [Lab.Current.Servers.Folder(Major)], Zfs = pool is null ? null : new() { Pool = pool } }, SilentReporter.Instance);
    }

    private protected static BranchName Main { get; } = BranchName.Of("prod", "main");

    private protected static BranchName Dev { get; } = BranchName.Of("prod", "dev");

    private protected string Storage { get; }

    private protected string Root { get; }

    private protected Workspace Workspace { get; }

    /// <summary>A folder for a cluster's data that the storage can clone.</summary>
    protected abstract string NewPlace(string name);

    [Fact]
    public async Task A_running_cluster_is_branched_and_goes_on_as_if_nothing_had_happened()
    {
        var source = StartServer("source", "log_connections=on");
        await source.AskAsync("create table t (i int); insert into t select generate_series(1, 100); create role app login password 'production'");
        await source.AskAsync("create database app owner app");
        var (process, before) = (ProcessOf(source), Inventory.Take(Root));

        var project = await AdoptAsync(source.Data);
        var branch = await CreateAsync(Dev);

        Assert.Equal((Storage, Major, 1), (project.Storage, project.PostgresMajor, project.Branches));
        Assert.Equal("100", await Sql.AskAsync(await Workspace.Branches.ConnectAsync(Dev, "postgres", "postgres", Never), "select count(*) from t"));
        Assert.NotNull(branch.DataAsOf);
        var main = await Workspace.Branches.GetAsync(Main, Never);
        Assert.Equal((true, BranchStatus.Running, source.Port, source.Data), (main.Adopted, main.Status, main.Port, main.DataDirectory));
        // What the branch writes stays there, and the source's password is nobody's here.
        await Sql.AskAsync(await Workspace.Branches.ConnectAsync(Dev, "postgres", "postgres", Never), "delete from t");
        Assert.Equal("28P01", (await Assert.ThrowsAsync<Npgsql.PostgresException>(() => Sql.AskAsync("127.0.0.1", branch.Port, "app", "app", "production", "select 1"))).SqlState);
        Assert.Equal("100", await source.AskAsync("select count(*) from t"));

        await source.AskAsync("insert into t select generate_series(101, 150)");
        await Workspace.Branches.ResetAsync(new() { Name = Dev }, Never);
        Assert.Equal("150", await Sql.AskAsync(await Workspace.Branches.ConnectAsync(Dev, "postgres", "postgres", Never), "select count(*) from t"));

        // It is not asked for its schema either: a branch of it is.
        var refused = await Assert.ThrowsAsync<PgdException>(() => Workspace.Branches.DiffAsync(new() { Name = Dev }, Never));
        Assert.Equal((ExitCode.Unsafe, "Compare with a branch of it: dotnet pgd branch create prod/base; dotnet pgd branch diff prod/dev prod/base"), (refused.ExitCode, refused.Hint));
        Assert.DoesNotContain(await Workspace.Doctor.CheckAsync(Never), f => f.Severity == Severity.Problem);
        await Workspace.Projects.DeleteAsync("prod", force: true, Never);
        Assert.Equal(process, ProcessOf(source));
        Assert.Equal("150", await source.AskAsync("select count(*) from t"));
        // Only the test itself has ever connected, as a client does that is not pgd.
        Assert.DoesNotContain("[local]", await File.ReadAllTextAsync($"{source.Data}/log.txt"), StringComparison.Ordinal);
        Assert.Empty(Since(before));
    }

    [Fact]
    public async Task A_stopped_cluster_is_branched_and_not_one_byte_of_it_changes()
    {
        var source = StartServer("source");
        await source.AskAsync("create table t (i int); insert into t select generate_series(1, 100)");
        source.Stop();
        var before = Content(source.Data);

        await AdoptAsync(source.Data);
        var branch = await CreateAsync(Dev);

        Assert.Equal(BranchStatus.Stopped, (await Workspace.Branches.GetAsync(Main, Never)).Status);
        Assert.Null(branch.DataAsOf);
        Assert.Equal("100", await Sql.AskAsync(await Workspace.Branches.ConnectAsync(Dev, "postgres", "postgres", Never), "select count(*) from t"));
        await Workspace.Projects.DeleteAsync("prod", force: true, Never);
        Assert.Equal(before, Content(source.Data));
        source.Start();
        Assert.Equal("100", await source.AskAsync("select count(*) from t"));
    }

    [Fact]
    public async Task What_would_start_stop_change_or_enter_it_is_refused()
    {
        var source = StartServer("source");
        await AdoptAsync(source.Data);
        var process = ProcessOf(source);

        foreach (var (what, operation) in new (string, Func<Task>)[]
        {
            ("start", () => Workspace.Branches.StartAsync(Main, Never)),
            ("stop", () => Workspace.Branches.StopAsync(Main, Never)),
            ("restart", () => Workspace.Branches.RestartAsync(Main, Never)),
            ("url", () => Workspace.Branches.ConnectAsync(Main, null, null, Never)),
            ("logs", () => Workspace.Branches.LogAsync(Main, 10, Never)),
            ("delete", () => Workspace.Branches.DeleteAsync(Main, ifExists: false, Never)),
        })
        {
            var error = await Assert.ThrowsAsync<PgdException>(operation);
            Assert.Equal((what, ExitCode.Unsafe), (what, error.ExitCode));
        }

        Assert.Equal(process, ProcessOf(source));
        await Workspace.Projects.DeleteAsync("prod", force: false, Never);
        Assert.Equal("1", await source.AskAsync("select 1"));
    }

    [Fact]
    public async Task A_standby_is_branched_without_its_primary_hearing_of_it()
    {
        using var primary = ScratchServer.Start(Major);
        await primary.AskAsync("create table t (i int); insert into t select generate_series(1, 100)");
        var place = NewPlace("standby");
        var standby = primary.NewStandby(Directory.CreateTempSubdirectory("pgd").FullName is var s ? Passable(s) : "", place, ScratchServer.FreePort());
        _servers.Add(standby);
        await Eventually.TrueAsync(async () => await standby.AskAsync("select to_regclass('t')::text") == "t", "the standby has the table");
        string? walSender = null;
        await Eventually.TrueAsync(async () => (walSender = await primary.AskAsync("select string_agg(pid::text, ' ') from pg_stat_replication where state = 'streaming'")) is not null, "the standby streams");
        var process = ProcessOf(standby);

        await AdoptAsync(standby.Data);
        await CreateAsync(Dev);

        var url = await Workspace.Branches.ConnectAsync(Dev, "postgres", "postgres", Never);
        Assert.Equal("false 100 2", await Sql.AskAsync(url, "select concat_ws(' ', pg_is_in_recovery()::text, (select count(*) from t), (select timeline_id from pg_control_checkpoint()))"));
        await Sql.AskAsync(url, "insert into t values (0)");
        Assert.Equal(walSender, await primary.AskAsync("select string_agg(pid::text, ' ') from pg_stat_replication"));
        Assert.Equal(process, ProcessOf(standby));
        await Workspace.Projects.DeleteAsync("prod", force: true, Never);
    }

    [Fact]
    public async Task A_place_without_a_cluster_or_with_several_is_said_to_be_so()
    {
        var place = NewPlace("empty");
        Directory.CreateDirectory($"{place}/global");
        Assert.Equal(ExitCode.NotFound, (await Assert.ThrowsAsync<PgdException>(() => AdoptAsync(place))).ExitCode);
        Assert.Equal(ExitCode.NotFound, (await Assert.ThrowsAsync<PgdException>(() => AdoptAsync($"{place}/nowhere"))).ExitCode);

        foreach (var name in (string[])["one", "two"])
        {
            Directory.CreateDirectory($"{place}/{name}/global");
            File.WriteAllText($"{place}/{name}/PG_VERSION", "15\n");
            File.WriteAllText($"{place}/{name}/global/pg_control", "");
        }

        var error = await Assert.ThrowsAsync<PgdException>(() => AdoptAsync(place));
        Assert.Equal(ExitCode.Misuse, error.ExitCode);
        Assert.Contains($"{place}/one", error.Message, StringComparison.Ordinal);
        Assert.Contains($"{place}/two", error.Message, StringComparison.Ordinal);
        Assert.Null(Workspace.State.FindProject("prod"));
        Assert.Equal(ExitCode.Misuse, (await Assert.ThrowsAsync<PgdException>(() => Workspace.Projects.CreateAsync(new() { Name = "prod", Adopt = $"{place}/one", PostgresMajor = 17 }, Never))).ExitCode);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        GC.SuppressFinalize(this);
        if (Workspace.State.FindProject("prod") is not null)
            Workspace.Projects.DeleteAsync("prod", force: true, Never).GetAwaiter().GetResult();
        _servers.ForEach(s => s.Dispose());
    }

    private protected ScratchServer StartServer(string name, params IReadOnlyList<string> settings) => StartServer(NewPlace(name), [], settings);

    private protected ScratchServer StartServer(string data, IReadOnlyList<string> initdb, IReadOnlyList<string> settings)
    {
        var server = ScratchServer.StartIn(Major, Passable(Directory.CreateTempSubdirectory("pgd").FullName), data, ScratchServer.FreePort(), initdb, settings);
        _servers.Add(server);
        return server;
    }

    private protected Task<Project> AdoptAsync(string place) => Workspace.Projects.CreateAsync(new() { Name = "prod", Adopt = place }, Never);

    private protected async Task<Branch> CreateAsync(BranchName name) => (await Workspace.Branches.CreateAsync(new() { Name = name }, Never)).Branch;

    private protected IReadOnlyList<string> Since(Inventory before) => [.. Inventory.Difference(before, Inventory.Take(Root)).Where(l => !l.Contains(" locks", StringComparison.Ordinal) && !l.Contains("host.key", StringComparison.Ordinal)
        && !l.StartsWith("+ dataset ", StringComparison.Ordinal) && l is not ("+ folder s" or "+ folder state" or "+ folder volumes" or "+ folder zfs" or "+ file zfs.dataset") && !l.EndsWith("/pgd", StringComparison.Ordinal))];

    private protected static string Passable(string folder)
    {
        File.SetUnixFileMode(folder, LabFolder.Traversable);
        return folder;
    }

    private static string ProcessOf(ScratchServer server) => LabProcess.Server(server.Data) is var process ? string.Create(CultureInfo.InvariantCulture, $"{process.Id} {process.StartTime}") : "";

    private static string Content(string folder) => LabCommand.Run("sh", "-c", $"cd {folder} && find . -printf '%p %m %u %s %T@\\n' | sort && find . -type f -exec md5sum {{}} + | sort");
}

/// <summary>Subvolumes.</summary>
public sealed class AdoptedClustersOnBtrfs() : AdoptedClusters("btrfs", Lab.Current.FileSystem("btrfs").NewRoot(), null)
{
    /// <inheritdoc/>
    protected override string NewPlace(string name)
    {
        var place = $"{Lab.Current.FileSystem("btrfs").NewRoot()}/{name}";
        LabCommand.Run("btrfs", "subvolume", "create", place);
        return place;
    }
}

/// <summary>Plain files, which can be copied only while no server changes them.</summary>
public sealed class AdoptedClustersOnFiles : IDisposable
{
    private readonly Workspace _workspace = new(new HostConfiguration { Root = Lab.Current.FileSystem("xfs").NewRoot(), Runtime = "native", PortRange = Shop.NewPorts(), PostgresBinaries = [Lab.Current.Servers.Folder(15)] }, SilentReporter.Instance);

    [Theory]
    [InlineData("xfs", "reflink")]
    [InlineData("ext4", "copy")]
    public async Task A_stopped_cluster_is_branched_and_a_running_one_refused(string fileSystem, string storage)
    {
        var root = Lab.Current.FileSystem(fileSystem).NewRoot();
        using var source = ScratchServer.StartIn(15, root, $"{root}/data", ScratchServer.FreePort(), []);
        await source.AskAsync("create table t (i int)");
        Assert.Equal(storage, (await _workspace.Projects.CreateAsync(new() { Name = "prod", Adopt = source.Data }, CancellationToken.None)).Storage);
        var dev = BranchName.Of("prod", "dev");

        var error = await Assert.ThrowsAsync<PgdException>(() => _workspace.Branches.CreateAsync(new() { Name = dev }, CancellationToken.None));
        Assert.Equal(ExitCode.Unsafe, error.ExitCode);
        Assert.Contains(source.Data, error.Message, StringComparison.Ordinal);
        Assert.Null(_workspace.State.FindBranch(dev));

        source.Stop();
        await _workspace.Branches.CreateAsync(new() { Name = dev }, CancellationToken.None);
        Assert.Equal("0", await Sql.AskAsync(await _workspace.Branches.ConnectAsync(dev, "postgres", "postgres", CancellationToken.None), "select count(*) from t"));
    }

    /// <inheritdoc/>
    public void Dispose() => _workspace.Projects.DeleteAsync("prod", force: true, CancellationToken.None).GetAwaiter().GetResult();
}

/// <summary>A cluster in a container that somebody else started: its processes have other numbers in there, and its account is no account of this machine.</summary>
public sealed class AdoptedClusterInAContainer
{
    [Fact]
    public async Task It_is_seen_to_run_and_branched_into_containers_of_our_own_and_goes_on()
    {
        var image = Lab.Current.Docker.Image(17);
        var place = $"{Lab.Current.FileSystem("btrfs").NewRoot()}/pgdata";
        LabCommand.Run("btrfs", "subvolume", "create", place);
        var theirs = LabCommand.Run("docker", "run", "--detach", "--env", "POSTGRES_PASSWORD=production", "--volume", $"{place}:/var/lib/postgresql/data", image).Trim();
        try
        {
            string Ask(string sql) => LabCommand.Try("docker", "exec", "--user", "postgres", theirs, "psql", "--no-align", "--tuples-only", "--command", sql) is { Status: 0 } answer ? answer.Output.Trim() : "";
            await Eventually.TrueAsync(() => Ask("select 1") == "1", "the server in the container answers");
            Ask("create table t as select generate_series(1, 100) i");
            var started = Ask("select pg_postmaster_start_time()");
            var root = Lab.Current.FileSystem("btrfs").NewRoot();
            var workspace = new Workspace(new() { Root = root, PortRange = Shop.NewPorts() }, SilentReporter.Instance);

            var project = await workspace.Projects.CreateAsync(new() { Name = "prod", Adopt = place, Image = image, Runtime = "docker" }, CancellationToken.None);
            var (main, dev) = (BranchName.Of("prod", "main"), BranchName.Of("prod", "dev"));
            Assert.Equal(("btrfs", "docker", 17), (project.Storage, project.Runtime, project.PostgresMajor));
            Assert.Equal(BranchStatus.Running, (await workspace.Branches.GetAsync(main, CancellationToken.None)).Status);
            await workspace.Branches.CreateAsync(new() { Name = dev }, CancellationToken.None);
            var url = await workspace.Branches.ConnectAsync(dev, "postgres", "postgres", CancellationToken.None);
            Assert.Equal("100", await Sql.AskAsync(url, "delete from t where i > 100; select count(*) from t"));
            await workspace.Projects.DeleteAsync("prod", force: true, CancellationToken.None);

            Assert.Equal("100", Ask("select count(*) from t"));
            Assert.Equal(started, Ask("select pg_postmaster_start_time()"));
            Assert.Empty(DockerLab.Listing(root));
            LabCommand.Run("docker", "stop", theirs);
            Assert.False(Pgd.Postgres.AdoptedCluster.MayRun(place));
        }
        finally
        {
            LabCommand.Run("docker", "rm", "--force", "--volumes", theirs);
        }
    }
}
