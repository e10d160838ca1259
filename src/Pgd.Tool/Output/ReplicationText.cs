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

    public static void Estimated(IReadOnlyList<EstimatedDatabase> all, Sheet sheet)
    {
        const int most = 5;
        var copied = all.Where(database => database.Plan is not (CopyPlan.Keep or CopyPlan.Refuse)).ToList();
        if (copied.Count > 0)
        {
            List<string[]> rows = [.. copied.Select(database => Row(Names(database.Source, database.Target), database.Tables.Count, database.Bytes, database.IndexBytes, database.SecondsAtLeast, database.SecondsAtMost))];
            if (copied.Count > 1)
                rows.Add(Row("all of them", copied.Sum(database => database.Tables.Count), copied.Sum(database => database.Bytes), copied.Sum(database => database.IndexBytes), copied.Sum(database => database.SecondsAtLeast), copied.Sum(database => database.SecondsAtMost)));
            sheet.Table(["DATABASE", "TABLES", "SIZE", "INDEXES", "TIME"], rows);
            sheet.Line();
        }

        foreach (var database in all)
        {
            sheet.Line($"{sheet.Screen.Bold(Names(database.Source, database.Target))}: {Words(database.Plan)}");
            var width = database.Tables.Take(most).Select(table => table.Name.Length).DefaultIfEmpty(0).Max();
            foreach (var table in database.Tables.Take(most))
                sheet.Line($"  {table.Name.PadRight(width)}  {Measured.Size(table.Bytes),9}{(table.Rows is null ? "" : table.Rows == "false" ? ", without rows" : ", some of its rows")}");
            if (database.Tables.Count > most)
                sheet.Line($"  and {Count(database.Tables.Count - most, "smaller table")}");
            foreach (var problem in database.Problems)
            {
                sheet.Hanging($"  {sheet.Screen.Red("problem:")} ", 11, problem.Text);
                if (problem.Remedy is not null)
                    sheet.Line($"  {sheet.Screen.Dim("hint:")} {problem.Remedy}");
            }
        }

        sheet.Line();

        static string[] Row(string name, int tables, long bytes, long indexes, double least, double most) =>
            [name, tables.ToString(CultureInfo.InvariantCulture), Measured.Size(bytes), Measured.Size(indexes), Range(least, most)];

        static string Words(CopyPlan plan) => plan switch
        {
            CopyPlan.Make => "is made at the target",
            CopyPlan.Fill => "is there and empty, and is filled",
            CopyPlan.GoOn => "the copy that was interrupted goes on",
            CopyPlan.Replace => "is dropped at the target, and made anew",
            CopyPlan.Keep => "is a complete copy already, and stays",
            _ => "is not copied: the target has something else",
        };
    }

    /// <summary>A span of time that is not known exactly: <c>3 to 5 minutes</c>.</summary>
    public static string Range(double least, double most)
    {
        var (unit, word) = most < 100 ? (1, "second") : most < 100 * 60 ? (60, "minute") : (3600, "hour");
        var (from, to) = ((long)Math.Floor(least / unit), (long)Math.Ceiling(most / unit));
        var spoken = $"{to.ToString(CultureInfo.InvariantCulture)} {word}{(to == 1 ? "" : "s")}";
        return from == 0 ? $"up to {spoken}" : from == to ? $"about {spoken}" : $"{from.ToString(CultureInfo.InvariantCulture)} to {spoken}";
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
        if (follows)
            sheet.Line("What changes is kept at the source from that moment on.");
        sheet.Line(follows ? "Have the copy follow: dotnet pgd replicate sync" : "Compare them: dotnet pgd replicate verify");
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
