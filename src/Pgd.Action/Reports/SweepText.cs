namespace Pgd.Action.Reports;

/// <summary>The step summary of a sweep.</summary>
internal static class SweepText
{
    public static string Summary(IReadOnlyList<BranchName> deleted, IReadOnlyList<LeftOver> leftOver)
    {
        if (deleted.Count == 0 && leftOver.Count == 0)
            return "🧹 Nothing to sweep: every branch belongs to an open pull request.";
        var lines = new List<string> { "### 🧹 Sweep", "", "| Branch | |", "| :-- | :-- |" };
        lines.AddRange(deleted.Select(name => $"| {Markdown.Cell(name.ToString())} | deleted |"));
        lines.AddRange(leftOver.Select(left => $"| {Markdown.Cell(left.Branch)} | stays: {Markdown.Text(left.Reason)} |"));
        return string.Join('\n', lines);
    }
}
