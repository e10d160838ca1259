namespace Pgd.Tool.Output;

/// <summary>Branches as a tree, the same on a terminal and elsewhere.</summary>
internal static class TreeText
{
    public static void Write(IReadOnlyList<Branch> branches, Sheet sheet)
    {
        if (branches.Count == 0)
        {
            sheet.Line("No branches.");
            return;
        }

        var lines = new List<(string Name, Branch Branch)>();
        var children = branches.Where(b => b.Parent is not null).ToLookup(b => b.Parent!);
        var known = branches.Select(b => b.Name).ToHashSet();
        // One whose parent is just being deleted must not be missing.
        foreach (var root in branches.Where(b => b.Parent is null || !known.Contains(b.Parent)))
            Add(root, root.Name.ToString(), "");
        var (names, words) = (lines.Max(l => l.Name.Length), lines.Max(l => BranchText.Word(l.Branch).Length));
        foreach (var (name, branch) in lines)
            sheet.Line($"{name.PadRight(names)}  {BranchText.Word(branch).PadRight(words)}  {(branch.DataAsOf is { } asOf ? $"data {sheet.Age(asOf)} old" : "")}".TrimEnd());

        void Add(Branch branch, string shown, string indent)
        {
            lines.Add((shown, branch));
            var own = children[branch.Name].ToList();
            for (var i = 0; i < own.Count; i++)
            {
                var isLast = i == own.Count - 1;
                Add(own[i], $"{indent}{(isLast ? "└─ " : "├─ ")}{own[i].Name.Branch}", indent + (isLast ? "   " : "│  "));
            }
        }
    }
}
