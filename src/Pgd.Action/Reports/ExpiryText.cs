namespace Pgd.Action.Reports;

/// <summary>The line of a comment that says when its branch goes.</summary>
internal static class ExpiryText
{
    private const string Begins = "> ⏳ ";

    /// <summary>The comment without its marker, with the line below its heading; as it was where it has no heading, or no room.</summary>
    public static string With(string comment, BranchName branch, DateTimeOffset time, int limit)
    {
        var line = $"{Begins}Its time is up at {Words.Time(time)}, and then it is deleted. A push gives it more time, and so does, on the runner: {Markdown.Code($"dotnet pgd branch extend {branch} --ttl 7d", 200)}";
        var lines = comment.ReplaceLineEndings("\n").Split('\n').ToList();
        if (lines.FindIndex(l => l.StartsWith(Begins, StringComparison.Ordinal)) is var said and >= 0)
            lines[said] = line;
        else if (lines[0].StartsWith("### ", StringComparison.Ordinal))
            lines.InsertRange(1, ["", line]);
        var text = string.Join('\n', lines);
        return text.Length <= limit ? text : comment;
    }
}
