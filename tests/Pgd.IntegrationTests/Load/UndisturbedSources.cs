using System.Diagnostics;
using System.Globalization;
using Npgsql;
using Pgd.IntegrationTests.Branches;
using Xunit;

namespace Pgd.IntegrationTests;

/// <summary>
/// A source that archives, publishes to a subscriber and waits for it with each commit, under load of pgbench: its branches are whole, and none of that is disturbed.
/// </summary>
public sealed class UndisturbedSources : IDisposable
{
    private const int Major = 15, AliveAtOnce = 10;
    private static readonly int Branches = Soak.IsOn ? 100 : 10;
    private static readonly string[] Settings = ["wal_level = logical", "archive_mode = on", "max_replication_slots = 20", "max_wal_senders = 20"];
    private readonly ToolRoot _root = new("btrfs");
    private readonly string _archive = Directory.CreateTempSubdirectory("pgd-archive-").FullName;
    private readonly List<ScratchServer> _servers = [];

    private string ArchiveCommand => $"test ! -f {_archive}/%f && cp %p {_archive}/%f";

    /// <inheritdoc/>
    public void Dispose()
    {
        _root.Dispose();
        foreach (var server in _servers)
            server.Dispose();
        Directory.Delete(_archive, recursive: true);
    }

    [Fact]
    public async Task Branches_under_load_have_every_acknowledged_commit_and_disturb_neither_archiver_nor_subscriber_nor_synchronous_commits()
    {
        await _root.MakeProjectAsync();
        foreach (var setting in Settings)
            await _root.SqlAsync(ToolRoot.Main, $"alter system set {setting}");
        await _root.SqlAsync(ToolRoot.Main, $"alter system set archive_command = '{ArchiveCommand}'");
        await _root.Workspace.Branches.RestartAsync(ToolRoot.Main, default);
        await ProveAsync(await _root.ConnectionStringAsync(ToolRoot.Main));
    }

    [Fact]
    public async Task The_same_is_true_of_a_cluster_that_was_adopted()
    {
        var data = $"{Lab.Current.FileSystem("btrfs").NewRoot()}/data";
        LabCommand.Run("btrfs", "subvolume", "create", data);
        var folder = Directory.CreateTempSubdirectory("pgd").FullName;
        File.SetUnixFileMode(folder, LabFolder.Traversable);
        var source = ScratchServer.StartIn(Major, folder, data, ScratchServer.FreePort(), [], [.. Settings, $"archive_command = '{ArchiveCommand}'", "log_connections = on"]);
        _servers.Add(source);
        await source.AskAsync("create database shop");
        var process = File.ReadLines($"{data}/postmaster.pid").First();
        await _root.Workspace.Projects.CreateAsync(new() { Name = ToolRoot.Project, Adopt = data }, default);

        await ProveAsync(new NpgsqlConnectionStringBuilder { Host = "127.0.0.1", Port = source.Port, Username = "postgres", Database = "shop", Pooling = false }.ConnectionString);

        Assert.Equal(process, File.ReadLines($"{data}/postmaster.pid").First());
        Assert.DoesNotContain("[local]", await File.ReadAllTextAsync($"{data}/log.txt"), StringComparison.Ordinal);
    }

    private async Task ProveAsync(string source)
    {
        LabCommand.Run("chown", "postgres", _archive);
        using var pgbench = await PgbenchAsync(source);
        try
        {
            await ProveAsync(source, pgbench);
        }
        finally
        {
            pgbench.Kill();
        }
    }

    private async Task ProveAsync(string source, Process pgbench)
    {
        await AskAsync(source, "create extension amcheck");
        await using var load = await WriteLoad.StartAsync(source, writers: 2, seed: 15);
        var subscriber = await SubscribeAsync(source);

        var alive = new Queue<BranchName>();
        for (var number = 1; number <= Branches; number++)
        {
            var before = load.Acknowledged;
            await Until.TrueAsync(() => load.Acknowledged[0] > before[0] && load.Acknowledged[1] > before[1], "the load goes on");
            var acknowledged = load.Acknowledged;
            var branch = await _root.MakeAsync($"b{number}");
            await CheckAsync(branch.Name, acknowledged);
            alive.Enqueue(branch.Name);
            if (alive.Count > AliveAtOnce)
                await _root.Workspace.Branches.DeleteAsync(alive.Dequeue(), ifExists: false, default);
            await load.StillRunsAsync();
            Assert.False(pgbench.HasExited, "pgbench has ended");
        }

        // Each commit still waits for the subscriber, and for nobody else.
        Assert.Equal("watcher sync", await AskAsync(source, "select string_agg(application_name || ' ' || sync_state, ',') from pg_stat_replication"));
        Assert.Equal("watcher", await AskAsync(source, "select string_agg(slot_name, ',') from pg_replication_slots"));
        pgbench.Kill();
        await load.StopAsync();
        await Until.TrueAsync(() => AskAsync(source, "select count(*) from events").Result == subscriber.AskAsync("select count(*) from events").Result, "the subscriber has everything");
        await CheckArchiveAsync(source);
    }

    private async Task CheckAsync(BranchName name, long[] acknowledged)
    {
        var address = await _root.ConnectionStringAsync(name);
        for (var writer = 0; writer < acknowledged.Length; writer++)
        {
            var highest = long.Parse((await AskAsync(address, $"select coalesce(max(number), 0) from events where writer = {writer}"))!, CultureInfo.InvariantCulture);
            Assert.True(highest >= acknowledged[writer], $"{name}: {acknowledged[writer]} was acknowledged, and the branch ends with {highest}");
            Assert.Equal(highest.ToString(CultureInfo.InvariantCulture), await AskAsync(address, $"select count(*) from events where writer = {writer}"));
        }

        // Each transaction of pgbench adds the same amount in four places.
        Assert.Equal("1", await AskAsync(address,
            """
            select count(distinct sum) from (select sum(abalance) from pgbench_accounts union all select sum(bbalance) from pgbench_branches
                                             union all select sum(tbalance) from pgbench_tellers union all select coalesce(sum(delta), 0) from pgbench_history) s
            """));
        await AskAsync(address, "select count(bt_index_check(c.oid, true)) from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am a on a.oid = c.relam where a.amname = 'btree' and i.indisvalid and c.relpersistence = 'p'");
        // It lives: a segment of its own, which its source's archive must never see.
        await AskAsync(address, "insert into events values (99, 1, 'of the branch'); select pg_switch_wal()");
    }

    private async Task<ScratchServer> SubscribeAsync(string source)
    {
        var builder = new NpgsqlConnectionStringBuilder(source);
        var subscriber = ScratchServer.Start(Major);
        _servers.Add(subscriber);
        await AskAsync(source, "create publication news for table events");
        await subscriber.AskAsync("create table events (writer int, number bigint, note text, primary key (writer, number))");
        await subscriber.AskAsync($"create subscription watcher connection 'host={builder.Host} port={builder.Port} user={builder.Username} dbname={builder.Database} password={builder.Password ?? "none"}' publication news");
        await Until.TrueAsync(() => subscriber.AskAsync("select string_agg(srsubstate::text, '') from pg_subscription_rel").Result == "r", "the subscriber has caught up");
        await AskAsync(source, "alter system set synchronous_standby_names = 'watcher'");
        await AskAsync(source, "select pg_reload_conf()");
        await Until.TrueAsync(() => AskAsync(source, "select sync_state from pg_stat_replication where application_name = 'watcher'").Result == "sync", "commits wait for the subscriber");
        return subscriber;
    }

    private async Task CheckArchiveAsync(string source)
    {
        var last = (await AskAsync(source, "select pg_walfile_name(pg_switch_wal())"))!;
        await Until.TrueAsync(() => File.Exists($"{_archive}/{last}"), $"the source has archived {last}");
        Assert.Equal("0", await AskAsync(source, "select failed_count from pg_stat_archiver"));
        var segments = Directory.EnumerateFiles(_archive).Select(Path.GetFileName).Where(f => f!.Length == 24).Order(StringComparer.Ordinal).ToList();
        // As many as from the first to the last: none is missing, and none of a branch's is among them, which would have failed the source's own.
        Assert.Equal(1 + Number(segments[^1]!) - Number(segments[0]!), segments.Count);

        static int Number(string segment) => (int)((long.Parse(segment[8..16], NumberStyles.HexNumber, CultureInfo.InvariantCulture) << 8) + long.Parse(segment[16..], NumberStyles.HexNumber, CultureInfo.InvariantCulture));
    }

    private static async Task<Process> PgbenchAsync(string source)
    {
        var builder = new NpgsqlConnectionStringBuilder(source);
        var program = Path.Combine(Lab.Current.Servers.Folder(Major), "pgbench");
        Lab.Require(File.Exists(program), "the load is that of pgbench");
        using (var initialize = Start("--initialize", "--scale=1", "--quiet"))
            await initialize.WaitForExitAsync();
        // All of its log is kept until the end.
        return Start("--client=2", "--time=3600", "--rate=100", "--no-vacuum");

        Process Start(params IReadOnlyList<string> arguments)
        {
            var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
            (start.Environment["PGHOST"], start.Environment["PGPORT"], start.Environment["PGUSER"]) = (builder.Host, builder.Port.ToString(CultureInfo.InvariantCulture), builder.Username);
            (start.Environment["PGDATABASE"], start.Environment["PGPASSWORD"]) = (builder.Database, builder.Password);
            var process = Process.Start(start)!;
            process.OutputDataReceived += static (_, _) => { };
            process.ErrorDataReceived += static (_, _) => { };
            process.BeginOutputReadLine();
            process.BeginErrorReadLine();
            return process;
        }
    }

    private static async Task<string?> AskAsync(string address, string sql)
    {
        await using var connection = new NpgsqlConnection(address);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 120 };
        return (await command.ExecuteScalarAsync())?.ToString();
    }
}
