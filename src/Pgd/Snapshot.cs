namespace Pgd;

/// <summary>A read-only point of a branch: branches are made from it, and reset to it, for as long as it is kept.</summary>
public sealed record Snapshot
{
    /// <summary>The full name: <c>project/branch@label</c>, with the identity in place of a label where there is none.</summary>
    public required string Name { get; init; }

    /// <summary>The branch that it was taken of.</summary>
    public required BranchName Branch { get; init; }

    /// <summary>The identity: 12 hexadecimal digits.</summary>
    public required string Id { get; init; }

    /// <summary>The label, unique among the branch's snapshots; null if it was given none.</summary>
    public string? Label { get; init; }

    /// <summary>Whether it can be used now.</summary>
    public required SnapshotStatus Status { get; init; }

    /// <summary>When it was taken.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>The moment that it shows, by the clock of its branch's server; null if that did not run.</summary>
    public DateTimeOffset? DataAsOf { get; init; }

    /// <summary>The end of the write-ahead log in it.</summary>
    public string? Lsn { get; init; }

    /// <summary>The branch's generation that it was taken of.</summary>
    public required int Generation { get; init; }

    /// <summary>Whether the timer took it; only such are removed by the timer.</summary>
    public bool Scheduled { get; init; }

    /// <summary>Whether its data went through an anonymization.</summary>
    public bool Anonymized { get; init; }

    /// <summary>Until when it is not deleted; null if nothing protects it now, the greatest value for as long as nobody lifts it.</summary>
    public DateTimeOffset? ProtectedUntil { get; init; }

    /// <summary>Why it is protected, if that was said.</summary>
    public string? ProtectedFor { get; init; }

    /// <summary>The branches whose present data was made from it: it stays as long as they do.</summary>
    public required IReadOnlyList<BranchName> UsedBy { get; init; }

    /// <summary>The folder that holds its files.</summary>
    public required string Directory { get; init; }
}

/// <summary>Whether a snapshot can be used.</summary>
public enum SnapshotStatus
{
    /// <summary>It is whole.</summary>
    Ready,

    /// <summary>It is being taken, or an operation that was killed left it half made.</summary>
    Creating,

    /// <summary>It is being deleted, or an operation that was killed left it half deleted.</summary>
    Deleting,
}

/// <summary>Which snapshot to take.</summary>
public sealed record SnapshotCreate
{
    /// <summary>The branch.</summary>
    public required BranchName Branch { get; init; }

    /// <summary>A label to find it by; null for none.</summary>
    public string? Label { get; init; }

    /// <summary>Never issue a checkpoint on the branch first.</summary>
    public bool Fast { get; init; }

    /// <summary>How the copy of a running server is made consistent.</summary>
    public Consistency Consistency { get; init; }

    /// <summary>Whether the timer takes it; then it goes by the rules for such.</summary>
    public bool Scheduled { get; init; }

    /// <summary>Whether it goes with the last branch that is made from it, the first of which is made under this lease.</summary>
    internal Lease? UntilUnused { get; init; }
}
