using Pgd.Libpq;

namespace Pgd.Replication;

/// <summary>Databases of one server that become, and stay, copies on another: by PostgreSQL's logical replication, from a snapshot on, without a gap.</summary>
public sealed class LogicalReplication
{
    private readonly ConnectionUrl _source, _target;
    private readonly IReporter _reporter;

    /// <summary>Names the two servers. Nothing is asked yet.</summary>
    /// <param name="source">Where the databases are; the one that it names, if a filter names none.</param>
    /// <param name="target">Where their copies are: of the same names, but for that of a single one.</param>
    /// <param name="reporter">Hears how far long work is.</param>
    public LogicalReplication(ConnectionUrl source, ConnectionUrl target, IReporter reporter)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(target);
        ArgumentNullException.ThrowIfNull(reporter);
        (_source, _target, _reporter) = (source, target, reporter);
    }

    /// <summary>Copies what is meant, with a slot from which <see cref="SyncAsync"/> goes on. What was complete stays; what was interrupted goes on.</summary>
    /// <exception cref="PgdException">
    /// A server does not answer or refuses (<see cref="ExitCode.Failed"/>), a right or a setting is missing (<see cref="ExitCode.Unsafe"/>, with what to type), the target is not empty, or is the copy of something else (<see cref="ExitCode.Exists"/>),
    /// somebody is at work on it (<see cref="ExitCode.Locked"/>).
    /// </exception>
    public async Task<IReadOnlyList<CopiedDatabase>> InitAsync(ReplicationInit options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        return [await new ReplicaCopy(_source, _target, DatabaseChoice.All, options, _reporter).RunAsync(cancellationToken).ConfigureAwait(false)];
    }

    /// <summary>Has the copies follow their sources from the moment of the copy on. One that does already goes on.</summary>
    /// <param name="publisher">How the target reaches the source, if not as this machine does; null if it does.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="PgdException">There is no complete copy (<see cref="ExitCode.NotFound"/>), its slot is gone (<see cref="ExitCode.Failed"/>), a right is missing (<see cref="ExitCode.Unsafe"/>, with what to type).</exception>
    public async Task<IReadOnlyList<SyncedDatabase>> SyncAsync(ConnectionUrl? publisher, CancellationToken cancellationToken)
    {
        var replica = await DatabaseReplica.OpenAsync(_source, _target, cancellationToken).ConfigureAwait(false);
        await using var _ = replica.ConfigureAwait(false);
        await ReplicaCopy.LockAsync(replica, cancellationToken).ConfigureAwait(false);
        var record = await ReplicaRecord.FindAsync(replica.Into, cancellationToken).ConfigureAwait(false);
        if (record is not { IsCopied: true } || record.Name != replica.Name)
            throw new PgdException(ExitCode.NotFound, $"{replica.Target} is no complete copy of {replica.Source}", "Copy it first: dotnet pgd replicate init");
        if (record.Lsn is null)
            throw new PgdException(ExitCode.Unsafe, $"{replica.Target} was copied without a slot (--no-sync), so nobody knows what has changed since", "Copy it anew: dotnet pgd replicate init --drop-existing");
        var slot = await replica.AskSourceAsync("select active::text, coalesce(to_jsonb(s)->>'wal_status', '') from pg_replication_slots s where slot_name = $1", cancellationToken, replica.Name).ConfigureAwait(false);
        if (slot.Count == 0 || slot[0][1] == "lost")
            throw new PgdException(ExitCode.Failed, $"the slot {replica.Name} of {replica.Source} {(slot.Count == 0 ? "is gone" : "has lost write-ahead log that the copy needs (max_slot_wal_keep_size)")}: what changed since cannot be had", "Copy it anew: dotnet pgd replicate init --drop-existing");
        var was = await Subscription.IsEnabledAsync(replica, cancellationToken).ConfigureAwait(false);
        if (was is null)
            await Subscription.MakeAsync(replica, (publisher ?? _source) with { Database = _source.Database }, cancellationToken).ConfigureAwait(false);
        else if (was == false)
            await replica.AskTargetAsync($"alter subscription {replica.Name} enable", cancellationToken).ConfigureAwait(false);
        return [new(_source.Database, _target.Database, replica.Name, WasThere: was == true)];
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

    /// <summary>Whether everything belongs to whom it belongs to at the source, with the rights that were granted; else all of it is the connecting role's.</summary>
    public bool WithOwners { get; init; } = true;
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
