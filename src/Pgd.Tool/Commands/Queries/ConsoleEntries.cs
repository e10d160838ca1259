using System.Text;
using Pgd.Queries;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Queries;

/// <summary>Makes entries of the lines of a console, and does them: statements that end with a semicolon, and commands that begin with a backslash.</summary>
/// <param name="run">The run, which says where results go.</param>
/// <param name="session">Where statements run.</param>
/// <param name="source">What that is a session with.</param>
/// <param name="name">What errors call the input.</param>
/// <param name="counts">Whether they count its lines from its beginning, and not from that of each entry.</param>
internal sealed class ConsoleEntries(Run run, QuerySession session, QuerySource source, string name, bool counts)
{
    public static IReadOnlyList<(string Name, string Description)> Commands { get; } =
    [
        (@"\q", "end"),
        (@"\dt", "tables and views"),
        (@"\d NAME", "a table's columns"),
        (@"\csv FILE QUERY", "a query's rows as CSV; a FILE with blanks in \"…\", - is the screen"),
        (@"\i FILE", "the statements of a file"),
        (@"\?", "this list"),
    ];

    private readonly StringBuilder _text = new();
    private int _lines, _first = 1;

    /// <summary>Whether a statement has begun and not ended.</summary>
    public bool IsOpen => _text.Length > 0;

    /// <summary>Takes a line; an entry if it completes one.</summary>
    public Script? Add(string line)
    {
        _lines++;
        if (!IsOpen)
        {
            _first = _lines;
            if (string.IsNullOrWhiteSpace(line))
                return null;
            if (line.TrimStart().StartsWith('\\'))
                return new(name, line.Trim(), counts ? _lines : 1);
        }

        _text.Append(line).Append('\n');
        var text = _text.ToString();
        // More may come behind the last semicolon on its line: it is done once that has ended as well.
        return session.EndOfStatements(text) is > 0 and var end && string.IsNullOrWhiteSpace(text[end..]) ? Rest() : null;
    }

    /// <summary>What has begun; null if nothing has. The next line begins anew.</summary>
    public Script? Rest()
    {
        var text = _text.ToString();
        _text.Clear();
        return string.IsNullOrWhiteSpace(text) ? null : new(name, text, counts ? _first : 1);
    }

    /// <summary>Does an entry; false if it is the last.</summary>
    public async Task<bool> DoAsync(Script entry, bool write, CancellationToken cancellationToken)
    {
        if (!entry.Text.StartsWith('\\'))
        {
            await SqlRun.ShowAsync(run, session, entry, write, cancellationToken);
            return true;
        }

        var (command, rest) = Cut(entry.Text);
        switch (command)
        {
            case @"\q":
                return false;
            case @"\?" or @"\h" or @"\help":
                new Sheet(run.Session).Table(["COMMAND", "WHAT IT DOES"], [.. Commands.Select(one => (IReadOnlyList<string>)[one.Name, one.Description])]);
                return true;
            case @"\dt" or @"\d" when rest.Length == 0:
                ShowTables(await session.CatalogAsync(cancellationToken));
                return true;
            case @"\d":
                ShowTable(await session.CatalogAsync(cancellationToken), rest.TrimEnd(';', ' '));
                return true;
            case @"\i" when rest.Length > 0:
                var file = File(rest).Name;
                await SqlRun.ShowAsync(run, session, new(file, QueryTarget.TextOf(run.Session, file)), write, cancellationToken);
                return true;
            case @"\csv" when File(rest) is { Name.Length: > 0, After.Length: > 0 } csv:
                await SqlRun.ExportAsync(run, session, entry with { Text = csv.After }, write, csv.Name, cancellationToken);
                return true;
            default:
                throw new PgdException(ExitCode.Misuse, Commands.FirstOrDefault(one => Cut(one.Name).Name == command).Name is { } known ? $"{command} is not complete: it is {known}" : $"there is no command {command}",
                    @"\? lists them; psql has more: dotnet pgd branch psql PROJECT/BRANCH");
        }
    }

    private void ShowTables(IReadOnlyList<CatalogTable> catalog)
    {
        var own = catalog.Where(table => !IsSystem(table)).ToList();
        if (own.Count == 0)
            run.Session.Output.WriteLine("There are no tables.");
        else
            new Sheet(run.Session).Table(["SCHEMA", "NAME", "KIND"], [.. own.Select(table => (IReadOnlyList<string>)[table.Schema, table.Name, table.Kind])]);
    }

    private void ShowTable(IReadOnlyList<CatalogTable> catalog, string asked)
    {
        var name = asked.Replace("\"", "", StringComparison.Ordinal).Replace("`", "", StringComparison.Ordinal);
        var table = catalog.FirstOrDefault(table => table.IsInPath && string.Equals(table.Name, name, StringComparison.OrdinalIgnoreCase))
            ?? catalog.FirstOrDefault(table => string.Equals($"{table.Schema}.{table.Name}", name, StringComparison.OrdinalIgnoreCase))
            ?? throw new PgdException(ExitCode.NotFound, $"there is no table {asked}", @"\dt lists them; one of another schema is SCHEMA.NAME.");
        new Sheet(run.Session).Table(["COLUMN", "TYPE", "NULL", "DEFAULT"], [.. table.Columns.Select(column => (IReadOnlyList<string>)[column.Name, column.Type, column.IsNullable ? "yes" : "no", column.Default ?? ""])]);
    }

    private bool IsSystem(CatalogTable table) => source is PostgresSource && table.Schema is "pg_catalog" or "information_schema";

    private static (string Name, string After) Cut(string text)
    {
        var end = text.IndexOfAny([' ', '\t']);
        return end < 0 ? (text, "") : (text[..end], text[end..].Trim());
    }

    private static (string Name, string After) File(string text) =>
        text.Length > 1 && text[0] is '"' or '\'' && text.IndexOf(text[0], 1) is > 0 and var close ? (text[1..close], text[(close + 1)..].Trim()) : Cut(text);
}
