using System.Globalization;
using Pgd.Configuration;
using Pgd.Backups;

namespace Pgd.Tool.Output;

/// <summary>Write-ahead logs as text.</summary>
internal static class WalText
{
    public static void Info(IReadOnlyList<WriteAheadLogInfo> logs, Sheet sheet)
    {
        if (logs.Count == 0)
            sheet.Line("No projects.");
        for (var i = 0; i < logs.Count; i++)
        {
            if (i > 0)
                sheet.Line();
            Info(logs[i], sheet);
        }
    }

    public static void Verified(WriteAheadLogVerified verified, Sheet sheet)
    {
        foreach (var problem in verified.Problems)
            sheet.Line($"{sheet.Screen.Red("problem")}  {problem}");
        sheet.Line($"{Files(verified.Files)} of {verified.Branch}: {(verified.Problems.Count == 0 ? sheet.Screen.Green("whole, and without a gap") : $"{verified.Problems.Count} problem{(verified.Problems.Count == 1 ? "" : "s")}")}");
    }

    public static void Pushed(LogPushed pushed, Sheet sheet) =>
        sheet.Line($"Brought {Files(pushed.Pushed.Count)} there, {Measured.Size(pushed.StoredBytes)}; {(pushed.Last is { } last ? $"of {pushed.Parts} parts {last} is the last" : "nothing was archived yet")}");

    public static void Cleaned(WriteAheadLogCleaned cleaned, Sheet sheet)
    {
        var range = cleaned.Removed.Count switch { 0 => "", 1 => $": {cleaned.Removed[0]}", _ => $": {cleaned.Removed[0]} to {cleaned.Removed[^1]}" };
        sheet.Line($"{(cleaned.DryRun ? "Would remove" : "Removed")} {Files(cleaned.Removed.Count)}, {Measured.Size(cleaned.Bytes)}, of {cleaned.Branch}{range}");
        if (cleaned.HeldBack > 0)
            sheet.Line($"{cleaned.HeldBack.ToString(CultureInfo.InvariantCulture)} more stay, because they are needed by {string.Join(", ", cleaned.NeededBy.Select(n => n.Snapshot))}");
        foreach (var lost in cleaned.Lost)
            sheet.Line($"{sheet.Screen.Yellow("lost")}  {lost.Snapshot} {(cleaned.DryRun ? "would no longer lead" : "no longer leads")} to the time from {Times(lost)}");
    }

    private static void Info(WriteAheadLogInfo log, Sheet sheet)
    {
        sheet.Details(
            ("Branch", log.Branch.ToString()),
            ("Archived", log.PointInTime is { } reach ? $"for {Duration.Format(reach)}" : "no"),
            ("Archive", log.Directory is null ? null : $"{log.Directory}, {Files(log.Files)}, {Measured.Size(log.Bytes)}"),
            ("Oldest", log.Oldest is { } oldest ? Part(oldest, sheet) : null),
            ("Newest", log.Newest is { } newest ? Part(newest, sheet) : null),
            ("Waiting", log.Archiver is { Waiting: > 0 } waiting ? $"{Files(waiting.Waiting)}{(waiting.WaitingSince is { } since ? $", the first for {sheet.Age(since)}" : "")}" : null),
            ("Failed", log.Archiver is { Failed: > 0 } failed ? $"{failed.Failed.ToString(CultureInfo.InvariantCulture)} times, the last {failed.LastFailed} at {BranchText.Moment(failed.LastFailedAt!.Value)}{(failed.IsFailing ? "" : "; since then it goes on")}" : null),
            ("Gaps", log.Gaps.Count == 0 ? null : string.Join("; ", log.Gaps)),
            ("Reachable", log.Windows.Count == 0 ? $"nothing before now; from a first snapshot on: dotnet pgd snapshot create {log.Branch}" : null));
        foreach (var window in log.Windows)
            sheet.Line($"  reachable  {Times(window)}, from {window.Snapshot} on{(window.Missing is { } missing ? $"; then {missing} is missing" : "")}");
        foreach (var need in log.Needs)
            sheet.Line($"  needed     {need.FirstPart} and all that follow, by {need.Snapshot}");
    }

    private static string Times(ReachablePeriod period) => $"{BranchText.Moment(period.FromTime)} ({period.From}) to {(period.ToPresent ? "now" : period.ToTime is { } end ? BranchText.Moment(end) : "the end of what is there")} ({period.To})";

    private static string Part(ArchivedPart part, Sheet sheet) => $"{part.Name}, {sheet.Age(part.At)} ago";

    private static string Files(long count) => count == 1 ? "1 file" : $"{count.ToString(CultureInfo.InvariantCulture)} files";
}
