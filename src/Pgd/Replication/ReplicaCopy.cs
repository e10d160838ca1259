using System.Diagnostics;
using System.Globalization;
using Npgsql;
using Pgd.Backups;
using Pgd.Libpq;
using Pgd.Linux;
using Pgd.Postgres;

namespace Pgd.Replication;

/// <summary>Makes the copy of a database on another server, and with it what keeps it in sync: a publication and a slot that begins at the moment that is copied. After whatever end, the same again goes on.</summary>
/// <param name="source">The database.</param>
/// <param name="target">The one that becomes its copy.</param>
/// <param name="filter">What of it is meant.</param>
/// <param name="options">How.</param>
/// <param name="reporter">Hears how far it is.</param>
internal sealed class ReplicaCopy(ConnectionUrl source, ConnectionUrl target, ReplicationFilter filter, ReplicationInit options, IReporter reporter)
{
    private const int Attempts = 5;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    // Any number: who has it works on the database.
    private const long LockKey = 0x7067_6472_6570_6c69;

    /// <summary>Makes it.</summary>
    /// <returns>What was copied; with nothing in it if it was complete already.</returns>
    public async Task<CopiedDatabase> RunAsync(CancellationToken cancellationToken)
    {
        // What would not go on is refused before anything is dropped or made.
        var findings = await Preflight.OfAsync(source, target, filter, options.Follow, options.DropExisting, cancellationToken).ConfigureAwait(false);
        Preflight.Require(source, findings);
        foreach (var warning in findings.Where(finding => finding.Severity == Severity.Warning))
            reporter.Warn(warning.Text);
        if (options.DropExisting)
            await DropAsync(static (_, _) => Task.FromResult(true), cancellationToken).ConfigureAwait(false);
        else if (!options.Resume)
            await DropAsync(WasInterruptedAsync, cancellationToken).ConfigureAwait(false);
        await EnsureDatabaseAsync(cancellationToken).ConfigureAwait(false);
        var replica = await DatabaseReplica.OpenAsync(source, target, cancellationToken, options.Name).ConfigureAwait(false);
        await using var _ = replica.ConfigureAwait(false);
        await LockAsync(replica, cancellationToken).ConfigureAwait(false);
        var words = filter.WordsOf(source.Database) + (options.Follow ? "" : " (once)") + (options.WithOwners ? "" : " (no owners)");
        var record = await ReplicaRecord.FindAsync(replica, cancellationToken).ConfigureAwait(false);
        if (record is null)
        {
            await RequireEmptyAsync(replica, cancellationToken).ConfigureAwait(false);
            record = await ReplicaRecord.BeginAsync(replica, words, cancellationToken).ConfigureAwait(false);
            Fault.Here("init:record");
        }

        if (record.Name != replica.Name)
            throw new PgdException(ExitCode.Exists, $"{target} is the copy of another database than {source}", "Name another database as --target, or have this one dropped: --drop-existing");
        if (record.Choice != words && !record.IsCopied && !(await CopyJournal.ReadAsync(replica.Into, cancellationToken).ConfigureAwait(false)).WasBegun)
            record = await record.MeansAsync(replica, words, cancellationToken).ConfigureAwait(false);
        if (record.Choice != words)
            throw new PgdException(ExitCode.Exists, $"{target} is a copy of {record.Choice}, and not of {words}", "Say the same as then, or begin anew: --drop-existing");
        if (record.IsCopied)
            return new(source.Database, target.Database, 0, 0, record.DataAsOf, WasThere: true, []);
        for (var attempt = 1; ; attempt++)
        {
            var slot = options.Follow ? await SlotAsync(replica, cancellationToken).ConfigureAwait(false) : null;
            try
            {
                return await CopyAsync(replica, record, slot, cancellationToken).ConfigureAwait(false);
            }
            // A table came, went or was rewritten: at another moment it is there. What is the same then is not copied again.
            catch (PgdException e) when (e.ExitCode == ExitCode.Locked && attempt < Attempts)
            {
                reporter.Step($"{e.Message}; once more");
            }
            catch when (slot is not null)
            {
                await slot.Slot.DisposeAsync().ConfigureAwait(false);
                await TakeBackAsync(replica).ConfigureAwait(false);
                throw;
            }
            finally
            {
                if (slot is not null)
                    await slot.Slot.DisposeAsync().ConfigureAwait(false);
            }
        }
    }

    // The same again begins at a new moment, with a slot of its own: this one would have the source keep its log for nobody.
    private async Task TakeBackAsync(DatabaseReplica replica)
    {
        using var patience = new CancellationTokenSource(Patience);
        try
        {
            if (replica.From.IsOpen)
            {
                await RemoveSlotAsync(replica, patience.Token).ConfigureAwait(false);
                return;
            }

            var again = await DatabaseReplica.OpenAsync(source, target, patience.Token, replica.Name).ConfigureAwait(false);
            await using var _ = again.ConfigureAwait(false);
            await RemoveSlotAsync(again, patience.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is PgdException or OperationCanceledException)
        {
            reporter.Warn($"{source} keeps its log for the slot {replica.Name}, until the same is run again or it is dropped there: select pg_drop_replication_slot('{replica.Name}');");
        }
    }

    private static async Task RemoveSlotAsync(DatabaseReplica replica, CancellationToken cancellationToken)
    {
        // What was begun may be a transaction that failed.
        await replica.AskSourceAsync("rollback", cancellationToken).ConfigureAwait(false);
        await ReplicationSlot.RemoveWhenFreeAsync(replica, cancellationToken).ConfigureAwait(false);
        await Publication.RemoveAsync(replica, cancellationToken).ConfigureAwait(false);
    }

    // The list of what is published has to be there before the slot, and what is copied is known after it.
    private async Task<PublishedSlot> SlotAsync(DatabaseReplica replica, CancellationToken cancellationToken)
    {
        IReadOnlyList<SourceTable> tables;
        var before = await LogicalSource.OpenUnlockedAsync(source, filter.Of(source.Database), snapshot: null, cancellationToken).ConfigureAwait(false);
        await using (before.ConfigureAwait(false))
        {
            var rows = await filter.ConditionsAsync(before, cancellationToken).ConfigureAwait(false);
            tables = [.. before.Tables.Select(table => table with { Rows = rows.GetValueOrDefault(table.Oid) })];
        }

        // Not while we keep its tables from being truncated: who wants to do that would wait for us, and we for him.
        var published = await Publication.MakeAsync(replica, tables, cancellationToken).ConfigureAwait(false);
        Fault.Here("init:publication");
        try
        {
            return new(await ReplicationSlot.CreateAsync(replica, reporter, cancellationToken).ConfigureAwait(false), tables, published);
        }
        catch
        {
            await TakeBackAsync(replica).ConfigureAwait(false);
            throw;
        }
    }

    private async Task<CopiedDatabase> CopyAsync(DatabaseReplica replica, ReplicaRecord record, PublishedSlot? slot, CancellationToken cancellationToken)
    {
        var copy = await OpenAsync(replica, slot, cancellationToken).ConfigureAwait(false);
        await using var __ = copy.ConfigureAwait(false);
        // The moment is the copy's own now.
        if (slot is not null)
            await slot.Slot.DisposeAsync().ConfigureAwait(false);
        record = await record.OfAsync(replica, slot?.Slot.Lsn, copy.DataAsOf, cancellationToken).ConfigureAwait(false);
        await ReplicaRecord.MeansRowsAsync(replica, copy.Tables.Concat(copy.WithoutRows), cancellationToken).ConfigureAwait(false);
        Fault.Here("init:slot");
        if (copy.LeftOut.Count > 0)
            reporter.Step($"without {string.Join(", ", copy.LeftOut.Take(5))}{(copy.LeftOut.Count > 5 ? $" and {copy.LeftOut.Count - 5} more" : "")}");
        if (options.WithOwners)
            await SourceRoles.MakeAsync(replica, [.. copy.Roles], reporter, cancellationToken).ConfigureAwait(false);
        Fault.Here("init:roles");
        copy.Jobs = options.Jobs ?? InitialCopy.DefaultJobs;
        await copy.RunAsync(target, await CopyJournal.ReadAsync(replica.Into, cancellationToken).ConfigureAwait(false), options.Follow ? () => Publication.TruncatedAsync(replica, cancellationToken) : null, reporter, cancellationToken).ConfigureAwait(false);
        await Publication.CompleteAsync(replica, cancellationToken).ConfigureAwait(false);
        await SourceRoles.DatabaseAsync(replica, options.WithOwners, reporter, cancellationToken).ConfigureAwait(false);
        Fault.Here("init:database");
        await record.CompleteAsync(replica, cancellationToken).ConfigureAwait(false);
        Fault.Here("init:complete");
        return new(source.Database, target.Database, copy.Tables.Count, copy.Tables.Sum(table => table.Bytes), copy.DataAsOf, WasThere: false, copy.LeftOut);
    }

    /// <summary>Keeps others from working on a target, for as long as the session lasts.</summary>
    /// <exception cref="PgdException">Somebody does (<see cref="ExitCode.Locked"/>).</exception>
    public static async Task LockAsync(DatabaseReplica replica, CancellationToken cancellationToken)
    {
        // The session of one that has just ended, or was killed, may not have noticed.
        for (var began = Stopwatch.GetTimestamp(); (await replica.AskTargetAsync("select pg_try_advisory_lock($1::bigint)::text", cancellationToken, LockKey.ToString(CultureInfo.InvariantCulture)).ConfigureAwait(false))[0][0] != "true"; await Task.Delay(100, cancellationToken).ConfigureAwait(false))
        {
            if (Stopwatch.GetElapsedTime(began) < Patience)
                continue;
            throw new PgdException(ExitCode.Locked, $"another dotnet pgd replicate is at work on {replica.Target}", "Wait for it.");
        }
    }

    private async Task<InitialCopy> OpenAsync(DatabaseReplica replica, PublishedSlot? slot, CancellationToken cancellationToken)
    {
        var opened = await LogicalSource.OpenUnlockedAsync(source, filter.Of(source.Database), slot?.Slot.Snapshot, cancellationToken).ConfigureAwait(false);
        IReadOnlyDictionary<string, string> rows;
        try
        {
            if (slot is { } made && !(Identities(opened.Tables).SetEquals(Identities(made.Tables)) && (await Publication.TablesAsync(replica, cancellationToken).ConfigureAwait(false))!.SetEquals(made.Published)))
                throw new PgdException(ExitCode.Locked, $"tables of {source} came or went meanwhile", "Begin when nobody redefines them.");
            // The time in them is that of the publication.
            rows = slot is { } of ? of.Tables.Where(table => table.Rows is not null).ToDictionary(table => table.Oid, table => table.Rows!, StringComparer.Ordinal) : await filter.ConditionsAsync(opened, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            await opened.DisposeAsync().ConfigureAwait(false);
            throw;
        }

        return await InitialCopy.OpenAsync(opened, table => rows.GetValueOrDefault(table.Oid), options.WithOwners, cancellationToken).ConfigureAwait(false);

        static HashSet<(string, string)> Identities(IReadOnlyList<SourceTable> tables) => [.. tables.Select(table => (table.QuotedName, table.Oid))];
    }

    /// <summary>What a database has that is not an extension's; null if it is empty.</summary>
    public static async Task<string?> WhatIsThereAsync(DatabaseReplica replica, CancellationToken cancellationToken)
    {
        var there = await replica.AskTargetAsync("""
            select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
                and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
            order by 1
            """, cancellationToken).ConfigureAwait(false);
        return there.Count == 0 ? null : $"{string.Join(", ", there.Take(3).Select(row => row[0]))}{(there.Count > 3 ? $" and {there.Count - 3} more" : "")}";
    }

    private static async Task RequireEmptyAsync(DatabaseReplica replica, CancellationToken cancellationToken)
    {
        if (await WhatIsThereAsync(replica, cancellationToken).ConfigureAwait(false) is { } there)
            throw new PgdException(ExitCode.Exists, $"{replica.Target} is not empty: it has {there}", "Nothing was changed. Name an empty database, or one that is not there yet; or have it dropped and made anew: --drop-existing");
    }

    private async Task EnsureDatabaseAsync(CancellationToken cancellationToken)
    {
        try
        {
            var there = await ScriptConnection.OpenAsync(target, DatabaseReplica.Application, null, cancellationToken).ConfigureAwait(false);
            await there.DisposeAsync().ConfigureAwait(false);
            return;
        }
        catch (PgdException e) when (e.ExitCode == ExitCode.NotFound)
        {
            // It is made.
        }

        var from = await ScriptConnection.OpenAsync(source, DatabaseReplica.Application, null, cancellationToken).ConfigureAwait(false);
        await using var _ = from.ConfigureAwait(false);
        var locale = DatabaseLocale.Of(await from.QueryAsync(DatabaseLocale.Question, cancellationToken).ConfigureAwait(false));
        var maintenance = await MaintenanceAsync(cancellationToken).ConfigureAwait(false);
        await using var __ = maintenance.ConfigureAwait(false);
        try
        {
            try
            {
                await maintenance.QueryAsync(locale.Definition(target.Database, owner: null, maintenance.Connection.PostgreSqlVersion.Major), cancellationToken).ConfigureAwait(false);
            }
            catch (PostgresException e) when (DatabaseLocale.IsMissing(e))
            {
                reporter.Warn(locale.SortedOtherwise(source.Database));
                // After an error without a code the connection is closed.
                var again = await MaintenanceAsync(cancellationToken).ConfigureAwait(false);
                await using var ___ = again.ConfigureAwait(false);
                await again.QueryAsync(locale.DefinitionWithoutLocale(target.Database, owner: null), cancellationToken).ConfigureAwait(false);
            }
        }
        catch (PostgresException e)
        {
            throw DatabaseReplica.Refused(target, e);
        }
    }

    // Of a database that is dropped, the name of another one leads to the server.
    private async Task<ScriptConnection> MaintenanceAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await ScriptConnection.OpenAsync(target with { Database = "postgres" }, DatabaseReplica.Application, null, cancellationToken).ConfigureAwait(false);
        }
        catch (PgdException e) when (e.ExitCode == ExitCode.NotFound)
        {
            return await ScriptConnection.OpenAsync(target with { Database = "template1" }, DatabaseReplica.Application, null, cancellationToken).ConfigureAwait(false);
        }
    }

    // Of what is complete, or another's, nothing is dropped; nor is a database in which somebody has made something of his own meanwhile.
    private async Task<bool> WasInterruptedAsync(DatabaseReplica replica, CancellationToken cancellationToken)
    {
        if (await ReplicaRecord.FindAsync(replica, cancellationToken).ConfigureAwait(false) is not { IsCopied: false } record || record.Name != replica.Name)
            return false;
        const string relations = "select quote_ident(n.nspname) || '.' || quote_ident(c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', $1)";
        var there = (await replica.AskSourceAsync(relations, cancellationToken, ReplicaRecord.Schema).ConfigureAwait(false)).Select(row => row[0]!).ToHashSet(StringComparer.Ordinal);
        var strange = (await replica.AskTargetAsync(relations, cancellationToken, ReplicaRecord.Schema).ConfigureAwait(false)).Select(row => row[0]!).Where(name => !there.Contains(name)).Order(StringComparer.Ordinal).ToList();
        if (strange.Count > 0)
            throw new PgdException(ExitCode.Unsafe, $"{target} is not begun anew: it has {string.Join(", ", strange.Take(5))}, which {source} has not", "Nothing was changed. Go on with the copy (leave out --no-resume), or have all of it dropped: --drop-existing");
        return true;
    }

    private async Task DropAsync(Func<DatabaseReplica, CancellationToken, Task<bool>> isMeant, CancellationToken cancellationToken)
    {
        DatabaseReplica replica;
        try
        {
            replica = await DatabaseReplica.OpenAsync(source, target, cancellationToken).ConfigureAwait(false);
        }
        catch (PgdException e) when (e.ExitCode == ExitCode.NotFound && e.Message.Contains(target.ToString(), StringComparison.Ordinal))
        {
            return;
        }

        await using (replica.ConfigureAwait(false))
        {
            if (!await isMeant(replica, cancellationToken).ConfigureAwait(false))
                return;
            if (target.Database is "postgres" or "template1")
                throw new PgdException(ExitCode.Unsafe, $"{target} is not dropped: the server's own programs use the database {target.Database}", "Name another database as --target.");
            await LockAsync(replica, cancellationToken).ConfigureAwait(false);
            if ((await replica.AskTargetAsync("select (rolsuper or rolcreatedb)::text from pg_roles where rolname = current_user", cancellationToken).ConfigureAwait(false))[0][0] != "true")
                throw new PgdException(ExitCode.Unsafe, $"{target} is not dropped: {target.User} could not make it anew", $"Nothing was changed. As a superuser there: ALTER ROLE {AdminConnection.QuoteIdentifier(target.User)} CREATEDB;");
            var others = await replica.AskTargetAsync("select format('process %s%s', pid, case when usename is not null then format(' of %s (%s)', usename, coalesce(nullif(application_name, ''), 'no name')) end) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend' order by pid limit 5", cancellationToken).ConfigureAwait(false);
            if (others.Count > 0)
                throw new PgdException(ExitCode.Unsafe, $"{target} is not dropped: others are connected to it: {string.Join(", ", others.Select(row => row[0]))}", "Nothing was changed. Have them end their work first.");
            reporter.Step($"dropping {target.Database} at {target.Host}");
            await Subscription.RemoveAsync(replica, cancellationToken).ConfigureAwait(false);
            await ReplicationSlot.RemoveWhenFreeAsync(replica, cancellationToken).ConfigureAwait(false);
            await Publication.RemoveAsync(replica, cancellationToken).ConfigureAwait(false);
        }

        var maintenance = await MaintenanceAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = maintenance.ConfigureAwait(false);
        try
        {
            await maintenance.QueryAsync($"drop database if exists {AdminConnection.QuoteIdentifier(target.Database)}", cancellationToken).ConfigureAwait(false);
        }
        catch (PostgresException e)
        {
            throw DatabaseReplica.Refused(target, e);
        }
    }

    /// <summary>A slot, the tables that are meant, with conditions, and the names of those that are published.</summary>
    private sealed record PublishedSlot(ReplicationSlot Slot, IReadOnlyList<SourceTable> Tables, IReadOnlySet<string> Published);
}
