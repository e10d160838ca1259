namespace Pgd.Action.Reports;

/// <summary>The line of a comment that says when its branch goes.</summary>
internal static class ExpiryText
{
    private const string Begins = "> ⏳ ";

    /// <summary>The comment without its marker, with the line; as it was where it has no heading, or no room.</summary>
    public static string With(string comment, BranchName branch, DateTimeOffset time, int limit) => NoteLine.With(comment, Begins,
        $"{Begins}Its time is up at {Words.Time(time)}, and then it is deleted. A push gives it more time, and so does, on the runner: {Markdown.Code($"dotnet pgd branch extend {branch} --ttl 7d", 200)}", limit);
}
