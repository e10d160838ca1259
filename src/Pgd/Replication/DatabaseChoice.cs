using Pgd.Backups;

namespace Pgd.Replication;

/// <summary>What of a database is meant.</summary>
/// <param name="Tables">The tables.</param>
/// <param name="Rows">Which rows of a table, as a condition, by its quoted name.</param>
internal sealed record DatabaseChoice(TableSelection Tables, IReadOnlyDictionary<string, string> Rows)
{
    /// <summary>All of it.</summary>
    public static DatabaseChoice All { get; } = new(TableSelection.All, new Dictionary<string, string>());

    /// <summary>Which rows of a table are meant; null for all.</summary>
    public string? RowsOf(SourceTable table) => Rows.GetValueOrDefault(table.QuotedName);

    /// <summary>In words that differ when it differs.</summary>
    public override string ToString()
    {
        List<string> words = [.. Tables.Tables, .. Tables.Schemas.Select(schema => $"{schema}.*"), .. Tables.Except.Select(table => $"not {table}"), .. Rows.OrderBy(row => row.Key, StringComparer.Ordinal).Select(row => $"{row.Key} where {row.Value}")];
        return words.Count == 0 ? "all of it" : string.Join(", ", words);
    }
}
