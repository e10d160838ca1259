using System.Globalization;
using Npgsql;
using Pgd.Libpq;
using Pgd.Postgres;

namespace Pgd.Backups;

/// <summary>
/// A database that is read as it was at one moment: a transaction that keeps that moment for all who take its snapshot, and locks the tables against being redefined. Nothing on the
/// server waits for it: what it has to wait for itself it gives up soon.
/// </summary>
internal sealed class LogicalSource : IAsyncDisposable
{
    public const string Application = "pgd backup";

    private const int OldestMajor = 12, SequencesAtOnce = 200;
    // Who asks for a lock that we have waits for us, and who comes after him for him; so does a lock that we wait for.
    private const string LockTimeout = "10s";
    private const string Reading = "reading";

    private readonly ScriptConnection _connection;
    private readonly string _snapshot;

    private LogicalSource(ConnectionUrl url, ScriptConnection connection, string?[] said, IReadOnlyList<SourceTable> tables)
    {
        (Url, _connection, Tables) = (url, connection, tables);
        (Major, _snapshot, Snapshot, DataAsOf, Lsn) = (int.Parse(said[0]!, CultureInfo.InvariantCulture) / 10_000, said[1]!, said[2]!, DateTimeOffset.Parse(said[3]!, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal), said[4]);
        Place = said[5];
    }

    public ConnectionUrl Url { get; }

    public int Major { get; }

    /// <summary>PostgreSQL's text for the moment: which transactions are in it.</summary>
    public string Snapshot { get; }

    /// <summary>The server's clock then.</summary>
    public DateTimeOffset DataAsOf { get; }

    /// <summary>The end of its write-ahead log then.</summary>
    public string? Lsn { get; }

    /// <summary>The timeline, the database's number and, where the role may know it, the data directory: transactions are numbered once in it. Null for a standby, which numbers none.</summary>
    public string? Place { get; }

    /// <summary>By which column a later backup can build on one of this moment; null if by none.</summary>
    public ChangedSince? ChangedBy { get; private init; }

    /// <summary>The end of the log before the moment, for a backup by column.</summary>
    public string? LsnBefore { get; private init; }

    /// <summary>The tables that are meant, the largest first.</summary>
    public IReadOnlyList<SourceTable> Tables { get; }

    /// <summary>The partitioned tables that are meant, whose rows are in their parts.</summary>
    public required IReadOnlyList<SourceTable> Partitioned { get; init; }

    /// <summary>The tables that are not meant.</summary>
    public required IReadOnlyList<SourceTable> Others { get; init; }

    /// <summary>The cluster's number; one of its address where the server does not tell.</summary>
    public required string SystemIdentifier { get; init; }

    /// <exception cref="PgdException">It does not answer, may not be read (with what to grant), or does not have what is asked for.</exception>
    public static Task<LogicalSource> OpenAsync(ConnectionUrl url, TableSelection selection, CancellationToken cancellationToken) => OpenAsync(url, selection, changedBy: null, snapshot: null, keepsLocks: true, cancellationToken);

    /// <summary>The same without locks: who reads a table looks afterward whether it is still the one of the moment (<see cref="ReadAsync"/>). Nobody who wants to truncate or redefine another one waits.</summary>
    /// <param name="url">The database.</param>
    /// <param name="selection">Which of its tables.</param>
    /// <param name="snapshot">A moment that another session keeps until this returns, such as the one from which a slot goes on; null for now.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="PgdException">As above.</exception>
    public static Task<LogicalSource> OpenUnlockedAsync(ConnectionUrl url, TableSelection selection, string? snapshot, CancellationToken cancellationToken) => OpenAsync(url, selection, changedBy: null, snapshot, keepsLocks: false, cancellationToken);

    /// <summary>The same, for a backup by a column.</summary>
    /// <exception cref="PgdException">The column is none that says when a row was changed, or the role may not see who is at work (<see cref="ExitCode.Unsafe"/>); …</exception>
    public static Task<LogicalSource> OpenAsync(ConnectionUrl url, TableSelection selection, ChangedBy? changedBy, CancellationToken cancellationToken) => OpenAsync(url, selection, changedBy, snapshot: null, keepsLocks: true, cancellationToken);

    private static async Task<LogicalSource> OpenAsync(ConnectionUrl url, TableSelection selection, ChangedBy? changedBy, string? snapshot, bool keepsLocks, CancellationToken cancellationToken)
    {
        var connection = await ScriptConnection.OpenAsync(url, Application, null, cancellationToken).ConfigureAwait(false);
        try
        {
            // Before the moment: who ends between the two is in it, and who is still at work is known.
            var (low, before) = changedBy is null ? default : await LowWatermarkAsync(url, connection, changedBy, cancellationToken).ConfigureAwait(false);
            await BeginAsync(connection, snapshot, cancellationToken).ConfigureAwait(false);
            var said = (await AskAsync(url, connection, """
                select current_setting('server_version_num'), pg_export_snapshot(), txid_current_snapshot()::text, (clock_timestamp() at time zone 'UTC')::text,
                    (case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end)::text,
                    case when not pg_is_in_recovery() then concat_ws('/', left(pg_walfile_name(pg_current_wal_lsn()), 8), (select oid from pg_database where datname = current_database()), (select setting from pg_settings where name = 'data_directory')) end,
                    (select oid::text from pg_database where datname = current_database())
                """, cancellationToken).ConfigureAwait(false))[0];
            if (int.Parse(said[0]!, CultureInfo.InvariantCulture) / 10_000 is var major && major < OldestMajor)
                throw new PgdException(ExitCode.Unsafe, $"{url} is PostgreSQL {major}, and versions from {OldestMajor} on can be backed up");
            var all = await TablesAsync(url, connection, cancellationToken).ConfigureAwait(false);
            var (tables, partitioned) = Chosen(all, selection);
            RefuseUnreadable(url, tables);
            if (changedBy is not null)
                tables = await WithChangesAsync(url, connection, tables, changedBy, cancellationToken).ConfigureAwait(false);
            if (keepsLocks)
            {
                await LockAsync(url, connection, tables, cancellationToken).ConfigureAwait(false);
                if (await RewrittenAsync(url, connection, tables, cancellationToken).ConfigureAwait(false) is { } rewritten)
                    throw Rewritten(url, rewritten);
            }

            // Asked only now: that takes a lock too.
            var sizes = (await AskAsync(url, connection, $"select oid::text, coalesce(pg_table_size(oid), 0)::text from pg_class where oid in ({string.Join(',', tables.Select(table => table.Oid).DefaultIfEmpty("0"))})", cancellationToken).ConfigureAwait(false)).ToDictionary(row => row[0]!, row => long.Parse(row[1]!, CultureInfo.InvariantCulture), StringComparer.Ordinal);
            tables = [.. tables.Select(table => table with { Bytes = sizes[table.Oid] }).OrderByDescending(table => table.Bytes)];
            // A standby numbers no transactions, but by a column it can be told as well.
            if (changedBy is not null && said[5] is null)
                said[5] = $"{(await AskAsync(url, connection, "select timeline_id::text from pg_control_checkpoint()", cancellationToken).ConfigureAwait(false))[0][0]}/{said[6]}";
            return new(url, connection, said, tables) { ChangedBy = changedBy is null ? null : new(changedBy.Column, low), LsnBefore = before, Partitioned = partitioned, Others = [.. all.ExceptBy(tables.Concat(partitioned).Select(table => table.Oid), table => table.Oid)], SystemIdentifier = await SystemIdentifierAsync(url, connection, cancellationToken).ConfigureAwait(false) };
        }
        catch
        {
            await connection.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>A session of a moment of its own, in which values look as they do in a backup.</summary>
    public static async Task<ScriptConnection> SessionAsync(ConnectionUrl url, CancellationToken cancellationToken)
    {
        var connection = await ScriptConnection.OpenAsync(url, Application, null, cancellationToken).ConfigureAwait(false);
        try
        {
            await BeginAsync(connection, null, cancellationToken).ConfigureAwait(false);
            return connection;
        }
        catch
        {
            await connection.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Another session of the same moment.</summary>
    public async Task<ScriptConnection> ShareAsync(CancellationToken cancellationToken)
    {
        var connection = await ScriptConnection.OpenAsync(Url, Application, null, cancellationToken).ConfigureAwait(false);
        try
        {
            await BeginAsync(connection, _snapshot, cancellationToken, $"savepoint {Reading}").ConfigureAwait(false);
            return connection;
        }
        catch (Exception e)
        {
            await connection.DisposeAsync().ConfigureAwait(false);
            throw e is PostgresException { SqlState: PostgresErrorCodes.InvalidParameterValue or PostgresErrorCodes.ObjectNotInPrerequisiteState or PostgresErrorCodes.UndefinedObject } refused
                ? new PgdException(ExitCode.Failed, $"two connections to {Url} are not of one server: {refused.MessageText}", "Connect to the server itself, and not through a pooler or a balancer.", e)
                : e is PostgresException other ? Refused(Url, other) : e;
        }
    }

    /// <summary>Reads a table in one of its sessions, and lets go of it, and of whatever was set in the session meanwhile.</summary>
    /// <returns>Whether it was there: one that was truncated or rewritten since the moment looks empty.</returns>
    /// <exception cref="PgdException">Somebody redefines it (<see cref="ExitCode.Locked"/>).</exception>
    public async Task<bool> ReadAsync(ScriptConnection session, SourceTable table, Func<Task> read, CancellationToken cancellationToken)
    {
        try
        {
            await read().ConfigureAwait(false);
            // What was locked since goes with it.
            return await RewrittenAsync(Url, session, [table], cancellationToken, $"; rollback to savepoint {Reading}").ConfigureAwait(false) is null;
        }
        catch (Exception e) when (session.IsOpen)
        {
            await session.QueryAsync($"rollback to savepoint {Reading}", cancellationToken).ConfigureAwait(false);
            throw e is PostgresException refused ? Refused(refused) : e;
        }
    }

    /// <summary>What to tell of a table that is not there any more as it was.</summary>
    public static PgdException Rewritten(ConnectionUrl url, SourceTable table) =>
        new(ExitCode.Locked, $"{QuotedName(table.Schema, table.Name)} of {url} was truncated or rewritten since the moment that is read", "Begin again.");

    /// <summary>Where sequences stand, and whether they were used. They are no part of the moment: they never go back, so later values are right.</summary>
    public async Task<IReadOnlyList<BackedUpSequence>> SequencesAsync(bool ofTheTablesOnly, CancellationToken cancellationToken)
    {
        var sequences = await AskAsync(Url, _connection, """
            select n.nspname, c.relname, o.refobjid::text, has_sequence_privilege(c.oid, 'select')::text
            from pg_class c join pg_namespace n on n.oid = c.relnamespace
            left join pg_depend o on o.classid = 'pg_class'::regclass and o.objid = c.oid and o.objsubid = 0 and o.refclassid = 'pg_class'::regclass and o.deptype in ('a', 'i')
            where c.relkind = 'S' and c.relpersistence <> 't' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
                and not exists (select from pg_depend e where e.classid = 'pg_class'::regclass and e.objid = c.oid and e.deptype = 'e')
            order by 1, 2
            """, cancellationToken).ConfigureAwait(false);
        var oids = Tables.Select(table => table.Oid).ToHashSet(StringComparer.Ordinal);
        var meant = sequences.Where(sequence => !ofTheTablesOnly || (sequence[2] is { } owner && oids.Contains(owner))).ToList();
        if (meant.Find(sequence => sequence[3] != "true") is { } closed)
            throw new PgdException(ExitCode.Unsafe, $"{Url.User} may not read the sequence {QuotedName(closed[0]!, closed[1]!)}", $"As its owner: GRANT SELECT ON SEQUENCE {string.Join(", ", meant.Where(s => s[3] != "true").Take(20).Select(s => QuotedName(s[0]!, s[1]!)))} TO {AdminConnection.QuoteIdentifier(Url.User)};");
        return await ValuesAsync(meant.Select(sequence => (sequence[0]!, sequence[1]!)), sql => AskAsync(Url, _connection, sql, cancellationToken)).ConfigureAwait(false);
    }

    /// <summary>Where sequences stand, many of them at once.</summary>
    public static async Task<IReadOnlyList<BackedUpSequence>> ValuesAsync(IEnumerable<(string Schema, string Name)> sequences, Func<string, Task<List<string?[]>>> ask)
    {
        var found = new List<BackedUpSequence>();
        foreach (var some in sequences.Chunk(SequencesAtOnce))
        {
            var values = await ask(string.Join(" union all ", some.Select((sequence, i) => $"select {i}::text, last_value::text, is_called::text from {QuotedName(sequence.Schema, sequence.Name)}"))).ConfigureAwait(false);
            found.AddRange(values.Select(value => (Sequence: some[int.Parse(value[0]!, CultureInfo.InvariantCulture)], Value: value)).Select(of => new BackedUpSequence(of.Sequence.Schema, of.Sequence.Name, long.Parse(of.Value[1]!, CultureInfo.InvariantCulture), of.Value[2] == "true")));
        }

        return found;
    }

    /// <summary>What the tables that are meant need and do not bring: a backup of some tables is not one of the database.</summary>
    public async Task<IReadOnlyList<string>> LeftOutAsync(CancellationToken cancellationToken)
    {
        var oids = string.Join(',', Tables.Select(table => table.Oid).DefaultIfEmpty("0"));
        var rows = await AskAsync(Url, _connection, $"""
            select distinct 'the type ' || format_type(t.oid, null) from pg_attribute a join pg_type t on t.oid = a.atttypid or t.oid = (select e.typelem from pg_type e where e.oid = a.atttypid)
            join pg_namespace n on n.oid = t.typnamespace
            where a.attrelid in ({oids}) and a.attnum > 0 and not a.attisdropped and n.nspname <> 'pg_catalog' and t.typcategory <> 'A'
            union
            select distinct 'the table ' || c.confrelid::regclass || ', to which ' || c.conrelid::regclass || ' refers' from pg_constraint c where c.contype = 'f' and c.conrelid in ({oids}) and c.confrelid not in ({oids})
            union
            select distinct 'the sequence ' || s.oid::regclass || ', from which ' || d.adrelid::regclass || ' takes values' from pg_attrdef d
            join pg_depend u on u.classid = 'pg_attrdef'::regclass and u.objid = d.oid and u.refclassid = 'pg_class'::regclass join pg_class s on s.oid = u.refobjid and s.relkind = 'S'
            where d.adrelid in ({oids}) and not exists (select from pg_depend o where o.classid = 'pg_class'::regclass and o.objid = s.oid and o.refobjid in ({oids}) and o.deptype in ('a', 'i'))
            union
            select distinct 'the table ' || i.inhparent::regclass || ', of which ' || i.inhrelid::regclass || ' is a part' from pg_inherits i where i.inhrelid in ({oids}) and i.inhparent not in ({oids})
            order by 1
            """, cancellationToken).ConfigureAwait(false);
        return [.. rows.Select(row => row[0]!)];
    }

    /// <summary>A table's or index's name, to be put into a statement.</summary>
    public static string QuotedName(string schema, string name) => $"{AdminConnection.QuoteIdentifier(schema)}.{AdminConnection.QuoteIdentifier(name)}";

    /// <summary>Definitions, as pg_dump writes them at the same moment.</summary>
    public Task DefinitionsAsync(string program, string section, bool withOwners, bool isPartial, Stream target, CancellationToken cancellationToken) =>
        DumpAsync(program, ["--section=" + section, .. Owners(withOwners), .. isPartial ? Tables.Concat(Partitioned).Select(table => "--table=" + QuotedName(table.Schema, table.Name)) : []], target, cancellationToken);

    private static string[] Owners(bool withOwners) => withOwners ? ["--no-tablespaces"] : ["--no-tablespaces", "--no-owner", "--no-privileges"];

    private Task DumpAsync(string program, IEnumerable<string> which, Stream target, CancellationToken cancellationToken)
    {
        var start = DumpProgram.Start(program, ["--no-password", "--encoding=UTF8", "--snapshot=" + _snapshot, "--lock-wait-timeout=" + LockTimeout, "--no-subscriptions", .. which]);
        Url.ApplyTo(start.Environment);
        start.Environment["PGAPPNAME"] = Application;
        start.Environment["PGTZ"] = "UTC";
        return DumpProgram.RunAsync(start, null, output => output.CopyToAsync(target, cancellationToken), null, cancellationToken);
    }

    /// <summary>What a server says in the middle of reading, in our words.</summary>
    public PgdException Refused(PostgresException e) => Refused(Url, e);

    /// <summary>The definitions of a section as text that any connection executes.</summary>
    public Task<string> DefinitionsAsync(string program, string section, bool withOwners, bool isPartial, CancellationToken cancellationToken) =>
        TextAsync(text => DefinitionsAsync(program, section, withOwners, isPartial, text, cancellationToken));

    /// <summary>The same of all that the database has but some relations, and but large objects: what comes before rows, and what is built on them. The server is asked once.</summary>
    public async Task<(string Before, string After)> DefinitionsWithoutAsync(string program, bool withOwners, IEnumerable<string> relations, CancellationToken cancellationToken)
    {
        using var archive = new MemoryStream();
        await DumpAsync(program, ["--format=custom", "--compress=0", "--section=pre-data", "--section=post-data", "-B", .. Owners(withOwners), .. relations.Select(relation => "--exclude-table=" + relation)], archive, cancellationToken).ConfigureAwait(false);
        var restore = Path.Combine(Path.GetDirectoryName(program)!, "pg_restore");
        return (await SectionAsync("pre-data").ConfigureAwait(false), await SectionAsync("post-data").ConfigureAwait(false));

        Task<string> SectionAsync(string section) => TextAsync(text => DumpProgram.RunAsync(DumpProgram.Start(restore, ["--section=" + section, .. Owners(withOwners), "--file=-"]),
            input => input.WriteAsync(archive.GetBuffer().AsMemory(0, (int)archive.Length), cancellationToken).AsTask(), output => output.CopyToAsync(text, cancellationToken), null, cancellationToken));
    }

    private static async Task<string> TextAsync(Func<Stream, Task> write)
    {
        using var text = new MemoryStream();
        await write(text).ConfigureAwait(false);
        return LogicalRestore.WithoutPsql(System.Text.Encoding.UTF8.GetString(text.GetBuffer(), 0, (int)text.Length));
    }

    public ValueTask DisposeAsync() => _connection.DisposeAsync();

    // What the session, the role or the database set must not change what a backup says.
    internal static async Task BeginAsync(ScriptConnection connection, string? snapshot, CancellationToken cancellationToken, string? then = null)
    {
        string[] settings = ["statement_timeout = 0", $"lock_timeout = '{LockTimeout}'", "idle_in_transaction_session_timeout = 0", "TimeZone = 'UTC'", "DateStyle = 'ISO, YMD'", "IntervalStyle = 'postgres'", "extra_float_digits = 3", "bytea_output = 'hex'",
            "xmloption = 'content'", "synchronize_seqscans = off", "jit = off", "row_security = off", "search_path = pg_catalog"];
        string[] begin = ["begin isolation level repeatable read read only", .. snapshot is null ? Array.Empty<string>() : [$"set transaction snapshot {AdminConnection.QuoteLiteral(snapshot)}"], .. settings.Select(setting => "set local " + setting), .. then is null ? Array.Empty<string>() : [then]];
        // At once: a server may be far away.
        await connection.QueryAsync(string.Join("; ", begin), cancellationToken).ConfigureAwait(false);
    }

    private static async Task<List<string?[]>> AskAsync(ConnectionUrl url, ScriptConnection connection, string sql, CancellationToken cancellationToken)
    {
        try
        {
            return await connection.QueryAsync(sql, cancellationToken).ConfigureAwait(false);
        }
        catch (PostgresException e)
        {
            throw Refused(url, e);
        }
    }

    private static PgdException Refused(ConnectionUrl url, PostgresException e) => e.SqlState switch
    {
        PostgresErrorCodes.LockNotAvailable => new(ExitCode.Locked, $"{url}: {e.MessageText}", $"Somebody redefines a table, and nothing shall wait behind a backup for more than {LockTimeout}. Try again later.", e),
        PostgresErrorCodes.InsufficientPrivilege => new(ExitCode.Unsafe, $"{url}: {e.MessageText}", $"Give the role {url.User} what it needs: GRANT pg_read_all_data TO {AdminConnection.QuoteIdentifier(url.User)}; (PostgreSQL 14 and newer), and BYPASSRLS where rows are hidden by policies.", e),
        _ => new(ExitCode.Failed, $"{url}: {e.MessageText}", e.Hint, e),
    };

    private static async Task<IReadOnlyList<SourceTable>> TablesAsync(ConnectionUrl url, ScriptConnection connection, CancellationToken cancellationToken)
    {
        // A value's text may change without its row: with the name of what a regclass means, the label of an enum, the parts of a composite type, however deep inside. So what the types are goes into
        // the table's identity, and what is known by names only is always read anew.
        var rows = await AskAsync(url, connection, $$"""
            with recursive meant as (
                select c.oid, n.oid as schema, n.nspname, c.relname, c.relfilenode, c.relkind, c.relispartition, x.condition
                from pg_class c join pg_namespace n on n.oid = c.relnamespace
                left join (select unnest(extconfig) as oid, unnest(extcondition) as condition from pg_extension) x on x.oid = c.oid
                where c.relkind in ('r', 'p') and c.relpersistence <> 't' and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'pgd_replicate')
                    and (x.oid is not null or not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'))
            ), columns(atttypid) as (
                select distinct a.atttypid from pg_attribute a join meant m on m.oid = a.attrelid where a.attnum > 0 and not a.attisdropped
            ), reached(root, type) as (
                select atttypid, atttypid from columns
                union
                select r.root, inner_type from reached r join pg_type t on t.oid = r.type, lateral (
                    select t.typelem union all select t.typbasetype
                    union all select a.atttypid from pg_attribute a where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
                    union all select g.rngsubtype from pg_range g where g.rngtypid = t.oid
                ) i(inner_type) where inner_type <> 0
            ), types as (
                select r.root, bool_or(t.typnamespace = 'pg_catalog'::regnamespace and t.typname ~ '^reg' and t.typcategory = 'N') as by_name,
                    string_agg(concat_ws(':', t.oid, (select string_agg(concat(e.oid, '=', e.enumlabel), ',' order by e.oid) from pg_enum e where e.enumtypid = t.oid),
                        (select string_agg(concat(a.attnum, '=', a.atttypid), ',' order by a.attnum) from pg_attribute a where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped)), ';' order by t.oid) as text
                from reached r join pg_type t on t.oid = r.type group by 1
            ), keys as (
                select distinct on (i.indrelid) i.indrelid, (select string_agg(quote_ident(c.attname), ', ' order by k.place) from unnest(i.indkey::int2[]) with ordinality k(attnum, place) join pg_attribute c on c.attrelid = i.indrelid and c.attnum = k.attnum where k.place <= i.indnkeyatts) as columns
                from pg_index i join meant m on m.oid = i.indrelid
                where i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
                    and not exists (select from unnest(i.indkey::int2[]) with ordinality k(attnum, place) left join pg_attribute c on c.attrelid = i.indrelid and c.attnum = k.attnum where k.place <= i.indnkeyatts and (c.attnotnull is not true))
                order by i.indrelid, i.indisprimary desc, i.indnkeyatts, i.indexrelid
            )
            select m.oid::text, m.nspname, m.relname, (has_schema_privilege(m.schema, 'usage') and has_table_privilege(m.oid, 'select'))::text,
                (select string_agg(quote_ident(c.attname), ', ' order by c.attnum) from pg_attribute c where c.attrelid = m.oid and c.attnum > 0 and not c.attisdropped and c.attgenerated = ''), m.condition, m.relfilenode::text, k.columns,
                md5(concat_ws('|', k.columns, (select string_agg(concat_ws(' ', c.attnum, c.attname, c.atttypid, c.atttypmod, c.attgenerated, t.text), '|' order by c.attnum) from pg_attribute c join types t on t.root = c.atttypid where c.attrelid = m.oid and c.attnum > 0 and not c.attisdropped))),
                (m.condition is not null or exists (select from pg_attribute c join types t on t.root = c.atttypid where c.attrelid = m.oid and c.attnum > 0 and not c.attisdropped and t.by_name))::text,
                (not exists (select from pg_attribute c where c.attrelid = m.oid and c.attnum > 0 and not c.attisdropped and c.attgenerated = '' and c.atttypid <> all ('{{BinaryTypes}}'::regtype[])))::text,
                (m.relkind = 'p')::text, case when m.relispartition then (with recursive above as (select i.inhparent from pg_inherits i where i.inhrelid = m.oid union all select i.inhparent from pg_inherits i join above a on i.inhrelid = a.inhparent) select string_agg(inhparent::text, ',') from above) end
            from meant m left join keys k on k.indrelid = m.oid
            order by 2, 3
            """, cancellationToken).ConfigureAwait(false);
        return [.. rows.Select(row => new SourceTable(row[0]!, row[1]!, row[2]!, row[3] == "true", 0, row[4] ?? "", row[5], row[6]!, $"{row[0]}/{row[6]}/{row[8]}", row[9] == "true" ? null : row[7], row[11] == "true", row[12]?.Split(',') ?? []) { IsBinary = row[10] == "true" })];
    }

    // What these send is the same in every version, and means the same in every database: no number of a type, a row or a file is in it, and no setting.
    private const string BinaryTypes = """
        {bool,bytea,"\"char\"",name,int2,int4,int8,text,varchar,bpchar,float4,float8,numeric,date,time,timetz,timestamp,timestamptz,interval,uuid,json,jsonb,inet,cidr,macaddr,macaddr8,bit,varbit,
        _bool,_bytea,_int2,_int4,_int8,_text,_varchar,_bpchar,_float4,_float8,_numeric,_date,_timestamp,_timestamptz,_uuid,_json,_jsonb}
        """;

    // Who truncates or rewrites a table after the moment and before the lock leaves it empty for those who look at it as it was.
    private static async Task<SourceTable?> RewrittenAsync(ConnectionUrl url, ScriptConnection connection, IReadOnlyList<SourceTable> tables, CancellationToken cancellationToken, string then = "")
    {
        var now = (await AskAsync(url, connection, $"select oid::text, pg_relation_filenode(oid)::text from pg_class where oid in ({string.Join(',', tables.Select(table => table.Oid).DefaultIfEmpty("0"))}){then}", cancellationToken).ConfigureAwait(false)).ToDictionary(row => row[0]!, row => row[1], StringComparer.Ordinal);
        return tables.FirstOrDefault(table => now.GetValueOrDefault(table.Oid) != table.FileNode);
    }

    private static async Task<(DateTimeOffset Low, string Log)> LowWatermarkAsync(ConnectionUrl url, ScriptConnection connection, ChangedBy by, CancellationToken cancellationToken)
    {
        // Also who only reads so far: he may write with the time at which he began. The clock is that of the statement's beginning, before anybody is looked at. The session still has the forms of its role.
        const string form = "at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'";
        var said = (await AskAsync(url, connection, $"""
            select to_char(statement_timestamp() {form}),
                (select to_char(min(xact_start) {form}) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and backend_type not in ('autovacuum worker', 'walsender')),
                (pg_is_in_recovery() or exists (select from pg_stat_activity where backend_type like 'logical replication %worker' and datname = current_database()))::text,
                pg_has_role('pg_read_all_stats', 'usage')::text,
                (select to_char(min(prepared) {form}) from pg_prepared_xacts where database = current_database()),
                case when pg_is_in_recovery() then to_char(coalesce(pg_last_xact_replay_timestamp(), (select checkpoint_time from pg_control_checkpoint())) {form}) end,
                (case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end)::text
            """, cancellationToken).ConfigureAwait(false))[0];
        if (by.Margin is null)
        {
            const string margin = "--changed-margin 1h";
            if (said[2] == "true")
                throw new PgdException(ExitCode.Unsafe, $"{url} gets rows from another server, and does not know since when those are at work who write them there", $"Say how long before it is here a change may have got its time: {margin}");
            if (said[3] != "true")
                throw new PgdException(ExitCode.Unsafe, $"{url.User} may not see since when others are at work in {url}: what they commit later has an earlier time", $"As a superuser: GRANT pg_read_all_stats TO {AdminConnection.QuoteIdentifier(url.User)}; or say how long a transaction takes at most: {margin}");
            if (said[4] is not null)
                throw new PgdException(ExitCode.Unsafe, $"a transaction of {url} was prepared, and it is not known when it began: what it commits later has an earlier time", $"Try again when it is done (select * from pg_prepared_xacts), or say how long before that one may have begun: {margin}");
        }

        return (by.LowWatermark(Parsed(said[0]), Parsed(said[1]), Parsed(said[4]), Parsed(said[5])), said[6]!);

        static DateTimeOffset? Parsed(string? text) => text is null ? null : DateTimeOffset.Parse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal);
    }

    private static async Task<IReadOnlyList<SourceTable>> WithChangesAsync(ConnectionUrl url, ScriptConnection connection, IReadOnlyList<SourceTable> tables, ChangedBy by, CancellationToken cancellationToken)
    {
        var columns = (await AskAsync(url, connection, $"""
            select a.attrelid::text, quote_ident(a.attname), case when t.typnamespace = 'pg_catalog'::regnamespace then t.typname else format_type(a.atttypid, null) end, (a.attgenerated <> '')::text
            from pg_attribute a join pg_type d on d.oid = a.atttypid join pg_type t on t.oid = coalesce(nullif(d.typbasetype, 0), d.oid)
            where a.attname = {AdminConnection.QuoteLiteral(by.Column)} and a.attnum > 0 and not a.attisdropped and a.attrelid in ({string.Join(',', tables.Select(table => table.Oid).DefaultIfEmpty("0"))})
            """, cancellationToken).ConfigureAwait(false)).ToDictionary(row => row[0]!, StringComparer.Ordinal);
        by.RequireSome(url.ToString(), columns.Count > 0);
        return [.. tables.Select(table => columns.GetValueOrDefault(table.Oid) is { } column ? table with { Change = new(column[1]!, by.TypeOf($"{table.Schema}.{table.Name}", column[2]!, column[3] == "true")) } : table)];
    }

    // Who names a partitioned table means its parts.
    private static (IReadOnlyList<SourceTable> Tables, IReadOnlyList<SourceTable> Partitioned) Chosen(IReadOnlyList<SourceTable> all, TableSelection selection)
    {
        var meant = WithParts(selection.Choose(all, NameOf));
        if (selection.Except.Count > 0)
            meant.ExceptWith(WithParts(new TableSelection { Tables = selection.Except, Elsewhere = selection.Elsewhere }.Choose(all, NameOf)));
        return ([.. all.Where(table => !table.IsPartitioned && meant.Contains(table.Oid))], [.. all.Where(table => table.IsPartitioned && meant.Contains(table.Oid))]);

        static (string, string) NameOf(SourceTable table) => (table.Schema, table.Name);

        HashSet<string> WithParts(IReadOnlyList<SourceTable> some)
        {
            var oids = some.Select(table => table.Oid).ToHashSet(StringComparer.Ordinal);
            return [.. oids, .. all.Where(table => table.PartOf.Any(oids.Contains)).Select(table => table.Oid)];
        }
    }

    private static void RefuseUnreadable(ConnectionUrl url, IReadOnlyList<SourceTable> tables)
    {
        var closed = tables.Where(table => !table.IsReadable).Select(table => QuotedName(table.Schema, table.Name)).ToList();
        if (closed.Count > 0)
            throw new PgdException(ExitCode.Unsafe, $"{url.User} may not read {string.Join(", ", closed.Take(5))}{(closed.Count > 5 ? $" and {closed.Count - 5} more" : "")} of {url}", $"As the owner: GRANT SELECT ON {string.Join(", ", closed.Take(20))} TO {AdminConnection.QuoteIdentifier(url.User)};");
    }

    private static async Task LockAsync(ConnectionUrl url, ScriptConnection connection, IReadOnlyList<SourceTable> tables, CancellationToken cancellationToken)
    {
        foreach (var table in tables)
        {
            try
            {
                await connection.QueryAsync($"lock table only {QuotedName(table.Schema, table.Name)} in access share mode", cancellationToken).ConfigureAwait(false);
            }
            catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.LockNotAvailable)
            {
                throw new PgdException(ExitCode.Locked, $"{QuotedName(table.Schema, table.Name)} of {url} is locked by somebody who redefines it", $"Nothing shall wait behind a backup for more than {LockTimeout}. Try again later.", e);
            }
            catch (PostgresException e)
            {
                throw Refused(url, e);
            }
        }
    }

    private static async Task<string> SystemIdentifierAsync(ConnectionUrl url, ScriptConnection connection, CancellationToken cancellationToken)
    {
        await connection.QueryAsync("savepoint asking", cancellationToken).ConfigureAwait(false);
        try
        {
            return (await connection.QueryAsync("select system_identifier::text from pg_control_system()", cancellationToken).ConfigureAwait(false))[0][0]!;
        }
        catch (PostgresException)
        {
            await connection.QueryAsync("rollback to savepoint asking", cancellationToken).ConfigureAwait(false);
            return State.Layout.ShortHash($"{url.Host}:{url.Port}");
        }
    }
}

/// <summary>A table of a source.</summary>
/// <param name="Oid">Its number.</param>
/// <param name="Schema">Its schema.</param>
/// <param name="Name">Its name.</param>
/// <param name="IsReadable">Whether we may read it.</param>
/// <param name="Bytes">Its size there.</param>
/// <param name="Columns">Those that are stored, quoted, with commas.</param>
/// <param name="Condition">Which of its rows an extension leaves to backups; null for a table that is no extension's.</param>
/// <param name="FileNode">The number of its file, which is another one after it was truncated or rewritten.</param>
/// <param name="Identity">What is the same as long as nothing but its rows changes.</param>
/// <param name="Key">Columns by which rows are told from each other, quoted, with commas; null if there are none, or if values may change without their rows.</param>
/// <param name="IsPartitioned">Whether its rows are in its parts.</param>
/// <param name="PartOf">The numbers of the partitioned tables that it is a part of.</param>
internal sealed record SourceTable(string Oid, string Schema, string Name, bool IsReadable, long Bytes, string Columns, string? Condition, string FileNode, string Identity, string? Key, bool IsPartitioned, IReadOnlyList<string> PartOf)
{
    /// <summary>Its name, to be put into a statement.</summary>
    public string QuotedName => LogicalSource.QuotedName(Schema, Name);

    /// <summary>The condition of a table of which no rows are meant, but its definition is.</summary>
    public const string NoRows = "false";

    /// <summary>Whether its values can be copied in their binary form, which is less work for both servers than their text.</summary>
    public bool IsBinary { get; init; }

    /// <summary>Which of its rows are meant, as a condition; null for all.</summary>
    public string? Rows { get; init; }

    /// <summary>Whether any of its rows are meant.</summary>
    public bool HasRows => Rows != NoRows;

    /// <summary>The column that says when a row was changed, in a backup by column; null if it has none.</summary>
    public ChangeColumn? Change { get; init; }
}

/// <summary>A column that says when a row was changed.</summary>
/// <param name="Column">It, quoted.</param>
/// <param name="Type">What it knows.</param>
internal sealed record ChangeColumn(string Column, TimeOfChange Type);
