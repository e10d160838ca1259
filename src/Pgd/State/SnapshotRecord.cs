namespace Pgd.State;

/// <summary>What is kept of a snapshot: a volume on which no server ever runs.</summary>
internal sealed record SnapshotRecord
{
    public int Format { get; init; } = BranchRecord.CurrentFormat;

    public required string Id { get; init; }

    public required string Project { get; init; }

    public required string Branch { get; init; }

    /// <summary>The identity of the branch that it was taken of: a later one of that name is another branch.</summary>
    public required string BranchId { get; init; }

    /// <summary>The branch's generation that it was taken of: the write-ahead log of another one does not continue it.</summary>
    public required int Generation { get; init; }

    public string? Label { get; init; }

    public required BranchPhase Phase { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    public DateTimeOffset? DataAsOf { get; init; }

    /// <summary>By this machine's clock, when it was complete: what was committed later is not in it. Null while it is being made.</summary>
    public DateTimeOffset? CompleteAt { get; init; }

    /// <summary>The end of its write-ahead log; null while it is being made.</summary>
    public string? Lsn { get; init; }

    /// <summary>Whether its source was a standby, so that what is made from it has to be promoted.</summary>
    public bool IsRecovering { get; init; }

    public int Slots { get; init; }

    public bool IsAdopted { get; init; }

    /// <summary>Whether the timer took it: only such go by themselves.</summary>
    public bool IsScheduled { get; init; }

    /// <summary>Whether it goes with the last branch that was made from it: nobody asked for it by itself.</summary>
    public bool IsUntilUnused { get; init; }

    /// <summary>The lease that it was taken under: nothing may be made from it yet.</summary>
    public string? Lease { get; init; }

    public bool IsAnonymized { get; init; }

    public string? AnonymizationDigest { get; init; }

    public IReadOnlyList<AppliedMigration> Applied { get; init; } = [];

    public DateTimeOffset? ProtectedUntil { get; init; }

    public string? ProtectedFor { get; init; }

    public BranchName BranchName => BranchName.Of(Project, Branch);

    /// <summary>How a branch's record names it.</summary>
    public string Key => $"{Branch}@{Id}";

    /// <summary>As a user names it: by its label if it has one.</summary>
    public string FullName => $"{Project}/{Branch}@{Label ?? Id}";

    /// <summary>Whether a branch's log, as it is written now, leads on from it.</summary>
    public bool IsContinuedBy(BranchRecord branch) => Phase == BranchPhase.Ready && BranchId == branch.Id && Generation == branch.Generation && Lsn is not null;

    public Storage.VolumeKey VolumeKey => new(Project, Branch, Id, Generation) { IsSnapshot = true };
}
