using Pgd.Backups;
using Pgd.Postgres;

namespace Pgd.Replication;

/// <summary>The tables of a source whose changes go to a copy: each of them by name, because what nobody has copied must not be sent.</summary>
internal static class Publication
{
    // A lock that we wait for others wait behind.
    private const string LockTimeout = "10s";

    /// <summary>The tables that a database has and that can be published: not those whose changes are not in the write-ahead log, and not those of extensions.</summary>
    private const string Publishable = """
        select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind = 'r' and c.relpersistence = 'p' and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'pgd_replicate')
            and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
        """;

    /// <summary>Publishes exactly these tables; what was published under its name before is not any more.</summary>
    /// <returns>Those that are: what of them cannot be is left out.</returns>
    public static async Task<IReadOnlySet<string>> MakeAsync(DatabaseReplica replica, IReadOnlyList<SourceTable> tables, CancellationToken cancellationToken)
    {
        var able = (await PublishableAsync(replica, cancellationToken).ConfigureAwait(false)).ToHashSet(StringComparer.Ordinal);
        var meant = tables.Where(table => table.HasRows && able.Contains(table.QuotedName)).ToList();
        await replica.AskSourceAsync("begin", cancellationToken).ConfigureAwait(false);
        await replica.AskSourceAsync($"set local lock_timeout = '{LockTimeout}'", cancellationToken).ConfigureAwait(false);
        await RemoveAsync(replica, cancellationToken).ConfigureAwait(false);
        var list = string.Join(", ", meant.Select(table => $"only {table.QuotedName}{(table.Rows is null ? "" : $" where ({table.Rows})")}"));
        await replica.AskSourceAsync($"create publication {replica.Name}{(meant.Count == 0 ? "" : $" for table {list}")}", cancellationToken).ConfigureAwait(false);
        // While the copy is made, by it the slot tells which tables were truncated, and nothing else.
        if (meant.Count > 0)
            await replica.AskSourceAsync($"create publication {Truncations(replica)} for table {string.Join(", ", meant.Select(table => $"only {table.QuotedName}"))} with (publish = 'truncate')", cancellationToken).ConfigureAwait(false);
        await replica.AskSourceAsync("commit", cancellationToken).ConfigureAwait(false);
        return meant.Select(table => table.QuotedName).ToHashSet(StringComparer.Ordinal);
    }

    /// <summary>The tables that are published; null if there is no publication.</summary>
    public static async Task<IReadOnlySet<string>?> TablesAsync(DatabaseReplica replica, CancellationToken cancellationToken)
    {
        if ((await replica.AskSourceAsync("select from pg_publication where pubname = $1", cancellationToken, replica.Name).ConfigureAwait(false)).Count == 0)
            return null;
        return (await replica.AskSourceAsync("select schemaname, tablename from pg_publication_tables where pubname = $1", cancellationToken, replica.Name).ConfigureAwait(false)).Select(row => LogicalSource.QuotedName(row[0]!, row[1]!)).ToHashSet(StringComparer.Ordinal);
    }

    /// <summary>The tables that were truncated since its slot began, by their numbers.</summary>
    public static async Task<IReadOnlySet<string>> TruncatedAsync(DatabaseReplica replica, CancellationToken cancellationToken)
    {
        // T, how many, the options, and four bytes for each: https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
        var told = await replica.AskSourceAsync("""
            select distinct (('x' || encode(substr(data, 7 + 4 * i, 4), 'hex'))::bit(32)::bigint)::text
            from pg_logical_slot_peek_binary_changes($1, null, null, 'proto_version', '1', 'publication_names', $2), generate_series(0, ('x' || encode(substr(data, 2, 4), 'hex'))::bit(32)::int - 1) i
            where get_byte(data, 0) = ascii('T')
            """, cancellationToken, replica.Name, Truncations(replica)).ConfigureAwait(false);
        return told.Select(row => row[0]!).ToHashSet(StringComparer.Ordinal);
    }

    /// <summary>Removes what is of use only while the copy is made.</summary>
    public static Task CompleteAsync(DatabaseReplica replica, CancellationToken cancellationToken) => replica.AskSourceAsync($"drop publication if exists {Truncations(replica)}", cancellationToken);

    /// <summary>Removes it; nothing happens if there is none.</summary>
    public static Task RemoveAsync(DatabaseReplica replica, CancellationToken cancellationToken) => replica.AskSourceAsync(Removal(replica.Name), cancellationToken);

    /// <summary>The statement that removes it.</summary>
    public static string Removal(string name) => $"drop publication if exists {name}, {Truncations(name)}";

    private static string Truncations(DatabaseReplica replica) => Truncations(replica.Name);

    private static string Truncations(string name) => $"{name}_truncated";

    /// <summary>The tables that could be published and were not when the copy was made, or are not any more.</summary>
    public static async Task<IReadOnlyList<string>> PublishableAsync(DatabaseReplica replica, CancellationToken cancellationToken) => [.. (await replica.AskSourceAsync(Publishable + " order by 1, 2", cancellationToken).ConfigureAwait(false)).Select(row => LogicalSource.QuotedName(row[0]!, row[1]!))];
}
