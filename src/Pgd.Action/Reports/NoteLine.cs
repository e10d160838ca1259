namespace Pgd.Action.Reports;

/// <summary>A line below the heading of a comment that was written before; it is known by how it begins.</summary>
internal static class NoteLine
{
    /// <summary>The comment without its marker, with the line, or without it for null; as it was where it has no heading, or no room.</summary>
    public static string With(string comment, string begins, string? line, int limit)
    {
        var lines = comment.ReplaceLineEndings("\n").Split('\n').ToList();
        var said = lines.FindIndex(l => l.StartsWith(begins, StringComparison.Ordinal));
        if (said >= 0 && line is not null)
            lines[said] = line;
        else if (said > 0)
            lines.RemoveRange(said - 1, 2);
        else if (line is not null && lines[0].StartsWith("### ", StringComparison.Ordinal))
            lines.InsertRange(1, ["", line]);
        var text = string.Join('\n', lines);
        return text.Length <= limit ? text : comment;
    }
}
