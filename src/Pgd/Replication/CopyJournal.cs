using Pgd.Libpq;
using Pgd.Postgres;

namespace Pgd.Replication;

/// <summary>What of a copy is done already. It is written into the target itself, in the same transaction as what is done: after whatever end, what it names is there, and what it does not name is not.</summary>
internal sealed class CopyJournal
{
    /// <summary>What the steps begin with that copy the rows of a table.</summary>
    public const string Rows = "rows ";

    private readonly HashSet<string> _done;
    private readonly Lock _lock = new();

    private CopyJournal(HashSet<string> done) => (_done, WasBegun) = (done, done.Count > 0);

    /// <summary>Whether an earlier run did something.</summary>
    public bool WasBegun { get; }

    /// <summary>Reads what earlier runs did.</summary>
    public static async Task<CopyJournal> ReadAsync(ScriptConnection target, CancellationToken cancellationToken) =>
        new((await target.QueryAsync($"select step from {ReplicaRecord.Schema}.done", cancellationToken).ConfigureAwait(false)).Select(row => row[0]!).ToHashSet(StringComparer.Ordinal));

    /// <summary>Whether a step was done, in this run or in an earlier one.</summary>
    public bool IsDone(string step)
    {
        lock (_lock)
            return _done.Contains(step);
    }

    /// <summary>Executes statements in the transaction that is open, writes down the steps that are done with it, and commits.</summary>
    public async Task CommitAsync(ScriptConnection transaction, IEnumerable<string> statements, IReadOnlyList<string> steps, CancellationToken cancellationToken)
    {
        string[] marking = steps.Count == 0 ? [] : [$"insert into {ReplicaRecord.Schema}.done (step) values {string.Join(", ", steps.Select(step => $"({AdminConnection.QuoteLiteral(step)})"))} on conflict do nothing"];
        await transaction.ExecuteAsync([.. statements, .. marking, "commit"], cancellationToken).ConfigureAwait(false);
        lock (_lock)
            _done.UnionWith(steps);
    }

    /// <summary>Takes a step back that turned out to be of no use, in the transaction that is open.</summary>
    public async Task ForgetAsync(ScriptConnection transaction, string step, CancellationToken cancellationToken)
    {
        await transaction.QueryAsync($"delete from {ReplicaRecord.Schema}.done where step = $1", cancellationToken, step).ConfigureAwait(false);
        lock (_lock)
            _done.Remove(step);
    }
}
