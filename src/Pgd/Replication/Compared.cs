using Pgd.Schema;

namespace Pgd.Replication;

/// <summary>What a comparison of two servers found.</summary>
public sealed record Compared
{
    /// <summary>Where the data is, without its password.</summary>
    public required string Source { get; init; }

    /// <summary>Where it went, without its password.</summary>
    public required string Target { get; init; }

    /// <summary>The databases, by name.</summary>
    public required IReadOnlyList<ComparedDatabase> Databases { get; init; }

    /// <summary>Whether rows were compared to the last bit, and not by value.</summary>
    public required bool Strict { get; init; }

    /// <summary>How long it took.</summary>
    public required double Seconds { get; init; }

    /// <summary>Whether nothing differs, and nothing is undecided.</summary>
    public bool IsEqual => Databases.All(database => database.IsEqual);
}

/// <summary>A database on both servers.</summary>
public sealed record ComparedDatabase
{
    /// <summary>Its name at the source.</summary>
    public required string Name { get; init; }

    /// <summary>Whether the target has no such database: then there is nothing else to say.</summary>
    public bool IsMissing { get; init; }

    /// <summary>PostgreSQL's version at the source.</summary>
    public int SourceMajor { get; init; }

    /// <summary>PostgreSQL's version at the target.</summary>
    public int TargetMajor { get; init; }

    /// <summary>Whether the target follows the source by a subscription: then what was written meanwhile was waited for.</summary>
    public bool IsFollowing { get; init; }

    /// <summary>The tables that are meant, those that differ first.</summary>
    public IReadOnlyList<ComparedTable> Tables { get; init; } = [];

    /// <summary>Definitions, owners and privileges that differ; what is at the source alone is removed, what is at the target alone is added.</summary>
    public IReadOnlyList<SchemaDifference> Schema { get; init; } = [];

    /// <summary>Sequences of the target that would give out values again.</summary>
    public IReadOnlyList<ComparedSequence> Sequences { get; init; } = [];

    /// <summary>The large objects; null if tables were chosen.</summary>
    public ComparedLargeObjects? LargeObjects { get; init; }

    /// <summary>Roles to which something belongs or was granted at the source, and that the target does not have.</summary>
    public IReadOnlyList<string> MissingRoles { get; init; } = [];

    /// <summary>What is no difference, and worth knowing.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>Whether nothing differs, and nothing is undecided.</summary>
    public bool IsEqual => !IsMissing && Tables.All(table => table.IsEqual) && Schema.Count + Sequences.Count(sequence => !sequence.IsFollowing) + MissingRoles.Count == 0 && LargeObjects is not { IsEqual: false };
}

/// <summary>A table, or a partitioned one as a whole, on both servers.</summary>
public sealed record ComparedTable
{
    /// <summary>Its schema.</summary>
    public required string Schema { get; init; }

    /// <summary>Its name.</summary>
    public required string Name { get; init; }

    /// <summary>How many rows the source has; null if it has no such table.</summary>
    public long? SourceRows { get; init; }

    /// <summary>How many rows the target has; null if it has no such table.</summary>
    public long? TargetRows { get; init; }

    /// <summary>Rows of the source that the target does not have.</summary>
    public int Missing { get; init; }

    /// <summary>Rows of the target that the source does not have.</summary>
    public int Extra { get; init; }

    /// <summary>Rows that both have with other values.</summary>
    public int Different { get; init; }

    /// <summary>Rows that changed again and again until the time was over.</summary>
    public int Undecided { get; init; }

    /// <summary>Whether so many differ that the rest was not looked for.</summary>
    public bool AndMore { get; init; }

    /// <summary>The columns by which rows are told from each other; empty if the table has no key, and rows are missing or extra only.</summary>
    public IReadOnlyList<string> Key { get; init; } = [];

    /// <summary>Some of the rows that differ, as many as were asked for.</summary>
    public IReadOnlyList<RowDifference> Rows { get; init; } = [];

    /// <summary>Whether both have the same rows.</summary>
    public bool IsEqual => SourceRows is not null && TargetRows is not null && Missing + Extra + Different + Undecided == 0 && !AndMore;
}

/// <summary>A row that differs.</summary>
/// <param name="Kind">In which way.</param>
/// <param name="Key">Its key, by column; all of it where the table has no key.</param>
/// <param name="Columns">What differs, of a row that both have.</param>
/// <param name="Times">How often it is missing or extra; more than once only without a key.</param>
public sealed record RowDifference(RowDifferenceKind Kind, IReadOnlyDictionary<string, string?> Key, IReadOnlyList<ColumnDifference> Columns, long Times);

/// <summary>A value that differs.</summary>
/// <param name="Column">The column.</param>
/// <param name="Source">It at the source; null is NULL.</param>
/// <param name="Target">It at the target.</param>
public sealed record ColumnDifference(string Column, string? Source, string? Target);

/// <summary>In which way a row differs.</summary>
public enum RowDifferenceKind
{
    /// <summary>The target does not have it.</summary>
    Missing,

    /// <summary>The source does not have it.</summary>
    Extra,

    /// <summary>It has other values.</summary>
    Different,
}

/// <summary>A sequence whose next value at the target was given out by the source already.</summary>
/// <param name="Name">Its name, with its schema.</param>
/// <param name="Source">The value that it gives out next at the source.</param>
/// <param name="Target">The one at the target; null if it is not there.</param>
/// <param name="IsFollowing">Whether the target follows the source: sequences do not until the cutover, so this is no difference.</param>
public sealed record ComparedSequence(string Name, long Source, long? Target, bool IsFollowing);

/// <summary>The large objects of both servers.</summary>
/// <param name="Count">How many the source has.</param>
/// <param name="Missing">Numbers of those that the target does not have.</param>
/// <param name="Extra">Numbers of those that the source does not have.</param>
/// <param name="Different">Numbers of those with other content.</param>
public sealed record ComparedLargeObjects(int Count, IReadOnlyList<long> Missing, IReadOnlyList<long> Extra, IReadOnlyList<long> Different)
{
    /// <summary>Whether both have the same.</summary>
    public bool IsEqual => Missing.Count + Extra.Count + Different.Count == 0;
}
