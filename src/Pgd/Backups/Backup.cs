using System.Text.Json.Serialization;

namespace Pgd.Backups;

/// <summary>How a backup holds its data.</summary>
public enum BackupMode
{
    /// <summary>The files of a whole cluster.</summary>
    Physical,

    /// <summary>The definitions and rows of a database, or of some of its tables.</summary>
    Logical,
}

/// <summary>Whether a backup can be restored, as far as is known.</summary>
public enum BackupStatus
{
    /// <summary>It was completed.</summary>
    Complete,

    /// <summary>Somebody is at it.</summary>
    Running,

    /// <summary>Whoever was at it ended before it was complete: nothing can be restored from it, and a prune removes it.</summary>
    Incomplete,

    /// <summary>Its manifest is damaged or was changed: nothing is restored from it.</summary>
    Damaged,
}

/// <summary>A backup in a repository.</summary>
public sealed record Backup
{
    /// <summary>Its identity in the repository.</summary>
    public required string Id { get; init; }

    /// <summary>Whether it can be restored.</summary>
    public required BackupStatus Status { get; init; }

    /// <summary>Why not.</summary>
    public string? Problem { get; init; }

    /// <summary>Whether only its name and size are known, because all else is read with the private key.</summary>
    public bool IsSealed { get; init; }

    /// <summary>The branch, or the server and database without secrets, that it was made of; null where that cannot be read.</summary>
    public string? Source { get; init; }

    /// <summary>How it holds its data.</summary>
    public BackupMode Mode { get; init; }

    /// <summary>What it holds by itself.</summary>
    public BackupKind Kind { get; init; }

    /// <summary>The backup that it builds on, and cannot be restored without; null for a full one.</summary>
    public string? Parent { get; init; }

    /// <summary>Why it is full, if something else was asked for.</summary>
    public string? FullBecause { get; init; }

    /// <summary>The database of a logical one.</summary>
    public string? Database { get; init; }

    /// <summary>Whether a logical one has only some of the tables.</summary>
    public bool IsPartial { get; init; }

    /// <summary>How many tables a logical one has.</summary>
    public int? Tables { get; init; }

    /// <summary>How many rows a logical one has.</summary>
    public long? Rows { get; init; }

    /// <summary>What the chosen tables need and it does not have.</summary>
    public IReadOnlyList<string> LeftOut { get; init; } = [];

    /// <summary>The database, if it is not PostgreSQL: <c>mariadb</c>, also for MySQL.</summary>
    public string? Engine { get; init; }

    /// <summary>PostgreSQL's major version.</summary>
    public int? PostgresMajor { get; init; }

    /// <summary>When it was begun.</summary>
    public DateTimeOffset? CreatedAt { get; init; }

    /// <summary>When it was complete; null if it is not, or if an older version made it.</summary>
    public DateTimeOffset? CompletedAt { get; init; }

    /// <summary>The source's clock when its data was taken.</summary>
    public DateTimeOffset? DataAsOf { get; init; }

    /// <summary>The end of its write-ahead log.</summary>
    public string? Lsn { get; init; }

    /// <summary>The bytes of its files.</summary>
    public long Bytes { get; init; }

    /// <summary>The bytes that it takes in the repository.</summary>
    public long StoredBytes { get; init; }

    /// <summary>Whether its source was a standby, or in the middle of a recovery.</summary>
    public bool IsOfStandby { get; init; }

    /// <summary>Whether its data went through an anonymization.</summary>
    public bool Anonymized { get; init; }

    /// <summary>When somebody last proved it, how, and what came of it; null if nobody did.</summary>
    public BackupVerification? Verified { get; init; }

    /// <summary>Since when no prune deletes it, and why; null if one may.</summary>
    public BackupPin? Pinned { get; init; }
}

/// <summary>What a verification found. Kept in the repository, beside the backup.</summary>
/// <param name="Level">How much was looked at.</param>
/// <param name="At">When it ended, by the clock of the machine that did it.</param>
/// <param name="Problems">What is wrong; empty if nothing is.</param>
public sealed record BackupVerification(VerificationLevel Level, DateTimeOffset At, IReadOnlyList<string> Problems)
{
    /// <summary>Of how many tables every row was compared with what was backed up, in a logical backup that was restored; null where that was not done.</summary>
    public int? TablesCompared { get; init; }

    /// <summary>Of how many tables the rows were only counted: some of them changed since the backup that this one builds on, so that none has a digest of them all; or an older version made it.</summary>
    public int? TablesCounted { get; init; }
}

/// <summary>How much of a backup is looked at; each level includes those before it.</summary>
public enum VerificationLevel
{
    /// <summary>Each object is there and has its length.</summary>
    Objects,

    /// <summary>Each byte is read and compared with its digest.</summary>
    Content,

    /// <summary>It is restored as a branch, which is opened, read with its indexes by <c>branch verify</c>, compared with the rows of a logical one, and deleted.</summary>
    Restore,
}

/// <summary>Which repository.</summary>
public sealed record BackupPlace
{
    /// <summary>A folder, <c>file:///folder</c>, or <c>s3://bucket/prefix?endpoint=…</c>.</summary>
    public required string Repository { get; init; }

    /// <summary>A file with the key of an encrypted one; null where it has none, or a passphrase.</summary>
    public string? KeyFile { get; init; }

    /// <summary>A file with the public key of one that is encrypted with a key pair: by that alone backups are made, and nothing is read. Of no account beside the private one in <see cref="KeyFile"/>.</summary>
    public string? PublicKeyFile { get; init; }

    /// <summary>The passphrase of an encrypted one.</summary>
    [JsonIgnore]
    public string? Passphrase { get; init; }

    /// <summary>The variables that a bucket's credentials are in.</summary>
    [JsonIgnore]
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>Nothing: what is wrong with an address may be a secret in the wrong place.</summary>
    public override string ToString() => nameof(BackupPlace);
}

/// <summary>Where a backup is restored to.</summary>
public sealed record BackupRestore
{
    /// <summary>The repository.</summary>
    public required BackupPlace Place { get; init; }

    /// <summary>The backup's identity, the beginning of it, or <c>latest</c>.</summary>
    public required string Id { get; init; }

    /// <summary>A branch to make of it: in a project of the same version. Either this, <see cref="Folder"/> or <see cref="Server"/>.</summary>
    public BranchName? Branch { get; init; }

    /// <summary>An empty database for a logical one.</summary>
    public Queries.QuerySource? Server { get; init; }

    /// <summary>Whether all of a logical one belongs to the connecting role, instead of to those to whom it belonged.</summary>
    public bool WithoutOwners { get; init; }

    /// <summary>An empty folder, or one that is not there yet, to become a data directory.</summary>
    public string? Folder { get; init; }

    /// <summary>A moment after the backup, to which the write-ahead log in the repository leads; null for the backup's own.</summary>
    public RecoveryTarget? Target { get; init; }

    /// <summary>Only this table, or those that match: <c>orders</c>, <c>sales.orders</c>, with <c>*</c> and <c>?</c>. It goes into the branch, which is there already, or the server.</summary>
    public string? Table { get; init; }

    /// <summary>What it is called there; its indexes and sequences accordingly, and without what binds it to other tables.</summary>
    public string? RenameTo { get; init; }

    /// <summary>The database of a physical one that has the table; null for the only one.</summary>
    public string? Database { get; init; }

    /// <summary>In which project the branch is made that a table comes out of; null for that of the branch, or of the backup's source.</summary>
    public string? Project { get; init; }

    /// <summary>The time to live of the branch.</summary>
    public TimeSpan? TimeToLive { get; init; }
}

/// <summary>What a restore made.</summary>
/// <param name="Backup">The backup.</param>
/// <param name="Branch">The branch, if one was made.</param>
/// <param name="Folder">The folder, if one was filled.</param>
/// <param name="Server">The database, if one was filled, or the branch that tables were brought into.</param>
public sealed record Restored(Backup Backup, Branch? Branch, string? Folder, string? Server)
{
    /// <summary>The tables, if only some were asked for.</summary>
    public IReadOnlyList<string> Tables { get; init; } = [];

    /// <summary>How many rows they have.</summary>
    public long? Rows { get; init; }
}

/// <summary>Which backups of a repository stay: what either of both keeps, for each series by itself: of a cluster, a database, or certain tables of one, as a backup of one table is none of the others.</summary>
public sealed record BackupPrune
{
    /// <summary>The repository.</summary>
    public required BackupPlace Place { get; init; }

    /// <summary>Rules that count; null for none.</summary>
    public Retention? Keep { get; init; }

    /// <summary>How far back each moment is to be restored: backups of that time stay, and the last one before it.</summary>
    public TimeSpan? RecoveryWindow { get; init; }

    /// <summary>Only of this project or branch; null for all.</summary>
    public string? Source { get; init; }

    /// <summary>Whether it is only told.</summary>
    public bool DryRun { get; init; }
}

/// <summary>What was done to a repository's old backups.</summary>
/// <param name="DryRun">Whether it was only told.</param>
/// <param name="Deleted">Those that are gone, or would be.</param>
/// <param name="Kept">Those that stay, and why.</param>
public sealed record BackupsPruned(bool DryRun, IReadOnlyList<string> Deleted, IReadOnlyList<BackupKept> Kept)
{
    /// <summary>What became of the write-ahead logs of branches.</summary>
    public IReadOnlyList<LogPruned> Logs { get; init; } = [];
}

/// <summary>What became of a branch's write-ahead log in a repository.</summary>
/// <param name="Source">The branch.</param>
/// <param name="Deleted">How many of its parts are gone, or would be: no backup that stays needs them.</param>
/// <param name="DeletedBytes">The bytes that they took.</param>
/// <param name="Kept">How many stay.</param>
/// <param name="KeptBytes">The bytes that these take.</param>
/// <param name="Reason">Why they stay; null if none does.</param>
public sealed record LogPruned(string Source, int Deleted, long DeletedBytes, int Kept, long KeptBytes, string? Reason);

/// <summary>A backup that stays.</summary>
/// <param name="Id">Its identity.</param>
/// <param name="Reason">Why.</param>
public sealed record BackupKept(string Id, string Reason);
