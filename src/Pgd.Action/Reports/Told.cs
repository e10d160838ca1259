namespace Pgd.Action.Reports;

/// <summary>What became of a comment.</summary>
/// <param name="Url">Its address; null where there is none.</param>
/// <param name="Elsewhere">The branches that it knows of on other machines, with their projects.</param>
internal sealed record Told(string? Url, IReadOnlyList<(string Project, Home Home)> Elsewhere)
{
    /// <summary>Where there is no comment.</summary>
    public static Told Nothing { get; } = new(null, []);
}
