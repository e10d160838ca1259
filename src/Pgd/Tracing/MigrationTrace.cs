using System.Text.Json.Serialization;
using Pgd.Migrations;

namespace Pgd.Tracing;

/// <summary>What a migration did to a database while it ran.</summary>
public sealed record MigrationTrace
{
    /// <summary>The database that was watched.</summary>
    public required string Database { get; init; }

    /// <summary>When watching began.</summary>
    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>Wall time from the first statement's begin to the last one's end.</summary>
    public required TimeSpan Duration { get; init; }

    /// <summary>What was executed, in order.</summary>
    public required IReadOnlyList<TracedStatement> Statements { get; init; }

    /// <summary>The locks on tables and indexes that were there before; of each transaction and table the strongest.</summary>
    public required IReadOnlyList<TracedLock> Locks { get; init; }

    /// <summary>The tables that came, went, grew or shrank.</summary>
    public required IReadOnlyList<TracedTable> Tables { get; init; }

    /// <summary>Indexes that are there now and that the server does not use, as a failed <c>CREATE INDEX CONCURRENTLY</c> leaves them.</summary>
    public required IReadOnlyList<string> InvalidIndexes { get; init; }

    /// <summary>Constraints that are there now and hold for new rows only.</summary>
    public required IReadOnlyList<string> UnvalidatedConstraints { get; init; }

    /// <summary>The write-ahead log that was written meanwhile, in bytes: what a replica or an archive has to take.</summary>
    public required long WalBytes { get; init; }

    /// <summary>The temporary files that were written, in bytes.</summary>
    public long TemporaryBytes => Statements.Sum(s => s.TemporaryBytes);

    /// <summary>What could not be watched, in words. Empty in almost all cases.</summary>
    public required IReadOnlyList<string> Gaps { get; init; }

    /// <summary>The longest time between two looks at the locks: of a command that changes no schema, one that was held for less may be missing.</summary>
    public required TimeSpan LongestUnwatched { get; init; }

    /// <summary>The longest time for which a lock was held that kept readers or writers out.</summary>
    public TimeSpan LongestBlocking => WorstLock?.Held ?? TimeSpan.Zero;

    /// <summary>The lock that kept readers or writers out for the longest time; null if none did.</summary>
    [JsonIgnore]
    public TracedLock? WorstLock => Locks.Where(l => l.HoldsUp).MaxBy(l => l.Held);

    /// <summary>Of each statement, by its number, the strongest lock that it took; of equal ones that on a table.</summary>
    public IReadOnlyDictionary<int, TracedLock> StrongestLocks() =>
        Locks.GroupBy(l => l.Statement).ToDictionary(g => g.Key, g => g.OrderByDescending(l => l.Mode).ThenBy(l => l.Kind).First());

    /// <summary>The same of some of the statements alone, counted anew, with the locks of their transactions.</summary>
    internal MigrationTrace With(IReadOnlyList<TracedStatement> kept)
    {
        var start = kept.Count > 0 ? kept.Min(s => s.Start) : TimeSpan.Zero;
        var (numbers, transactions) = (new Dictionary<int, int>(), new Dictionary<int, int>());
        foreach (var statement in kept)
        {
            numbers[statement.Number] = numbers.Count + 1;
            transactions.TryAdd(statement.Transaction, transactions.Count + 1);
        }

        return this with
        {
            StartedAt = StartedAt + start,
            Duration = kept.Count > 0 ? kept.Max(s => s.Start + s.Duration) - start : TimeSpan.Zero,
            Statements = [.. kept.Select(s => s with { Number = numbers[s.Number], Transaction = transactions[s.Transaction], Start = s.Start - start })],
            Locks = [.. Locks.Where(l => transactions.ContainsKey(l.Transaction)).Select(l => l with { Statement = numbers.GetValueOrDefault(l.Statement), Transaction = transactions[l.Transaction], Start = l.Start - start })],
        };
    }
}

/// <summary>A statement that was executed.</summary>
public sealed record TracedStatement
{
    /// <summary>Its place, from 1.</summary>
    public required int Number { get; init; }

    /// <summary>Its beginning, passwords left out.</summary>
    public required string Text { get; init; }

    /// <summary>The file that it stands in, if that is known.</summary>
    public string? File { get; init; }

    /// <summary>The line where it begins, from 1.</summary>
    public int? Line { get; init; }

    /// <summary>The server process that executed it.</summary>
    public required int Process { get; init; }

    /// <summary>What the session said that it was: its <c>application_name</c>.</summary>
    public string Application { get; init; } = "";

    /// <summary>The transaction that it was a part of, counted from 1.</summary>
    public required int Transaction { get; init; }

    /// <summary>When it began, counted from <see cref="MigrationTrace.StartedAt"/>.</summary>
    public required TimeSpan Start { get; init; }

    /// <summary>How long it took.</summary>
    public required TimeSpan Duration { get; init; }

    /// <summary>The tables and indexes that it had written anew.</summary>
    public IReadOnlyList<Rewrite> Rewrites { get; init; } = [];

    /// <summary>How many rows it inserted, updated, deleted or returned; null where that was not told: of a statement that took less than 10 ms, or that has no plan, and where the server has no <c>auto_explain</c>.</summary>
    public long? Rows { get; init; }

    /// <summary>The write-ahead log that it wrote, in bytes.</summary>
    public required long WalBytes { get; init; }

    /// <summary>Whether <see cref="WalBytes"/> was taken from how far the log was at about its begin and end.</summary>
    public required bool WalIsApproximate { get; init; }

    /// <summary>The temporary files that it wrote, in bytes.</summary>
    public long TemporaryBytes { get; init; }

    /// <summary>For how long it would have waited for a lock; zero for ever; null where that was not seen.</summary>
    public TimeSpan? LockTimeout { get; init; }

    /// <summary>Why it failed.</summary>
    public MigrationError? Error { get; init; }

    /// <summary>The tables and indexes that were there before and that it locked or named.</summary>
    public IReadOnlyList<string> Relations { get; init; } = [];

    /// <summary>The commands inside it that changed the schema, as the server names them, with what they changed.</summary>
    [JsonIgnore]
    internal IReadOnlyList<TraceNote> Notes { get; init; } = [];

    /// <summary>It, taken apart, and at its full length.</summary>
    [JsonIgnore]
    internal IReadOnlyList<SqlStatement> Parts { get; init; } = [];
}

/// <summary>A table or index that was written anew, which takes as long as it is large and keeps others out meanwhile.</summary>
/// <param name="Relation">Its name.</param>
/// <param name="Kind">What it is.</param>
/// <param name="Bytes">Its size afterwards, in bytes; with what is stored beside it, for a table.</param>
public sealed record Rewrite(string Relation, RelationKind Kind, long Bytes);

/// <summary>What can be locked.</summary>
public enum RelationKind
{
    /// <summary>A table, also a partition, or a partitioned one.</summary>
    Table,

    /// <summary>An index.</summary>
    Index,

    /// <summary>A materialized view.</summary>
    MaterializedView,

    /// <summary>A view.</summary>
    View,

    /// <summary>A sequence.</summary>
    Sequence,
}

/// <summary>A lock that a transaction had on a table or index.</summary>
public sealed record TracedLock
{
    /// <summary>The table's or index's name, as it was before.</summary>
    public required string Relation { get; init; }

    /// <summary>What it is.</summary>
    public required RelationKind Kind { get; init; }

    /// <summary>The strength.</summary>
    public required LockMode Mode { get; init; }

    /// <summary>What others had to wait with.</summary>
    public Blocks Blocks => Mode.Blocks();

    /// <summary>Whether readers or writers were among them.</summary>
    [JsonIgnore]
    public bool HoldsUp => (Blocks & (Blocks.Reads | Blocks.Writes)) != 0;

    /// <summary>The transaction, as <see cref="TracedStatement.Transaction"/> counts them.</summary>
    public required int Transaction { get; init; }

    /// <summary>The statement that took it: <see cref="TracedStatement.Number"/>; 0 if that is unknown.</summary>
    public required int Statement { get; init; }

    /// <summary>When it was had, counted from <see cref="MigrationTrace.StartedAt"/>.</summary>
    public required TimeSpan Start { get; init; }

    /// <summary>From then to the end of its transaction.</summary>
    public required TimeSpan Held { get; init; }

    /// <summary>How long it was waited for.</summary>
    public required TimeSpan Waited { get; init; }
}

/// <summary>What became of a table.</summary>
/// <param name="Name">Its name: the one that it has now, unless it is gone.</param>
/// <param name="BytesBefore">Its size before, indexes and all, in bytes; null if it is new.</param>
/// <param name="BytesAfter">Its size afterwards; null if it is gone.</param>
/// <param name="Rows">About how many rows the server thinks that it has; null if it does not know.</param>
/// <param name="DeadRows">How many rows more than before are dead and wait for <c>VACUUM</c>.</param>
public sealed record TracedTable(string Name, long? BytesBefore, long? BytesAfter, long? Rows, long DeadRows);
