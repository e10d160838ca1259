using System.Diagnostics;
using Npgsql;
using Npgsql.Replication;
using Npgsql.Replication.Internal;
using Pgd.Libpq;
using Pgd.Postgres;

namespace Pgd.Replication;

/// <summary>
/// A logical slot of a source, from the moment that it is made until that moment is shared: what was committed before it is in its snapshot, and what is committed after it is sent.
/// </summary>
internal sealed class ReplicationSlot : IAsyncDisposable
{
    // Who has a number already and has not ended is waited for, and an open transaction may stay open for hours.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5), Silence = TimeSpan.FromSeconds(5), Farewell = TimeSpan.FromSeconds(10);
    private const int FirstWithIdleTimeout = 14;
    private readonly LogicalReplicationConnection _connection;

    private ReplicationSlot(LogicalReplicationConnection connection, string snapshot, string lsn) => (_connection, Snapshot, Lsn) = (connection, snapshot, lsn);

    /// <summary>The snapshot, which lasts until this is closed.</summary>
    public string Snapshot { get; }

    /// <summary>Where it begins to send.</summary>
    public string Lsn { get; }

    /// <summary>Makes it in place of one that an interrupted copy left.</summary>
    /// <exception cref="PgdException">
    /// The server does not decode its log, has no slot left, or the role may not replicate (<see cref="ExitCode.Unsafe"/>, with what to type); somebody uses the slot, or holds a transaction open for minutes (<see cref="ExitCode.Locked"/>).
    /// </exception>
    public static async Task<ReplicationSlot> CreateAsync(DatabaseReplica replica, IReporter reporter, CancellationToken cancellationToken)
    {
        await RemoveWhenFreeAsync(replica, cancellationToken).ConfigureAwait(false);
        var builder = replica.Source.ToNpgsql();
        builder.ApplicationName = DatabaseReplica.Application;
        // It says nothing until all sessions have the snapshot.
        if (replica.SourceMajor >= FirstWithIdleTimeout)
            builder.Options = $"{builder.Options} -c idle_session_timeout=0".Trim();
        builder.KeepAlive = 0;
        var connection = new LogicalReplicationConnection(builder.ConnectionString);
        try
        {
            await connection.Open(cancellationToken).ConfigureAwait(false);
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            // By its general name: Cake looks at all types before it can find Npgsql, and this one has what it awaits as a field.
            Task making = connection.CreatePgOutputReplicationSlot(replica.Name, slotSnapshotInitMode: LogicalSlotSnapshotInitMode.Export, cancellationToken: patience.Token);
            for (var waited = TimeSpan.Zero; await Task.WhenAny(making, Task.Delay(Silence, cancellationToken)).ConfigureAwait(false) != making; waited += Silence)
            {
                var open = await OpenTransactionsAsync(replica, cancellationToken).ConfigureAwait(false);
                if (waited == TimeSpan.Zero)
                    reporter.Step($"waiting for transactions of {replica.Source.Database} that are open: {open}");
                if (waited < Patience)
                    continue;
                await patience.CancelAsync().ConfigureAwait(false);
                await making.ContinueWith(static _ => { }, TaskScheduler.Default).ConfigureAwait(false);
                throw new PgdException(ExitCode.Locked, $"{replica.Source} has had transactions open for {Patience.TotalMinutes:0} minutes, and a slot begins when all of them have ended: {open}", "Have them end, or end them: select pg_terminate_backend(PID); prepared ones: rollback prepared '…'");
            }

            await making.ConfigureAwait(false);
            return Made(connection, making);
        }
        catch (Exception e)
        {
            await connection.DisposeAsync().ConfigureAwait(false);
            throw e is NpgsqlException refused ? Refused(replica.Source, refused) : e;
        }
    }

    /// <summary>Refuses a source that has not got it any more.</summary>
    /// <exception cref="PgdException">It is gone, or has lost what it kept (<see cref="ExitCode.Failed"/>).</exception>
    public static async Task RequireAsync(DatabaseReplica replica, CancellationToken cancellationToken)
    {
        // What there is of it differs by version.
        var slot = await replica.AskSourceAsync("select coalesce(to_jsonb(s)->>'wal_status', '') from pg_replication_slots s where slot_name = $1", cancellationToken, replica.Name).ConfigureAwait(false);
        if (slot is not [[not "lost"]])
            throw new PgdException(ExitCode.Failed, $"the slot {replica.Name} of {replica.Source} {(slot.Count == 0 ? "is gone" : "has lost write-ahead log that the copy needs (max_slot_wal_keep_size)")}: what changed since cannot be had", "Copy it anew: dotnet pgd replicate init --drop-existing");
    }

    /// <summary>Removes it; nothing happens if there is none.</summary>
    /// <exception cref="PgdException">Somebody uses it (<see cref="ExitCode.Locked"/>).</exception>
    public static async Task RemoveAsync(DatabaseReplica replica, CancellationToken cancellationToken)
    {
        var left = await replica.AskSourceAsync("select active_pid::text from pg_replication_slots where slot_name = $1", cancellationToken, replica.Name).ConfigureAwait(false);
        if (left is [[{ } pid]])
            throw new PgdException(ExitCode.Locked, $"the slot {replica.Name} of {replica.Source} is in use (by the process {pid} there)", "If it is another dotnet pgd replicate, wait for it. If it is a subscription that nobody wants any more: dotnet pgd replicate cleanup");
        if (left.Count > 0)
            await replica.AskSourceAsync("select pg_drop_replication_slot($1)::text", cancellationToken, replica.Name).ConfigureAwait(false);
    }

    /// <summary>Removes it as soon as the one who just used it has noticed that it is over.</summary>
    /// <exception cref="PgdException">Somebody goes on using it (<see cref="ExitCode.Locked"/>).</exception>
    public static async Task RemoveWhenFreeAsync(DatabaseReplica replica, CancellationToken cancellationToken)
    {
        for (var began = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(began) < Farewell; await Task.Delay(50, cancellationToken).ConfigureAwait(false))
        {
            if (await replica.AskSourceAsync("select from pg_replication_slots where slot_name = $1 and active", cancellationToken, replica.Name).ConfigureAwait(false) is [])
                break;
        }

        await RemoveAsync(replica, cancellationToken).ConfigureAwait(false);
    }

    public ValueTask DisposeAsync() => _connection.DisposeAsync();

    private static ReplicationSlot Made(LogicalReplicationConnection connection, Task making)
    {
        var made = ((Task<Npgsql.Replication.PgOutput.PgOutputReplicationSlot>)making).Result;
        return new(connection, made.SnapshotName!, made.ConsistentPoint.ToString());
    }

    private static async Task<string> OpenTransactionsAsync(DatabaseReplica replica, CancellationToken cancellationToken) =>
        (await replica.AskSourceAsync("""
            select coalesce(string_agg(who, ', '), 'by processes that the role may not see') from (
                select format('process %s of %s for %s', pid, usename, date_trunc('second', now() - xact_start)) as who from pg_stat_activity where backend_xid is not null and pid <> pg_backend_pid() and xact_start is not null
                union all select format('prepared %L for %s', gid, date_trunc('second', now() - prepared)) from pg_prepared_xacts order by 1 limit 5) t
            """, cancellationToken).ConfigureAwait(false))[0][0]!;

    /// <summary>What a server says who does not let itself be replicated, in our words.</summary>
    public static PgdException Refused(ConnectionUrl url, NpgsqlException e) => e switch
    {
        PostgresException { SqlState: PostgresErrorCodes.InvalidAuthorizationSpecification } refused => new(ExitCode.Unsafe, $"{url} takes no replication connections from here: {refused.MessageText}",
            "Have its pg_hba.conf (SHOW hba_file) let the role in from here (a line for the database, as logical replication is one of it), and have it read again: SELECT pg_reload_conf();", e),
        PostgresException { SqlState: PostgresErrorCodes.InsufficientPrivilege } refused => new(ExitCode.Unsafe, $"{url.User} may not replicate {url}: {refused.MessageText}", $"As a superuser: ALTER ROLE {AdminConnection.QuoteIdentifier(url.User)} REPLICATION; on RDS: GRANT rds_replication TO {AdminConnection.QuoteIdentifier(url.User)};", e),
        PostgresException { SqlState: PostgresErrorCodes.ConfigurationLimitExceeded } refused => new(ExitCode.Unsafe, $"{url} has no replication slot left: {refused.MessageText}", "Raise its max_replication_slots and restart it, or drop a slot that nothing uses (pg_replication_slots).", e),
        PostgresException { SqlState: PostgresErrorCodes.TooManyConnections } refused => new(ExitCode.Unsafe, $"{url} has no connection for replication left: {refused.MessageText}", "Raise its max_wal_senders and restart it.", e),
        PostgresException { SqlState: PostgresErrorCodes.ObjectNotInPrerequisiteState } refused => new(ExitCode.Unsafe, $"{url} does not decode its write-ahead log: {refused.MessageText}", "ALTER SYSTEM SET wal_level = logical; and restart it; on RDS: rds.logical_replication = 1 in its parameter group; on Neon: the project's setting.", e),
        PostgresException { SqlState: not PostgresErrorCodes.ProtocolViolation } refused => new(ExitCode.Failed, $"{url}: {refused.MessageText}", refused.Hint, e),
        _ => new(ExitCode.Failed, $"{url} answers, but not as a server that can be replicated: {ScriptConnection.Innermost(e)}", "Connect to the server itself, and not through a pooler or a balancer.", e),
    };
}
