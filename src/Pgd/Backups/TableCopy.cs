using Npgsql;
using Pgd.Libpq;
using Pgd.Postgres;

namespace Pgd.Backups;

/// <summary>Brings tables of one database into another one: all that they have, or nothing.</summary>
internal static class TableCopy
{
    /// <summary>Gives a table of a database that is made for this another name, and with it its indexes and sequences. What binds it to others, which may be as they no longer were then, goes: foreign keys, triggers, a partitioned table that it is a part of.</summary>
    public static async Task RenameAsync(ConnectionUrl database, string schema, string name, string newName, CancellationToken cancellationToken)
    {
        var connection = await ScriptConnection.OpenAsync(database, LogicalSource.Application, null, cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        var statements = await connection.QueryAsync("""
            with t as (select $1::regclass as oid, $2 as old, $3 as new),
            named as (
                select i.indexrelid as oid, 'index' as kind from t join pg_index i on i.indrelid = t.oid
                union all select d.objid, 'sequence' from t join pg_depend d on d.refobjid = t.oid and d.refclassid = 'pg_class'::regclass and d.classid = 'pg_class'::regclass and d.deptype in ('a', 'i') join pg_class s on s.oid = d.objid and s.relkind = 'S'
            )
            select format('alter table %s drop constraint %I', t.oid::regclass, c.conname) from t join pg_constraint c on c.conrelid = t.oid and c.contype = 'f' and c.conparentid = 0
            union all select format('drop trigger %I on %s', g.tgname, t.oid::regclass) from t join pg_trigger g on g.tgrelid = t.oid and not g.tgisinternal and g.tgparentid = 0
            union all select case when p.relkind = 'p' then format('alter table %s detach partition %s', i.inhparent::regclass, t.oid::regclass) else format('alter table %s no inherit %s', t.oid::regclass, i.inhparent::regclass) end
                from t join pg_inherits i on i.inhrelid = t.oid join pg_class p on p.oid = i.inhparent
            union all select format('alter %s %s rename to %I', n.kind, n.oid::regclass, left(case when starts_with(c.relname, t.old) then t.new || substr(c.relname, length(t.old) + 1) else t.new || '_' || c.relname end, 63)) from t, named n join pg_class c on c.oid = n.oid
            union all select format('alter table %s rename to %I', t.oid::regclass, t.new) from t
            """, cancellationToken, LogicalSource.QuotedName(schema, name), name, newName).ConfigureAwait(false);
        foreach (var statement in statements)
            await connection.QueryAsync(statement[0]!, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Copies the tables that a source was opened for.</summary>
    /// <returns>How many rows.</returns>
    /// <exception cref="PgdException">The target refuses a part of them (<see cref="ExitCode.Failed"/>), or has such a table (<see cref="ExitCode.Exists"/>). Nothing was changed then.</exception>
    public static async Task<long> RunAsync(LogicalSource source, string program, ConnectionUrl target, bool withOwners, CancellationToken cancellationToken)
    {
        var (before, after) = (await source.DefinitionsAsync(program, "pre-data", withOwners, isPartial: true, cancellationToken).ConfigureAwait(false), await source.DefinitionsAsync(program, "post-data", withOwners, isPartial: true, cancellationToken).ConfigureAwait(false));
        var connection = await ScriptConnection.OpenAsync(target, "pgd restore", null, cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        try
        {
            await connection.QueryAsync("begin", cancellationToken).ConfigureAwait(false);
            await LogicalRestore.SchemasAsync(connection, source.Tables.Select(table => table.Schema), cancellationToken).ConfigureAwait(false);
            await LogicalRestore.ExecuteAsync(connection, before, cancellationToken).ConfigureAwait(false);
            await connection.QueryAsync(LogicalRestore.RowSettings, cancellationToken).ConfigureAwait(false);
            var session = await source.ShareAsync(cancellationToken).ConfigureAwait(false);
            await using var __ = session.ConfigureAwait(false);
            var copied = 0L;
            foreach (var table in source.Tables)
            {
                var named = LogicalSource.QuotedName(table.Schema, table.Name) + (table.Columns.Length == 0 ? "" : $" ({table.Columns})");
                await connection.CopyInAsync($"copy {named} from stdin", async into => copied += (await LogicalDump.CopyAsync(session, $"copy {named} to stdout", LogicalDump.IsLarge(table), into, cancellationToken).ConfigureAwait(false)).Rows, cancellationToken).ConfigureAwait(false);
            }

            await LogicalRestore.ExecuteAsync(connection, after, cancellationToken).ConfigureAwait(false);
            foreach (var sequence in await source.SequencesAsync(ofTheTablesOnly: true, cancellationToken).ConfigureAwait(false))
                await LogicalRestore.SetAsync(connection, sequence, cancellationToken).ConfigureAwait(false);
            await connection.QueryAsync("commit", cancellationToken).ConfigureAwait(false);
            return copied;
        }
        catch (PostgresException e)
        {
            const string unchanged = "Nothing was changed.";
            throw e.SqlState is PostgresErrorCodes.DuplicateTable ? new PgdException(ExitCode.Exists, $"{target} has it already: {e.MessageText}", $"{unchanged} Give it another name there: --rename-to NAME", e)
                : new PgdException(ExitCode.Failed, $"{target} refused it: {e.MessageText}{(e.Detail is null ? "" : $" ({e.Detail})")}", $"{unchanged} --no-owner leaves roles out, and --rename-to what binds it to other tables.", e);
        }
    }
}
