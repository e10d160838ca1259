namespace Pgd;

/// <summary>How new the data of a project's first branch is, and whether it goes on getting newer.</summary>
public sealed record Freshness
{
    /// <summary>The project.</summary>
    public required string Project { get; init; }

    /// <summary>The server that its data comes from, without a password; null where it comes from none.</summary>
    public string? From { get; init; }

    /// <summary>How its first branch follows that; null where it is a copy, or comes from none.</summary>
    public FollowMode? Follow { get; init; }

    /// <summary>How that goes; null where it follows nobody.</summary>
    public FollowStatus? Status { get; init; }

    /// <summary>Why, where it does not go well.</summary>
    public string? Reason { get; init; }

    /// <summary>What to type about that.</summary>
    public string? Next { get; init; }

    /// <summary>From when its data is, by the source's clock; null where it comes from no other server, or that is not known.</summary>
    public DateTimeOffset? DataAsOf { get; init; }

    /// <summary>How far the source had written its log when that was last heard of.</summary>
    public string? SourceLsn { get; init; }

    /// <summary>Up to where the log has come.</summary>
    public string? ReceivedLsn { get; init; }

    /// <summary>Up to where the data has it.</summary>
    public string? ReplayedLsn { get; init; }

    /// <summary>How many bytes of the log the data does not have yet; null where it is not known how many there are.</summary>
    public long? LagBytes { get; init; }

    /// <summary>How many seconds older the data is than the source's; 0 where it has all of it. Null where that is not known.</summary>
    public double? LagSeconds { get; init; }
}

/// <summary>How it goes with following another server.</summary>
public enum FollowStatus
{
    /// <summary>What is written there comes as it is written.</summary>
    Streaming,

    /// <summary>It goes on as soon as it can; nothing is lost yet.</summary>
    Waiting,

    /// <summary>The source no longer has what would be next: it does not go on by itself.</summary>
    FellBehind,

    /// <summary>Its server was stopped.</summary>
    Stopped,

    /// <summary>It is no standby any more: somebody has promoted it.</summary>
    Promoted,

    /// <summary>It could not be asked.</summary>
    Unknown,
}
