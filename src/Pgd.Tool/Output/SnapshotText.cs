namespace Pgd.Tool.Output;

/// <summary>Snapshots as text.</summary>
internal static class SnapshotText
{
    public static void Table(IReadOnlyList<Snapshot> snapshots, Sheet sheet)
    {
        if (snapshots.Count == 0)
        {
            sheet.Line("No snapshots.");
            return;
        }

        sheet.Table(["NAME", "AGE", "DATA AS OF", "LSN", "PROTECTED", "USED BY"], [.. snapshots.Select(snapshot => new[]
        {
            snapshot.Name + (snapshot.Status == SnapshotStatus.Ready ? "" : $" ({Word(snapshot.Status)})"), sheet.Age(snapshot.CreatedAt), snapshot.DataAsOf is { } at ? BranchText.Moment(at) : "-", snapshot.Lsn ?? "-",
            snapshot.ProtectedUntil is { } until ? until == DateTimeOffset.MaxValue ? "yes" : sheet.Until(until) : "-",
            snapshot.UsedBy.Count == 0 ? "-" : string.Join(", ", snapshot.UsedBy.Select(b => b.Branch)),
        })]);
    }

    public static void Details(Snapshot snapshot, Sheet sheet) => sheet.Details(
        ("Name", snapshot.Name),
        ("Identity", snapshot.Id),
        ("Status", Word(snapshot.Status)),
        ("Taken", BranchText.Moment(snapshot.CreatedAt)),
        ("By", snapshot.Scheduled ? "the timer" : null),
        ("Data as of", snapshot.DataAsOf is { } asOf ? BranchText.Moment(asOf) : null),
        ("LSN", snapshot.Lsn),
        ("Anonymized", snapshot.Anonymized ? "yes" : null),
        ("Protected", snapshot.ProtectedUntil is { } until ? BranchText.Protected(until, snapshot.ProtectedFor, sheet) : null),
        ("Used by", snapshot.UsedBy.Count > 0 ? string.Join(", ", snapshot.UsedBy) : null),
        ("Directory", snapshot.Directory));

    public static void Taken(Snapshot snapshot, Sheet sheet)
    {
        sheet.Line($"Took {snapshot.Name}");
        sheet.Line();
        Details(snapshot, sheet);
        sheet.Line();
        sheet.Line($"Branch it: dotnet pgd branch create {snapshot.Branch.Project}/NAME --from {snapshot.Branch.Branch}@{snapshot.Label ?? snapshot.Id}");
    }

    public static void CleanedUp(SnapshotsCleanedUp cleaned, Sheet sheet)
    {
        Lines(cleaned, sheet);
        if (cleaned.Deleted.Count + cleaned.Left.Count == 0)
            sheet.Line(cleaned.Kept.Count == 0 ? "No snapshots." : "Nothing to delete.");
    }

    public static void Scheduled(SnapshotsScheduled done, Sheet sheet)
    {
        foreach (var snapshot in done.Taken)
            sheet.Line($"{sheet.Screen.Green("took")}     {snapshot.Name}");
        Lines(done.CleanedUp with { Kept = [] }, sheet);
        foreach (var problem in done.Problems)
            sheet.Line($"{sheet.Screen.Red("problem")}  {problem.Name}: {problem.Reason}");
        if (done.Taken.Count + done.Problems.Count == 0)
            sheet.Line("There is no branch to take a snapshot of.");
    }

    private static void Lines(SnapshotsCleanedUp cleaned, Sheet sheet)
    {
        var deleted = cleaned.DryRun ? "would delete" : "deleted";
        // Padded beside the color: escape codes have no width.
        string Beside(string word) => new(' ', deleted.Length - word.Length);
        foreach (var name in cleaned.Deleted)
            sheet.Line($"{deleted}  {name}");
        foreach (var kept in cleaned.Kept)
            sheet.Line($"{sheet.Screen.Dim("stays")}{Beside("stays")}  {kept.Name}: {kept.Reason}");
        foreach (var left in cleaned.Left)
            sheet.Line($"{sheet.Screen.Red("left")}{Beside("left")}  {left.Name}: {left.Reason}");
    }

    private static string Word(SnapshotStatus status) => status switch
    {
        SnapshotStatus.Creating => "half made",
        SnapshotStatus.Deleting => "half deleted",
        _ => "ready",
    };
}
