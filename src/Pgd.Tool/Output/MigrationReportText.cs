using System.Globalization;
using Pgd.Action.Reports;
using Pgd.Lint;
using Pgd.Migrations;
using Pgd.Schema;
using Pgd.Tracing;

namespace Pgd.Tool.Output;

/// <summary>What a migration did, for people: the verdict, what it held up, its statements, the schema.</summary>
internal static class MigrationReportText
{
    private const int StatementWidth = 60;

    public static void Write(MigrationReport report, Sheet sheet)
    {
        var (run, trace) = (report.Run, report.Trace);
        sheet.Line(run.Error is { } error ? $"{sheet.Screen.Red("failed")}  {PlainText.Line(error.Message, 1000)}{(error.SqlState is { } state ? $" (SQLSTATE {state})" : "")}" : sheet.Screen.Green($"The migration ran on {report.Branch} in {Measured.Time(run.Duration)}."));
        if (run.Error is { File: { } file } failed)
            sheet.Line($"        {PlainText.Line(file)}{(failed.Line is { } line ? string.Create(CultureInfo.InvariantCulture, $":{line}") : "")}");
        foreach (var exceeded in report.Exceeded)
            sheet.Line($"{sheet.Screen.Red("over budget")}  {exceeded.Name} {exceeded.Limit}: {(exceeded.Name == "deny" ? $"{exceeded.Where}: {exceeded.Actual}" : $"{exceeded.Actual} ({exceeded.Where})")}");
        sheet.Line();
        sheet.Details(
            ("Held up", trace.WorstLock is { } worst ? $"{worst.Blocks.InWords()} of {worst.Relation} for {Measured.Time(worst.Held)}" : "nobody"),
            ("Rewritten", trace.Statements.SelectMany(s => s.Rewrites).ToList() is { Count: > 0 } rewrites ? string.Join(", ", rewrites.Select(r => $"{r.Relation} ({Measured.Size(r.Bytes)})")) : "nothing"),
            ("WAL", Measured.Size(trace.WalBytes)),
            ("Temporary", trace.TemporaryBytes > 0 ? Measured.Size(trace.TemporaryBytes) : null),
            ("Left invalid", trace.InvalidIndexes.Count > 0 ? string.Join(", ", trace.InvalidIndexes) : null),
            ("Not validated", trace.UnvalidatedConstraints.Count > 0 ? string.Join(", ", trace.UnvalidatedConstraints) : null),
            ("Schema", report.Schema?.Summary),
            ("Way back", report.Rollback is { } rollback ? $"{(rollback.Succeeded ? "" : sheet.Screen.Red("failed") + "  ")}{PlainText.Line(rollback.Summary, 1000)}" : null),
            ("Run again", report.Rerun is { } rerun ? $"{(rerun.Succeeded ? "" : sheet.Screen.Red("failed") + "  ")}{PlainText.Line(rerun.Summary, 1000)}" : null));
        foreach (var diff in (IEnumerable<SchemaDiff?>)[report.Rollback?.Left, report.Rollback?.Different, report.Rerun?.Schema])
        {
            if (diff is { IsEmpty: false })
                SchemaText.Write(diff, sheet);
        }

        foreach (var gap in trace.Gaps)
            sheet.Line($"{sheet.Screen.Yellow("not seen")}  {gap}");
        if (trace.Statements.Count > 0)
        {
            var locks = trace.StrongestLocks();
            sheet.Line();
            sheet.Table(["#", "TIME", "STATEMENT", "STRONGEST LOCK", "HELD", "ROWS", "WAL"], [.. trace.Statements.Select(s => Row(s, locks.GetValueOrDefault(s.Number)))]);
        }

        WriteFindings(report, sheet);
    }

    /// <summary>The findings alone, with what each of them means.</summary>
    public static void WriteFindings(MigrationReport report, Sheet sheet)
    {
        var explained = new HashSet<string>();
        foreach (var finding in report.Findings)
        {
            sheet.Line();
            sheet.Line($"{Level(finding, sheet.Screen)}  {sheet.Screen.Bold(finding.Rule)}  {PlainText.Line(finding.Place)}  {finding.Message}".TrimEnd());
            if (finding.WaivedBecause is { } reason)
            {
                sheet.Line($"  allowed: {PlainText.Line(reason)}");
            }
            else if (explained.Add(finding.Rule))
            {
                if (finding.Why.Length > 0)
                    sheet.Line($"  {finding.Why}");
                if (finding.Instead.Length > 0)
                    sheet.Line($"  → {finding.Instead}");
            }
        }
    }

    private static string Level(LintFinding finding, Screen screen) => finding.WaivedBecause is not null ? screen.Dim("waived") : finding.Level switch
    {
        FindingLevel.Error => screen.Red("error"),
        FindingLevel.Warning => screen.Yellow("warning"),
        _ => "note",
    };

    private static string[] Row(TracedStatement statement, TracedLock? strongest) =>
        [statement.Number.ToString(CultureInfo.InvariantCulture), Measured.Time(statement.Duration), Short(statement.Text), strongest is null ? "" : $"{strongest.Mode.Sql()} on {strongest.Relation}", strongest is null ? "" : Measured.Time(strongest.Held), statement.Rows?.ToString("N0", CultureInfo.InvariantCulture) ?? "",
            $"{(statement.WalIsApproximate ? "~" : "")}{Measured.Size(statement.WalBytes)}"];

    private static string Short(string text)
    {
        var line = PlainText.Line(text, 10_000);
        return line.Length <= StatementWidth ? line : line[..(StatementWidth - 1)] + "…";
    }
}
