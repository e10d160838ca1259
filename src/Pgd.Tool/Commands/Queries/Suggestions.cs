using System.Text.RegularExpressions;
using Pgd.Queries;

namespace Pgd.Tool.Commands.Queries;

/// <summary>What Tab offers: commands, SQL's words, tables and the columns of the tables that are named.</summary>
internal static partial class Suggestions
{
    private static readonly string[] Words =
    [
        "alter", "and", "as", "asc", "between", "by", "case", "create", "delete", "desc", "distinct", "drop", "else", "end", "exists", "explain", "false", "from", "full", "group", "having", "ilike", "in", "index", "inner",
        "insert", "into", "is", "join", "left", "like", "limit", "not", "null", "offset", "on", "or", "order", "outer", "returning", "right", "select", "set", "show", "table", "then", "true", "union", "update", "using", "values", "view", "when", "where", "with",
    ];

    public static Offers For(string text, int cursor, IReadOnlyList<CatalogTable> catalog, char quote)
    {
        var before = text[..cursor];
        if (before.StartsWith('\\') && !before.Contains(' ', StringComparison.Ordinal))
            return new(0, [.. ConsoleEntries.Commands.Select(command => command.Name.Split(' ')[0]).Where(command => command.StartsWith(before, StringComparison.Ordinal)).Order(StringComparer.Ordinal)]);
        var start = cursor;
        while (start > 0 && (char.IsLetterOrDigit(before[start - 1]) || before[start - 1] is '_' or '$' || before[start - 1] == quote))
            start--;
        var word = before[start..];
        if (start > 0 && before[start - 1] == '.' && Qualifier().Match(before[..(start - 1)]) is { Success: true } owner)
            return Matching(start, word, Owned(owner.Value.Trim(quote), text, catalog), quote);
        if (before.StartsWith(@"\d ", StringComparison.Ordinal))
            return Matching(start, word, Tables(catalog), quote);
        // Not everything that there is: an empty word would offer hundreds.
        var named = catalog.Where(table => Names(text, table.Name)).SelectMany(table => table.Columns.Select(column => column.Name));
        var afterTable = BeforeTable().IsMatch(before[..start]);
        return Matching(start, word, afterTable ? Tables(catalog) : named.Concat(word.Length > 0 ? Tables(catalog).Concat(Words) : []), quote);
    }

    private static IEnumerable<string> Tables(IReadOnlyList<CatalogTable> catalog) => catalog.Where(table => table.IsInPath && table.Schema != "pg_catalog").Select(table => table.Name)
        .Concat(catalog.Where(table => !table.IsInPath).Select(table => table.Schema));

    // A table's columns, by its name or another that the text gives it; or a schema's tables.
    private static IEnumerable<string> Owned(string owner, string text, IReadOnlyList<CatalogTable> catalog)
    {
        var table = catalog.FirstOrDefault(table => table.IsInPath && string.Equals(table.Name, owner, StringComparison.OrdinalIgnoreCase))
            ?? catalog.FirstOrDefault(table => Regex.IsMatch(text, $@"\b{Regex.Escape(table.Name)}[""`]?\s+(as\s+)?{Regex.Escape(owner)}\b", RegexOptions.IgnoreCase));
        return table?.Columns.Select(column => column.Name) ?? catalog.Where(table => string.Equals(table.Schema, owner, StringComparison.OrdinalIgnoreCase)).Select(table => table.Name);
    }

    private static bool Names(string text, string table) => text.Contains(table, StringComparison.OrdinalIgnoreCase) && Regex.IsMatch(text, $@"(?<!\w){Regex.Escape(table)}(?!\w)", RegexOptions.IgnoreCase);

    private static Offers Matching(int start, string word, IEnumerable<string> names, char quote)
    {
        var bare = word.Trim(quote);
        return new(start, [.. names.Where(name => name.StartsWith(bare, StringComparison.OrdinalIgnoreCase)).Distinct().Order(StringComparer.Ordinal).Select(name => Plain().IsMatch(name) ? name : $"{quote}{name.Replace($"{quote}", $"{quote}{quote}", StringComparison.Ordinal)}{quote}")]);
    }

    [GeneratedRegex(@"[\w$""`]+$")]
    private static partial Regex Qualifier();

    [GeneratedRegex(@"\b(from|join|into|update|table)\s+$", RegexOptions.IgnoreCase)]
    private static partial Regex BeforeTable();

    [GeneratedRegex("^[a-z_][a-z0-9_]*$")]
    private static partial Regex Plain();
}
