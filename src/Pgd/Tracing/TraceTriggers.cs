using Npgsql;
using Pgd.Postgres;

namespace Pgd.Tracing;

/// <summary>
/// Event triggers that tell, from inside whatever session changes the schema, which locks it holds then, which files its tables have, and how far the write-ahead log is. They write into
/// the server's log alone: a table would be rolled back with what failed, and would itself be part of what is measured.
/// </summary>
/// <remarks>Source: https://www.postgresql.org/docs/current/event-trigger-definition.html.</remarks>
internal static class TraceTriggers
{
    // An event trigger that fails takes the command with it: whatever happens here must stay here.
    private const string Install =
        """
        set session_replication_role = replica;
        drop schema if exists pgd_trace cascade;
        create schema pgd_trace;
        create function pgd_trace.note() returns event_trigger language plpgsql set search_path = pg_catalog as $note$
        declare
            facts jsonb;
        begin
            begin
                facts := jsonb_build_object('event', tg_event, 'tag', tg_tag, 'at', (extract(epoch from clock_timestamp()) * 1000000)::bigint, 'lsn', (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint,
                    'lock_timeout', current_setting('lock_timeout'),
                    'locks', coalesce((select jsonb_agg(jsonb_build_object('relation', l.relation::bigint, 'mode', l.mode, 'file', coalesce(pg_relation_filenode(l.relation), 0)::bigint)) from pg_locks l
                        where l.pid = pg_backend_pid() and l.locktype = 'relation' and l.granted and l.relation::bigint >= 16384 and l.database = (select d.oid from pg_database d where d.datname = current_database())), '[]'));
                if tg_event = 'table_rewrite' then
                    facts := facts || jsonb_build_object('reason', pg_event_trigger_table_rewrite_reason());
                end if;
            exception when others then
                facts := jsonb_build_object('event', tg_event, 'tag', tg_tag, 'error', sqlerrm);
            end;
            raise log 'pgd trace %', facts;
        end
        $note$;
        create event trigger pgd_trace_start on ddl_command_start execute function pgd_trace.note();
        create event trigger pgd_trace_end on ddl_command_end execute function pgd_trace.note();
        create event trigger pgd_trace_rewrite on table_rewrite execute function pgd_trace.note();
        alter event trigger pgd_trace_start enable always;
        alter event trigger pgd_trace_end enable always;
        alter event trigger pgd_trace_rewrite enable always;
        """;

    private const string Remove = "set session_replication_role = replica; drop schema if exists pgd_trace cascade";

    /// <summary>Makes them; says why that cannot be done in this database.</summary>
    public static string? Set(AdminConnection connection, CancellationToken cancellationToken)
    {
        try
        {
            connection.Execute(Install, cancellationToken);
            return null;
        }
        catch (PostgresException e)
        {
            return e.MessageText;
        }
    }

    /// <summary>Whether all of them are still there.</summary>
    public static bool AreThere(AdminConnection connection, CancellationToken cancellationToken) =>
        connection.Scalar(@"select count(*)::text from pg_event_trigger where evtname like 'pgd\_trace\_%' and evtenabled = 'A'", cancellationToken) == "3";

    /// <summary>Takes them away; none is fine, and so is a database that is gone.</summary>
    public static void Clear(ServerAddress server, string database, CancellationToken cancellationToken)
    {
        try
        {
            using var connection = AdminConnection.Open(server, database, cancellationToken);
            connection.Execute(Remove, cancellationToken);
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.InvalidCatalogName)
        {
            // It went with its database.
        }
    }
}
