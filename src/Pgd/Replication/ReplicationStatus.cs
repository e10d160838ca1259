using System.Diagnostics;
using System.Globalization;

namespace Pgd.Replication;

/// <summary>What a copy is doing.</summary>
public enum ReplicationState
{
    /// <summary>There is no copy of the source in the target.</summary>
    None,

    /// <summary>The copy is not complete: it is being made, or was interrupted.</summary>
    Copying,

    /// <summary>It is complete, and what changes is kept for it, but it does not follow yet.</summary>
    Waiting,

    /// <summary>It was made once and does not follow.</summary>
    Once,

    /// <summary>It follows.</summary>
    Following,

    /// <summary>It was told not to follow.</summary>
    Stopped,

    /// <summary>It should follow and does not: a change cannot be applied, or the source is not reached.</summary>
    Broken,

    /// <summary>It cannot follow any more: the source does not have what it needs.</summary>
    Lost,

    /// <summary>It is being cut over, or that was interrupted: the source is read-only.</summary>
    CuttingOver,
}

/// <summary>How a copy is.</summary>
/// <param name="Source">The source's name.</param>
/// <param name="Target">The copy's name.</param>
/// <param name="Name">The name of its publication, slot and subscription.</param>
/// <param name="State">What it is doing.</param>
public sealed record ReplicationStatus(string Source, string Target, string Name, ReplicationState State)
{
    /// <summary>How many seconds a change took just now from the source to the copy; null if it did not arrive while it was waited for, or does not follow.</summary>
    public double? LagSeconds { get; init; }

    /// <summary>How many seconds it was waited at most for a change to arrive.</summary>
    public double WaitedSeconds { get; init; }

    /// <summary>Bytes of the source's write-ahead log that the copy has not confirmed yet.</summary>
    public long? LagBytes { get; init; }

    /// <summary>Bytes of the source's log that are kept for the copy.</summary>
    public long? RetainedBytes { get; init; }

    /// <summary>Bytes that may still be written before the source drops what is kept; null if it keeps all of it.</summary>
    public long? SafeBytes { get; init; }

    /// <summary>Bytes of log that the source writes in a second.</summary>
    public double? WrittenPerSecond { get; init; }

    /// <summary>Bytes of it that the copy confirms in a second.</summary>
    public double? AppliedPerSecond { get; init; }

    /// <summary>Seconds until the copy has caught up, if both go on as they do; null if it does not, or has.</summary>
    public double? CaughtUpInSeconds { get; init; }

    /// <summary>Seconds until the source drops what is kept, if it goes on as it does; null if it does not.</summary>
    public double? LostInSeconds { get; init; }

    /// <summary>How many tables are published.</summary>
    public int? Tables { get; init; }

    /// <summary>How often changes could not be applied; null where the target does not count (before PostgreSQL 15).</summary>
    public long? Errors { get; init; }

    /// <summary>What is wrong, and what to type.</summary>
    public IReadOnlyList<string> Problems { get; init; } = [];

    /// <summary>Asks both servers.</summary>
    /// <param name="replica">The two databases.</param>
    /// <param name="patience">How long to wait for a change to arrive.</param>
    /// <param name="cancellationToken">Ends it.</param>
    internal static async Task<ReplicationStatus> AskAsync(DatabaseReplica replica, TimeSpan patience, CancellationToken cancellationToken)
    {
        var record = await ReplicaRecord.FindAsync(replica, cancellationToken).ConfigureAwait(false);
        var status = new ReplicationStatus(replica.Source.Database, replica.Target.Database, replica.Name, ReplicationState.None);
        if (record is null || record.Name != replica.Name)
            return status with { Problems = [record is null ? "nothing was copied yet: dotnet pgd replicate init" : "the target is the copy of another database"] };
        if (!record.IsCopied)
            return status with { State = ReplicationState.Copying, Problems = ["the copy is not complete; the same command goes on if it was interrupted: dotnet pgd replicate init"] };
        if (record.Lsn is null)
            return status with { State = ReplicationState.Once };
        var slots = await replica.AskSourceAsync("""
            select active::text, pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::bigint::text, pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint::text, to_jsonb(s)->>'wal_status', to_jsonb(s)->>'safe_wal_size'
            from pg_replication_slots s where slot_name = $1
            """, cancellationToken, replica.Name).ConfigureAwait(false);
        if (record.Cutover is not null)
            return status with { State = ReplicationState.CuttingOver, Problems = [$"a cutover was begun and has not ended ({record.Cutover}); go on with it: dotnet pgd replicate cutover{(record.Cutover == ReplicaRecord.Frozen ? ", or take it back: dotnet pgd replicate cutover --undo" : "")}"] };
        if (slots is not [var slot] || slot[3] == "lost")
            return status with { State = ReplicationState.Lost, Problems = [$"the source {(slots.Count == 0 ? $"has no slot {replica.Name} any more" : "has dropped write-ahead log that the copy needs (max_slot_wal_keep_size)")}; copy it anew: dotnet pgd replicate init --drop-existing"] };
        status = status with
        {
            RetainedBytes = Bytes(slot[2]),
            SafeBytes = Bytes(slot[4]),
            LagBytes = Math.Max(0, Bytes(slot[1]) ?? 0),
            Tables = (await Publication.TablesAsync(replica, cancellationToken).ConfigureAwait(false))?.Count,
        };
        var isEnabled = await Subscription.IsEnabledAsync(replica, cancellationToken).ConfigureAwait(false);
        var problems = await Drift.OfAsync(replica, cancellationToken).ConfigureAwait(false);
        if (isEnabled is null)
            return status with { State = ReplicationState.Waiting, Problems = ["it does not follow yet, and what changes is kept at the source; have it follow: dotnet pgd replicate sync", .. problems] };
        if (isEnabled == false)
            return status with { State = ReplicationState.Stopped, Problems = ["its subscription is disabled, and what changes is kept at the source; have it follow again: dotnet pgd replicate sync", .. problems] };
        var (mark, began, before) = (await Heartbeat.MarkAsync(replica, cancellationToken).ConfigureAwait(false), Stopwatch.GetTimestamp(), await Heartbeat.ConfirmedAsync(replica, cancellationToken).ConfigureAwait(false));
        var lag = await Heartbeat.ArrivesAsync(replica, mark, patience, cancellationToken).ConfigureAwait(false);
        var (seconds, now, after) = (Stopwatch.GetElapsedTime(began).TotalSeconds, Heartbeat.Position((await replica.AskSourceAsync("select pg_current_wal_insert_lsn()::text", cancellationToken).ConfigureAwait(false))[0][0]), await Heartbeat.ConfirmedAsync(replica, cancellationToken).ConfigureAwait(false));
        var errors = replica.TargetMajor < 15 ? null : await replica.AskTargetAsync("select coalesce(sum(apply_error_count + sync_error_count), 0)::text from pg_stat_subscription_stats where subname = $1", cancellationToken, replica.Name).ConfigureAwait(false);
        var isAtWork = (await replica.AskTargetAsync("select exists (select from pg_stat_subscription where subname = $1 and pid is not null)::text", cancellationToken, replica.Name).ConfigureAwait(false))[0][0] == "true";
        status = status with { LagSeconds = lag?.TotalSeconds, WaitedSeconds = patience.TotalSeconds, Errors = errors is [[{ } count]] ? long.Parse(count, CultureInfo.InvariantCulture) : null, LagBytes = (long)(now > after ? now - after : 0) };
        // In a moment as short as a mark takes nobody sees how fast it goes.
        if (seconds >= 0.5)
        {
            var (written, applied) = ((now - mark) / seconds, (after - before) / seconds);
            status = status with
            {
                WrittenPerSecond = written,
                AppliedPerSecond = applied,
                CaughtUpInSeconds = lag is null && applied > written ? status.LagBytes.Value / (applied - written) : null,
                LostInSeconds = lag is null && status.SafeBytes is { } safe && written > applied ? Math.Max(0, safe) / written : null,
            };
        }

        // A worker that fails begins anew after some seconds, and is there for a moment.
        if (lag is null && (!isAtWork || after == before))
            return status with { State = ReplicationState.Broken, Problems = problems.Count > 0 ? problems : [$"{(isAtWork ? "nothing was applied while it was waited for" : "its worker is not running")}{(status.Errors > 0 ? $", and {status.Errors} times a change could not be applied" : "")}: the reason is in the log of the target's server ({replica.Target.Host})"] };
        return status with { State = ReplicationState.Following, Problems = problems };
    }

    private static long? Bytes(string? text) => text is null ? null : long.Parse(text, CultureInfo.InvariantCulture);
}
