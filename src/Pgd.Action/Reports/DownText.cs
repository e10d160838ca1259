namespace Pgd.Action.Reports;

/// <summary>The comment once the branch is gone. Nothing in it changes from run to run, so that saying it again costs no call.</summary>
internal static class DownText
{
    public static string Comment(BranchName branch, string why, string? before, int limit)
    {
        var head = $"### 🧹 {Markdown.Code(branch.ToString(), 120)} is deleted\n\n{why}: the branch, its server and its data are gone.";
        var text = before is null ? head : $"{head}\n\n<details><summary>What its migrations did</summary>\n\n{before}\n\n</details>";
        return text.Length <= limit ? text : head;
    }
}
