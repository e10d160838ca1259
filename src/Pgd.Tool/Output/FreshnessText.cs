namespace Pgd.Tool.Output;

/// <summary>How new the data of projects is, as text.</summary>
internal static class FreshnessText
{
    public static void Table(IReadOnlyList<Freshness> projects, Sheet sheet)
    {
        if (projects.Count == 0)
        {
            sheet.Line("No projects.");
            return;
        }

        sheet.Table(["PROJECT", "DATA", "STATUS", "LAG", "FROM"], [.. projects.Select(p => new[]
        {
            p.Project, p.LagSeconds == 0 ? "current" : p.DataAsOf is { } asOf ? $"{sheet.Age(asOf)} old" : "-", p.Status is { } status ? Word(status) : p.From is null ? "-" : "copied", Lag(p) ?? "-", p.From ?? "-",
        })]);
        foreach (var troubled in projects.Where(p => p.Reason is not null))
        {
            sheet.Line($"{troubled.Project}: {troubled.Reason}");
            if (troubled.Next is { } next)
                sheet.Line($"  {next}");
        }
    }

    public static void Details(Freshness freshness, Sheet sheet) => sheet.Details(
        ("Project", freshness.Project),
        ("From", freshness.From ?? "no other server"),
        ("Follows", freshness.Follow is null ? null : "as a standby"),
        ("Status", freshness.Status is { } status ? Word(status) : freshness.From is null ? null : "copied"),
        ("Reason", freshness.Reason),
        ("Data as of", freshness.DataAsOf is { } asOf ? $"{BranchText.Moment(asOf)} ({sheet.Age(asOf)} ago)" : null),
        ("Lag", Lag(freshness)),
        ("Source at", freshness.SourceLsn),
        ("Received", freshness.ReceivedLsn),
        ("Replayed", freshness.ReplayedLsn),
        ("Next", freshness.Next));

    private static string? Lag(Freshness freshness)
    {
        var parts = new List<string>();
        if (freshness.LagBytes is { } bytes)
            parts.Add(Measured.Size(bytes));
        if (freshness.LagSeconds is { } seconds)
            parts.Add(seconds == 0 ? "0 s" : Measured.Time(TimeSpan.FromSeconds(seconds)));
        return parts.Count == 0 ? null : string.Join(", ", parts);
    }

    private static string Word(FollowStatus status) => status switch
    {
        FollowStatus.Streaming => "streaming",
        FollowStatus.Waiting => "waiting",
        FollowStatus.FellBehind => "fell behind",
        FollowStatus.Stopped => "stopped",
        FollowStatus.Promoted => "promoted",
        FollowStatus.Unknown => "not asked",
        _ => status.ToString(),
    };
}
