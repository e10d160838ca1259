using System.Globalization;
using Pgd.Migrations;

namespace Pgd.Action.Reports;

/// <summary>
/// The part of the comment that is about the migrations. Two hidden lines around it let the comment of a deleted branch keep it: whoever
/// looks at the merged pull request later wants to know what its migrations did.
/// </summary>
internal static class MigrationText
{
    private const string Begin = "<!-- pgd:migrations -->";
    private const string End = "<!-- /pgd:migrations -->";
    private const int LineLimit = 1000;
    private const int LinesLimit = 60;
    private const int StatementLimit = 4000;

    public static IEnumerable<Section> Sections(UpReport report)
    {
        if (report is not { Migration: { } migration, Run: { } run })
            yield break;
        var sections = new List<Section>();
        if (run.Error is { } error)
            sections.Add(Failure(error, report));
        if (migration is { Trace.Statements.Count: > 0 } or { Trace.Gaps.Count: > 0 } or { Exceeded.Count: > 0 } or { Rollback: not null } or { Rerun: not null })
            sections.AddRange(RehearsalText.Sections(migration, (file, line) => (string.Create(CultureInfo.InvariantCulture, $"{report.PathPrefix}{file}:{line}"), Address(report, file, line))));
        if (run.Files.Count > 0)
            sections.Add(Table(run, report));
        if (run.OutputTail.Count > 0)
            sections.Add(Output(run));
        if (sections.Count == 0)
            yield break;

        sections[0] = sections[0] with { Head = [Begin, "", .. sections[0].Head] };
        foreach (var section in sections)
            yield return section;
        yield return new Section { Lines = [End] };
    }

    /// <summary>What an earlier comment said about the migrations; null if it said nothing.</summary>
    public static string? Read(string body)
    {
        body = body.ReplaceLineEndings("\n");
        var begin = body.IndexOf(Begin, StringComparison.Ordinal);
        var end = body.LastIndexOf(End, StringComparison.Ordinal);
        return begin >= 0 && end > begin ? body[begin..(end + End.Length)] : null;
    }

    private static Section Failure(MigrationError error, UpReport report)
    {
        var head = new List<string>();
        if (error.File is { } file)
            head.Add($"**{Markdown.Link(Markdown.Code(report.PathPrefix + file + (error.Line is { } at ? $":{at}" : "")), Address(report, file, error.Line))}**");
        if (error.SqlState is { } state)
            head.Add($"SQLSTATE {Markdown.Code(state, 10)}");
        if (head.Count > 0)
            head = [string.Join(" · ", head), ""];

        if (error.Statement is { } statement)
            head.AddRange(Block("sql", Lines(PlainText.Before(statement, StatementLimit))));

        // As psql writes it: that is how people know these messages.
        string[] said =
        [
            .. Lines(error.SqlState is null ? error.Message : "ERROR:  " + error.Message),
            .. error.Detail is { } detail ? Lines("DETAIL:  " + detail) : [],
            .. error.Hint is { } hint ? Lines("HINT:  " + hint) : [],
        ];
        var fence = Markdown.Fence(said);
        return new() { Head = [.. head, fence + "text"], Lines = said, Tail = [fence], Expendability = 1 };
    }

    private static Section Table(MigrationRun run, UpReport report) => new()
    {
        Head = ["| | Migration | Statements | Time |", "| :-- | :-- | --: | --: |"],
        Lines = [.. run.Files.Select(f => Row(f, report))],
        Tail = run.AlreadyApplied == 0 ? [] : ["", $"{Words.Count(run.AlreadyApplied, "migration")} had run before."],
        Expendability = 2,
    };

    private static string Row(MigrationFile file, UpReport report)
    {
        var name = Markdown.Link(Markdown.Cell(report.PathPrefix + file.Path), Address(report, file.Path, null));
        var outside = file.Transaction ? "" : ", outside a transaction";
        return $"| {(file.Succeeded ? "✅" : "❌ failed")} | {name}{outside} | {file.Statements} | {Measured.Time(file.Duration)} |";
    }

    private static Section Output(MigrationRun run)
    {
        string[] lines = [.. run.OutputTail.SelectMany(Lines)];
        var fence = Markdown.Fence(lines);
        var open = run.Succeeded ? "" : " open";
        return new()
        {
            Head = [$"<details{open}><summary>The end of what the command printed</summary>", "", fence + "text"],
            Lines = lines,
            Tail = [fence, "", "</details>"],
            Expendability = 3,
            LastLinesMatter = true,
        };
    }

    private static string[] Block(string language, string[] lines)
    {
        var fence = Markdown.Fence(lines);
        return [fence + language, .. lines, fence, ""];
    }

    // Long texts have been shortened by the engine; this is for the server's messages, which may quote a whole row.
    private static string[] Lines(string text)
    {
        string[] lines = [.. PlainText.Clean(text).TrimEnd().Split('\n').Select(line => Markdown.CodeLine(line, LineLimit))];
        return lines.Length <= LinesLimit ? lines : [.. lines.Take(LinesLimit - 1), "…"];
    }

    private static string? Address(UpReport report, string file, int? line)
    {
        if (report is not { RepositoryUrl: { } url, HeadSha: { } sha })
            return null;
        // Parentheses would end a Markdown link, and are the only such characters that the escaping leaves.
        var path = string.Join('/', (report.PathPrefix + file).Split('/').Select(Uri.EscapeDataString))
            .Replace("(", "%28", StringComparison.Ordinal).Replace(")", "%29", StringComparison.Ordinal);
        return $"{url}/blob/{sha}/{path}{(line is null ? "" : $"#L{line}")}";
    }
}
