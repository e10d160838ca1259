namespace Pgd.State;

/// <summary>What is kept of a branch: what could not be asked of the storage or the runtime. One JSON file each.</summary>
internal sealed record BranchRecord
{
    /// <summary>The newest format that this version writes and reads.</summary>
    public const int CurrentFormat = 1;

    public int Format { get; init; } = CurrentFormat;

    public required string Id { get; init; }

    public required string Project { get; init; }

    public required string Name { get; init; }

    public string? Parent { get; init; }

    public required BranchPhase Phase { get; init; }

    /// <summary>The generation that serves.</summary>
    public required int Generation { get; init; }

    /// <summary>The generation that a reset is making; its remains are swept when no one holds the lock.</summary>
    public int? PendingGeneration { get; init; }

    public required int Port { get; init; }

    public required string Host { get; init; }

    /// <summary>What its machine was called when it was made; null in records of earlier versions. It is kept over a new name, by which it could no longer be told from one of another machine.</summary>
    public string? HostName { get; init; }

    /// <summary>Whether its server lets nobody in without TLS.</summary>
    public bool Tls { get; init; }

    /// <summary>Raised by a rotation: every password of the branch derives from it.</summary>
    public int Rotation { get; init; }

    /// <summary>Whether a rotation has begun whose passwords may not be valid yet; it is done again when no one holds the lock.</summary>
    public bool IsRotating { get; init; }

    /// <summary>Whether the user wants the server to run; a stop stays a stop over a reboot.</summary>
    public bool ShouldRun { get; init; } = true;

    /// <summary>Whether it is a cluster that somebody else made and runs: a source to read, and nothing more.</summary>
    public bool IsAdopted { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    public DateTimeOffset? ExpiresAt { get; init; }

    /// <summary>Until when it is not deleted and its data not replaced; null where it may be.</summary>
    public DateTimeOffset? ProtectedUntil { get; init; }

    /// <summary>Why, as the one who protected it says.</summary>
    public string? ProtectedFor { get; init; }

    /// <summary>How many sessions there had been when somebody last looked, and since when that number has not changed; null before.</summary>
    public Idleness? Idle { get; init; }

    public DateTimeOffset? DataAsOf { get; init; }

    public string? DataLsn { get; init; }

    /// <summary>The snapshot that this generation was made from, as <c>BRANCH@ID</c>; null if from its parent as that was.</summary>
    public string? Snapshot { get; init; }

    /// <summary>The moment in its parent's past that this generation shows; null if none was asked for.</summary>
    public RecoveryTarget? Target { get; init; }

    public DateTimeOffset? LastTransactionAt { get; init; }

    /// <summary>What its source does toward others and this generation does not, in words.</summary>
    public IReadOnlyList<string> Severed { get; init; } = [];

    /// <summary>The source's roles that may log in, as patterns; without any, the bootstrap superuser and the owners of databases.</summary>
    public IReadOnlyList<string> Roles { get; init; } = [];

    /// <summary>Whether it is there to be branched alone: settled once, stopped cleanly, never opened.</summary>
    public bool IsGolden { get; init; }

    /// <summary>The lease that it was made under; as long as that is there, it is somebody's to take away.</summary>
    public string? Lease { get; init; }

    /// <summary>Whether its server does not wait for the disk.</summary>
    public bool IsVolatile { get; init; }

    public PullRequestKey? PullRequest { get; init; }

    public IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>();

    /// <summary>Digest of the anonymization that this generation's data went through.</summary>
    public string? AnonymizationDigest { get; init; }

    /// <summary>Migration files that ran on this generation, when no ledger table keeps them.</summary>
    public IReadOnlyList<AppliedMigration> Applied { get; init; } = [];

    /// <summary>The project's name from which its passwords derive; null for its present one. A rename changes no password.</summary>
    public string? PasswordsOf { get; init; }

    /// <summary>The full name that it is getting: until a record of that says that it came from here, this one is true.</summary>
    public string? RenamingTo { get; init; }

    /// <summary>The full name that it had, of which not everything is removed yet.</summary>
    public string? RenamedFrom { get; init; }

    public BranchName FullName => BranchName.Of(Project, Name);

    public BranchName? ParentName => Parent is null ? null : BranchName.Of(Project, Parent);
}

/// <summary>Since when nobody has used a branch.</summary>
/// <param name="Since">Since then, as far as was looked.</param>
/// <param name="Sessions">How many sessions its server had counted.</param>
internal sealed record Idleness(DateTimeOffset Since, long Sessions);

/// <summary>A migration file that ran on a branch.</summary>
internal sealed record AppliedMigration(string Path, string Sha256);

/// <summary>How far an operation came; anything but <see cref="Ready"/> without a lock holder is left over from a killed one.</summary>
internal enum BranchPhase
{
    Creating,
    Ready,
    Deleting,
}

/// <summary>What is kept of a project.</summary>
internal sealed record ProjectRecord
{
    public int Format { get; init; } = BranchRecord.CurrentFormat;

    public required string Name { get; init; }

    public required string Storage { get; init; }

    public required string Runtime { get; init; }

    public required int PostgresMajor { get; init; }

    /// <summary>The image that its servers run; null where they run programs of this machine.</summary>
    public ServerImage? Image { get; init; }

    /// <summary>The addresses of the network without a way out that its branches are in; null where they are in the machine's or the engine's own.</summary>
    public string? Subnet { get; init; }

    /// <summary>The bootstrap superuser's real name.</summary>
    public required string Superuser { get; init; }

    public required int FirstPort { get; init; }

    public required int LastPort { get; init; }

    /// <summary>The server that its data comes from, as a connection string without anything secret; null where it comes from none.</summary>
    public string? Source { get; init; }

    /// <summary>Whether its first branch is a standby of that, and not a copy.</summary>
    public bool IsFollower { get; init; }

    /// <summary>The name of the subscription by which its first branch follows that, and of what was made for it there; null if it does not do so.</summary>
    public string? Subscription { get; init; }

    /// <summary>How far back the archived log of its first branch is to reach; null where that log is not archived.</summary>
    public TimeSpan? PointInTime { get; init; }

    /// <summary>Whether somebody said that its log is not to be kept: then the timer does not turn that on either.</summary>
    public bool IsPointInTimeOff { get; init; }

    /// <summary>Whether archiving is being turned on or off, and the server may not know yet; it is done again when no one holds the lock.</summary>
    public bool IsSwitchingArchive { get; init; }

    /// <summary>When its users were first told what branches of it do as it does; null before its first branch.</summary>
    public DateTimeOffset? InspectedAt { get; init; }

    /// <summary>The name that it is getting: until a record of that says that it came from here, this one is true.</summary>
    public string? RenamingTo { get; init; }

    /// <summary>The name that it had, or the full name of the branch that it was, of which not everything is removed yet.</summary>
    public string? RenamedFrom { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }
}

/// <summary>The image of a project's servers.</summary>
/// <param name="Reference">What it was asked for by.</param>
/// <param name="Id">The digest of its content, which is what runs: a tag may come to mean another one.</param>
/// <param name="Libc"><c>glibc</c> or <c>musl</c>: they sort text differently, so data of the one must not be served by the other.</param>
/// <param name="UserId">The account that it gives to a server.</param>
/// <param name="GroupId">That account's group.</param>
/// <param name="Libraries">The folder of its servers' libraries; null if it is not known.</param>
internal sealed record ServerImage(string Reference, string Id, string Libc, uint UserId, uint GroupId, string? Libraries);
