namespace Pgd;

/// <summary>A branch with what it is doing now; what could not be asked is null.</summary>
public sealed record BranchActivity
{
    /// <summary>The branch.</summary>
    public required Branch Branch { get; init; }

    /// <summary>When its server started; null if it does not run.</summary>
    public DateTimeOffset? StartedAt { get; init; }

    /// <summary>How many clients are connected, pgd itself left out.</summary>
    public int? Connections { get; init; }

    /// <summary>What its databases take in its own eyes, shared with others or not.</summary>
    public long? DatabaseBytes { get; init; }

    /// <summary>How many snapshots of it there are.</summary>
    public required int Snapshots { get; init; }

    /// <summary>Why its server, which runs, could not be asked; null if it was, or does not run.</summary>
    public string? Unknown { get; init; }
}
