using Pgd.Configuration;

namespace Pgd.Tool.Commands.Branches;

/// <summary>Makes domain values of what the options of branch commands say.</summary>
internal static class Requests
{
    public static Consistency Consistency(string? text) => text switch
    {
        "backup" => Pgd.Consistency.Backup,
        "none" => Pgd.Consistency.None,
        _ => Pgd.Consistency.Auto,
    };

    /// <summary>What <c>--from</c> says: a branch of the same project, by its name there or its full name, and perhaps a snapshot of it.</summary>
    public static (string? Branch, string? Snapshot) From(BranchName branch, string? text)
    {
        if (text is null)
            return (null, null);
        var parts = text.Split('@', 2);
        var name = parts[0].Length == 0 ? branch : parts[0].Contains('/', StringComparison.Ordinal) ? BranchName.Parse(parts[0]) : BranchName.Of(branch.Project, parts[0]);
        return name.Project == branch.Project
            ? (name.Branch, parts.Length == 2 ? SnapshotName.CheckLabel(parts[1]) : null)
            : throw new PgdException(ExitCode.Misuse, $"{branch} cannot be made from {name}: they belong to different projects", $"Choose a branch of {branch.Project}: dotnet pgd branch list {branch.Project}");
    }

    /// <summary>The moment that the options <c>--at…</c> say; null if none does.</summary>
    public static RecoveryTarget? Target(string? time, string? lsn, string? transaction, string? restorePoint, string? zone, TimeProvider clock)
    {
        if (new[] { time, lsn, transaction, restorePoint }.Count(option => option is not null) > 1)
            throw new PgdException(ExitCode.Misuse, "several options say which moment is meant", "Give one of --at, --at-lsn, --at-xid and --at-restore-point.");
        if (zone is not null && time is null)
            throw new PgdException(ExitCode.Misuse, "--timezone is there for --at, which is missing");
        return time is not null ? RecoveryTarget.AtTime(Moment.Parse(time, clock.GetUtcNow(), zone is null ? null : Moment.Zone(zone)))
            : lsn is not null ? RecoveryTarget.AtLsn(lsn)
            : transaction is not null ? RecoveryTarget.AtTransaction(transaction)
            : restorePoint is not null ? RecoveryTarget.AtRestorePoint(restorePoint)
            : null;
    }

    public static Dictionary<string, string> Labels(IReadOnlyList<string> texts)
    {
        var labels = new Dictionary<string, string>();
        foreach (var text in texts)
        {
            var parts = text.Split('=', 2);
            if (parts.Length != 2 || parts[0].Length == 0)
                throw new PgdException(ExitCode.Misuse, $"\"{text}\" is not a label", "Write it as KEY=VALUE, for example --label owner=ada.");
            labels[parts[0]] = parts[1];
        }

        return labels;
    }

    public static Anonymization? Anonymization(IReadOnlyList<string> files, Session session) =>
        files.Count == 0 ? null : new() { Files = [.. files.Select(file => ExistingFile(file, session))] };

    private static string ExistingFile(string file, Session session)
    {
        var path = Path.GetFullPath(file, session.WorkingDirectory);
        return File.Exists(path) ? path : throw new PgdException(ExitCode.Misuse, $"there is no file {file}", "Check the path given with --anonymize.");
    }
}
