using System.Globalization;
using System.Net;
using System.Text;
using Pgd.Lint;
using Pgd.Migrations;
using Pgd.Schema;
using Pgd.Tracing;

namespace Pgd.Action.Reports;

/// <summary>What a migration did, as one file for a browser: nothing in it is loaded from elsewhere, and nothing in it runs.</summary>
public static class RehearsalHtml
{
    private const int MostRows = 40, MostStatements = 500;

    private const string Style =
        """
        :root { color-scheme: light dark; --text: #1f2328; --dim: #59636e; --line: #d1d9e0; --soft: #f6f8fa; --back: #fff; --reads: #cf222e; --writes: #bc4c00; --schema: #57606a; --good: #1a7f37; --bad: #cf222e; --warn: #9a6700; --added: #dafbe1; --removed: #ffebe9; }
        @media (prefers-color-scheme: dark) { :root { --text: #e6edf3; --dim: #9198a1; --line: #3d444d; --soft: #151b23; --back: #0d1117; --reads: #f85149; --writes: #db6d28; --schema: #8b949e; --good: #3fb950; --bad: #f85149; --warn: #d29922; --added: #12261e; --removed: #301a1f; } }
        * { box-sizing: border-box; }
        body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 70rem; background: var(--back); color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
        h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .25rem; }
        h2 { font-size: 1.1rem; margin: 2.2rem 0 .6rem; }
        code, pre, .sql { font: .85rem/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
        .dim { color: var(--dim); } .good { color: var(--good); } .bad { color: var(--bad); } .warn { color: var(--warn); }
        .facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: .75rem; margin: 1.25rem 0 0; padding: 0; }
        .facts div { background: var(--soft); border: 1px solid var(--line); border-radius: 8px; padding: .6rem .8rem; }
        .facts dt { color: var(--dim); font-size: .8rem; } .facts dd { margin: 0; font-weight: 600; overflow-wrap: anywhere; }
        .wide { overflow-x: auto; border: 1px solid var(--line); border-radius: 8px; }
        table { border-collapse: collapse; width: 100%; font-size: .875rem; } th, td { padding: .4rem .7rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); } tr:last-child td { border-bottom: 0; }
        th { color: var(--dim); font-weight: 600; white-space: nowrap; } th.n, td.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; } td.sql { min-width: 18rem; overflow-wrap: anywhere; white-space: pre-wrap; }
        svg { display: block; width: 100%; } svg text { fill: var(--text); font: 12px system-ui, sans-serif; } svg .tick { stroke: var(--line); } svg .dim { fill: var(--dim); }
        .reads { fill: var(--reads); } .writes { fill: var(--writes); } .schema { fill: var(--schema); }
        .key span { white-space: nowrap; margin-right: 1em; } .key span::before { content: ""; display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .35em; } .key .r::before { background: var(--reads); } .key .w::before { background: var(--writes); } .key .s::before { background: var(--schema); }
        pre { margin: 0; padding: .75rem; overflow-x: auto; } pre b { font-weight: 600; } .add { background: var(--added); } .del { background: var(--removed); }
        ul.findings { list-style: none; margin: 0; padding: 0; } ul.findings li { border: 1px solid var(--line); border-radius: 8px; padding: .6rem .8rem; margin: 0 0 .6rem; } ul.findings p { margin: .2rem 0 0; }
        """;

    /// <summary>The whole file.</summary>
    public static string Page(MigrationReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        var (html, trace) = (new StringBuilder(), report.Trace);
        var verdict = RehearsalText.Verdict(report, name => name);
        html.Append("<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>").Append(Text(verdict)).Append("</title>\n<style>\n").Append(Style).Append("</style>\n<body>\n");
        html.Append($"<h1 class=\"{(report.ExitCode != ExitCode.Done ? "bad" : report.Level > FindingLevel.Note ? "warn" : "good")}\">{Text(verdict)}</h1>\n");
        html.Append($"<div class=\"dim\">{Text(report.Branch.ToString())}, database {Text(trace.Database)}, {Words.Time(trace.StartedAt)}</div>\n");
        if (report.Run.Error is { } error)
            html.Append($"<p class=\"bad\">{Text(error.Message)}{(error.SqlState is { } state ? $" (SQLSTATE {Text(state)})" : "")}{(error.File is { } file ? $" <code>{Text(file)}:{error.Line?.ToString(CultureInfo.InvariantCulture)}</code>" : "")}</p>\n");
        foreach (var exceeded in report.Exceeded)
            html.Append($"<p class=\"bad\">Over budget: <code>{Text(exceeded.Name)}</code> {Text(exceeded.Limit)}: {Text(exceeded.Actual)} ({Text(exceeded.Where)})</p>\n");
        if (report.Rollback is { } rollback)
            html.Append($"<p class=\"{(rollback.Succeeded ? "dim" : "bad")}\">Way back: {Text(rollback.Summary)}</p>\n");
        if (report.Rerun is { } rerun)
            html.Append($"<p class=\"{(rerun.Succeeded ? "dim" : "bad")}\">Run again: {Text(rerun.Summary)}</p>\n");
        foreach (var gap in trace.Gaps)
            html.Append($"<p class=\"warn\">Not seen: {Text(gap)}</p>\n");
        Facts(html, trace);
        Timeline(html, trace);
        Statements(html, trace);
        Findings(html, report);
        Tables(html, trace);
        Schema(html, "Schema", report.Schema);
        Schema(html, "Left after the way back", report.Rollback?.Left);
        Schema(html, "Different the second time", report.Rollback?.Different);
        Schema(html, "Changed when run again", report.Rerun?.Schema);
        Log(html, report);
        return html.Append("</body>\n</html>\n").ToString();
    }

    private static void Facts(StringBuilder html, MigrationTrace trace)
    {
        var rewrites = trace.Statements.SelectMany(s => s.Rewrites).ToList();
        html.Append("<dl class=\"facts\">\n");
        Fact("Held up", trace.WorstLock is { } worst ? $"{worst.Blocks.InWords()} of {worst.Relation} for {Measured.Time(worst.Held)}" : "nobody");
        Fact("Written anew", rewrites.Count == 0 ? "nothing" : $"{Measured.Size(rewrites.Sum(r => r.Bytes))} in {Words.Count(rewrites.Select(r => r.Relation).Distinct().Count(), "table or index", "tables and indexes")}");
        Fact("Write-ahead log", Measured.Size(trace.WalBytes));
        if (trace.TemporaryBytes > 0)
            Fact("Temporary files", Measured.Size(trace.TemporaryBytes));
        html.Append("</dl>\n");

        void Fact(string name, string value) => html.Append($"<div><dt>{Text(name)}</dt><dd>{Text(value)}</dd></div>\n");
    }

    // Positions are parts of the width, so that the letters stay as large on a telephone.
    private static void Timeline(StringBuilder html, MigrationTrace trace)
    {
        var rows = trace.Locks.Where(l => l.Mode >= LockMode.ShareUpdateExclusive).GroupBy(l => l.Relation).OrderByDescending(g => g.Max(l => l.Blocks)).ThenByDescending(g => g.Sum(l => l.Held.Ticks)).Take(MostRows).ToList();
        if (rows.Count == 0 || trace.Duration <= TimeSpan.Zero)
            return;
        const int rowHeight = 34, axis = 22;
        var (whole, height) = (trace.Duration.TotalMilliseconds, (rows.Count * rowHeight) + axis);
        html.Append("<h2>Locks over time</h2>\n<p class=\"key dim\"><span class=\"r\">nobody can read or write</span> <span class=\"w\">nobody can write</span> <span class=\"s\">nobody can change the schema</span></p>\n");
        html.Append(CultureInfo.InvariantCulture, $"<svg role=\"img\" height=\"{height}\" aria-label=\"Which tables were locked when\">\n");
        for (var tick = 0; tick <= 4; tick++)
        {
            html.Append(CultureInfo.InvariantCulture, $"<line class=\"tick\" x1=\"{tick * 25}%\" x2=\"{tick * 25}%\" y1=\"0\" y2=\"{height - axis}\"/>");
            html.Append(CultureInfo.InvariantCulture, $"<text class=\"dim\" x=\"{tick * 25}%\" y=\"{height - 6}\" text-anchor=\"{(tick == 0 ? "start" : tick == 4 ? "end" : "middle")}\">{Measured.Time(TimeSpan.FromMilliseconds(whole * tick / 4))}</text>\n");
        }

        for (var i = 0; i < rows.Count; i++)
        {
            html.Append(CultureInfo.InvariantCulture, $"<text x=\"0\" y=\"{(i * rowHeight) + 14}\">{Text(rows[i].Key)}</text>\n");
            foreach (var held in rows[i])
            {
                var (from, width) = (Math.Clamp(held.Start.TotalMilliseconds / whole * 100, 0, 99.6), Math.Clamp(held.Held.TotalMilliseconds / whole * 100, 0.4, 100));
                html.Append(CultureInfo.InvariantCulture, $"<rect class=\"{(held.Blocks.HasFlag(Blocks.Reads) ? "reads" : held.Blocks.HasFlag(Blocks.Writes) ? "writes" : "schema")}\" x=\"{from:0.##}%\" width=\"{Math.Min(width, 100 - from):0.##}%\" y=\"{(i * rowHeight) + 19}\" height=\"9\" rx=\"2\"><title>{held.Mode.Sql()}, {Measured.Time(held.Held)}, statement {held.Statement}</title></rect>\n");
            }
        }

        html.Append("</svg>\n");
    }

    private static void Statements(StringBuilder html, MigrationTrace trace)
    {
        var locks = trace.StrongestLocks();
        html.Append("<h2>Statements</h2>\n<div class=\"wide\"><table><tr><th class=\"n\">#<th class=\"n\">Time<th>Statement<th>Strongest lock<th class=\"n\">Held<th class=\"n\">Rows<th class=\"n\">Log</tr>\n");
        foreach (var statement in trace.Statements.Take(MostStatements))
        {
            var strongest = locks.GetValueOrDefault(statement.Number);
            html.Append(CultureInfo.InvariantCulture, $"<tr><td class=\"n\">{statement.Number}<td class=\"n\">{Measured.Time(statement.Duration)}<td class=\"sql\">{Text(PlainText.Clean(statement.Text).Trim())}");
            if (statement.File is { } file)
                html.Append(CultureInfo.InvariantCulture, $"\n<span class=\"dim\">{Text(file)}:{statement.Line}</span>");
            if (statement.Error is { } error)
                html.Append($"\n<span class=\"bad\">{Text(error.Message)}</span>");
            html.Append($"<td>{(strongest is null ? "" : $"{strongest.Mode.Sql()}<br><span class=\"dim\">{Text(strongest.Relation)}</span>")}<td class=\"n\">{(strongest is null ? "" : Measured.Time(strongest.Held))}<td class=\"n\">{statement.Rows?.ToString("N0", CultureInfo.InvariantCulture)}<td class=\"n\">{(statement.WalIsApproximate ? "~" : "")}{Measured.Size(statement.WalBytes)}</tr>\n");
        }

        html.Append("</table></div>\n");
        if (trace.Statements.Count > MostStatements)
            html.Append($"<p class=\"dim\">{Words.Count(trace.Statements.Count - MostStatements, "statement")} more, see report.json.</p>\n");
    }

    private static void Findings(StringBuilder html, MigrationReport report)
    {
        if (report.Findings.Count == 0)
            return;
        html.Append("<h2>Findings</h2>\n<ul class=\"findings\">\n");
        foreach (var rule in report.Findings.GroupBy(f => f.Rule))
        {
            var first = rule.First();
            html.Append($"<li><b class=\"{(rule.All(f => f.WaivedBecause is not null) || first.Level == FindingLevel.Note ? "dim" : first.Level == FindingLevel.Error ? "bad" : "warn")}\">{Text(rule.Key)}</b>\n");
            foreach (var finding in rule)
            {
                html.Append($"<p>{Text(finding.Message)} <span class=\"dim\">{Text(finding.Place)}</span>{(finding.WaivedBecause is { } reason ? $" <span class=\"dim\">(allowed: {Text(reason)})</span>" : "")}</p>\n");
            }

            html.Append($"{(first.Why.Length > 0 ? $"<p class=\"dim\">{Text(first.Why)}</p>" : "")}{(first.Instead.Length > 0 ? $"<p>→ {Text(first.Instead)}</p>" : "")}</li>\n");
        }

        html.Append("</ul>\n");
    }

    private static void Tables(StringBuilder html, MigrationTrace trace)
    {
        if (trace.Tables.Count == 0)
            return;
        html.Append("<h2>Tables</h2>\n<div class=\"wide\"><table><tr><th>Table<th class=\"n\">Before<th class=\"n\">After<th class=\"n\">Rows<th class=\"n\">Dead rows</tr>\n");
        foreach (var table in trace.Tables)
            html.Append(CultureInfo.InvariantCulture, $"<tr><td>{Text(table.Name)}<td class=\"n\">{(table.BytesBefore is { } before ? Measured.Size(before) : "new")}<td class=\"n\">{(table.BytesAfter is { } after ? Measured.Size(after) : "gone")}<td class=\"n\">{table.Rows:N0}<td class=\"n\">{table.DeadRows:N0}</tr>\n");
        html.Append("</table></div>\n");
    }

    private static void Schema(StringBuilder html, string title, SchemaDiff? schema)
    {
        if (schema is not { IsEmpty: false })
            return;
        html.Append($"<h2>{title}</h2>\n<p>{Text(schema.Summary)}</p>\n<div class=\"wide\"><pre>");
        foreach (var line in schema.Text.TrimEnd('\n').Split('\n'))
            html.Append(line switch { ['+', ..] => $"<span class=\"add\">{Text(line)}</span>\n", ['-', ..] => $"<span class=\"del\">{Text(line)}</span>\n", ['@', ..] => $"<b>{Text(line)}</b>\n", _ => Text(line) + "\n" });
        html.Append("</pre></div>\n");
    }

    private static void Log(StringBuilder html, MigrationReport report)
    {
        if (report.Run.OutputTail.Count == 0)
            return;
        html.Append("<h2>The end of what it printed</h2>\n<div class=\"wide\"><pre>");
        foreach (var line in report.Run.OutputTail)
            html.Append(Text(PlainText.Clean(line))).Append('\n');
        html.Append("</pre></div>\n");
    }

    private static string Text(string text) => WebUtility.HtmlEncode(text);
}
