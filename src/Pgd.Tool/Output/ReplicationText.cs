using System.Globalization;
using Pgd.Configuration;
using Pgd.Replication;

namespace Pgd.Tool.Output;

/// <summary>Replication as text.</summary>
internal static class ReplicationText
{
    public static void Validated(IReadOnlyList<ValidatedDatabase> all, Sheet sheet)
    {
        foreach (var database in all)
        {
            sheet.Line(sheet.Screen.Bold(Names(database.Source, database.Target)));
            DiagnosisText.Write(database.Findings, sheet);
            sheet.Line();
        }

        var closed = all.Where(database => !database.IsReady).Select(database => database.Source).ToList();
        sheet.Line(closed.Count == 0 ? "Ready. Copy: dotnet pgd replicate init" : $"Not ready: {string.Join(", ", closed)}");
    }

    public static void Copied(IReadOnlyList<CopiedDatabase> all, bool follows, Sheet sheet)
    {
        foreach (var copied in all)
        {
            sheet.Line(copied.WasThere ? $"{copied.Target} was complete already" : $"Copied {Names(copied.Source, copied.Target)}: {copied.Tables} {(copied.Tables == 1 ? "table" : "tables")}, {Measured.Size(copied.Bytes)}");
            if (copied.DataAsOf is { } at)
                sheet.Line($"  data as of {at.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture)}");
            foreach (var left in copied.LeftOut)
                sheet.Line($"  without {left}");
        }

        sheet.Line();
        sheet.Line(follows ? "What changes is kept at the source from that moment on. Have the copy follow: dotnet pgd replicate sync" : "Compare them: dotnet pgd replicate verify");
    }

    public static void Synced(IReadOnlyList<SyncedDatabase> all, Sheet sheet)
    {
        foreach (var synced in all)
            sheet.Line(synced.WasThere ? $"{synced.Target} followed already ({synced.Name})" : $"{synced.Target} follows {synced.Source} ({synced.Name})");
        sheet.Line();
        sheet.Line("See how far it is: dotnet pgd replicate status");
    }

    public static void Status(IReadOnlyList<ReplicationStatus> all, Sheet sheet)
    {
        sheet.Table(["DATABASE", "STATE", "LAG", "BEHIND", "KEPT", "TABLES"], [.. all.Select(status => new[]
        {
            Names(status.Source, status.Target), Word(status.State),
            status.LagSeconds is { } lag ? Short(lag) : status.State == ReplicationState.Following ? $"more than {Short(status.WaitedSeconds)}" : "-",
            status.LagBytes is { } behind ? Measured.Size(behind) : "-", status.RetainedBytes is { } kept ? Measured.Size(kept) : "-", status.Tables is { } tables ? tables.ToString(CultureInfo.InvariantCulture) : "-",
        })]);
        foreach (var status in all)
        {
            if (status.CaughtUpInSeconds is { } soon)
                sheet.Line($"{status.Target}: caught up in about {Spoken(soon)} ({Measured.Size((long)status.AppliedPerSecond!)}/s are applied, {Measured.Size((long)status.WrittenPerSecond!)}/s are written)");
            if (status.LostInSeconds is { } lost)
                sheet.Line($"{status.Target}: the source drops what it keeps for it in about {Spoken(lost)}");
            foreach (var problem in status.Problems)
                sheet.Line($"{status.Target}: {problem}");
        }
    }

    public static void Switched(IReadOnlyList<SwitchedDatabase> all, bool isRehearsal, Sheet sheet)
    {
        foreach (var done in all)
        {
            sheet.Line(isRehearsal ? $"{Names(done.Source, done.Target)} could be cut over now:" : $"{done.Target} is on its own{(done.PauseSeconds is { } pause ? $"; nobody could write for {Short(pause)}" : "")}");
            sheet.Line($"  {Count(done.Sessions, "session")} of {done.Source} {(isRehearsal ? "would end" : "ended")}, {Count(done.Sequences, "sequence")} {(isRehearsal ? "would come over" : "came over")}, {Count(done.MaterializedViews, "materialized view")} {(isRehearsal ? "would be refreshed" : "refreshed")}");
        }

        if (isRehearsal)
            return;
        sheet.Line();
        sheet.Line($"Point applications at the target. The source stays read-only; who needs it as it was: ALTER DATABASE {all[0].Source} RESET default_transaction_read_only;");
    }

    public static void CleanedUp(IReadOnlyList<CleanedUp> all, Sheet sheet)
    {
        foreach (var cleaned in all)
        {
            if (cleaned.Removed.Count == 0)
                sheet.Line($"Nothing of {Names(cleaned.Source, cleaned.Target)} was there.");
            foreach (var removed in cleaned.Removed)
                sheet.Line($"Removed {removed}");
        }
    }

    private static string Names(string source, string target) => source == target ? source : $"{source} → {target}";

    private static string Count(int number, string what) => $"{number.ToString(CultureInfo.InvariantCulture)} {what}{(number == 1 ? "" : "s")}";

    private static string Short(double seconds) => seconds < 1 ? $"{(seconds * 1000).ToString("0", CultureInfo.InvariantCulture)} ms" : seconds < 60 ? $"{seconds.ToString("0.0", CultureInfo.InvariantCulture)} s" : Spoken(seconds);

    private static string Spoken(double seconds) => Duration.Format(TimeSpan.FromSeconds(Math.Min(seconds, TimeSpan.FromDays(365).TotalSeconds)));

    private static string Word(ReplicationState state) => state switch
    {
        ReplicationState.None => "not copied",
        ReplicationState.Copying => "copying",
        ReplicationState.Waiting => "waiting for sync",
        ReplicationState.Once => "copied once",
        ReplicationState.Following => "following",
        ReplicationState.Stopped => "stopped",
        ReplicationState.Broken => "broken",
        ReplicationState.Lost => "lost",
        _ => "cutting over",
    };
}
