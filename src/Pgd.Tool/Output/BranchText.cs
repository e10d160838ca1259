namespace Pgd.Tool.Output;

/// <summary>Branches as text.</summary>
internal static class BranchText
{
    public static void Table(IReadOnlyList<Branch> branches, Sheet sheet)
    {
        if (branches.Count == 0)
        {
            sheet.Line("No branches.");
            return;
        }

        sheet.Table(["NAME", "STATUS", "PORT", "PARENT", "AGE", "EXPIRES"], [.. branches.Select(branch => new[]
        {
            branch.Name.ToString(), Word(branch), branch.Golden || branch.Follows is not null ? "-" : Number(branch.Port), branch.Parent?.ToString() ?? "-", sheet.Age(branch.CreatedAt), sheet.Until(branch.ExpiresAt),
        })]);
    }

    public static void Details(Branch branch, Sheet sheet) => Details(branch, null, sheet);

    /// <summary>With what it is doing now, where that was asked for.</summary>
    public static void Details(Branch branch, BranchActivity? activity, Sheet sheet) => sheet.Details(
        ("Name", branch.Name.ToString()),
        ("Status", Word(branch)),
        ("Running for", activity?.StartedAt is { } started ? sheet.Age(started) : null),
        ("Connections", activity?.Connections is { } connections ? Number(connections) : null),
        ("Not asked", activity?.Unknown),
        ("Address", branch.Adopted || branch.Golden || branch.Follows is not null ? null : $"{branch.Host}:{branch.Port}"),
        ("Machine", branch.HostName),
        ("Standby of", branch.Follows is { } followed ? $"{followed}; it is read-only, and nobody connects to it: branches are made from it" : null),
        ("TLS", branch.Tls && !branch.Golden ? "required" : null),
        ("Parent", branch.Parent?.ToString()),
        ("Snapshot", branch.Snapshot),
        ("Snapshots", activity is { Snapshots: > 0 } ? Number(activity.Snapshots) : null),
        ("PostgreSQL", Number(branch.PostgresMajor)),
        ("Storage", branch.Storage),
        ("Runtime", branch.Runtime),
        ("Created", Moment(branch.CreatedAt)),
        ("Recovered to", branch.RecoveredTo is { } moment ? moment + (branch.LastTransactionAt is { } last ? $"; last transaction {RecoveryTarget.AtTime(last)}" : "") : null),
        ("Data as of", branch.DataAsOf is { } asOf ? Moment(asOf) + (activity is null ? "" : $" ({sheet.Age(asOf)} ago)") : null),
        ("Anonymized", branch.Anonymized ? "yes" : null),
        ("Roles", branch.Roles.Count > 0 ? string.Join(", ", branch.Roles) : null),
        ("Cut off from", branch.Severed.Count > 0 ? string.Join(", ", branch.Severed) : null),
        ("Expires", branch.ExpiresAt is { } expiry ? $"{Moment(expiry)} ({sheet.Until(expiry)})" : "never"),
        ("Idle since", branch.IdleSince is { } idle ? Moment(idle) : null),
        ("Protected", branch.ProtectedUntil is { } until ? Protected(until, branch.ProtectedFor, sheet) : null),
        ("Pull request", branch.PullRequest is { } key ? $"{key.Repository}#{key.Number}" : null),
        ("Labels", branch.Labels.Count == 0 ? null : string.Join(", ", branch.Labels.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => $"{pair.Key}={pair.Value}"))),
        ("Generation", branch.Generation > 1 ? Number(branch.Generation) : null),
        ("Databases", activity?.DatabaseBytes is { } bytes ? Measured.Size(bytes) : null),
        ("Space", branch.Space is { } space ? Space(space) : null),
        ("Directory", branch.Directory),
        ("Adopted from", branch.Adopted ? branch.DataDirectory : null));

    public static void Made(BranchCreated made, Sheet sheet)
    {
        sheet.Line(made.Created ? $"Created {made.Branch.Name} from {Origin(made.Branch)}" : $"{made.Branch.Name} was there already");
        sheet.Line();
        Details(made.Branch, sheet);
        sheet.Line();
        sheet.Line(made.Branch.Golden ? $"Branch it: dotnet pgd branch create {made.Branch.Name.Project}/NAME --from {made.Branch.Name.Branch}" : $"Connect: dotnet pgd branch url {made.Branch.Name}");
    }

    public static void MadeSeries(IReadOnlyList<BranchCreated> made, Sheet sheet)
    {
        sheet.Line(made[0].Created ? $"Created {Number(made.Count)} {(made.Count == 1 ? "branch" : "branches")} from {Origin(made[0].Branch)}" : $"{Number(made.Count)} {(made.Count == 1 ? "branch was" : "branches were")} there already");
        sheet.Line();
        Table([.. made.Select(m => m.Branch)], sheet);
        sheet.Line();
        sheet.Line($"Connect: dotnet pgd branch url {made[0].Branch.Name}");
    }

    public static void Promoted(Promoted promoted, Sheet sheet)
    {
        sheet.Line($"{promoted.From} is {promoted.Branch.Name} now");
        sheet.Line();
        Details(promoted.Branch, sheet);
        foreach (var (isLifted, title) in new[] { (true, "Lifted, as the data's own configuration says:"), (false, "As it was for the branch:") })
        {
            if (!promoted.Quarantine.Any(item => item.Lifted == isLifted))
                continue;
            sheet.Line();
            sheet.Line(title);
            foreach (var item in promoted.Quarantine.Where(item => item.Lifted == isLifted))
                sheet.Line($"  {item.Name}: {item.Text}");
        }

        sheet.Line();
        sheet.Line($"Connect: dotnet pgd branch url {promoted.Branch.Name}");
    }

    private static string Origin(Branch branch) => branch.RecoveredTo is { } moment ? $"{branch.Parent} at {moment}" : branch.Snapshot ?? $"{branch.Parent}";

    internal static string Word(Branch branch) => branch is { Golden: true, Status: BranchStatus.Stopped } ? "golden" : Word(branch.Status);

    public static string Word(BranchStatus status) => status switch
    {
        BranchStatus.Running => "running",
        BranchStatus.Stopped => "stopped",
        BranchStatus.Creating => "creating",
        BranchStatus.Deleting => "deleting",
        _ => status.ToString(),
    };

    internal static string Moment(DateTimeOffset moment) => moment.ToUniversalTime().ToString("yyyy-MM-dd HH:mm:ss'Z'", System.Globalization.CultureInfo.InvariantCulture);

    internal static string Protected(DateTimeOffset until, string? reason, Sheet sheet) =>
        (until == DateTimeOffset.MaxValue ? "until it is lifted" : $"until {Moment(until)} ({sheet.Until(until)})") + (reason is null ? "" : $": {reason}");

    private static string Space(BranchSpace space) =>
        $"{Measured.Size(space.Used)} of its own{(space.Pinned > 0 ? $", {Measured.Size(space.Pinned)} of that held by branches made from it" : "")}; {Measured.Size(space.Referenced)} in all, {Measured.Size(space.Logical)} before compression";

    internal static string Number(int number) => number.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
