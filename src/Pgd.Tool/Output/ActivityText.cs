namespace Pgd.Tool.Output;

/// <summary>What branches are doing, as text.</summary>
internal static class ActivityText
{
    public static void Project(ProjectStatus status, Sheet sheet)
    {
        ProjectText.Details(status.Project, sheet);
        sheet.Line();
        // Only some storages can tell what is a branch's own.
        var own = status.Branches.Any(b => b.Branch.Space is not null);
        string[] headers = ["NAME", "STATUS", "UP", "PORT", "CONNECTIONS", "PARENT", "DATA AGE", "DATABASES", .. own ? (string[])["OWN SPACE"] : [], "SNAPSHOTS", "IDLE", "EXPIRES"];
        sheet.Table(headers, [.. status.Branches.Select(a => (string[])[
            a.Branch.Name.ToString(), BranchText.Word(a.Branch), a.StartedAt is { } started ? sheet.Age(started) : "-", a.Branch.Golden || a.Branch.Follows is not null ? "-" : BranchText.Number(a.Branch.Port),
            a.Connections is { } connections ? BranchText.Number(connections) : "-", a.Branch.Parent?.Branch ?? "-", a.Branch.DataAsOf is { } asOf ? sheet.Age(asOf) : "-",
            a.DatabaseBytes is { } bytes ? Measured.Size(bytes) : "-", .. own ? (string[])[a.Branch.Space is { } space ? Measured.Size(space.Used) : "-"] : [],
            BranchText.Number(a.Snapshots), a.Branch.IdleSince is { } idle ? sheet.Age(idle) : "-", sheet.Until(a.Branch.ExpiresAt),
        ])]);
        foreach (var silent in status.Branches.Where(b => b.Unknown is not null))
            sheet.Line($"{sheet.Screen.Yellow("not asked")}  {silent.Branch.Name}: {silent.Unknown}");
    }

    public static void Branch(BranchActivity activity, Sheet sheet) => BranchText.Details(activity.Branch, activity, sheet);
}
