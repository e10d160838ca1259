using System.Globalization;
using Pgd.Lint;
using Pgd.Migrations;
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
        return string.Join("\n\n", ((IEnumerable<Section>)[new() { Lines = [$"## {Icon(report)} {Verdict(report)}"] }, .. Sections(report, null)]).Select(s => s.Render(""))) + "\n";
    }

    /// <summary>One line: whether it may run, and what stands against it most.</summary>
    public static string Verdict(MigrationReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        var (blocked, errors) = (Worst(report.Trace), report.Findings.Count(f => f is { Level: FindingLevel.Error, WaivedBecause: null }));
        var took = Words.Duration(report.Trace.Duration);
        return report switch
        {
            { Run.Error: not null } => $"The migration failed on {Markdown.Code(report.Branch.ToString())}",
            { Exceeded.Count: > 0 } => $"The migration ran in {took} and exceeds {Words.Count(report.Exceeded.Count, "budget")}",
            _ when errors > 0 => $"The migration ran in {took}, and {Words.Count(errors, "thing")} would hurt production",
            _ when blocked is { } worst && worst.Held >= TimeSpan.FromSeconds(1) => $"The migration ran in {took}, and holds up {What(worst.Blocks)} of {Markdown.Code(worst.Relation)} for {Words.Duration(worst.Held)}",
            _ => $"The migration ran in {took}",
        };
    }

    internal static string Icon(MigrationReport report) => report.ExitCode != ExitCode.Done ? "❌" : report.Findings.Any(f => f is { Level: not FindingLevel.Note, WaivedBecause: null }) ? "⚠️" : "✅";

    internal static IEnumerable<Section> Sections(MigrationReport report, Func<string, int?, string?>? address)
    {
        var trace = report.Trace;
        if (report.Exceeded.Count > 0)
            yield return new() { Lines = [.. report.Exceeded.Select(e => $"- **over budget** {Markdown.Code(e.Name)} {Markdown.Text(e.Limit)}: {Markdown.Text(e.Actual)} ({Markdown.Text(e.Where)})")] };
        yield return new() { Lines = Summary(report) };
        if (trace.Statements.Count > 0)
            yield return Statements(trace, address);
        if (report.Findings.Count > 0)
            yield return Findings(report, address);
        if (trace.Tables.Count > 0)
            yield return Tables(trace);
        if (report.Schema is { IsEmpty: false } schema)
            yield return Details($"Schema: {Markdown.Text(schema.Summary)}", "diff", [.. schema.Text.TrimEnd('\n').Split('\n').Select(l => Markdown.CodeLine(l, 1000))], expendability: 2);
        if (trace.Gaps.Count > 0)
            yield return new() { Lines = [.. trace.Gaps.Select(g => $"- not seen: {Markdown.Text(g)}")] };
    }

    private static string[] Summary(MigrationReport report)
    {
        var trace = report.Trace;
        var rewrites = trace.Statements.SelectMany(s => s.Rewrites).ToList();
        List<(string, string)> facts =
        [
            ("Holds up", Worst(trace) is { } worst ? $"{What(worst.Blocks)} of {Markdown.Cell(worst.Relation)} for **{Words.Duration(worst.Held)}**" : "nobody"),
            ("Writes anew", rewrites.Count == 0 ? "nothing" : $"{Size(rewrites.Sum(r => r.Bytes))}: {string.Join(", ", rewrites.Select(r => Markdown.Cell(r.Relation)).Distinct().Take(5))}{(rewrites.Count > 5 ? ", …" : "")}"),
            ("Write-ahead log", Size(trace.WalBytes)),
        ];
        if (trace.TemporaryBytes > 0)
            facts.Add(("Temporary files", Size(trace.TemporaryBytes)));
        return ["| | |", "| :-- | :-- |", .. facts.Select(f => $"| {f.Item1} | {f.Item2} |")];
    }

    private static Section Statements(MigrationTrace trace, Func<string, int?, string?>? address)
    {
        var worst = trace.Statements.OrderByDescending(s => s.Error is not null).ThenByDescending(s => Strongest(trace, s) is { } l && l.Blocks.HasFlag(Blocks.Writes) ? l.Held : TimeSpan.Zero).ThenByDescending(s => s.Duration).ToList();
        return new()
        {
            Head = ["| # | Time | Statement | Strongest lock | Held | Log |", "| --: | --: | :-- | :-- | --: | --: |"],
            Lines = [.. worst.Take(MostStatements).Select(s => Row(s, trace, address))],
            Tail = worst.Count > MostStatements ? ["", $"{Words.Count(worst.Count - MostStatements, "statement")} more took less."] : [],
            Expendability = 1,
        };
    }

    private static string Row(TracedStatement statement, MigrationTrace trace, Func<string, int?, string?>? address)
    {
        var strongest = Strongest(trace, statement);
        var place = statement.File is { } file ? $" {Markdown.Link(Markdown.Cell($"{file}:{statement.Line?.ToString(CultureInfo.InvariantCulture)}"), address?.Invoke(file, statement.Line))}" : "";
        return $"| {statement.Number} | {Words.Duration(statement.Duration)} | {(statement.Error is null ? "" : "❌ ")}{Markdown.Cell(statement.Text, StatementLength)}{place} | {(strongest is null ? "" : $"{Icon(strongest.Blocks)}{strongest.Mode.Sql()} on {Markdown.Cell(strongest.Relation)}")} | "
            + $"{(strongest is null ? "" : Words.Duration(strongest.Held))} | {(statement.WalIsApproximate ? "~" : "")}{Size(statement.WalBytes)} |";
    }

    private static Section Findings(MigrationReport report, Func<string, int?, string?>? address)
    {
        var explained = new HashSet<string>();
        var lines = new List<string>();
        foreach (var finding in report.Findings)
        {
            var where = finding.File is { } file ? Markdown.Link(Markdown.Code($"{file}:{finding.Line?.ToString(CultureInfo.InvariantCulture)}"), address?.Invoke(file, finding.Line)) : finding.Statement > 0 ? $"statement {finding.Statement.ToString(CultureInfo.InvariantCulture)}" : "";
            lines.Add($"- {(finding.WaivedBecause is not null ? "~~" : "")}**{finding.Rule}**{(finding.WaivedBecause is not null ? "~~" : "")} {where}: {Markdown.Text(finding.Message)}");
            if (finding.WaivedBecause is { } reason)
                lines.Add($"  allowed: {Markdown.Text(reason)}");
            else if (explained.Add(finding.Rule))
                lines.Add($"  {Markdown.Text(finding.Why)} → {Markdown.Text(finding.Instead)}");
        }

        var open = report.Findings.Count(f => f.WaivedBecause is null);
        return new() { Head = [$"<details{(report.Findings.Any(f => f is { Level: FindingLevel.Error, WaivedBecause: null }) ? " open" : "")}><summary>{Words.Count(open, "finding")}{(open < report.Findings.Count ? $", {report.Findings.Count - open} allowed" : "")}</summary>", ""], Lines = lines, Tail = ["", "</details>"], Expendability = 3 };
    }

    private static Section Tables(MigrationTrace trace) => new()
    {
        Head = [$"<details><summary>{Words.Count(trace.Tables.Count, "table")} changed in size</summary>", "", "| Table | Before | After | Rows | Dead rows |", "| :-- | --: | --: | --: | --: |"],
        Lines = [.. trace.Tables.Select(t => $"| {Markdown.Cell(t.Name)} | {(t.BytesBefore is { } before ? Size(before) : "new")} | {(t.BytesAfter is { } after ? Size(after) : "gone")} | {t.Rows?.ToString("N0", CultureInfo.InvariantCulture)} | {t.DeadRows.ToString("N0", CultureInfo.InvariantCulture)} |")],
        Tail = ["", "</details>"],
        Expendability = 4,
    };

    private static Section Details(string title, string language, string[] lines, int expendability)
    {
        var fence = Markdown.Fence(lines);
        return new() { Head = [$"<details><summary>{title}</summary>", "", fence + language], Lines = lines, Tail = [fence, "", "</details>"], Expendability = expendability };
    }

    internal static TracedLock? Worst(MigrationTrace trace) => trace.Locks.Where(l => (l.Blocks & (Blocks.Reads | Blocks.Writes)) != 0).MaxBy(l => l.Held);

    internal static TracedLock? Strongest(MigrationTrace trace, TracedStatement statement) =>
        trace.Locks.Where(l => l.Statement == statement.Number).OrderByDescending(l => l.Mode).ThenBy(l => l.Kind).FirstOrDefault();

    internal static string What(Blocks blocks) => blocks.HasFlag(Blocks.Reads) ? "reads and writes" : blocks.HasFlag(Blocks.Writes) ? "writes" : "schema changes";

    internal static string Size(long bytes) => bytes switch
    {
        < 1 << 20 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1024.0:0.#} kB"),
        < 1 << 30 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1048576.0:0.#} MB"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1073741824.0:0.##} GB"),
    };

    private static string Icon(Blocks blocks) => blocks.HasFlag(Blocks.Reads) ? "🔴 " : blocks.HasFlag(Blocks.Writes) ? "🟠 " : "";
}
