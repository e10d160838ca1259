namespace Pgd;

/// <summary>A branch as it is now: what its record says, and what its storage and runtime answered.</summary>
public sealed record Branch
{
    /// <summary>The full name.</summary>
    public required BranchName Name { get; init; }

    /// <summary>The identity, which never changes and is never used again: 12 hexadecimal digits.</summary>
    public required string Id { get; init; }

    /// <summary>The branch that it was made from; null for a project's first.</summary>
    public BranchName? Parent { get; init; }

    /// <summary>Whether it can be used now.</summary>
    public required BranchStatus Status { get; init; }

    /// <summary>The address that clients connect to.</summary>
    public required string Host { get; init; }

    /// <summary>The machine that it lives on, by the name that it had when the branch was made.</summary>
    public string? HostName { get; init; }

    /// <summary>The TCP port; the same for the branch's whole life.</summary>
    public required int Port { get; init; }

    /// <summary>Whether it is reached by TLS alone; then its connections carry <c>sslmode=verify-full</c> and <c>sslrootcert</c>.</summary>
    public bool Tls { get; init; }

    /// <summary>How often the branch has been reset, from 1.</summary>
    public required int Generation { get; init; }

    /// <summary>The storage's name, for example <c>btrfs</c>.</summary>
    public required string Storage { get; init; }

    /// <summary>The runtime's name, for example <c>native</c>.</summary>
    public required string Runtime { get; init; }

    /// <summary>PostgreSQL's major version.</summary>
    public required int PostgresMajor { get; init; }

    /// <summary>When the branch was made.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>
    /// From when this generation's data is: by its parent's clock when it was taken; in a project whose data comes from another server, by that server's clock when it came from there. Null where that is
    /// not known, as for the first branch of other projects.
    /// </summary>
    public DateTimeOffset? DataAsOf { get; init; }

    /// <summary>The parent's write-ahead log position when this generation's data was taken.</summary>
    public string? DataLsn { get; init; }

    /// <summary>The server that it follows as a standby, without a password: then nobody writes to it, and nobody but the administrator connects. Null for all others.</summary>
    public string? Follows { get; init; }

    /// <summary>The snapshot that this generation's data was made from, by its full name; null if from its parent as that was.</summary>
    public string? Snapshot { get; init; }

    /// <summary>The moment in the past of its parent that its data shows, as it was asked for; null if none was.</summary>
    public string? RecoveredTo { get; init; }

    /// <summary>For such a moment, the last transaction that had been committed by then, by its parent's clock; null if that is not known.</summary>
    public DateTimeOffset? LastTransactionAt { get; init; }

    /// <summary>What its source does toward others and the branch does not, in words: archiving, subscriptions, … Empty where there is nothing.</summary>
    public IReadOnlyList<string> Severed { get; init; } = [];

    /// <summary>
    /// The source's roles that may log in, as names with <c>*</c> and <c>?</c>, beside the bootstrap superuser and the owners of databases, who always may.
    /// </summary>
    public IReadOnlyList<string> Roles { get; init; } = [];

    /// <summary>Whether it is there to be branched alone: settled once, stopped cleanly, never opened.</summary>
    public bool Golden { get; init; }

    /// <summary>Whether its data, or that of a branch that it comes from, went through an anonymization.</summary>
    public bool Anonymized { get; init; }

    /// <summary>When the branch may be swept; null for never.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }

    /// <summary>Since when nobody has connected, as far as <see cref="Lifetimes.CollectAsync"/> looked; null if somebody has, or nobody looked.</summary>
    public DateTimeOffset? IdleSince { get; init; }

    /// <summary>Until when it is neither deleted nor reset; null if nothing protects it now, the greatest value for as long as nobody lifts it.</summary>
    public DateTimeOffset? ProtectedUntil { get; init; }

    /// <summary>Why it is protected, if that was said.</summary>
    public string? ProtectedFor { get; init; }

    /// <summary>The pull request that the branch belongs to, if it is a preview.</summary>
    public PullRequestKey? PullRequest { get; init; }

    /// <summary>Labels given by the user.</summary>
    public required IReadOnlyDictionary<string, string> Labels { get; init; }

    /// <summary>The folder that holds the branch's files.</summary>
    public required string Directory { get; init; }

    /// <summary>PostgreSQL's data directory.</summary>
    public required string DataDirectory { get; init; }

    /// <summary>What it takes, where the storage can tell; null elsewhere.</summary>
    public BranchSpace? Space { get; init; }

    /// <summary>Whether it is a cluster that somebody else made and runs; then pgd only reads it, and the port is that of its server, 0 if unknown.</summary>
    public bool Adopted { get; init; }
}

/// <summary>What a branch takes of its storage, in bytes.</summary>
public sealed record BranchSpace
{
    /// <summary>What would be free if it went.</summary>
    public required long Used { get; init; }

    /// <summary>Of that, what only snapshots still hold: branches were made from it.</summary>
    public required long Pinned { get; init; }

    /// <summary>What has been written to it since it was made.</summary>
    public required long Written { get; init; }

    /// <summary>All of its data, shared with others or not.</summary>
    public required long Referenced { get; init; }

    /// <summary>The same as its server sees it, before compression.</summary>
    public required long Logical { get; init; }
}

/// <summary>Whether a branch can be used.</summary>
public enum BranchStatus
{
    /// <summary>Its server answers.</summary>
    Running,

    /// <summary>Its server does not run; <c>start</c> brings it back.</summary>
    Stopped,

    /// <summary>It is being made, or an operation that was killed left it half made.</summary>
    Creating,

    /// <summary>It is being deleted, or an operation that was killed left it half deleted.</summary>
    Deleting,
}

/// <summary>Which pull request a preview belongs to, and from which run.</summary>
public sealed record PullRequestKey
{
    /// <summary>The code host's number for the repository: it survives a rename.</summary>
    public required long RepositoryId { get; init; }

    /// <summary>The repository as <c>owner/name</c>.</summary>
    public required string Repository { get; init; }

    /// <summary>The pull request's number.</summary>
    public required int Number { get; init; }

    /// <summary>The commit at its head when the branch was last made or reset.</summary>
    public string? HeadSha { get; init; }

    /// <summary>Where the run can be seen.</summary>
    public string? RunUrl { get; init; }

    /// <summary>The latest time, by the code host's clock, at which it is known to have been open; null if nobody said. A closing from before that is no longer true.</summary>
    public DateTimeOffset? OpenAt { get; init; }
}

/// <summary>A PostgreSQL lineage: its first branch and what all of its branches share.</summary>
public sealed record Project
{
    /// <summary>The name.</summary>
    public required string Name { get; init; }

    /// <summary>The storage's name.</summary>
    public required string Storage { get; init; }

    /// <summary>The runtime's name.</summary>
    public required string Runtime { get; init; }

    /// <summary><c>internal</c> where its branches are in a network that leads nowhere but to this machine; null elsewhere.</summary>
    public string? Network { get; init; }

    /// <summary>PostgreSQL's major version.</summary>
    public required int PostgresMajor { get; init; }

    /// <summary>How far back the archived log of its first branch is to reach, as <c>--pitr</c> said; null where that log is not archived.</summary>
    public TimeSpan? PointInTime { get; init; }

    /// <summary>The server that its data comes from, without a password; null where it comes from none.</summary>
    public string? From { get; init; }

    /// <summary>How its first branch follows that; null where it is a copy, or comes from none.</summary>
    public FollowMode? Follow { get; init; }

    /// <summary>The ports that its branches get.</summary>
    public required PortRange Ports { get; init; }

    /// <summary>When it was made.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>How many branches it has, the first one included.</summary>
    public required int Branches { get; init; }

    /// <summary>The settings that the configuration gives to its servers, from their next start on.</summary>
    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string>();
}

/// <summary>An inclusive range of TCP ports.</summary>
public readonly record struct PortRange(int First, int Last)
{
    /// <summary>Where branches go unless told otherwise: below Linux's ephemeral ports.</summary>
    public static PortRange Default { get; } = new(21000, 21999);

    /// <summary>Reads <c>21000-21999</c>.</summary>
    /// <exception cref="PgdException">The text is not a range of ports between 1024 and 65535 (<see cref="ExitCode.Misuse"/>).</exception>
    public static PortRange Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var parts = text.Split('-');
        return parts.Length == 2 && int.TryParse(parts[0], out var first) && int.TryParse(parts[1], out var last)
            && first is >= 1024 and <= 65535 && last >= first && last <= 65535
            ? new(first, last)
            : throw new PgdException(ExitCode.Misuse, $"\"{text}\" is not a range of ports", "Write it as FIRST-LAST between 1024 and 65535, for example 21000-21999.");
    }

    /// <inheritdoc/>
    public override string ToString() => $"{First}-{Last}";
}
