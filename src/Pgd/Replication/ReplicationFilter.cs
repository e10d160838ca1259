using System.Text.RegularExpressions;
using Npgsql;
using Pgd.Backups;
using Pgd.Libpq;
using Pgd.Postgres;

namespace Pgd.Replication;

/// <summary>
/// Which databases, tables and rows of a server are meant. A database is named by a pattern, a table by <c>database.table</c> (in whatever schema it is) or <c>database.schema.table</c>, of which each part is a pattern:
/// a name, one with <c>*</c> and <c>?</c>, a regular expression between slashes (<c>shop./^order/</c>), or a name in double quotes. What matches nothing is an error, so that nothing is left out by a slip.
/// </summary>
public sealed partial record ReplicationFilter
{
    private const string RowExample = "Write DATABASE.SCHEMA.TABLE: CONDITION, for example \"shop.sales.orders: created_at > now() - interval '30 days'\"";
    private const string RecentExample = "Write TABLE:COLUMN:TIME, for example \"shop.sales.orders:created_at:6 months\"; a time is a number of seconds, minutes, hours, days, weeks, months or years.";

    /// <summary>All of the database that the connection names.</summary>
    public static ReplicationFilter None { get; } = new();

    /// <summary>Databases that are meant.</summary>
    public IReadOnlyList<string> IncludeDatabases { get; init; } = [];

    /// <summary>Databases that are not meant in spite of that; alone they mean all others.</summary>
    public IReadOnlyList<string> ExcludeDatabases { get; init; } = [];

    /// <summary>Tables that are meant, and no others of their databases.</summary>
    public IReadOnlyList<string> IncludeTables { get; init; } = [];

    /// <summary>Tables that are not meant in spite of that.</summary>
    public IReadOnlyList<string> ExcludeTables { get; init; } = [];

    /// <summary>Tables that are meant with their definitions and without rows, now and later; without a database, those of each that has the table.</summary>
    public IReadOnlyList<string> SchemaOnlyTables { get; init; } = [];

    /// <summary>Which rows of a table are meant: <c>database.schema.table: condition</c>; without a database, of each that has the table.</summary>
    public IReadOnlyList<string> Rows { get; init; } = [];

    /// <summary>Of which tables only recent rows are meant, and which column says when: <c>database.schema.table:column:6 months</c>; without a database, of each that has the table.</summary>
    public IReadOnlyList<string> Recent { get; init; } = [];

    /// <summary>Whether all databases are meant that can be connected to.</summary>
    public bool AllDatabases { get; init; }

    /// <summary>Takes a list with commas apart; a comma inside of double quotes or of a regular expression is a part of its pattern.</summary>
    public static IReadOnlyList<string> List(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return [.. NamePattern.Split(text, ',').Select(pattern => pattern.Trim()).Where(pattern => pattern.Length > 0)];
    }

    /// <summary>A pattern that means this name, and no other.</summary>
    public static string NameOf(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return name.Length > 0 && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '$' or '-') ? name : $"\"{name.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
    }

    /// <summary>The databases that are meant, by name. Where nothing is said of databases it is the connection's own.</summary>
    /// <exception cref="PgdException">
    /// A pattern matches nothing, or nothing is left (<see cref="ExitCode.NotFound"/>); a pattern is none (<see cref="ExitCode.Misuse"/>); the server does not answer (<see cref="ExitCode.Failed"/>).
    /// </exception>
    internal async Task<IReadOnlyList<string>> DatabasesAsync(ConnectionUrl source, CancellationToken cancellationToken)
    {
        var (tables, except, parts) = (IncludeTables.Select(TablePattern.Parse).ToList(), ExcludeTables.Select(TablePattern.Parse).ToList(), Parts().ToList());
        var (isNamed, there) = (IncludeDatabases.Count + IncludeTables.Count > 0, await ThereAsync(source, cancellationToken).ConfigureAwait(false));
        var meant = AllDatabases || (!isNamed && ExcludeDatabases.Count > 0) ? there.ToHashSet(StringComparer.Ordinal)
            : isNamed ? IncludeDatabases.SelectMany(Named).ToHashSet(StringComparer.Ordinal)
            : [source.Database];
        var known = new Dictionary<string, IReadOnlyList<(string Schema, string Name)>>(StringComparer.Ordinal);
        foreach (var pattern in tables)
            meant.UnionWith(await WithTablesAsync(pattern, there).ConfigureAwait(false));
        meant.ExceptWith(ExcludeDatabases.SelectMany(Named));
        if (meant.Count == 0)
            throw new PgdException(ExitCode.NotFound, $"no database of {source} is left: each that is included is excluded as well", $"There are {string.Join(", ", there)}");
        foreach (var pattern in except.Concat(parts.Select(part => part.Pattern)))
            await WithTablesAsync(pattern, meant).ConfigureAwait(false);
        return [.. meant.Order(StringComparer.Ordinal)];

        IEnumerable<string> Named(string text)
        {
            var pattern = new NamePattern(text);
            var matching = there.Where(pattern.IsMatch).ToList();
            return matching.Count > 0 ? matching : throw new PgdException(ExitCode.NotFound, $"no database of {source} matches {text}", $"There are {string.Join(", ", there)}");
        }

        // Of several databases one with such a table does; of one the selection of its tables tells what there is.
        async Task<IReadOnlyList<string>> WithTablesAsync(TablePattern pattern, IEnumerable<string> among)
        {
            var matching = among.Where(pattern.Database.IsMatch).ToList();
            if (matching.Count == 0)
                throw new PgdException(ExitCode.NotFound, $"no database of {source} that is meant matches {pattern.Database.Text} of {pattern.Text}", $"There are {string.Join(", ", among.Order(StringComparer.Ordinal))}");
            if (!pattern.IsOfSeveral)
                return matching;
            var with = new List<string>();
            foreach (var database in matching)
            {
                if (!known.TryGetValue(database, out var all))
                    known[database] = all = await TablesAsync(source with { Database = database }, cancellationToken).ConfigureAwait(false);
                if (new TableSelection { Tables = [pattern.Tables], Elsewhere = [pattern.Tables] }.Choose(all, table => table).Count > 0)
                    with.Add(database);
            }

            return with.Count > 0 ? with : throw new PgdException(ExitCode.NotFound, $"no table of {string.Join(", ", matching)} matches {pattern.Text}", "List them with: dotnet pgd sql run --source URL \"select schemaname, tablename from pg_tables\"");
        }
    }

    /// <summary>Where a database goes: the connection's own to the target's own, and several each to the one of its name.</summary>
    internal static ConnectionUrl TargetOf(ConnectionUrl source, ConnectionUrl target, IReadOnlyList<string> databases, string database) =>
        databases.Count == 1 && database == source.Database ? target : target with { Database = database };

    /// <summary>The tables of one of its databases that are meant.</summary>
    internal TableSelection Of(string database)
    {
        var (tables, except) = (Patterns(IncludeTables), Patterns(ExcludeTables));
        return new()
        {
            Tables = [.. tables.Select(pattern => pattern.Tables)],
            Except = [.. except.Select(pattern => pattern.Tables)],
            Elsewhere = [.. tables.Concat(except).Where(pattern => pattern.IsOfSeveral).Select(pattern => pattern.Tables)],
        };

        List<TablePattern> Patterns(IReadOnlyList<string> texts) => [.. texts.Select(TablePattern.Parse).Where(pattern => pattern.Database.IsMatch(database))];
    }

    /// <summary>What of one of its databases is meant, in words that differ when that differs.</summary>
    internal string WordsOf(string database)
    {
        var tables = Of(database);
        List<string> words = [.. tables.Tables, .. tables.Except.Select(table => $"not {table}"), .. Parts().Where(part => part.Pattern.Database.IsMatch(database)).Select(part => part.Words).Order(StringComparer.Ordinal)];
        return words.Count == 0 ? "all of it" : string.Join(", ", words);
    }

    /// <summary>
    /// The conditions that the rows of a source's tables have to meet, by the numbers of the tables, with <c>now()</c> and its like replaced by what they are there at its moment: every session, and a publication, chooses the same rows.
    /// </summary>
    /// <exception cref="PgdException">A condition is for no table that is meant (<see cref="ExitCode.NotFound"/>), or the server does not understand it (<see cref="ExitCode.Misuse"/>, with what it says).</exception>
    internal async Task<IReadOnlyDictionary<string, string>> ConditionsAsync(LogicalSource source, CancellationToken cancellationToken)
    {
        var found = new Dictionary<string, string>(StringComparer.Ordinal);
        var meant = Parts().Where(part => part.Pattern.Database.IsMatch(source.Url.Database)).ToList();
        if (meant.Count == 0)
            return found;
        var session = await source.ShareAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = session.ConfigureAwait(false);
        foreach (var part in meant)
        {
            foreach (var table in TablesOf(source, part.Pattern))
            {
                if (await ConditionAsync(session, table, part, cancellationToken).ConfigureAwait(false) is not { } condition || found.GetValueOrDefault(table.Oid) is SourceTable.NoRows)
                {
                    found[table.Oid] = SourceTable.NoRows;
                    continue;
                }

                found[table.Oid] = found.TryGetValue(table.Oid, out var other) ? $"{other} and ({condition})" : $"({condition})";
            }
        }

        return found;
    }

    // Who names a partitioned table means its parts.
    private static IEnumerable<SourceTable> TablesOf(LogicalSource source, TablePattern pattern)
    {
        var selection = new TableSelection { Tables = [pattern.Tables], Elsewhere = pattern.IsOfSeveral ? [pattern.Tables] : [] };
        var named = selection.Choose([.. source.Tables, .. source.Partitioned], table => (table.Schema, table.Name)).Select(table => table.Oid).ToHashSet(StringComparer.Ordinal);
        return source.Tables.Where(table => named.Contains(table.Oid) || table.PartOf.Any(named.Contains));
    }

    private static async Task<string?> ConditionAsync(ScriptConnection session, SourceTable table, PartOfTable part, CancellationToken cancellationToken)
    {
        if ((part.Column is null ? part.Condition : await SinceAsync(session, table, part, cancellationToken).ConfigureAwait(false)) is not { } condition)
            return null;
        var frozen = await FrozenCondition.FreezeAsync(session, condition, cancellationToken).ConfigureAwait(false);
        await TryAsync(session, table, frozen, cancellationToken).ConfigureAwait(false);
        return frozen;
    }

    // As a value of the column's own type: comparing two types of time depends on the time zone, and no publication takes that.
    private static async Task<string> SinceAsync(ScriptConnection session, SourceTable table, PartOfTable part, CancellationToken cancellationToken)
    {
        var columns = await session.QueryAsync("select quote_ident(attname), format_type(atttypid, null), (select typname from pg_type t where t.oid = atttypid and typnamespace = 'pg_catalog'::regnamespace) from pg_attribute where attrelid = $1::oid and attname = $2 and attnum > 0 and not attisdropped", cancellationToken, table.Oid, part.Column).ConfigureAwait(false);
        return columns is not [[{ } column, { } type, var name]] ? throw new PgdException(ExitCode.NotFound, $"{table.Schema}.{table.Name} has no column {part.Column}", RecentExample)
            : name is "date" or "timestamp" or "timestamptz" ? $"{column} >= (now() - interval '{part.Window}')::{name}"
            : throw new PgdException(ExitCode.Misuse, $"{part.Column} of {table.Schema}.{table.Name} is {type}, and does not say when", "Name a date or a timestamp, or write the condition with --row-filter.");
    }

    private static async Task TryAsync(ScriptConnection session, SourceTable table, string condition, CancellationToken cancellationToken)
    {
        await session.QueryAsync("savepoint trying", cancellationToken).ConfigureAwait(false);
        try
        {
            await session.QueryAsync($"explain select from only {LogicalSource.QuotedName(table.Schema, table.Name)} where ({condition})", cancellationToken).ConfigureAwait(false);
        }
        catch (PostgresException e)
        {
            throw new PgdException(ExitCode.Misuse, $"the row filter of {table.Schema}.{table.Name} does not work: {e.MessageText}", e.Hint ?? RowExample, e);
        }

        await session.QueryAsync("release savepoint trying", cancellationToken).ConfigureAwait(false);
    }

    private IEnumerable<PartOfTable> Parts() => SchemaOnlyTables.Select(table => new PartOfTable(TablePattern.OfAny(table), $"no rows of {table}")).Concat(Rows.Select(WithCondition)).Concat(Recent.Select(SinceSomeTime));

    private static PartOfTable WithCondition(string text) =>
        NamePattern.Split(text, ':', most: 2) is [var table, var condition] && table.Trim().Length > 0 && condition.Trim().Length > 0 ? new(TablePattern.OfAny(table.Trim()), text) { Condition = condition.Trim() }
            : throw new PgdException(ExitCode.Misuse, $"\"{text}\" is no row filter", RowExample);

    private static PartOfTable SinceSomeTime(string text) =>
        NamePattern.Split(text, ':', most: 3) is [var table, var column, var window] && table.Trim().Length > 0 && new NamePattern(column.Trim()).Name is { Length: > 0 } name && Window().IsMatch(window) ? new(TablePattern.OfAny(table.Trim()), text) { Column = name, Window = window.Trim() }
            : throw new PgdException(ExitCode.Misuse, $"\"{text}\" is no time filter", RecentExample);

    [GeneratedRegex(@"^\s*[0-9]{1,6}\s+(second|minute|hour|day|week|month|year)s?\s*$", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Window();

    private static Task<IReadOnlyList<string>> ThereAsync(ConnectionUrl source, CancellationToken cancellationToken) =>
        SourceInventory.AskAsync(source, $"select datname from pg_database where {SourceInventory.Databases} order by datname", row => row[0]!, cancellationToken);

    private static Task<IReadOnlyList<(string Schema, string Name)>> TablesAsync(ConnectionUrl database, CancellationToken cancellationToken) =>
        SourceInventory.AskAsync(database, "select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind in ('r', 'p') and c.relpersistence <> 't' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'", row => (row[0]!, row[1]!), cancellationToken);

    /// <summary>Tables of which not all rows are meant, but those that meet a condition, or are not older than a time by a column; without either, none.</summary>
    private sealed record PartOfTable(TablePattern Pattern, string Words)
    {
        public string? Condition { get; init; }

        public string? Column { get; init; }

        public string? Window { get; init; }
    }

    /// <summary>Tables of a database.</summary>
    private sealed record TablePattern(string Text, NamePattern Database, string Tables)
    {
        /// <summary>Whether it may be of several databases.</summary>
        public bool IsOfSeveral => Database.Name is null;

        /// <summary>The same where the database may be left out.</summary>
        public static TablePattern OfAny(string text) => text.Length > 0 && NamePattern.Split(text, '.').Count == 1 ? new(text, new("*"), text) : Parse(text);

        public static TablePattern Parse(string text)
        {
            var parts = NamePattern.Split(text, '.');
            return parts.Count is 2 or 3 && parts.All(part => part.Length > 0) ? new(text, new(parts[0]), string.Join('.', parts.Skip(1)))
                : throw new PgdException(ExitCode.Misuse, $"{text} does not name a table", "Write DATABASE.TABLE or DATABASE.SCHEMA.TABLE, with * and ? where several are meant; a name with a dot or a comma in double quotes.");
        }
    }
}
