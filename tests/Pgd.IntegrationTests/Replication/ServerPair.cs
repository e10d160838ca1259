using System.Globalization;
using Pgd.IntegrationTests.Branches;
using Xunit;

namespace Pgd.IntegrationTests.Replication;

/// <summary>A server with several databases, an empty one beside it, and the commands that bring the one to the other.</summary>
/// <param name="target">The version of the empty one.</param>
/// <param name="settings">What is to be set at the first.</param>
internal sealed class ServerPair(int target = 15, params IReadOnlyList<string> settings) : IDisposable
{
    public ScratchServer Source { get; } = ScratchServer.Start(15, ["wal_level=logical", "max_wal_senders=20", "max_replication_slots=20", "max_prepared_transactions=5", "fsync=off", .. settings]);

    public ScratchServer Target { get; } = ScratchServer.Start(target, "max_logical_replication_workers=20", "max_replication_slots=20", "max_worker_processes=30", "wal_retrieve_retry_interval=100ms", "fsync=off");

    public ToolRoot Root { get; } = new("copy");

    public string SourceUrl(string database) => string.Create(CultureInfo.InvariantCulture, $"postgresql://postgres@127.0.0.1:{Source.Port}/{database}");

    public string TargetUrl => string.Create(CultureInfo.InvariantCulture, $"postgresql://postgres@127.0.0.1:{Target.Port}");

    /// <summary>Makes a database at the source.</summary>
    public async Task MakeAsync(string database, string sql)
    {
        await Source.AskAsync($"create database {database}");
        await AskSourceAsync(database, sql);
    }

    public Task<string?> AskSourceAsync(string database, string sql) => Sql.AskAsync("127.0.0.1", Source.Port, database, "postgres", null, sql);

    public Task<string?> AskTargetAsync(string database, string sql) => Sql.AskAsync("127.0.0.1", Target.Port, database, "postgres", null, sql);

    /// <summary>Waits until the target gives an answer.</summary>
    public Task ArrivesAsync(string database, string sql, string answer) =>
        Until.TrueAsync(() => AskTargetAsync(database, sql).GetAwaiter().GetResult() == answer, $"{sql} is {answer}", seconds: 30);

    /// <summary>Runs a command of replicate in this process, from a database of the source.</summary>
    public Task<ToolResult> RunAsync(string database, string verb, params string[] arguments) => Root.InProcessAsync(["replicate", verb, "--source", SourceUrl(database), "--target", TargetUrl, .. arguments]);

    /// <summary>The same, which has to succeed.</summary>
    public async Task<string> SucceedAsync(string database, string verb, params string[] arguments)
    {
        var result = await RunAsync(database, verb, arguments);
        Assert.True(result.Status == 0, $"replicate {verb} {string.Join(' ', arguments)}: {result}");
        return result.Output;
    }

    /// <summary>The same, which has to be refused with a status, and to say all of this.</summary>
    public async Task RefusedAsync(string database, ExitCode status, string verb, string[] arguments, params string[] told)
    {
        var result = await RunAsync(database, verb, arguments);
        Assert.True(result.Status == (int)status && told.All(text => (result.Error + result.Output).ReplaceLineEndings(" ").Contains(text, StringComparison.Ordinal)), $"replicate {verb} {string.Join(' ', arguments)}: {result}");
    }

    /// <summary>Empties the target, and leaves nothing at the source that was made for it.</summary>
    public async Task EmptyTargetAsync()
    {
        foreach (var database in ((await AskTargetAsync("postgres", "select string_agg(datname, ',') from pg_database where not datistemplate and datname <> 'postgres'")) ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            await SucceedAsync(database, "cleanup");
            await AskTargetAsync("postgres", $"drop database \"{database}\" with (force)");
        }
    }

    public void Dispose()
    {
        Source.Dispose();
        Target.Dispose();
        Root.Dispose();
    }
}
