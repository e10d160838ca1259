namespace Pgd.Action.Reports;

/// <summary>The comment once the branch is gone. Nothing in it changes from run to run, so that saying it again costs no call.</summary>
internal static class DownText
{
    /// <summary>The comment, without its marker.</summary>
    /// <param name="branch">The branch.</param>
    /// <param name="on">The machine that it was on, where there are others on other machines.</param>
    /// <param name="why">Why it went.</param>
    /// <param name="before">What the comment said of its migrations.</param>
    /// <param name="limit">How much room there is.</param>
    public static string Comment(BranchName branch, string? on, string why, string? before, int limit)
    {
        var head = $"### 🧹 {Markdown.Code(branch.ToString(), 120)} is deleted{(on is null ? "" : $" on {Markdown.Code(on)}")}\n\n{why}: the branch, its server and its data are gone.";
        var text = before is null ? head : $"{head}\n\n<details><summary>What its migrations did</summary>\n\n{before}\n\n</details>";
        return text.Length <= limit ? text : head;
    }
}
