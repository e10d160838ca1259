using System.Globalization;
using Pgd.Backups;
using Pgd.Libpq;
using Pgd.Linux;
using Pgd.Postgres;

namespace Pgd.Replication;

/// <summary>Databases of one server that become, and stay, copies on another: by PostgreSQL's logical replication, from a snapshot on, without a gap.</summary>
public sealed class LogicalReplication
{
    // As long as nobody minds to wait for an answer.
    private static readonly TimeSpan MeasuringTime = TimeSpan.FromSeconds(2);

    private readonly ConnectionUrl _source, _target;
    private readonly ReplicationFilter _filter;
    private readonly IReporter _reporter;

    /// <summary>Names the two servers. Nothing is asked yet.</summary>
    /// <param name="source">Where the databases are; the one that it names, if the filter names none.</param>
    /// <param name="target">Where their copies are: of the same names, but for that of a single one, which may have another.</param>
    /// <param name="filter">What of it is meant; the same in every step.</param>
    /// <param name="reporter">Hears how far long work is.</param>
    public LogicalReplication(ConnectionUrl source, ConnectionUrl target, ReplicationFilter filter, IReporter reporter)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(target);
        ArgumentNullException.ThrowIfNull(filter);
        ArgumentNullException.ThrowIfNull(reporter);
        (_source, _target, _filter, _reporter) = (source, target, filter, reporter);
    }

    /// <summary>Looks for what keeps the databases from being replicated, and for what will not come along. Nothing is changed.</summary>
    /// <exception cref="PgdException">A server does not answer or refuses.</exception>
    public Task<IReadOnlyList<ValidatedDatabase>> ValidateAsync(CancellationToken cancellationToken) => EachAsync(
        async (source, target) => new ValidatedDatabase(source.Database, target.Database, await Preflight.OfAsync(source, target, _filter, follows: true, isDropped: false, cancellationToken).ConfigureAwait(false)), cancellationToken);

    /// <summary>Copies what is meant, with a slot from which <see cref="SyncAsync"/> goes on. What was complete stays; what was interrupted goes on.</summary>
    /// <exception cref="PgdException">
    /// A server does not answer or refuses (<see cref="ExitCode.Failed"/>), a right or a setting is missing (<see cref="ExitCode.Unsafe"/>, with what to type), the target is not empty, or is the copy of something else (<see cref="ExitCode.Exists"/>),
    /// somebody is at work on it (<see cref="ExitCode.Locked"/>).
    /// </exception>
    public Task<IReadOnlyList<CopiedDatabase>> InitAsync(ReplicationInit options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        return EachAsync((source, target) => new ReplicaCopy(source, target, _filter, options, _reporter).RunAsync(cancellationToken), cancellationToken);
    }

    /// <summary>What a copy would do, how large it would be and how long it would take. Some rows are read for that, and nothing is changed.</summary>
    /// <exception cref="PgdException">A server does not answer or refuses.</exception>
    public async Task<IReadOnlyList<EstimatedDatabase>> EstimateAsync(ReplicationInit options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        var patience = MeasuringTime / (await _filter.DatabasesAsync(_source, cancellationToken).ConfigureAwait(false)).Count;
        return await EachAsync((source, target) => EstimateAsync(source, target, options, patience, cancellationToken), cancellationToken).ConfigureAwait(false);
    }

    private async Task<EstimatedDatabase> EstimateAsync(ConnectionUrl source, ConnectionUrl target, ReplicationInit options, TimeSpan patience, CancellationToken cancellationToken)
    {
        _reporter.Step($"measuring {source.Database}");
        var estimated = new EstimatedDatabase(source.Database, target.Database, await PlanAsync(source, target, options, cancellationToken).ConfigureAwait(false));
        if (estimated.Plan == CopyPlan.Keep)
            return estimated;
        var findings = await Preflight.OfAsync(source, target, _filter, options.Follow, isDropped: estimated.Plan == CopyPlan.Replace, cancellationToken).ConfigureAwait(false);
        estimated = estimated with { Problems = [.. findings.Where(finding => finding.Severity == Severity.Problem)] };
        // What cannot be read cannot be measured.
        if (estimated.Problems.Any(problem => problem.Check == Preflight.Reading))
            return estimated;
        var opened = await LogicalSource.OpenUnlockedAsync(source, _filter.Of(source.Database), snapshot: null, cancellationToken).ConfigureAwait(false);
        await using var _ = opened.ConfigureAwait(false);
        var rows = await _filter.ConditionsAsync(opened, cancellationToken).ConfigureAwait(false);
        IReadOnlyList<SourceTable> all = [.. opened.Tables.Select(table => table with { Rows = rows.GetValueOrDefault(table.Oid) })], tables = [.. all.Where(table => table.HasRows)];
        var measured = new CopyEstimate(opened, tables, options.Jobs ?? InitialCopy.DefaultJobs);
        var (indexes, time) = (await measured.IndexBytesAsync(cancellationToken).ConfigureAwait(false), await measured.MeasureAsync(patience, cancellationToken).ConfigureAwait(false));
        return estimated with
        {
            Tables = [.. all.Select(table => new EstimatedTable($"{table.Schema}.{table.Name}", table.Bytes, indexes.GetValueOrDefault(table.Oid), table.Rows))],
            Bytes = tables.Sum(table => table.Bytes),
            IndexBytes = indexes.Values.Sum(),
            BytesPerSecond = time.BytesPerSecond,
            SecondsAtLeast = time.AtLeast,
            SecondsAtMost = time.AtMost,
        };
    }

    private static async Task<CopyPlan> PlanAsync(ConnectionUrl source, ConnectionUrl target, ReplicationInit options, CancellationToken cancellationToken)
    {
        var (replica, isThere) = await DatabaseReplica.OpenWithServerAsync(source, target, cancellationToken).ConfigureAwait(false);
        await using var _ = replica.ConfigureAwait(false);
        if (!isThere)
            return CopyPlan.Make;
        var record = await ReplicaRecord.FindAsync(replica, cancellationToken).ConfigureAwait(false);
        var isOurs = record?.Name == replica.Name;
        return options.DropExisting || (isOurs && !record!.IsCopied && !options.Resume) ? CopyPlan.Replace
            : isOurs ? record!.IsCopied ? CopyPlan.Keep : CopyPlan.GoOn
            : record is null && await ReplicaCopy.WhatIsThereAsync(replica, cancellationToken).ConfigureAwait(false) is null ? CopyPlan.Fill : CopyPlan.Refuse;
    }

    /// <summary>The databases of the target that are there and would be dropped to copy anew.</summary>
    /// <exception cref="PgdException">A server does not answer or refuses.</exception>
    public async Task<IReadOnlyList<ExistingDatabase>> ExistingAsync(CancellationToken cancellationToken)
    {
        var there = await EachAsync(async (_, target) =>
        {
            try
            {
                var connection = await ScriptConnection.OpenAsync(target, DatabaseReplica.Application, null, cancellationToken).ConfigureAwait(false);
                await using var __ = connection.ConfigureAwait(false);
                var said = (await connection.QueryAsync("select pg_database_size(current_database())::text, (select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'r' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema')::text", cancellationToken).ConfigureAwait(false))[0];
                return new ExistingDatabase(target.Database, long.Parse(said[0]!, CultureInfo.InvariantCulture), int.Parse(said[1]!, CultureInfo.InvariantCulture));
            }
            catch (PgdException e) when (e.ExitCode == ExitCode.NotFound)
            {
                return null;
            }
        }, cancellationToken).ConfigureAwait(false);
        return [.. there.OfType<ExistingDatabase>()];
    }

    /// <summary>Has the copies follow their sources from the moment of the copy on. One that does already goes on.</summary>
    /// <param name="publisher">How the target reaches the source, if not as this machine does; null if it does.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="PgdException">There is no complete copy (<see cref="ExitCode.NotFound"/>), its slot is gone (<see cref="ExitCode.Failed"/>), a right is missing (<see cref="ExitCode.Unsafe"/>, with what to type).</exception>
    public Task<IReadOnlyList<SyncedDatabase>> SyncAsync(ConnectionUrl? publisher, CancellationToken cancellationToken) => EachAsync(async replica =>
    {
        await ReplicaCopy.LockAsync(replica, cancellationToken).ConfigureAwait(false);
        var record = await ReplicaRecord.RequireAsync(replica, cancellationToken).ConfigureAwait(false);
        if (record.Lsn is null)
            throw new PgdException(ExitCode.Unsafe, $"{replica.Target} was copied without a slot (--no-sync), so nobody knows what has changed since", "Copy it anew: dotnet pgd replicate init --drop-existing");
        await ReplicationSlot.RequireAsync(replica, cancellationToken).ConfigureAwait(false);
        var was = await Subscription.IsEnabledAsync(replica, cancellationToken).ConfigureAwait(false);
        if (was is null)
            await Subscription.MakeAsync(replica, (publisher ?? Subscription.WithWholePaths(replica.Source)) with { Database = replica.Source.Database }, cancellationToken).ConfigureAwait(false);
        else if (was == false)
            await replica.AskTargetAsync($"alter subscription {replica.Name} enable", cancellationToken).ConfigureAwait(false);
        Fault.Here("sync:made");
        await Subscription.BeginsAsync(replica, _reporter, cancellationToken).ConfigureAwait(false);
        return new SyncedDatabase(replica.Source.Database, replica.Target.Database, replica.Name, WasThere: was == true);
    }, cancellationToken);

    /// <summary>How the copies are.</summary>
    /// <param name="patience">How long to wait for a change to get from the source to the copy.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="PgdException">A server does not answer or refuses.</exception>
    public Task<IReadOnlyList<ReplicationStatus>> GetStatusAsync(TimeSpan patience, CancellationToken cancellationToken) =>
        EachAsync(replica => ReplicationStatus.AskAsync(replica, patience, cancellationToken), cancellationToken);

    /// <summary>Makes the copies the ones that are written to: the sources become read-only, and stay so. What fails before the copy is ready opens the source again.</summary>
    /// <param name="maxPause">How long nobody may be able to write to a database.</param>
    /// <param name="isRehearsal">Whether to say only what would be done.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="PgdException">A copy does not follow, or is too far behind (<see cref="ExitCode.Unsafe"/>); it took too long (<see cref="ExitCode.BudgetExceeded"/>).</exception>
    public Task<IReadOnlyList<SwitchedDatabase>> CutOverAsync(TimeSpan maxPause, bool isRehearsal, CancellationToken cancellationToken) => EachAsync(async replica =>
    {
        await ReplicaCopy.LockAsync(replica, cancellationToken).ConfigureAwait(false);
        var cutover = new Cutover(replica, maxPause, _reporter);
        return isRehearsal ? await cutover.RehearseAsync(cancellationToken).ConfigureAwait(false) : await cutover.RunAsync(cancellationToken).ConfigureAwait(false);
    }, cancellationToken);

    /// <summary>Takes a cutover back that was begun and interrupted: the sources are written to again.</summary>
    /// <exception cref="PgdException">None was begun, or a copy is on its own already (<see cref="ExitCode.Unsafe"/>).</exception>
    public Task UndoCutOverAsync(CancellationToken cancellationToken) => EachAsync(async replica =>
    {
        await ReplicaCopy.LockAsync(replica, cancellationToken).ConfigureAwait(false);
        await new Cutover(replica, TimeSpan.Zero, _reporter).UndoAsync(cancellationToken).ConfigureAwait(false);
        return replica.Name;
    }, cancellationToken);

    /// <summary>Cuts copies off from their sources, and removes all that was made for them on either side. The copies stay, with all that they have.</summary>
    /// <exception cref="PgdException">A server does not answer or refuses.</exception>
    public Task<IReadOnlyList<CleanedUp>> CleanUpAsync(CancellationToken cancellationToken) => EachAsync(async replica =>
    {
        await ReplicaCopy.LockAsync(replica, cancellationToken).ConfigureAwait(false);
        if (await ReplicaRecord.FindAsync(replica, cancellationToken).ConfigureAwait(false) is { Cutover: ReplicaRecord.Frozen })
            throw new PgdException(ExitCode.Unsafe, $"{replica.Source} is read-only for a cutover that has not ended", "Have it end: dotnet pgd replicate cutover; or take it back: dotnet pgd replicate cutover --undo");
        return await CleanUpAsync(replica, cancellationToken).ConfigureAwait(false);
    }, cancellationToken);

    private static async Task<CleanedUp> CleanUpAsync(DatabaseReplica replica, CancellationToken cancellationToken)
    {
        var removed = new List<string>();
        if (await Subscription.IsEnabledAsync(replica, cancellationToken).ConfigureAwait(false) is not null)
        {
            await Subscription.RemoveAsync(replica, cancellationToken).ConfigureAwait(false);
            removed.Add($"the subscription {replica.Name} of {replica.Target.Database}");
        }

        Fault.Here("cleanup:subscription");
        if (await replica.AskSourceAsync("select from pg_replication_slots where slot_name = $1", cancellationToken, replica.Name).ConfigureAwait(false) is { Count: > 0 })
        {
            await ReplicationSlot.RemoveWhenFreeAsync(replica, cancellationToken).ConfigureAwait(false);
            removed.Add($"the slot {replica.Name} of {replica.Source.Database}");
        }

        Fault.Here("cleanup:slot");
        if (await Publication.TablesAsync(replica, cancellationToken).ConfigureAwait(false) is not null)
        {
            await Publication.RemoveAsync(replica, cancellationToken).ConfigureAwait(false);
            removed.Add($"the publication {replica.Name} of {replica.Source.Database}");
        }

        Fault.Here("cleanup:publication");
        // Another source's is not ours to take.
        if (await ReplicaRecord.FindAsync(replica, cancellationToken).ConfigureAwait(false) is { } record && record.Name == replica.Name)
        {
            await ReplicaRecord.RemoveAsync(replica, cancellationToken).ConfigureAwait(false);
            removed.Add($"the schema {ReplicaRecord.Schema} of {replica.Target.Database}");
        }

        return new(replica.Source.Database, replica.Target.Database, removed);
    }

    private Task<IReadOnlyList<T>> EachAsync<T>(Func<DatabaseReplica, Task<T>> work, CancellationToken cancellationToken) => EachAsync(async (source, target) =>
    {
        var replica = await DatabaseReplica.OpenAsync(source, target, cancellationToken).ConfigureAwait(false);
        await using var _ = replica.ConfigureAwait(false);
        return await work(replica).ConfigureAwait(false);
    }, cancellationToken);

    private async Task<IReadOnlyList<T>> EachAsync<T>(Func<ConnectionUrl, ConnectionUrl, Task<T>> work, CancellationToken cancellationToken)
    {
        var databases = await _filter.DatabasesAsync(_source, cancellationToken).ConfigureAwait(false);
        var done = new List<T>();
        // Of a single one the copy may have another name.
        foreach (var database in databases)
            done.Add(await work(_source with { Database = database }, ReplicationFilter.TargetOf(_source, _target, databases, database)).ConfigureAwait(false));
        return done;
    }
}

/// <summary>How databases are copied.</summary>
public sealed record ReplicationInit
{
    /// <summary>Whether a slot is made, from which changes can be had; else the copy is made once.</summary>
    public bool Follow { get; init; } = true;

    /// <summary>How many sessions there may be on each side; null for as many as there are processors here, up to 8.</summary>
    public int? Jobs { get; init; }

    /// <summary>Whether a database that is there is dropped first, with all that is in it.</summary>
    public bool DropExisting { get; init; }

    /// <summary>Whether a copy that was interrupted is gone on with; else what there is of it is dropped, and it is begun anew. A complete copy stays in either case.</summary>
    public bool Resume { get; init; } = true;

    /// <summary>Whether everything belongs to whom it belongs to at the source, with the rights that were granted; else all of it is the connecting role's.</summary>
    public bool WithOwners { get; init; } = true;

    /// <summary>The name of what is made at the source, if it is not to be told from the two databases.</summary>
    internal string? Name { get; init; }
}

/// <summary>A database that was copied.</summary>
/// <param name="Source">Its name.</param>
/// <param name="Target">The copy's name.</param>
/// <param name="Tables">How many tables.</param>
/// <param name="Bytes">Their size at the source.</param>
/// <param name="DataAsOf">Of when the copy is, by the source's clock.</param>
/// <param name="WasThere">Whether it was complete before.</param>
/// <param name="LeftOut">What of the database is not in it, with what cannot be without that.</param>
public sealed record CopiedDatabase(string Source, string Target, int Tables, long Bytes, DateTimeOffset? DataAsOf, bool WasThere, IReadOnlyList<string> LeftOut);

/// <summary>A copy that follows its source.</summary>
/// <param name="Source">The source's name.</param>
/// <param name="Target">The copy's name.</param>
/// <param name="Name">The name of its publication, slot and subscription.</param>
/// <param name="WasThere">Whether it did before.</param>
public sealed record SyncedDatabase(string Source, string Target, string Name, bool WasThere);

/// <summary>A copy that was cut off.</summary>
/// <param name="Source">The source's name.</param>
/// <param name="Target">The copy's name.</param>
/// <param name="Removed">What was removed.</param>
public sealed record CleanedUp(string Source, string Target, IReadOnlyList<string> Removed);

/// <summary>A database of the target that is there.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Bytes">Its size.</param>
/// <param name="Tables">How many tables it has.</param>
public sealed record ExistingDatabase(string Name, long Bytes, int Tables);
