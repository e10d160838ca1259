namespace Pgd.Action.Reports;

/// <summary>The line of a comment that names the pull request's branches on other machines, which nobody can delete from here.</summary>
internal static class ElsewhereText
{
    private const string Begins = "> 📍 ";

    /// <summary>The comment without its marker, with the line; without it where there are no others.</summary>
    public static string With(string comment, IReadOnlyList<Home> others) => NoteLine.With(comment, Begins, others.Count == 0 ? null
        : $"{Begins}Another branch of this pull request is on {string.Join(" and ", others.Select(o => Markdown.Code(o.HostName)))}. It stays as it is, and goes with {Markdown.Code("dotnet pgd pr down")} or the next {Markdown.Code("dotnet pgd pr sweep")} there.", Page.CommentLimit);

    /// <summary>Where to go, in words for a log.</summary>
    public static string Where(Home other) => $"it lives on {other.HostName}: dotnet pgd pr down deletes it there, or the next sweep of that machine";
}
