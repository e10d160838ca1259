using System.Globalization;
using Pgd.Lint;
using Pgd.Migrations;
using Pgd.Schema;
using Pgd.Tracing;

namespace Pgd.Action.Reports;

/// <summary>What a migration did, in Markdown: the verdict first, then its statements, worst first, then what one opens to know more.</summary>
public static class RehearsalText
{
    private const int MostStatements = 50;
    private const int StatementLength = 80;

    /// <summary>A page of its own.</summary>
    public static string Page(MigrationReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        return string.Join("\n\n", ((IEnumerable<Section>)[new() { Lines = [$"## {Icon(report)} {Verdict(report, name => Markdown.Code(name))}"] }, .. Sections(report, (file, line) => (string.Create(CultureInfo.InvariantCulture, $"{file}:{line}"), null))]).Select(s => s.Render(""))) + "\n";
    }

    /// <summary>One line: whether it may run, and what stands against it most.</summary>
    public static string Verdict(MigrationReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        return Verdict(report, static name => PlainText.Line(name));
    }

    /// <summary>One line: whether it may run, and what stands against it most.</summary>
    /// <param name="report">The report.</param>
    /// <param name="code">How names are shown.</param>
    internal static string Verdict(MigrationReport report, Func<string, string> code)
    {
        return report.Run.Error is not null ? $"The migration failed on {code(report.Branch.ToString())}" : $"The migration ran in {Measured.Time(report.Trace.Duration)}{Consequence(report, code)}";
    }

    /// <summary>What stands against it most, to be put behind that it ran; empty if nothing does.</summary>
    internal static string Consequence(MigrationReport report, Func<string, string> code) => report switch
    {
        { Rollback.Succeeded: false } => ", and cannot be taken back",
        { Rerun.Succeeded: false } => ", and changes things when it is run again",
        { Exceeded.Count: > 0 } => $", over {Words.Count(report.Exceeded.Count, "budget")}",
        { Level: FindingLevel.Error } => $", and {Words.Count(report.Findings.Count(f => f is { Level: FindingLevel.Error, WaivedBecause: null }), "thing")} would hurt production",
        { Trace.WorstLock: { } worst } when worst.Held >= TimeSpan.FromSeconds(1) => $", and held up {worst.Blocks.InWords()} of {code(worst.Relation)} for {Measured.Time(worst.Held)}",
        _ => "",
    };

    internal static string Icon(MigrationReport report) => report.ExitCode != ExitCode.Done ? "❌" : report.Level > FindingLevel.Note ? "⚠️" : "✅";

    internal static IEnumerable<Section> Sections(MigrationReport report, Func<string, int?, (string Place, string? Url)> place)
    {
        var trace = report.Trace;
        if (report.Exceeded.Count > 0)
            yield return new() { Lines = [.. report.Exceeded.GroupBy(e => (e.Name, e.Limit)).Select(Exceeded)], Expendability = 1 };
        yield return new() { Lines = Summary(report) };
        foreach (var section in Again(report))
            yield return section;
        if (trace.Statements.Count > 0)
            yield return Statements(trace, place);
        if (report.Findings.Count > 0)
            yield return Findings(report, place);
        if (trace.Tables.Count > 0)
            yield return Tables(trace);
        if (report.Schema is { IsEmpty: false } schema)
            yield return Schema("Schema", schema);
        if (trace.Gaps.Count > 0)
            yield return new() { Lines = [.. trace.Gaps.Select(g => $"- not seen: {Markdown.Text(g)}")], Expendability = 3 };
    }

    // A rule that is denied may be broken by hundreds of statements.
    private static string Exceeded(IGrouping<(string Name, string Limit), ExceededBudget> budget)
    {
        var (first, count) = (budget.First(), budget.Count());
        var where = string.Join(", ", budget.Select(e => e.Where).Distinct().Take(5)) + (count > 5 ? ", …" : "");
        return $"- **over budget** {Markdown.Code(first.Name)} {Markdown.Text(first.Limit)}: {(count > 1 ? $"{Words.Count(count, "time")}, first: " : "")}{Markdown.Text(first.Actual)} ({Markdown.Text(where)})";
    }

    private static string[] Summary(MigrationReport report)
    {
        var trace = report.Trace;
        var rewrites = trace.Statements.SelectMany(s => s.Rewrites).ToList();
        List<(string, string)> facts =
        [
            ("Held up", trace.WorstLock is { } worst ? $"{worst.Blocks.InWords()} of {Markdown.Cell(worst.Relation)} for **{Measured.Time(worst.Held)}**" : "nobody"),
            ("Written anew", rewrites.Count == 0 ? "nothing" : $"{Measured.Size(rewrites.Sum(r => r.Bytes))}: {string.Join(", ", rewrites.Select(r => Markdown.Cell(r.Relation)).Distinct().Take(5))}{(rewrites.Count > 5 ? ", …" : "")}"),
            ("Write-ahead log", Measured.Size(trace.WalBytes)),
        ];
        if (trace.TemporaryBytes > 0)
            facts.Add(("Temporary files", Measured.Size(trace.TemporaryBytes)));
        return ["| | |", "| :-- | :-- |", .. facts.Select(f => $"| {f.Item1} | {f.Item2} |")];
    }

    private static IEnumerable<Section> Again(MigrationReport report)
    {
        var lines = new List<string>();
        if (report.Rollback is { } rollback)
            lines.Add($"- {(rollback.Succeeded ? "" : "❌ ")}**way back** {Markdown.Text(rollback.Summary)}");
        if (report.Rerun is { } rerun)
            lines.Add($"- {(rerun.Succeeded ? "" : "❌ ")}**run again** {Markdown.Text(rerun.Summary)}");
        if (lines.Count > 0)
            yield return new() { Lines = lines };
        foreach (var (title, diff) in (IEnumerable<(string, SchemaDiff?)>)[("Left after the way back", report.Rollback?.Left), ("Different the second time", report.Rollback?.Different), ("Changed when run again", report.Rerun?.Schema)])
        {
            if (diff is { IsEmpty: false })
                yield return Schema(title, diff);
        }
    }

    private static Section Schema(string title, SchemaDiff schema) =>
        Details($"{title}: {Markdown.Text(schema.Summary)}", "diff", [.. schema.Text.TrimEnd('\n').Split('\n').Select(l => Markdown.CodeLine(l, 1000))], expendability: 4);

    private static Section Statements(MigrationTrace trace, Func<string, int?, (string Place, string? Url)> place)
    {
        var locks = trace.StrongestLocks();
        var worst = trace.Statements.OrderByDescending(s => s.Error is not null).ThenByDescending(s => locks.GetValueOrDefault(s.Number) is { HoldsUp: true } l ? l.Held : TimeSpan.Zero).ThenByDescending(s => s.Duration).ToList();
        return new()
        {
            Head = ["| # | Time | Statement | Strongest lock | Held | Rows | Log |", "| --: | --: | :-- | :-- | --: | --: | --: |"],
            Lines = [.. worst.Take(MostStatements).Select(s => Row(s, locks.GetValueOrDefault(s.Number), place))],
            Tail = worst.Count > MostStatements ? ["", $"{Words.Count(worst.Count - MostStatements, "statement")} more took less."] : [],
            Expendability = 1,
        };
    }

    private static string Row(TracedStatement statement, TracedLock? strongest, Func<string, int?, (string Place, string? Url)> place)
    {
        var where = statement.File is { } file && place(file, statement.Line) is var (shown, url) ? $" {Markdown.Link(Markdown.Cell(shown), url)}" : "";
        return $"| {statement.Number} | {Measured.Time(statement.Duration)} | {(statement.Error is null ? "" : "❌ ")}{Markdown.Cell(statement.Text, StatementLength)}{where} | {(strongest is null ? "" : $"{Icon(strongest.Blocks)}{strongest.Mode.Sql()} on {Markdown.Cell(strongest.Relation)}")} | "
            + $"{(strongest is null ? "" : Measured.Time(strongest.Held))} | {statement.Rows?.ToString("N0", CultureInfo.InvariantCulture)} | {(statement.WalIsApproximate ? "~" : "")}{Measured.Size(statement.WalBytes)} |";
    }

    private static Section Findings(MigrationReport report, Func<string, int?, (string Place, string? Url)> place)
    {
        var explained = new HashSet<string>();
        var lines = new List<string>();
        foreach (var finding in report.Findings)
        {
            var where = finding.File is { } file && place(file, finding.Line) is var (shown, url) ? Markdown.Link(Markdown.Code(shown), url) : finding.Place;
            lines.Add($"- {(finding.WaivedBecause is not null ? "~~" : "")}**{finding.Rule}**{(finding.WaivedBecause is not null ? "~~" : "")} {where}: {Markdown.Text(finding.Message)}");
            if (finding.WaivedBecause is { } reason)
                lines.Add($"  allowed: {Markdown.Text(reason)}");
            else if (explained.Add(finding.Rule))
                lines.Add($"  {string.Join(" → ", new[] { finding.Why, finding.Instead }.Where(t => t.Length > 0).Select(t => Markdown.Text(t)))}");
        }

        var open = report.Findings.Count(f => f.WaivedBecause is null);
        return new() { Head = [$"<details{(report.Level == FindingLevel.Error ? " open" : "")}><summary>{Words.Count(open, "finding")}{(open < report.Findings.Count ? $", {report.Findings.Count - open} allowed" : "")}</summary>", ""], Lines = lines, Tail = ["", "</details>"], Expendability = 2 };
    }

    private static Section Tables(MigrationTrace trace) => new()
    {
        Head = [$"<details><summary>{Words.Count(trace.Tables.Count, "table")} changed in size</summary>", "", "| Table | Before | After | Rows | Dead rows |", "| :-- | --: | --: | --: | --: |"],
        Lines = [.. trace.Tables.Select(t => $"| {Markdown.Cell(t.Name)} | {(t.BytesBefore is { } before ? Measured.Size(before) : "new")} | {(t.BytesAfter is { } after ? Measured.Size(after) : "gone")} | {t.Rows?.ToString("N0", CultureInfo.InvariantCulture)} | {t.DeadRows.ToString("N0", CultureInfo.InvariantCulture)} |")],
        Tail = ["", "</details>"],
        Expendability = 5,
    };

    private static Section Details(string title, string language, string[] lines, int expendability)
    {
        var fence = Markdown.Fence(lines);
        return new() { Head = [$"<details><summary>{title}</summary>", "", fence + language], Lines = lines, Tail = [fence, "", "</details>"], Expendability = expendability };
    }

    private static string Icon(Blocks blocks) => blocks.HasFlag(Blocks.Reads) ? "🔴 " : blocks.HasFlag(Blocks.Writes) ? "🟠 " : "";
}
