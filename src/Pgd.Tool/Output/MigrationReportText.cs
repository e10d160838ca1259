using System.Globalization;
using Pgd.Action.Reports;
using Pgd.Lint;
using Pgd.Migrations;
using Pgd.Tracing;

namespace Pgd.Tool.Output;

/// <summary>What a migration did, for people: the verdict, what it held up, its statements, the schema.</summary>
internal static class MigrationReportText
{
    private const int StatementWidth = 60;

    public static void Write(MigrationReport report, Sheet sheet)
    {
        var (run, trace) = (report.Run, report.Trace);
        sheet.Line(run.Error is { } error ? $"{sheet.Screen.Red("failed")}  {PlainText.Line(error.Message, 1000)}{(error.SqlState is { } state ? $" (SQLSTATE {state})" : "")}" : sheet.Screen.Green($"The migration ran on {report.Branch} in {Time(run.Duration)}."));
        if (run.Error is { File: { } file } failed)
            sheet.Line($"        {PlainText.Line(file)}{(failed.Line is { } line ? string.Create(CultureInfo.InvariantCulture, $":{line}") : "")}");
        foreach (var exceeded in report.Exceeded)
            sheet.Line($"{sheet.Screen.Red("over budget")}  {exceeded.Name} {exceeded.Limit}: {(exceeded.Name == "deny" ? $"{exceeded.Where}: {exceeded.Actual}" : $"{exceeded.Actual} ({exceeded.Where})")}");
        sheet.Line();
        sheet.Details(
            ("Held up", trace.Locks.Where(l => (l.Blocks & (Blocks.Reads | Blocks.Writes)) != 0).MaxBy(l => l.Held) is { } worst ? $"{What(worst.Blocks)} of {worst.Relation} for {Time(worst.Held)}" : "nobody"),
            ("Rewritten", trace.Statements.SelectMany(s => s.Rewrites).ToList() is { Count: > 0 } rewrites ? string.Join(", ", rewrites.Select(r => $"{r.Relation} ({BranchText.Size(r.Bytes)})")) : "nothing"),
            ("WAL", BranchText.Size(trace.WalBytes)),
            ("Temporary", trace.TemporaryBytes > 0 ? BranchText.Size(trace.TemporaryBytes) : null),
            ("Left invalid", trace.InvalidIndexes.Count > 0 ? string.Join(", ", trace.InvalidIndexes) : null),
            ("Not validated", trace.UnvalidatedConstraints.Count > 0 ? string.Join(", ", trace.UnvalidatedConstraints) : null),
            ("Schema", report.Schema?.Summary));
        foreach (var gap in trace.Gaps)
            sheet.Line($"{sheet.Screen.Yellow("not seen")}  {gap}");
        if (trace.Statements.Count > 0)
        {
            sheet.Line();
            sheet.Table(["#", "TIME", "STATEMENT", "STRONGEST LOCK", "HELD", "WAL"], [.. trace.Statements.Select(s => Row(s, trace))]);
        }

        var explained = new HashSet<string>();
        foreach (var finding in report.Findings)
        {
            sheet.Line();
            var where = finding.File is null ? finding.Statement > 0 ? $"statement {finding.Statement.ToString(CultureInfo.InvariantCulture)}" : "" : $"{PlainText.Line(finding.File)}:{finding.Line?.ToString(CultureInfo.InvariantCulture)}";
            sheet.Line($"{Level(finding, sheet.Screen)}  {sheet.Screen.Bold(finding.Rule)}  {where}  {finding.Message}".TrimEnd());
            if (finding.WaivedBecause is { } reason)
            {
                sheet.Line($"  allowed: {PlainText.Line(reason)}");
            }
            else if (explained.Add(finding.Rule))
            {
                sheet.Line($"  {finding.Why}");
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

    private static string[] Row(TracedStatement statement, MigrationTrace trace)
    {
        var strongest = trace.Locks.Where(l => l.Statement == statement.Number).OrderByDescending(l => l.Mode).ThenByDescending(l => l.Kind == RelationKind.Table).FirstOrDefault();
        return [statement.Number.ToString(CultureInfo.InvariantCulture), Time(statement.Duration), Short(statement.Text), strongest is null ? "" : $"{strongest.Mode.Sql()} on {strongest.Relation}", strongest is null ? "" : Time(strongest.Held),
            $"{(statement.WalIsApproximate ? "~" : "")}{BranchText.Size(statement.WalBytes)}"];
    }

    private static string Short(string text)
    {
        var line = PlainText.Line(text, 10_000);
        return line.Length <= StatementWidth ? line : line[..(StatementWidth - 1)] + "…";
    }

    private static string What(Blocks blocks) => blocks.HasFlag(Blocks.Reads) ? "reads and writes" : "writes";

    private static string Time(TimeSpan time) => time < TimeSpan.FromSeconds(1) ? string.Create(CultureInfo.InvariantCulture, $"{time.TotalMilliseconds:0.#} ms")
        : time < TimeSpan.FromMinutes(1) ? string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.##} s") : Configuration.Duration.Format(time);
}
