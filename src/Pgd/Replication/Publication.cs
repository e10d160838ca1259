using Npgsql;
using Pgd.Backups;
using Pgd.Postgres;

namespace Pgd.Replication;

/// <summary>The tables of a source whose changes go to a copy: each of them by name, because what nobody has copied must not be sent.</summary>
internal static class Publication
{
    // A lock that we wait for others wait behind.
    private const string LockTimeout = "10s";

    // Far longer than a writer looks at what publishes his table.
    private static readonly TimeSpan Moment = TimeSpan.FromMilliseconds(100);

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
        await RemoveAsync(replica, cancellationToken).ConfigureAwait(false);
        await replica.AskSourceAsync("begin", cancellationToken).ConfigureAwait(false);
        await replica.AskSourceAsync($"set local lock_timeout = '{LockTimeout}'", cancellationToken).ConfigureAwait(false);
        var list = string.Join(", ", meant.Select(table => $"only {table.QuotedName}{(table.Rows is null ? "" : $" where ({table.Rows})")}"));
        await replica.AskSourceAsync($"create publication {replica.Name}{(meant.Count == 0 ? "" : $" for table {list}")}", cancellationToken).ConfigureAwait(false);
        // While the copy is made, by it the slot tells which tables were truncated, and nothing else.
        if (meant.Count > 0)
            await replica.AskSourceAsync($"create publication {Truncations(replica.Name)} for table {string.Join(", ", meant.Select(table => $"only {table.QuotedName}"))} with (publish = 'truncate')", cancellationToken).ConfigureAwait(false);
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
            """, cancellationToken, replica.Name, Truncations(replica.Name)).ConfigureAwait(false);
        return told.Select(row => row[0]!).ToHashSet(StringComparer.Ordinal);
    }

    /// <summary>Removes what is of use only while the copy is made.</summary>
    public static Task CompleteAsync(DatabaseReplica replica, CancellationToken cancellationToken) => RemoveAsync([Truncations(replica.Name)], sql => replica.AskSourceAsync(sql, cancellationToken), cancellationToken);

    /// <summary>Removes it; nothing happens if there is none.</summary>
    public static Task RemoveAsync(DatabaseReplica replica, CancellationToken cancellationToken) => RemoveAsync(replica.Name, sql => replica.AskSourceAsync(sql, cancellationToken), cancellationToken);

    /// <summary>The same by its name.</summary>
    public static Task RemoveAsync(string name, Func<string, Task<List<string?[]>>> ask, CancellationToken cancellationToken) => RemoveAsync([name, Truncations(name)], ask, cancellationToken);

    // Who writes to a table looks at which publications have it, and then at each of them. If one goes in between, his statement fails: "cache lookup failed for publication". So it lets go of its tables first, of which nobody notices
    // anything, and goes when nobody looks at it any more.
    private static async Task RemoveAsync(string[] names, Func<string, Task<List<string?[]>>> ask, CancellationToken cancellationToken)
    {
        var there = await ask($"select quote_ident(p.pubname), (select string_agg(format('only %I.%I', n.nspname, c.relname), ', ') from pg_publication_rel r join pg_class c on c.oid = r.prrelid join pg_namespace n on n.oid = c.relnamespace where r.prpubid = p.oid) from pg_publication p where p.pubname in ({string.Join(", ", names.Select(AdminConnection.QuoteLiteral))})").ConfigureAwait(false);
        var full = there.Where(publication => publication[1] is not null).ToList();
        foreach (var publication in full)
        {
            try
            {
                await ask($"begin; set local lock_timeout = '{LockTimeout}'; alter publication {publication[0]} drop table {publication[1]}; commit").ConfigureAwait(false);
            }
            catch (Exception e) when (e is PostgresException or PgdException { InnerException: PostgresException })
            {
                // One of them is vacuumed, which may take hours, or has just been dropped.
                await ask("rollback").ConfigureAwait(false);
            }
        }

        if (full.Count > 0)
            await Task.Delay(Moment, cancellationToken).ConfigureAwait(false);
        if (there.Count > 0)
            await ask($"drop publication if exists {string.Join(", ", there.Select(publication => publication[0]))}").ConfigureAwait(false);
    }

    private static string Truncations(string name) => $"{name}_truncated";

    /// <summary>The tables that could be published and were not when the copy was made, or are not any more.</summary>
    public static async Task<IReadOnlyList<string>> PublishableAsync(DatabaseReplica replica, CancellationToken cancellationToken) => [.. (await replica.AskSourceAsync(Publishable + " order by 1, 2", cancellationToken).ConfigureAwait(false)).Select(row => LogicalSource.QuotedName(row[0]!, row[1]!))];
}
