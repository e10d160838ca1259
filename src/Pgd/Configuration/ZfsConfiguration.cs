namespace Pgd.Configuration;

/// <summary>What a host says about the storage <c>zfs</c>: the section <c>zfs:</c> of its configuration.</summary>
public sealed record ZfsConfiguration
{
    internal static ZfsConfiguration Nothing { get; } = new();

    /// <summary>The pool for the volumes, or a dataset in it; null for the only pool.</summary>
    public string? Pool { get; init; }

    /// <summary>From how many percent of the pool on nothing is branched; 85 by default.</summary>
    public int? RefuseAbove { get; init; }

    /// <summary>From how many percent on a warning is given; 80 by default.</summary>
    public int? WarnAbove { get; init; }

    /// <summary>How much a branch may write, as <c>zfs set refquota</c> takes it; null for any.</summary>
    public string? BranchQuota { get; init; }

    /// <summary>How much room a project's <c>main</c> is sure of, as <c>zfs set refreservation</c> takes it; null for none.</summary>
    public string? SourceReservation { get; init; }

    /// <summary>Properties that every volume gets, over the defaults.</summary>
    public IReadOnlyDictionary<string, string> Properties { get; init; } = new Dictionary<string, string>();

    internal ZfsConfiguration Over(ZfsConfiguration below) => new()
    {
        Pool = Pool ?? below.Pool,
        RefuseAbove = RefuseAbove ?? below.RefuseAbove,
        WarnAbove = WarnAbove ?? below.WarnAbove,
        BranchQuota = BranchQuota ?? below.BranchQuota,
        SourceReservation = SourceReservation ?? below.SourceReservation,
        Properties = Properties.Count > 0 ? Properties : below.Properties,
    };
}
