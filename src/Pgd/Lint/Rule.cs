using System.Globalization;
using System.Text.Json.Serialization;
using Pgd.Configuration;

namespace Pgd.Lint;

/// <summary>What a migration should not do to a database that is in use, and what to do instead.</summary>
/// <param name="Id">What it is called in waivers and budgets; never changes.</param>
/// <param name="Level">How bad it is to break it.</param>
/// <param name="Why">What goes wrong in production.</param>
/// <param name="Instead">How the same is had without that.</param>
public sealed record Rule(string Id, FindingLevel Level, string Why, string Instead)
{
    internal static readonly Rule
        VolatileDefault = new("volatile-default", FindingLevel.Error, "Each row gets a value of its own, so the whole table is written anew, and nobody can read it meanwhile.",
            "Add the column without a default, set the default for new rows, fill the old ones in batches, then set NOT NULL by a validated CHECK."),
        TypeChange = new("type-change", FindingLevel.Error, "The new type is stored differently, so the table and all its indexes are written anew, and nobody can read it meanwhile.",
            "Add a column of the new type, write both, fill it in batches, and switch."),
        TableRewrite = new("table-rewrite", FindingLevel.Error, "The whole table is written anew, and nobody can read it meanwhile.", "Find a form that leaves the table where it is; to free space, pg_repack or pg_squeeze."),
        SetNotNull = new("set-not-null", FindingLevel.Warning, "Every row is looked at while nobody can read or write the table.",
            "ALTER TABLE t ADD CONSTRAINT c CHECK (column IS NOT NULL) NOT VALID; then VALIDATE CONSTRAINT c in a transaction of its own; then SET NOT NULL, which sees the constraint; then drop it."),
        IndexNotConcurrent = new("index-not-concurrent", FindingLevel.Error, "Nobody can write to the table until the index is there.", "CREATE INDEX CONCURRENTLY, outside of a transaction."),
        DropIndexNotConcurrent = new("drop-index-not-concurrent", FindingLevel.Warning, "It waits for every query on the table, and every later query waits for it.", "DROP INDEX CONCURRENTLY, outside of a transaction."),
        ReindexNotConcurrent = new("reindex-not-concurrent", FindingLevel.Error, "Nobody can write to the table until the index is there again, nor use it for reading.", "REINDEX … CONCURRENTLY, outside of a transaction."),
        RefreshNotConcurrent = new("refresh-not-concurrent", FindingLevel.Warning, "Nobody can read the view until it is filled.", "REFRESH MATERIALIZED VIEW CONCURRENTLY, which needs a unique index."),
        ForeignKeyValidates = new("foreign-key-validates", FindingLevel.Error, "Every row is looked up while nobody can write to either table.", "ADD CONSTRAINT … FOREIGN KEY … NOT VALID; then VALIDATE CONSTRAINT in a transaction of its own."),
        CheckValidates = new("check-validates", FindingLevel.Warning, "Every row is looked at while nobody can read or write the table.", "ADD CONSTRAINT … CHECK … NOT VALID; then VALIDATE CONSTRAINT in a transaction of its own."),
        UniqueConstraint = new("unique-constraint", FindingLevel.Error, "The index is built while nobody can read or write the table.", "CREATE UNIQUE INDEX CONCURRENTLY; then ADD CONSTRAINT … UNIQUE USING INDEX."),
        DropColumn = new("drop-column", FindingLevel.Warning, "What still runs may name the column, and its data is gone.", "First release what no longer uses it, then drop it."),
        DropTable = new("drop-table", FindingLevel.Warning, "What still runs may use the table, and its data is gone.", "First release what no longer uses it; rename it for a while, then drop it."),
        Rename = new("rename", FindingLevel.Warning, "What still runs knows the old name only.", "Add the new name beside the old (a view, a column kept equal by a trigger), move over, then take the old one away."),
        Truncate = new("truncate", FindingLevel.Warning, "All rows are gone at once, and it waits for every query on the table.", "DELETE in batches, if they are meant to go at all."),
        VacuumFull = new("vacuum-full", FindingLevel.Error, "The table is written anew, and nobody can read it meanwhile.", "VACUUM; to give space back, pg_repack or pg_squeeze."),
        MissingLockTimeout = new("missing-lock-timeout", FindingLevel.Warning, "While it waits for one long query, every later query on the table waits behind it.", "SET lock_timeout = '3s' before it, and try again when it runs out."),
        ManyHeavyLocks = new("many-heavy-locks", FindingLevel.Warning, "The locks on several tables are held together until the last statement is done, and deadlocks with what takes them in another order are likely.", "One table in each transaction."),
        EnumInTransaction = new("enum-in-transaction", FindingLevel.Warning, "The new value cannot be used before the transaction has ended, and in a rollback it stays in the way.", "Add the value in a migration of its own."),
        InvalidIndexLeft = new("invalid-index-left", FindingLevel.Error, "The index takes space and slows writes, and no query uses it.", "DROP INDEX CONCURRENTLY, and make it anew."),
        ConstraintNotValidated = new("constraint-not-validated", FindingLevel.Note, "It holds for new rows only, and the planner does not rely on it.", "ALTER TABLE … VALIDATE CONSTRAINT, in a later transaction.");

    /// <summary>All of them.</summary>
    public static IReadOnlyList<Rule> All { get; } =
    [
        VolatileDefault, TypeChange, TableRewrite, SetNotNull, IndexNotConcurrent, DropIndexNotConcurrent, ReindexNotConcurrent, RefreshNotConcurrent, ForeignKeyValidates, CheckValidates, UniqueConstraint, DropColumn,
        DropTable, Rename, Truncate, VacuumFull, MissingLockTimeout, ManyHeavyLocks, EnumInTransaction, InvalidIndexLeft, ConstraintNotValidated,
    ];

    /// <summary>An id, if there is such a rule.</summary>
    /// <exception cref="PgdException">There is none (<see cref="ExitCode.Misuse"/>).</exception>
    internal static string Parse(string id) => All.Any(r => r.Id == id) ? id
        : throw new PgdException(ExitCode.Misuse, $"there is no rule \"{id}\" to deny",
            Spelling.Nearest(id, [.. All.Select(r => r.Id)]) is { } near ? $"Did you mean \"{near}\"?" : $"The rules are: {string.Join(", ", All.Select(r => r.Id))}.");
}

/// <summary>How much a finding matters.</summary>
public enum FindingLevel
{
    /// <summary>Worth knowing.</summary>
    Note,

    /// <summary>May hurt.</summary>
    Warning,

    /// <summary>Will hurt a large or busy database.</summary>
    Error,
}

/// <summary>A rule that a statement breaks.</summary>
public sealed record LintFinding
{
    /// <summary>The rule's id.</summary>
    public required string Rule { get; init; }

    /// <summary>How much it matters.</summary>
    public required FindingLevel Level { get; init; }

    /// <summary>What was seen, on which table.</summary>
    public required string Message { get; init; }

    /// <summary>What goes wrong in production.</summary>
    public required string Why { get; init; }

    /// <summary>How the same is had without that.</summary>
    public required string Instead { get; init; }

    /// <summary>The statement, as the trace counts them; 0 for the migration as a whole.</summary>
    public required int Statement { get; init; }

    /// <summary>The file that it stands in, if that is known.</summary>
    public string? File { get; init; }

    /// <summary>The line where it begins.</summary>
    public int? Line { get; init; }

    /// <summary>Where that is, in words: file and line, or the statement's number; empty for the migration as a whole.</summary>
    [JsonIgnore]
    public string Place => File is not null ? string.Create(CultureInfo.InvariantCulture, $"{File}:{Line}") : Statement > 0 ? string.Create(CultureInfo.InvariantCulture, $"statement {Statement}") : "";

    /// <summary>Why it may, as a comment in the migration says; null if it may not.</summary>
    public string? WaivedBecause { get; init; }
}
