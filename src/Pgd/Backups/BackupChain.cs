namespace Pgd.Backups;

/// <summary>What a backup holds by itself.</summary>
public enum BackupKind
{
    /// <summary>All of it.</summary>
    Full,

    /// <summary>What changed since the last full one.</summary>
    Differential,

    /// <summary>What changed since the last one of any kind.</summary>
    Incremental,
}

/// <summary>Which kind of backup is made, and when it is a full one in spite of that: a chain without an end takes ever longer to restore, and is lost with any of its links.</summary>
public sealed record ChainRule
{
    /// <summary>How many backups a chain has at most unless something else is said.</summary>
    public const int DefaultLength = 30;

    /// <summary>A full backup.</summary>
    public static ChainRule Full { get; } = new();

    /// <summary>What is made, as long as there is something to build on.</summary>
    public BackupKind Kind { get; init; }

    /// <summary>The age of a full backup at which the next one is full again; null for any.</summary>
    public TimeSpan? FullEvery { get; init; }

    /// <summary>How many backups a chain has at most, with the full one.</summary>
    public int Length { get; init; } = DefaultLength;

    /// <summary>The column by which rows of a database say when they were changed; null for those of PostgreSQL that say it by themselves.</summary>
    public ChangedBy? ChangedBy { get; init; }
}

/// <summary>What a new backup builds on; nothing if it has to be full, for a reason if something else was asked for.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Chain">What it builds on, the full one first; empty for a full one.</param>
/// <param name="Reason">Why it is full although something else was asked for.</param>
internal sealed record BackupBase(BackupKind Kind, IReadOnlyList<StoredBackup> Chain, string? Reason)
{
    /// <summary>The one that it builds on directly.</summary>
    public StoredBackup? Parent => Chain.Count == 0 ? null : Chain[^1];

    /// <summary>A full backup after all.</summary>
    public static BackupBase None(string? reason) => new(BackupKind.Full, [], reason);
}
