namespace Pgd.Schema;

/// <summary>Which schemas to compare, and how closely.</summary>
public sealed record BranchDiff
{
    /// <summary>The branch.</summary>
    public required BranchName Name { get; init; }

    /// <summary>What to compare it with; null for its parent.</summary>
    public BranchName? Base { get; init; }

    /// <summary>The database; null for the only one.</summary>
    public string? Database { get; init; }

    /// <summary>Whether owners, grants and default privileges count.</summary>
    public bool Privileges { get; init; }
}
