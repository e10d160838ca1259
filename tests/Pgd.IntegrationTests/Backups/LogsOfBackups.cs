using System.Text.Json.Nodes;
using Pgd.Backups;
using Pgd.IntegrationTests.Branches;
using Pgd.IntegrationTests.GitHub;
using Xunit;

namespace Pgd.IntegrationTests.Backups;

/// <summary>From a backup to any moment after it, by the write-ahead log in the repository alone.</summary>
public sealed class LogsOfBackups : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();
    private ToolRoot _root = null!;

    private string Repository => Path.Combine(_folder.Path, "repository");

    /// <inheritdoc/>
    public async ValueTask InitializeAsync()
    {
        _root = await ToolRoot.WithUsedProjectAsync("reflink");
        _root.Succeed("project", "set", "shop", "--pitr", "7d");
        await SucceedAsync("backup", "init");
        await _root.SqlAsync(ToolRoot.Main, "create table steps (n int primary key, at timestamptz default clock_timestamp())");
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _root.Dispose();
        _folder.Dispose();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task A_backup_and_the_log_beside_it_show_any_moment_after_it_and_what_is_not_there_is_refused_before_anything_is_made()
    {
        var backup = $"{JsonNode.Parse(await SucceedAsync("backup", "create", "shop/main", "--json"))!["id"]}";
        var moments = new List<(string Time, string Lsn)>();
        for (var n = 1; n <= 3; n++)
        {
            await _root.SqlAsync(ToolRoot.Main, $"insert into steps values ({n})");
            var told = (await _root.SqlAsync(ToolRoot.Main, "select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') || ' ' || pg_current_wal_insert_lsn()"))!.Split(' ');
            moments.Add((told[0], told[1]));
        }

        await ArchiveAsync();
        var pushed = JsonNode.Parse(await SucceedAsync("wal", "push", "shop/main", "--json"))!;
        Assert.True(pushed["pushed"]!.AsArray().Count > 0, pushed.ToString());
        Assert.Empty(JsonNode.Parse(await SucceedAsync("wal", "push", "shop/main", "--json"))!["pushed"]!.AsArray());

        // What the machine itself has of the past is of no use to it.
        foreach (var file in Directory.GetFiles(_root.Workspace.Layout.Archive(ToolRoot.Main)).Where(file => Path.GetFileName(file)[0] != '.'))
            File.Delete(file);
        await SucceedAsync("backup", "restore", backup, "--at", moments[0].Time, "--to-branch", "shop/first");
        Assert.Equal("1", await _root.SqlAsync(ToolRoot.Branch("first"), "select max(n) from steps"));
        await SucceedAsync("backup", "restore", backup, "--at-lsn", moments[1].Lsn, "--to-branch", "shop/second");
        Assert.Equal("2", await _root.SqlAsync(ToolRoot.Branch("second"), "select max(n) from steps"));
        await SucceedAsync("backup", "restore", backup, "--table", "steps", "--rename-to", "steps_then", "--at", moments[0].Time, "--to-branch", "shop/second");
        Assert.Equal("1/2", await _root.SqlAsync(ToolRoot.Branch("second"), "select (select max(n) from steps_then) || '/' || (select max(n) from steps)"));

        var before = await SucceedAsync("branch", "list", "shop", "--json");
        foreach (var (arguments, expected) in ((string[], string)[])[(["--at", "2020-01-01T00:00:00Z"], "is before"), (["--at-lsn", "7F/0"], "cannot be reached"), (["--at-xid", "4000000"], "wal push shop/main")])
        {
            var refused = await RunAsync(["backup", "restore", backup, .. arguments, "--to-branch", "shop/never"]);
            Assert.True(refused.Status == 4 && refused.Error.Contains(expected, StringComparison.Ordinal), refused.ToString());
        }

        Assert.Equal(before, await SucceedAsync("branch", "list", "shop", "--json"));
        // A log with a hole leads up to the hole.
        await _root.SqlAsync(ToolRoot.Main, "insert into steps values (4)");
        await ArchiveAsync();
        await _root.SqlAsync(ToolRoot.Main, "insert into steps values (5)");
        var after = (await _root.SqlAsync(ToolRoot.Main, "select pg_current_wal_insert_lsn()::text"))!;
        await ArchiveAsync();
        var parts = JsonNode.Parse(await SucceedAsync("wal", "push", "shop/main", "--json"))!["pushed"]!.AsArray().Select(name => $"{name}").Order(StringComparer.Ordinal).ToList();
        File.Delete(Directory.EnumerateFiles(Repository, parts[0], SearchOption.AllDirectories).Single());
        var hole = await RunAsync(["backup", "restore", backup, "--at-lsn", after, "--to-branch", "shop/never"]);
        Assert.True(hole.Status == 4 && hole.Error.Contains("ends at", StringComparison.Ordinal), hole.ToString());
        Assert.Empty(Directory.GetFileSystemEntries(_root.Workspace.Layout.Volumes, ".wal-*"));
    }

    [Fact]
    public async Task A_prune_keeps_each_moment_of_its_window_and_the_log_before_that_goes_and_does_not_come_back()
    {
        async Task<string> BackUpAsync() => $"{JsonNode.Parse(await SucceedAsync("backup", "create", "shop/main", "--json"))!["id"]}";
        async Task<string> StepAsync(int n)
        {
            await _root.SqlAsync(ToolRoot.Main, $"insert into steps values ({n})");
            var told = (await _root.SqlAsync(ToolRoot.Main, "select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"))!;
            await ArchiveAsync();
            return told;
        }

        var old = await BackUpAsync();
        await StepAsync(1);
        await StepAsync(2);
        await SucceedAsync("wal", "push", "shop/main");
        var first = await BackUpAsync();
        var moment = await StepAsync(3);
        await StepAsync(4);
        await SucceedAsync("wal", "push", "shop/main");
        await Task.Delay(TimeSpan.FromSeconds(1.1));
        var last = await BackUpAsync();
        var before = Parts();

        Assert.Equal(2, (await RunAsync("backup", "prune")).Status);
        Assert.Equal(2, (await RunAsync("backup", "prune", "--recovery-window", "0")).Status);
        // So long that nothing is older.
        var all = JsonNode.Parse(await SucceedAsync("backup", "prune", "--recovery-window", "14d", "--json"))!;
        Assert.Equal(3, all["kept"]!.AsArray().Count);
        Assert.Equal(before.Count, (int)all["logs"]![0]!["kept"]! + (int)all["logs"]![0]!["deleted"]!);
        before = Parts();
        var age = DateTimeOffset.UtcNow - DateTimeOffset.Parse(moment, System.Globalization.CultureInfo.InvariantCulture);
        var window = $"{(int)age.TotalSeconds}s";
        var told = await SucceedAsync("backup", "prune", "--recovery-window", window, "--dry-run");
        Assert.Matches($"(?s)Would delete {old}.*Kept {first}: the last [0-9ms]+ begin with it.*Kept {last}: it is of the last [0-9ms]+.*Would delete [0-9]+ parts? \\(.*Kept [0-9]+ parts? .*: {first} needs all from ", told);
        Assert.Equal(before, Parts());

        var pruned = JsonNode.Parse(await SucceedAsync("backup", "prune", "--recovery-window", window, "--json"))!;

        Assert.Equal([old], pruned["deleted"]!.AsArray().Select(id => $"{id}"));
        Assert.Equal(before.Skip((int)pruned["logs"]![0]!["deleted"]!), Parts());
        Assert.True((int)pruned["logs"]![0]!["deleted"]! >= 2, pruned.ToString());
        var newest = Path.GetFileName(before[^1]);
        Assert.All(JsonNode.Parse(await SucceedAsync("wal", "push", "shop/main", "--json"))!["pushed"]!.AsArray(), part => Assert.True(string.CompareOrdinal($"{part}", newest) > 0, $"{part} came back"));
        await SucceedAsync("backup", "restore", first, "--at", moment, "--to-branch", "shop/then");
        Assert.Equal("3", await _root.SqlAsync(ToolRoot.Branch("then"), "select max(n) from steps"));

        List<string> Parts() => [.. Directory.GetFiles(Repository, "*", SearchOption.AllDirectories).Where(file => file.Contains("/wal/", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];
    }

    private async Task ArchiveAsync()
    {
        var part = (await _root.SqlAsync(ToolRoot.Main, "select pg_walfile_name(pg_switch_wal())"))!;
        var folder = _root.Workspace.Layout.Archive(ToolRoot.Main);
        await Until.TrueAsync(() => Directory.GetFiles(folder, part + "*").Length > 0, $"{part} in the archive");
    }

    private Task<ToolResult> RunAsync(params string[] arguments) => _root.InProcessWithAsync(new() { ["PGD_BACKUP_REPOSITORY"] = Repository }, arguments);

    private async Task<string> SucceedAsync(params string[] arguments)
    {
        var result = await RunAsync(arguments);
        Assert.True(result.Status == 0, $"dotnet pgd {string.Join(' ', arguments)}: {result}");
        return result.Output;
    }
}
