using Pgd.Libpq;

namespace Pgd;

/// <summary>What a new project should be.</summary>
public sealed record ProjectCreate
{
    /// <summary>The name.</summary>
    public required string Name { get; init; }

    /// <summary>PostgreSQL's major version; null for the newest on this machine.</summary>
    public int? PostgresMajor { get; init; }

    /// <summary>A storage's name or <c>auto</c>; null for what the configuration says.</summary>
    public string? Storage { get; init; }

    /// <summary>For ZFS the pool, or a dataset in it; null for what the configuration says, or the only pool.</summary>
    public string? Pool { get; init; }

    /// <summary>A data directory, or the dataset that it is in, of a cluster that exists already: it becomes <c>main</c>, and is only ever read.</summary>
    public string? Adopt { get; init; }

    /// <summary>The bootstrap superuser of an adopted cluster; null for <c>postgres</c>.</summary>
    public string? Superuser { get; init; }

    /// <summary>A runtime's name or <c>auto</c>; null for what the configuration says.</summary>
    public string? Runtime { get; init; }

    /// <summary>The image whose PostgreSQL its servers run, for the runtime <c>docker</c>; null for one of the version.</summary>
    public string? Image { get; init; }

    /// <summary>
    /// <c>internal</c> for a network of its branches' own that leads nowhere but to this machine, <c>bridge</c> for the engine's default one; null
    /// for what the configuration says. For the runtime <c>docker</c>.
    /// </summary>
    public string? Network { get; init; }

    /// <summary>The ports of its branches; null for what the configuration says.</summary>
    public PortRange? Ports { get; init; }

    /// <summary>A dump to fill it with: a file made by pg_dump or pg_dumpall (plain, custom, tar, directory), or <c>-</c> for <see cref="Input"/>.</summary>
    public string? FromDump { get; init; }

    /// <summary>The database of another server that it becomes a copy of: as it is at one moment, with its name, its owner and the roles that something belongs to. Null for none.</summary>
    public ConnectionUrl? From { get; init; }

    /// <summary>Whether <c>main</c> does not become a copy of <see cref="From"/>'s database, but goes on getting what is written there, as a standby of its whole server or as a subscriber of the database; null for a copy.</summary>
    public FollowMode? Follow { get; init; }

    /// <summary>What <c>-</c> reads.</summary>
    public Stream? Input { get; init; }

    /// <summary>How far back the log of <c>main</c> is to reach, which is archived for that; null or <see cref="TimeSpan.Zero"/> for no archive.</summary>
    public TimeSpan? PointInTime { get; init; }
}

/// <summary>How a project's first branch follows another server.</summary>
public enum FollowMode
{
    /// <summary>As a hot standby, by PostgreSQL's streaming replication.</summary>
    Physical,

    /// <summary>One of its databases, by logical replication: a primary of the same version or a newer one.</summary>
    Logical,
}

/// <summary>How to bring the first branch of a project up to date with where its data comes from.</summary>
public sealed record ProjectRefresh
{
    /// <summary>The name.</summary>
    public required string Name { get; init; }

    /// <summary>The password for where its data comes from; null for the one that libpq would find, or a standby already has.</summary>
    public string? Password { get; init; }
}

/// <summary>What to change of a project; what is null stays.</summary>
public sealed record ProjectSet
{
    /// <summary>The name.</summary>
    public required string Name { get; init; }

    /// <summary>The password by which a <c>main</c> that is a standby is let in where it streams from, from now on.</summary>
    public string? Password { get; init; }

    /// <summary>How far back the log of <c>main</c> is to reach, which is archived for that; <see cref="TimeSpan.Zero"/> ends that.</summary>
    public TimeSpan? PointInTime { get; init; }
}

/// <summary>What a new branch should be.</summary>
public sealed record BranchCreate
{
    /// <summary>The full name.</summary>
    public required BranchName Name { get; init; }

    /// <summary>The branch to take the data from, inside the same project; null for <c>main</c>.</summary>
    public string? From { get; init; }

    /// <summary>A snapshot of <see cref="From"/>, by its label, its identity or the beginning of that; null for the branch as it is now.</summary>
    public string? Snapshot { get; init; }

    /// <summary>A moment in the past of <see cref="From"/>; null for now.</summary>
    public RecoveryTarget? Target { get; init; }

    /// <summary>Whether an existing branch is fine: it is then started when it is stopped, and its expiry is moved.</summary>
    public bool Ensure { get; init; }

    /// <summary>How long the branch lives; null for what the configuration says, <see cref="TimeSpan.Zero"/> for ever.</summary>
    public TimeSpan? TimeToLive { get; init; }

    /// <summary>Never issue a checkpoint on the source first: the source is touched less, the branch's start may take longer.</summary>
    public bool Fast { get; init; }

    /// <summary>How the copy of a running source is made consistent.</summary>
    public Consistency Consistency { get; init; }

    /// <summary>Labels to keep with the branch.</summary>
    public IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>();

    /// <summary>The pull request that it belongs to.</summary>
    public PullRequestKey? PullRequest { get; init; }

    /// <summary>What to run before anyone can connect.</summary>
    public Anonymization? Anonymization { get; init; }

    /// <summary>The address to publish the branch on; null for what the configuration says (<c>auto</c> by default).</summary>
    public string? Host { get; init; }

    /// <summary>
    /// The source's roles that may log in, as names with <c>*</c> and <c>?</c>, beside the bootstrap superuser and the owners of databases, who always
    /// may. Null for none, and for an existing branch those that it has.
    /// </summary>
    public IReadOnlyList<string>? Roles { get; init; }

    /// <summary>
    /// Whether it is there to be branched alone: it is settled and anonymized once, stopped cleanly and never opened, so that its branches start without a
    /// recovery and with their unlogged tables. It lives for ever unless <see cref="TimeToLive"/> says otherwise.
    /// </summary>
    public bool Golden { get; init; }

    /// <summary>Whether nothing in it has to survive a crash of the machine: then its server does not wait for the disk.</summary>
    public bool Volatile { get; init; }

    /// <summary>A backup to take the data from instead of a branch.</summary>
    internal (Backups.BackupRepository Repository, IReadOnlyList<Backups.StoredBackup> Chain)? Backup { get; init; }

    /// <summary>How to go on from there; null to stay.</summary>
    internal Recovery.RecoveryPlan? Plan { get; init; }

    /// <summary>What this process means to take away again, also if it is killed; null for a branch that stays.</summary>
    public Lease? Lease { get; init; }

    /// <summary>
    /// Whether its server lets nobody in without TLS, and its connections verify it by the certificate authority of this root; null for what the
    /// configuration says.
    /// </summary>
    public bool? Tls { get; init; }
}

/// <summary>A branch that is made once for a key, prepared by the caller, stopped, and then branched any number of times.</summary>
public sealed record BranchPrepare
{
    /// <summary>The project.</summary>
    public required string Project { get; init; }

    /// <summary>What its name begins with.</summary>
    public required string Name { get; init; }

    /// <summary>Everything that it depends on, as a text: with another one there is another branch.</summary>
    public required string Key { get; init; }

    /// <summary>How old it may be; then it is made anew, and the old one goes when nothing that was made from it is left.</summary>
    public required TimeSpan Age { get; init; }

    /// <summary>The branch to take the data from; null for <c>main</c>.</summary>
    public string? From { get; init; }

    /// <summary>A snapshot of <see cref="From"/>; null for the branch as it is now.</summary>
    public string? Snapshot { get; init; }

    /// <summary>What to run before anyone can connect.</summary>
    public Anonymization? Anonymization { get; init; }

    /// <summary>The source's roles that may log in; null for the bootstrap superuser and the owners of databases.</summary>
    public IReadOnlyList<string>? Roles { get; init; }
}

/// <summary>SQL files that run over the administrative socket while no one else can connect. If one fails, the branch is not made.</summary>
public sealed record Anonymization
{
    /// <summary>The files, in order.</summary>
    public required IReadOnlyList<string> Files { get; init; }

    /// <summary>The database to run them in; null for the branch's only one.</summary>
    public string? Database { get; init; }
}

/// <summary>How the copy of a running source is made consistent.</summary>
public enum Consistency
{
    /// <summary>An atomic snapshot where the storage has one, a backup bracket elsewhere.</summary>
    Auto,

    /// <summary>A backup bracket (<c>pg_backup_start</c>) in any case.</summary>
    Backup,

    /// <summary>Neither; refused for a running source on a storage that is not atomic.</summary>
    None,
}

/// <summary>What <see cref="Branches.CreateAsync"/> did.</summary>
/// <param name="Branch">The branch.</param>
/// <param name="Created">False if it was there already.</param>
public sealed record BranchCreated(Branch Branch, bool Created);
