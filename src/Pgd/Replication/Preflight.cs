using System.Globalization;
using Npgsql;
using Npgsql.Replication;
using Pgd.Backups;
using Pgd.Libpq;
using Pgd.Postgres;

namespace Pgd.Replication;

/// <summary>
/// What keeps a database from being replicated, and what will not come along: tried out where that can be done without a trace, and else asked of the catalogs. A right is judged by whether the server grants it, and not by
/// an attribute of the role: services give rights in ways of their own.
/// </summary>
/// <param name="replica">The two databases.</param>
/// <param name="tables">The tables that are meant, with conditions where not all of their rows are.</param>
internal sealed class Preflight(DatabaseReplica replica, IReadOnlyList<SourceTable> tables)
{
    /// <summary>The finding that the source cannot be read.</summary>
    public const string Reading = "reading";

    private const int Shown = 10, FirstWithRowFilters = 15, FirstWithRoleForSubscriptions = 16;
    private readonly List<Finding> _findings = [];
    // Of the others nothing is read or published.
    private readonly IReadOnlyList<SourceTable> _tables = [.. tables.Where(table => table.HasRows)];

    private string User => AdminConnection.QuoteIdentifier(replica.Source.User);

    private string Oids => string.Join(',', _tables.Select(table => table.Oid).DefaultIfEmpty("0"));

    /// <summary>Looks at both sides of a pair of which the target need not be there yet.</summary>
    /// <param name="source">The database.</param>
    /// <param name="target">The one that becomes its copy.</param>
    /// <param name="filter">What of it is meant.</param>
    /// <param name="follows">Whether the copy is to follow; else it is only made.</param>
    /// <param name="isDropped">Whether the target is dropped first, so that it does not matter what it has.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="PgdException">A server does not answer or refuses.</exception>
    public static async Task<IReadOnlyList<Finding>> OfAsync(ConnectionUrl source, ConnectionUrl target, ReplicationFilter filter, bool follows, bool isDropped, CancellationToken cancellationToken)
    {
        var (replica, isThere) = await DatabaseReplica.OpenWithServerAsync(source, target, cancellationToken).ConfigureAwait(false);
        await using var _ = replica.ConfigureAwait(false);
        var findings = new List<Finding>();
        if (!isThere)
            findings.Add(new("target", Severity.Ok, $"{target.Database} is not there yet: replicate init makes it"));
        else if (!isDropped && await ReplicaRecord.FindAsync(replica, cancellationToken).ConfigureAwait(false) is { } record)
            findings.Add(record.Name == replica.Name ? new("target", Severity.Ok, record.IsCopied ? "is a copy of the source already" : "is a copy of the source that is not complete: replicate init goes on") : new("target", Severity.Problem, $"{target} is the copy of another database", "Name another database as --target, or have this one dropped: --drop-existing"));
        else if (!isDropped && await ReplicaCopy.WhatIsThereAsync(replica, cancellationToken).ConfigureAwait(false) is { } there)
            findings.Add(new("target", Severity.Problem, $"{target} is not empty: it has {there}", "Name an empty database, or one that is not there yet; or have it dropped and made anew: --drop-existing"));
        IReadOnlyList<SourceTable> tables = [];
        try
        {
            var opened = await LogicalSource.OpenUnlockedAsync(source, filter.Of(source.Database), snapshot: null, cancellationToken).ConfigureAwait(false);
            await using var __ = opened.ConfigureAwait(false);
            var rows = await filter.ConditionsAsync(opened, cancellationToken).ConfigureAwait(false);
            tables = [.. opened.Tables.Select(table => table with { Rows = rows.GetValueOrDefault(table.Oid) })];
        }
        catch (PgdException e) when (e.ExitCode == ExitCode.Unsafe)
        {
            findings.Add(new(Reading, Severity.Problem, e.Message, e.Hint));
        }

        return [.. findings, .. await new Preflight(replica, tables).RunAsync(follows, hasTarget: isThere && !isDropped, cancellationToken).ConfigureAwait(false)];
    }

    /// <summary>Refuses what has problems.</summary>
    /// <exception cref="PgdException">It has some (<see cref="ExitCode.Unsafe"/>, with what to type).</exception>
    public static void Require(ConnectionUrl source, IReadOnlyList<Finding> findings)
    {
        if (findings.Where(finding => finding.Severity == Severity.Problem).ToList() is { Count: > 0 } problems)
            throw new PgdException(ExitCode.Unsafe, $"{source} cannot be replicated as it is: {string.Join("; ", problems.Select(problem => problem.Text))}", string.Join(" — ", problems.Select(problem => problem.Remedy).OfType<string>()));
    }

    /// <summary>Looks at both sides.</summary>
    /// <param name="follows">Whether the copy is to follow; else it is only made.</param>
    /// <param name="hasTarget">Whether the target is the database itself; else it is another one of its server.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<IReadOnlyList<Finding>> RunAsync(bool follows, bool hasTarget, CancellationToken cancellationToken)
    {
        Add("versions", Severity.Ok, $"PostgreSQL {replica.SourceMajor} → {replica.TargetMajor}");
        if (follows)
        {
            await LogAsync(cancellationToken).ConfigureAwait(false);
            await ReplicationConnectionAsync(cancellationToken).ConfigureAwait(false);
            await SlotsAsync(cancellationToken).ConfigureAwait(false);
            await PublishingAsync(cancellationToken).ConfigureAwait(false);
            await IdentitiesAsync(cancellationToken).ConfigureAwait(false);
            await RowFiltersAsync(cancellationToken).ConfigureAwait(false);
            await OpenTransactionsAsync(cancellationToken).ConfigureAwait(false);
            await NotReplicatedAsync(cancellationToken).ConfigureAwait(false);
            await SubscribingAsync(cancellationToken).ConfigureAwait(false);
        }

        await ReadableAsync(cancellationToken).ConfigureAwait(false);
        await ExtensionsAsync(cancellationToken).ConfigureAwait(false);
        if (hasTarget)
            await LocaleAsync(cancellationToken).ConfigureAwait(false);
        return _findings;
    }

    private void Add(string check, Severity severity, string text, string? remedy = null) => _findings.Add(new(check, severity, text, remedy));

    private async Task LogAsync(CancellationToken cancellationToken)
    {
        // By settings that only they have.
        var said = (await replica.AskSourceAsync("select current_setting('wal_level'), pg_is_in_recovery()::text, case when current_setting('rds.logical_replication', true) is not null then 'rds' when current_setting('neon.timeline_id', true) is not null then 'neon' when current_setting('cloudsql.logical_decoding', true) is not null then 'cloudsql' when current_setting('azure.extensions', true) is not null then 'azure' end", cancellationToken).ConfigureAwait(false))[0];
        if (said[1] == "true")
            Add("write-ahead log", Severity.Problem, "the source is a standby: publications are made on its primary", "Name the primary as --source.");
        if (said[0] == "logical")
        {
            Add("write-ahead log", Severity.Ok, "wal_level is logical");
            return;
        }

        Add("write-ahead log", Severity.Problem, $"wal_level of the source is {said[0]}: its log does not say which rows changed",
            said[2] switch
            {
                "rds" => "In its parameter group: rds.logical_replication = 1; then reboot it.",
                "neon" => "Turn on logical replication in the project's settings at Neon; it stays on.",
                "cloudsql" => "Set the flag cloudsql.logical_decoding = on; it restarts.",
                "azure" => "Set the server parameter wal_level = logical; then restart it.",
                _ => "ALTER SYSTEM SET wal_level = logical; and restart it.",
            });
    }

    // That is what a pooler, a line of pg_hba.conf that is missing, and a missing right have in common.
    private async Task ReplicationConnectionAsync(CancellationToken cancellationToken)
    {
        var builder = replica.Source.ToNpgsql();
        builder.ApplicationName = DatabaseReplica.Application;
        var connection = new LogicalReplicationConnection(builder.ConnectionString);
        await using var _ = connection.ConfigureAwait(false);
        try
        {
            await connection.Open(cancellationToken).ConfigureAwait(false);
            Task identify = connection.IdentifySystem(cancellationToken);
            await identify.ConfigureAwait(false);
            Add("replication", Severity.Ok, $"{replica.Source.User} may replicate");
        }
        catch (NpgsqlException e)
        {
            var refused = ReplicationSlot.Refused(replica.Source, e);
            Add("replication", Severity.Problem, refused.Message, refused.Hint);
        }
    }

    private async Task SlotsAsync(CancellationToken cancellationToken)
    {
        var said = (await replica.AskSourceAsync("select current_setting('max_replication_slots'), (select count(*) from pg_replication_slots)::text, current_setting('max_wal_senders'), (select count(*) from pg_stat_replication)::text, current_setting('max_slot_wal_keep_size', true), exists (select from pg_replication_slots where slot_name = $1)::text", cancellationToken, replica.Name).ConfigureAwait(false))[0];
        var (slots, used, senders, busy) = (Number(said[0]), Number(said[1]), Number(said[2]), Number(said[3]));
        if (used >= slots && said[5] != "true")
            Add("slots", Severity.Problem, $"all {slots} replication slots of the source are in use", $"ALTER SYSTEM SET max_replication_slots = {slots + 5}; and restart it; or drop one that nothing uses (pg_replication_slots).");
        else
            Add("slots", Severity.Ok, $"{slots - used} of {slots} replication slots of the source are free");
        // One for the snapshot, then one for the subscription.
        if (busy >= senders)
            Add("WAL senders", Severity.Problem, $"all {senders} WAL senders of the source are in use", $"ALTER SYSTEM SET max_wal_senders = {senders + 5}; and restart it.");
        if (said[4] is { } keep)
        {
            Add("kept log", keep == "-1" ? Severity.Warning : Severity.Ok, keep == "-1" ? "the source keeps its log for a copy that does not fetch it without a limit: a copy that is forgotten fills its disk" : $"the source keeps {keep} of its log for a copy at most; one that is further behind is lost",
                keep == "-1" ? "ALTER SYSTEM SET max_slot_wal_keep_size = '50GB'; SELECT pg_reload_conf(); and watch it: dotnet pgd replicate status --fail-above 5m" : null);
        }
    }

    private async Task PublishingAsync(CancellationToken cancellationToken)
    {
        var foreign = await replica.AskSourceAsync($"select n.nspname, c.relname, pg_get_userbyid(c.relowner) from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid in ({Oids}) and not pg_has_role(c.relowner, 'usage') order by 1, 2", cancellationToken).ConfigureAwait(false);
        if (foreign.Count > 0)
            Add("ownership", Severity.Problem, $"{replica.Source.User} does not own {Names(foreign.Select(row => $"{row[0]}.{row[1]}"))}, and only owners publish tables", string.Join(' ', foreign.Select(row => row[2]!).Distinct(StringComparer.Ordinal).Select(owner => $"GRANT {AdminConnection.QuoteIdentifier(owner)} TO {User};")));
        if ((await replica.AskSourceAsync("select has_database_privilege(current_database(), 'create')::text", cancellationToken).ConfigureAwait(false))[0][0] != "true")
            Add("publication", Severity.Problem, $"{replica.Source.User} may not make a publication in {replica.Source.Database}", $"GRANT CREATE ON DATABASE {AdminConnection.QuoteIdentifier(replica.Source.Database)} TO {User};");
    }

    // Once it is published, UPDATE and DELETE of such a table fail: in production.
    private async Task IdentitiesAsync(CancellationToken cancellationToken)
    {
        var without = await replica.AskSourceAsync($"""
            select n.nspname, c.relname,
                (select quote_ident(x.relname) from pg_index i join pg_class x on x.oid = i.indexrelid where i.indrelid = c.oid and i.indisunique and i.indisvalid and i.indimmediate and i.indpred is null and i.indexprs is null
                    and not exists (select from unnest(i.indkey::int2[]) with ordinality k(attnum, place) left join pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum where k.place <= i.indnkeyatts and a.attnotnull is not true)
                    order by i.indnkeyatts, 1 limit 1)
            from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where c.oid in ({Oids}) and c.relkind = 'r' and c.relpersistence = 'p' and (c.relreplident = 'n'
                or (c.relreplident = 'd' and not exists (select from pg_index i where i.indrelid = c.oid and i.indisprimary and i.indimmediate and i.indisvalid))
                or (c.relreplident = 'i' and not exists (select from pg_index i where i.indrelid = c.oid and i.indisreplident and i.indisvalid)))
            order by 1, 2
            """, cancellationToken).ConfigureAwait(false);
        if (without.Count > 0)
        {
            Add("replica identity", Severity.Problem, $"UPDATE and DELETE of {Names(without.Select(row => $"{row[0]}.{row[1]}"))} would fail as soon as {(without.Count == 1 ? "it is" : "they are")} published: nothing says which row is meant",
                string.Join(' ', without.Take(Shown).Select(row => $"ALTER TABLE {LogicalSource.QuotedName(row[0]!, row[1]!)} REPLICA IDENTITY {(row[2] is { } index ? $"USING INDEX {index}" : "FULL")};")) + " Or give them a primary key, or leave them out: --exclude-tables");
        }

        var full = await replica.AskSourceAsync($"""
            select n.nspname, c.relname, pg_table_size(c.oid)::text,
                (select string_agg(quote_ident(a.attname), ', ' order by a.attnum) from pg_attribute a join pg_type t on t.oid = a.atttypid where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and t.typnamespace = 'pg_catalog'::regnamespace and t.typname in ('json', 'xml', 'point'))
            from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid in ({Oids}) and c.relreplident = 'f' order by 1, 2
            """, cancellationToken).ConfigureAwait(false);
        if (full.Where(row => row[3] is not null).ToList() is { Count: > 0 } unequal)
            Add("replica identity", Severity.Problem, $"rows of {Names(unequal.Select(row => $"{row[0]}.{row[1]} ({row[3]})"))} are told from each other by all of their columns, and the types of these know no equality: UPDATE and DELETE could not be applied", "Give them a primary key, or REPLICA IDENTITY USING INDEX; or leave them out: --exclude-tables");
        if (full.Where(row => long.Parse(row[2]!, CultureInfo.InvariantCulture) > 100L << 20).ToList() is { Count: > 0 } slow)
            Add("replica identity", Severity.Warning, $"{Names(slow.Select(row => $"{row[0]}.{row[1]}"))} {(slow.Count == 1 ? "is" : "are")} large and REPLICA IDENTITY FULL: to apply an UPDATE or DELETE {(replica.TargetMajor >= 16 ? "may read" : "reads")} all of the table", "A primary key, or REPLICA IDENTITY USING INDEX, is much faster.");
        if (without.Count == 0 && full.Count == 0)
            Add("replica identity", Severity.Ok, $"rows of {(_tables.Count == 1 ? "the table" : $"all {_tables.Count} tables")} can be told from each other");
    }

    private async Task RowFiltersAsync(CancellationToken cancellationToken)
    {
        var filtered = _tables.Where(table => table.Rows is not null).ToList();
        if (filtered.Count == 0)
            return;
        if (replica.SourceMajor < FirstWithRowFilters)
        {
            Add("row filters", Severity.Problem, $"PostgreSQL {replica.SourceMajor} cannot publish some of a table's rows ({Names(filtered.Select(table => $"{table.Schema}.{table.Name}"))}): that takes {FirstWithRowFilters}", "Copy once (--no-sync), or leave out --row-filter.");
            return;
        }

        foreach (var table in filtered)
        {
            var columns = await replica.AskSourceAsync("""
                select quote_ident(a.attname), (c.relreplident = 'f' or coalesce(a.attnum = any ((select i.indkey::int2[] from pg_index i where i.indrelid = c.oid and (case c.relreplident when 'd' then i.indisprimary else i.indisreplident end) limit 1)::int2[]), false))::text
                from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped where c.oid = $1::oid
                """, cancellationToken, table.Oid).ConfigureAwait(false);
            // A name may be in a text as well: then this says too much, and the server has the last word.
            var outside = columns.Where(column => column[1] != "true" && Mentions(table.Rows!, column[0]!)).Select(column => column[0]!).ToList();
            if (outside.Count > 0)
                Add("row filters", Severity.Problem, $"the filter of {table.Schema}.{table.Name} is about {string.Join(", ", outside)}, which is no part of what rows are told by: UPDATE and DELETE of that table would fail at the source as soon as it is published", $"ALTER TABLE {table.QuotedName} REPLICA IDENTITY FULL; or copy once: --no-sync");
        }

        static bool Mentions(string condition, string column) => System.Text.RegularExpressions.Regex.IsMatch(condition, $@"(?<![\w""]){System.Text.RegularExpressions.Regex.Escape(column)}(?![\w""])", System.Text.RegularExpressions.RegexOptions.CultureInvariant);
    }

    private async Task OpenTransactionsAsync(CancellationToken cancellationToken)
    {
        var open = await replica.AskSourceAsync("""
            select format('process %s of %s for %s', pid, usename, date_trunc('second', now() - xact_start)) from pg_stat_activity where backend_xid is not null and pid <> pg_backend_pid() and xact_start < now() - interval '1 minute'
            union all select format('prepared %L for %s', gid, date_trunc('second', now() - prepared)) from pg_prepared_xacts order by 1
            """, cancellationToken).ConfigureAwait(false);
        if (open.Count > 0)
            Add("open transactions", Severity.Warning, $"a slot begins when transactions that are open have ended: {Names(open.Select(row => row[0]!))}", "Have them end, or end them: select pg_terminate_backend(PID); prepared ones: rollback prepared '…'");
    }

    private async Task NotReplicatedAsync(CancellationToken cancellationToken)
    {
        var said = (await replica.AskSourceAsync("""
            select (select count(*) from pg_largeobject_metadata)::text,
                (select string_agg(c.oid::regclass::text, ', ' order by 1) from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'r' and c.relpersistence = 'u' and n.nspname !~ '^pg_'),
                (select string_agg(c.oid::regclass::text, ', ' order by 1) from pg_class c where c.relkind = 'f'),
                (select count(*) from pg_class where relkind = 'm')::text, (select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'S' and c.relpersistence <> 't' and n.nspname !~ '^pg_')::text
            """, cancellationToken).ConfigureAwait(false))[0];
        if (said[0] != "0")
            Add("large objects", Severity.Warning, $"{said[0]} large objects are copied once: later changes of them do not come along", "Write none until the cutover, or make the copy anew right before it.");
        if (said[1] is { } unlogged)
            Add("unlogged tables", Severity.Warning, $"{unlogged}: not in the log, so the rows are copied once, and later changes do not come along");
        if (said[2] is { } foreign)
            Add("foreign tables", Severity.Warning, $"{foreign}: their definitions come along, and their rows stay where they are");
        if (said[3] != "0" || said[4] != "0")
            Add("until the cutover", Severity.Ok, $"{said[4]} sequences and {said[3]} materialized views are brought up to date by the cutover");
        Add("definitions", Severity.Ok, "what is redefined at the source does not come along: redefine it at the target as well, columns that are added there first");
    }

    private async Task SubscribingAsync(CancellationToken cancellationToken)
    {
        var said = (await replica.AskTargetAsync("""
            select rolsuper::text, coalesce((select pg_has_role(oid, 'usage')::text from pg_roles where rolname = 'pg_create_subscription'), 'false'), has_database_privilege(current_database(), 'create')::text, current_setting('max_logical_replication_workers'), current_setting('max_replication_slots'),
                (select count(*) from pg_replication_origin)::text, (select count(*) from pg_stat_subscription where pid is not null)::text, current_setting('max_worker_processes')
            from pg_roles where rolname = current_user
            """, cancellationToken).ConfigureAwait(false))[0];
        if (said[0] != "true" && (said[1] != "true" || said[2] != "true"))
        {
            Add("subscription", Severity.Problem, $"{replica.Target.User} may not make a subscription in {replica.Target.Database}", replica.TargetMajor >= FirstWithRoleForSubscriptions
                ? $"As a superuser there: GRANT pg_create_subscription TO {AdminConnection.QuoteIdentifier(replica.Target.User)}; GRANT CREATE ON DATABASE {AdminConnection.QuoteIdentifier(replica.Target.Database)} TO {AdminConnection.QuoteIdentifier(replica.Target.User)};"
                : "Before PostgreSQL 16 that takes a superuser: name one in --target.");
        }
        else
        {
            Add("subscription", Severity.Ok, $"{replica.Target.User} may make one");
        }

        // Who is none may not look.
        if (said[0] == "true")
            await FilesAsync(cancellationToken).ConfigureAwait(false);
        if (Number(said[3]) <= Number(said[6]))
            Add("workers", Severity.Problem, $"the target has no worker left for a subscription (max_logical_replication_workers is {said[3]})", $"ALTER SYSTEM SET max_logical_replication_workers = {Number(said[3]) + 4}; and restart it (max_worker_processes is {said[7]}).");
        if (Number(said[4]) <= Number(said[5]))
            Add("workers", Severity.Problem, $"the target has no origin left for a subscription (max_replication_slots is {said[4]})", $"ALTER SYSTEM SET max_replication_slots = {Number(said[4]) + 5}; and restart it.");
    }

    // The target's server connects by itself, perhaps on another machine.
    private async Task FilesAsync(CancellationToken cancellationToken)
    {
        foreach (var (keyword, path) in Subscription.FilesOf(Subscription.WithWholePaths(replica.Source)))
        {
            try
            {
                await replica.Into.QueryAsync("select (length(pg_read_binary_file($1, 0, 1)) > 0)::text", cancellationToken, path).ConfigureAwait(false);
            }
            catch (PostgresException e)
            {
                Add("subscription", Severity.Warning, $"the target's server does not read {path}, the {keyword} of --source, and connects to the source by itself: {e.MessageText}", $"Put it there, readable for the account of the server; or say what it has: dotnet pgd replicate sync --publisher 'postgresql://…?{keyword}=FILE'");
            }
        }
    }

    private async Task ReadableAsync(CancellationToken cancellationToken)
    {
        var hidden = await replica.AskSourceAsync($"select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid in ({Oids}) and c.relrowsecurity and row_security_active(c.oid) order by 1, 2", cancellationToken).ConfigureAwait(false);
        if (hidden.Count > 0)
            Add("row security", Severity.Problem, $"policies hide rows of {Names(hidden.Select(row => $"{row[0]}.{row[1]}"))} from {replica.Source.User}", $"ALTER ROLE {User} BYPASSRLS; or name the tables' owner in --source.");
    }

    private async Task ExtensionsAsync(CancellationToken cancellationToken)
    {
        var needed = await replica.AskSourceAsync("select extname, extversion from pg_extension where extname <> 'plpgsql' order by 1", cancellationToken).ConfigureAwait(false);
        var there = (await replica.AskTargetAsync("select name from pg_available_extensions", cancellationToken).ConfigureAwait(false)).Select(row => row[0]!).ToHashSet(StringComparer.Ordinal);
        if (needed.Where(extension => !there.Contains(extension[0]!)).ToList() is { Count: > 0 } missing)
            Add("extensions", Severity.Problem, $"the target's server does not have {Names(missing.Select(extension => $"{extension[0]} {extension[1]}"))}", "Install them on its machine, or choose a service that has them.");
        else if (needed.Count > 0)
            Add("extensions", Severity.Ok, $"the target's server has {Names(needed.Select(extension => extension[0]!))}");
    }

    private async Task LocaleAsync(CancellationToken cancellationToken)
    {
        var (there, here) = (DatabaseLocale.Of(await replica.AskSourceAsync(DatabaseLocale.Question, cancellationToken).ConfigureAwait(false)), DatabaseLocale.Of(await replica.AskTargetAsync(DatabaseLocale.Question, cancellationToken).ConfigureAwait(false)));
        if (there.Encoding != here.Encoding)
            Add("encoding", here.Encoding == "UTF8" ? Severity.Warning : Severity.Problem, $"text is {there.Encoding} at the source and {here.Encoding} at the target", "Have the target's database made by replicate init, or make it with that encoding.");
        if (there.Name != here.Name)
            Add("collation", Severity.Warning, $"text is sorted by {there.Name} at the source and by {here.Name} at the target");
    }

    private static int Number(string? text) => int.Parse(text!, CultureInfo.InvariantCulture);

    private static string Names(IEnumerable<string> names)
    {
        var all = names.ToList();
        return string.Join(", ", all.Take(Shown)) + (all.Count > Shown ? $" and {all.Count - Shown} more" : "");
    }
}

/// <summary>What keeps a database from being replicated, and what will not come along.</summary>
/// <param name="Source">The source's name.</param>
/// <param name="Target">The copy's name.</param>
/// <param name="Findings">What was found.</param>
public sealed record ValidatedDatabase(string Source, string Target, IReadOnlyList<Finding> Findings)
{
    /// <summary>Whether it can be replicated.</summary>
    public bool IsReady => Findings.All(finding => finding.Severity != Severity.Problem);
}
