using System.Globalization;
using Pgd.Libpq;
using Pgd.Postgres;

namespace Pgd.Replication;

/// <summary>What a server has that could be replicated, and how large it is: for somebody who has to choose.</summary>
public static class SourceInventory
{
    /// <summary>Those that can be connected to, and that a provider does not keep for itself.</summary>
    internal const string Databases = "datallowconn and not datistemplate and datname not in ('rdsadmin', 'cloudsqladmin', 'azure_maintenance', 'azure_sys')";

    /// <summary>The databases of a server, by name.</summary>
    /// <exception cref="PgdException">It does not answer or refuses (<see cref="ExitCode.Failed"/>).</exception>
    public static Task<IReadOnlyList<SizedDatabase>> DatabasesAsync(ConnectionUrl server, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(server);
        return AskAsync(server, $"select datname, case when has_database_privilege(datname, 'connect') then pg_database_size(datname)::text end from pg_database where {Databases} order by datname", row => new SizedDatabase(row[0]!, Bytes(row[1])), cancellationToken);
    }

    /// <summary>The tables of a database, the largest first; a partitioned one with all of its parts, which are not named.</summary>
    /// <exception cref="PgdException">It does not answer or refuses (<see cref="ExitCode.Failed"/>).</exception>
    public static Task<IReadOnlyList<SizedTable>> TablesAsync(ConnectionUrl database, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(database);
        return AskAsync(database, """
            select n.nspname, c.relname, s.bytes::text
            from pg_class c join pg_namespace n on n.oid = c.relnamespace, lateral (select case c.relkind when 'p' then (select coalesce(sum(pg_table_size(relid)), 0)::bigint from pg_partition_tree(c.oid)) else pg_table_size(c.oid) end as bytes) s
            where c.relkind in ('r', 'p') and c.relpersistence <> 't' and not c.relispartition and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'pgd_replicate')
                and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
            order by s.bytes desc, 1, 2
            """, row => new SizedTable(row[0]!, row[1]!, Bytes(row[2])!.Value), cancellationToken);
    }

    /// <summary>Asks for names.</summary>
    internal static async Task<IReadOnlyList<T>> AskAsync<T>(ConnectionUrl url, string sql, Func<string?[], T> of, CancellationToken cancellationToken)
    {
        var connection = await ScriptConnection.OpenAsync(url, DatabaseReplica.Application, null, cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        return [.. (await connection.QueryAsync(sql, cancellationToken).ConfigureAwait(false)).Select(of)];
    }

    private static long? Bytes(string? text) => text is null ? null : long.Parse(text, CultureInfo.InvariantCulture);
}

/// <summary>A database of a server.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Bytes">Its size; null if the role may not know it.</param>
public sealed record SizedDatabase(string Name, long? Bytes);

/// <summary>A table of a database.</summary>
/// <param name="Schema">Its schema.</param>
/// <param name="Name">Its name.</param>
/// <param name="Bytes">Its size, without indexes.</param>
public sealed record SizedTable(string Schema, string Name, long Bytes);
