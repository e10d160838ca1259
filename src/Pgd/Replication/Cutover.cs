using System.Diagnostics;
using System.Globalization;
using Pgd.Backups;
using Pgd.Linux;
using Pgd.Postgres;

namespace Pgd.Replication;

/// <summary>
/// Makes a copy that follows the one that is written to: the source becomes read-only, the copy gets the last change and where the sequences stand, and is cut off. Until that, whatever fails or takes too long opens the source again.
/// </summary>
/// <param name="replica">The two databases.</param>
/// <param name="maxPause">How long nobody may be able to write.</param>
/// <param name="reporter">Hears what is done.</param>
internal sealed class Cutover(DatabaseReplica replica, TimeSpan maxPause, IReporter reporter)
{
    private string SourceName => AdminConnection.QuoteIdentifier(replica.Source.Database);

    /// <summary>What would be done, and whether it could be now.</summary>
    /// <exception cref="PgdException">It could not (<see cref="ExitCode.Unsafe"/>).</exception>
    public async Task<SwitchedDatabase> RehearseAsync(CancellationToken cancellationToken)
    {
        await RequireReadyAsync(cancellationToken).ConfigureAwait(false);
        var others = await replica.AskSourceAsync(Others("count(*)::text"), cancellationToken).ConfigureAwait(false);
        return new(replica.Source.Database, replica.Target.Database)
        {
            Sessions = int.Parse(others[0][0]!, CultureInfo.InvariantCulture),
            Sequences = (await SequencesAsync(cancellationToken).ConfigureAwait(false)).Count,
            MaterializedViews = (await ViewsAsync(cancellationToken).ConfigureAwait(false)).Count,
        };
    }

    /// <summary>Does it. After whatever end, the same again goes on.</summary>
    /// <exception cref="PgdException">
    /// The copy does not follow, or is too far behind (<see cref="ExitCode.Unsafe"/>); it took too long (<see cref="ExitCode.BudgetExceeded"/>), or something failed: the source is then written to as before.
    /// </exception>
    public async Task<SwitchedDatabase> RunAsync(CancellationToken cancellationToken)
    {
        var record = await ReplicaRecord.RequireAsync(replica, cancellationToken).ConfigureAwait(false);
        var done = new SwitchedDatabase(replica.Source.Database, replica.Target.Database);
        if (record.Cutover != ReplicaRecord.Switched)
            (record, done) = await SwitchAsync(record, done, cancellationToken).ConfigureAwait(false);
        // From here on the copy is written to, and there is no way back.
        await Subscription.RemoveAsync(replica, cancellationToken).ConfigureAwait(false);
        Fault.Here("cutover:unsubscribed");
        await ReplicationSlot.RemoveWhenFreeAsync(replica, cancellationToken).ConfigureAwait(false);
        Fault.Here("cutover:slot");
        await Publication.RemoveAsync(replica, cancellationToken).ConfigureAwait(false);
        Fault.Here("cutover:publication");
        var views = await ViewsAsync(cancellationToken).ConfigureAwait(false);
        foreach (var view in views)
        {
            reporter.Step($"refreshing {view}");
            await replica.AskTargetAsync($"refresh materialized view {view}", cancellationToken).ConfigureAwait(false);
        }

        reporter.Step($"gathering statistics of {replica.Target.Database}");
        await replica.AskTargetAsync("analyze", cancellationToken).ConfigureAwait(false);
        Fault.Here("cutover:analyzed");
        await ReplicaRecord.RemoveAsync(replica, cancellationToken).ConfigureAwait(false);
        return done with { MaterializedViews = views.Count };
    }

    /// <summary>Takes back one that was begun and has not reached the copy: the source is written to again.</summary>
    /// <exception cref="PgdException">None was begun, or the copy is on its own already (<see cref="ExitCode.Unsafe"/>).</exception>
    public async Task UndoAsync(CancellationToken cancellationToken)
    {
        var record = await ReplicaRecord.RequireAsync(replica, cancellationToken).ConfigureAwait(false);
        if (record.Cutover != ReplicaRecord.Frozen)
            throw new PgdException(ExitCode.Unsafe, record.Cutover is null ? $"no cutover of {replica.Target} was begun" : $"{replica.Target} is on its own already, and may have been written to", record.Cutover is null ? null : $"Have the cutover end: dotnet pgd replicate cutover. The source is read-only; who wants to write there all the same: ALTER DATABASE {SourceName} RESET default_transaction_read_only;");
        await ThawAsync(record, cancellationToken).ConfigureAwait(false);
        await record.AtAsync(replica, null, null, cancellationToken).ConfigureAwait(false);
    }

    private async Task<(ReplicaRecord Record, SwitchedDatabase Done)> SwitchAsync(ReplicaRecord record, SwitchedDatabase done, CancellationToken cancellationToken)
    {
        if (record.Cutover is null)
        {
            await RequireReadyAsync(cancellationToken).ConfigureAwait(false);
            record = await record.AtAsync(replica, ReplicaRecord.Frozen, await ReadOnlyAsync(cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
        }

        Fault.Here("cutover:noted");
        var began = Stopwatch.GetTimestamp();
        using var pause = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        pause.CancelAfter(maxPause);
        var mayBeSwitched = false;
        try
        {
            var (frozen, sessions) = await FreezeAsync(pause.Token).ConfigureAwait(false);
            Fault.Here("cutover:frozen");
            do
            {
                var mark = await Heartbeat.MarkAsync(replica, pause.Token).ConfigureAwait(false);
                if (await Heartbeat.ArrivesAsync(replica, mark, maxPause, pause.Token).ConfigureAwait(false) is null)
                    throw TooLong(null);
            }
            while (await EndAsync(frozen, pause.Token).ConfigureAwait(false) > 0);
            if (await replica.AskSourceAsync(Others("format('process %s of %s (%s)', pid, usename, application_name)") + " and backend_xid is not null", pause.Token).ConfigureAwait(false) is [[var writer], ..])
                throw new PgdException(ExitCode.Unsafe, $"{writer} writes to {replica.Source} although it is read-only", "The source is written to as before. Roles or programs that set default_transaction_read_only have to be stopped first.");
            Fault.Here("cutover:arrived");
            var sequences = await SequencesAsync(pause.Token).ConfigureAwait(false);
            await SetAsync(sequences, pause.Token).ConfigureAwait(false);
            Fault.Here("cutover:sequences");
            mayBeSwitched = true;
            record = await record.AtAsync(replica, ReplicaRecord.Switched, record.ReadOnlyWas, cancellationToken).ConfigureAwait(false);
            Fault.Here("cutover:switched");
            return (record, done with { Sessions = sessions, Sequences = sequences.Count, PauseSeconds = Stopwatch.GetElapsedTime(began).TotalSeconds });
        }
        catch (Exception e)
        {
            try
            {
                // Its answer may be what was lost. Nobody may write to the source while the copy counts as on its own.
                if (mayBeSwitched)
                    await record.AtAsync(replica, ReplicaRecord.Frozen, record.ReadOnlyWas, CancellationToken.None).ConfigureAwait(false);
                await ThawAsync(record, CancellationToken.None).ConfigureAwait(false);
            }
            catch (PgdException thawing)
            {
                throw new PgdException(ExitCode.Partial, $"{e.Message}; and {replica.Source} is still read-only: {thawing.Message}", $"As soon as it answers: dotnet pgd replicate cutover --undo; or there: ALTER DATABASE {SourceName} RESET default_transaction_read_only;", e);
            }

            try
            {
                await record.AtAsync(replica, null, null, CancellationToken.None).ConfigureAwait(false);
            }
            catch (PgdException lost)
            {
                reporter.Warn($"the source is written to as before, and {replica.Target} could not be told: {lost.Message}; as soon as it answers: dotnet pgd replicate cutover --undo");
            }

            throw e is OperationCanceledException && !cancellationToken.IsCancellationRequested ? TooLong(e) : e;
        }
    }

    private PgdException TooLong(Exception? e) => new(ExitCode.BudgetExceeded, $"nobody could write to {replica.Source} for {maxPause.TotalSeconds.ToString("0.#", CultureInfo.InvariantCulture)} s, and the copy was not ready", "The source is written to as before. Try when less is written, or allow more: --max-pause 30s", e);

    private async Task RequireReadyAsync(CancellationToken cancellationToken)
    {
        await ReplicaRecord.RequireAsync(replica, cancellationToken).ConfigureAwait(false);
        var status = await ReplicationStatus.AskAsync(replica, maxPause / 2, cancellationToken).ConfigureAwait(false);
        if (status is not { State: ReplicationState.Following, LagSeconds: not null })
            throw new PgdException(ExitCode.Unsafe, $"{replica.Target} is not ready to be cut over: {(status.State == ReplicationState.Following ? $"a change takes longer than {(maxPause / 2).TotalSeconds.ToString("0.#", CultureInfo.InvariantCulture)} s to get there" : string.Join("; ", status.Problems.DefaultIfEmpty($"it is {status.State}")))}", "Nothing was changed. Look at it: dotnet pgd replicate status");
        foreach (var problem in status.Problems)
            reporter.Warn(problem);
        if (await replica.AskSourceAsync("select format('%L of %s', gid, owner) from pg_prepared_xacts where database = current_database() order by prepared limit 1", cancellationToken).ConfigureAwait(false) is [[var prepared]])
            throw new PgdException(ExitCode.Unsafe, $"{replica.Source} has a transaction that was prepared ({prepared}), which may be committed at any time", "Nothing was changed. Commit or roll it back first (select * from pg_prepared_xacts).");
        if ((await replica.AskSourceAsync("select (rolsuper or pg_has_role(datdba, 'usage'))::text from pg_database, pg_roles where datname = current_database() and rolname = current_user", cancellationToken).ConfigureAwait(false))[0][0] != "true")
            throw new PgdException(ExitCode.Unsafe, $"{replica.Source.User} may not make {replica.Source} read-only: that takes its owner", "Nothing was changed. Name the database's owner, or a superuser, in --source.");
    }

    // Sessions that are there keep what they began with, so they go; who comes back is read-only.
    private async Task<(string Moment, int Sessions)> FreezeAsync(CancellationToken cancellationToken)
    {
        await replica.AskSourceAsync($"alter database {SourceName} set default_transaction_read_only = on", cancellationToken).ConfigureAwait(false);
        var moment = (await replica.AskSourceAsync("select clock_timestamp()::text", cancellationToken).ConfigureAwait(false))[0][0]!;
        return (moment, await EndAsync(moment, cancellationToken).ConfigureAwait(false));
    }

    // One that is just beginning is seen only when it has begun.
    private async Task<int> EndAsync(string moment, CancellationToken cancellationToken)
    {
        var before = $" and backend_start <= {AdminConnection.QuoteLiteral(moment)}::timestamptz";
        var ended = new HashSet<string>(StringComparer.Ordinal);
        while (await replica.AskSourceAsync(Others("pid::text, pg_terminate_backend(pid)::text") + before, cancellationToken).ConfigureAwait(false) is { Count: > 0 } there)
        {
            ended.UnionWith(there.Select(row => row[0]!));
            await Task.Delay(10, cancellationToken).ConfigureAwait(false);
        }

        return ended.Count;
    }

    private static string Others(string what) => $"select {what} from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend' and application_name <> '{DatabaseReplica.Application}'";

    private async Task<string?> ReadOnlyAsync(CancellationToken cancellationToken) =>
        await replica.AskSourceAsync("select split_part(setting, '=', 2) from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase, unnest(s.setconfig) setting where d.datname = current_database() and s.setrole = 0 and setting like 'default\\_transaction\\_read\\_only=%'", cancellationToken).ConfigureAwait(false) is [[{ } was]] ? was : null;

    private async Task ThawAsync(ReplicaRecord record, CancellationToken cancellationToken) =>
        await replica.AskSourceAsync(record.ReadOnlyWas is { } was ? $"alter database {SourceName} set default_transaction_read_only = {was}" : $"alter database {SourceName} reset default_transaction_read_only", cancellationToken).ConfigureAwait(false);

    private async Task<IReadOnlyList<BackedUpSequence>> SequencesAsync(CancellationToken cancellationToken)
    {
        // Of those that the copy has: others were left out.
        var here = (await replica.AskTargetAsync(AllSequences, cancellationToken).ConfigureAwait(false)).Select(row => (row[0], row[1])).ToHashSet();
        var there = (await replica.AskSourceAsync(AllSequences, cancellationToken).ConfigureAwait(false)).Where(row => here.Contains((row[0], row[1]))).ToList();
        return await LogicalSource.ValuesAsync(there.Select(row => (row[0]!, row[1]!)), sql => replica.AskSourceAsync(sql, cancellationToken)).ConfigureAwait(false);
    }

    private const string AllSequences = """
        select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind = 'S' and c.relpersistence <> 't' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema' order by 1, 2
        """;

    private async Task SetAsync(IReadOnlyList<BackedUpSequence> sequences, CancellationToken cancellationToken)
    {
        foreach (var some in sequences.Chunk(500))
            await replica.AskTargetAsync("select " + string.Join(", ", some.Select(sequence => string.Create(CultureInfo.InvariantCulture, $"setval({AdminConnection.QuoteLiteral(LogicalSource.QuotedName(sequence.Schema, sequence.Name))}::regclass, {sequence.Value}, {sequence.IsCalled})"))), cancellationToken).ConfigureAwait(false);
    }

    // Those that others are made of come first.
    private async Task<IReadOnlyList<string>> ViewsAsync(CancellationToken cancellationToken) =>
        [.. (await replica.AskTargetAsync("""
            with recursive above as (
                select c.oid, 0 as depth from pg_class c where c.relkind = 'm' and c.relispopulated
                union
                select r.ev_class, a.depth + 1 from above a join pg_depend d on d.refclassid = 'pg_class'::regclass and d.refobjid = a.oid and d.classid = 'pg_rewrite'::regclass join pg_rewrite r on r.oid = d.objid and r.ev_class <> a.oid
                where a.depth < 100
            )
            select quote_ident(n.nspname) || '.' || quote_ident(c.relname) from above a join pg_class c on c.oid = a.oid and c.relkind = 'm' and c.relispopulated join pg_namespace n on n.oid = c.relnamespace
            group by c.oid, n.nspname, c.relname order by max(depth), 1
            """, cancellationToken).ConfigureAwait(false)).Select(row => row[0]!)];
}

/// <summary>A copy that was cut over, or could be.</summary>
/// <param name="Source">The source's name.</param>
/// <param name="Target">The copy's name.</param>
public sealed record SwitchedDatabase(string Source, string Target)
{
    /// <summary>How many sessions of the source were ended, or would be.</summary>
    public int Sessions { get; init; }

    /// <summary>How many sequences were brought to where they stand at the source, or would be.</summary>
    public int Sequences { get; init; }

    /// <summary>How many materialized views were refreshed, or would be.</summary>
    public int MaterializedViews { get; init; }

    /// <summary>How many seconds nobody could write; null if it was not done now.</summary>
    public double? PauseSeconds { get; init; }
}
