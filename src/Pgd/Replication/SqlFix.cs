using Pgd.Postgres;

namespace Pgd.Replication;

/// <summary>Writes the statements that make the rows of a target equal to the source's: of each database one transaction.</summary>
/// <param name="writer">Where to.</param>
internal sealed class SqlFix(TextWriter writer)
{
    private bool _isBegun;

    /// <summary>Begins those of a database.</summary>
    /// <param name="database">The target's name for it; null if it is the only one, and who runs the statements says where.</param>
    public async Task BeginAsync(string? database)
    {
        _isBegun = true;
        if (database is not null)
            await LineAsync($"\\connect {AdminConnection.QuoteIdentifier(database)}").ConfigureAwait(false);
        await LineAsync("begin;").ConfigureAwait(false);
        await LineAsync("-- Values are read as they were written, and nothing but these rows changes: no trigger, no cascade. For that the role has to be a superuser, or to be granted SET on session_replication_role (PostgreSQL 15 and newer).").ConfigureAwait(false);
        foreach (var setting in (string[])["session_replication_role = replica", "TimeZone = 'UTC'", "DateStyle = 'ISO, YMD'", "IntervalStyle = 'postgres'", "lc_monetary = 'C'", "xmloption = 'content'", "standard_conforming_strings = on", "search_path = pg_catalog"])
            await LineAsync($"set local {setting};").ConfigureAwait(false);
    }

    /// <summary>Those of a table's rows; what is gone goes first, so that its values are free.</summary>
    public async Task WriteAsync(TablePair pair, IReadOnlyList<FixedRow> rows)
    {
        foreach (var row in rows.Where(row => row.Target is not null && (row.Source is null || IsReplaced(pair, row))))
            await LineAsync($"delete from {pair.QuotedAlone} where {Where(pair, row.Target!)};").ConfigureAwait(false);
        foreach (var row in rows.Where(row => row is { Source: not null, Target: not null } && !IsReplaced(pair, row)))
        {
            var set = pair.Columns.Select((column, i) => (column, i)).Where(one => !one.column.IsGenerated && row.Source![one.i] != row.Target![one.i]).Select(one => $"{one.column.Quoted} = {Literal(row.Source![one.i])}").ToList();
            if (set.Count > 0)
                await LineAsync($"update {pair.QuotedAlone} set {string.Join(", ", set)} where {Where(pair, row.Target!)};").ConfigureAwait(false);
        }

        foreach (var row in rows.Where(row => row.Source is not null && (row.Target is null || IsReplaced(pair, row))))
        {
            var stored = pair.Columns.Select((column, i) => (column, i)).Where(one => !one.column.IsGenerated).ToList();
            await LineAsync($"insert into {pair.Quoted} ({string.Join(", ", stored.Select(one => one.column.Quoted))}) overriding system value values ({string.Join(", ", stored.Select(one => Literal(row.Source![one.i])))});").ConfigureAwait(false);
        }
    }

    /// <summary>Says that a table is left out.</summary>
    public Task LeaveAsync(string text) => LineAsync($"-- {text.ReplaceLineEndings(" ")}");

    /// <summary>Ends those of a database.</summary>
    public Task EndAsync() => _isBegun ? LineAsync("commit;") : Task.CompletedTask;

    // Where values may have been swapped between rows, or a key among them (which is the same by value), none can be updated before the other; a value that is always generated cannot be updated at all.
    private static bool IsReplaced(TablePair pair, FixedRow row) =>
        row.Source is not null && row.Target is not null && (pair.IsUniqueOtherwise || pair.Columns.Select((column, i) => (column, i)).Any(one => row.Source[one.i] != row.Target[one.i] && (one.column.IsAlwaysIdentity || pair.Key.Contains(one.column))));

    private static string Where(TablePair pair, string?[] row) => string.Join(" and ", pair.Columns.Select((column, i) => (column, i)).Where(one => pair.Key.Contains(one.column)).Select(one => $"{one.column.Quoted} = {Literal(row[one.i])}"));

    private static string Literal(string? value) => value is null ? "null" : AdminConnection.QuoteLiteral(value).Trim(' ');

    private Task LineAsync(string line) => writer.WriteAsync(line + '\n');
}

/// <summary>A row as it is on both sides, its columns as text; null where it is not.</summary>
internal sealed record FixedRow(string?[]? Source, string?[]? Target);
