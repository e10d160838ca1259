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

    private static string Word(SnapshotStatus status) => status switch
    {
        SnapshotStatus.Creating => "half made",
        SnapshotStatus.Deleting => "half deleted",
        _ => "ready",
    };
}
