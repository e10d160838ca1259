using System.Globalization;
using Pgd.Postgres;

namespace Pgd.Following;

/// <summary>How far a standby's server has come.</summary>
/// <param name="InRecovery">Whether it still is a standby.</param>
/// <param name="IsStreaming">Whether it is connected to its primary.</param>
/// <param name="Received">Up to where it has the log.</param>
/// <param name="Replayed">Up to where its data has it.</param>
/// <param name="End">Up to where its primary had written the log when that was last heard of.</param>
/// <param name="HeardAt">When that was, by the primary's clock.</param>
/// <param name="LastTransactionAt">When the last transaction was committed that its data has, by the primary's clock; null if none has been since it started.</param>
/// <param name="IsPaused">Whether it does not go on, although it has more.</param>
internal sealed record Replay(bool InRecovery, bool IsStreaming, ulong? Received, ulong? Replayed, ulong? End, DateTimeOffset? HeardAt, DateTimeOffset? LastTransactionAt, bool IsPaused)
{
    private const string Time = "'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'";

    private const string Question = $"""
        select pg_is_in_recovery()::text, (w.status = 'streaming')::text, coalesce(greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), pg_last_wal_replay_lsn())::text, pg_last_wal_replay_lsn()::text, w.latest_end_lsn::text,
               to_char(w.last_msg_send_time at time zone 'UTC', {Time}), to_char(pg_last_xact_replay_timestamp() at time zone 'UTC', {Time}), (case when pg_is_in_recovery() then pg_is_wal_replay_paused() end)::text
          from (select) one left join pg_stat_wal_receiver w on true
        """;

    /// <summary>Whether its data has all that its primary had when that was last heard of.</summary>
    public bool IsCaughtUp => IsStreaming && End is not null && Replayed >= End;

    /// <summary>From when its data is, by the primary's clock: there is nothing older that it lacks.</summary>
    public DateTimeOffset? DataAsOf => IsCaughtUp && HeardAt > (LastTransactionAt ?? DateTimeOffset.MinValue) ? HeardAt : LastTransactionAt;

    /// <summary>Asks its server.</summary>
    public static Replay Of(AdminConnection connection, CancellationToken cancellationToken)
    {
        var row = connection.Query(Question, cancellationToken)[0];
        return new(row[0] == "true", row[1] == "true", Position(row[2]), Position(row[3]), Position(row[4]), Moment(row[5]), Moment(row[6]), row[7] == "true");
    }

    private static ulong? Position(string? text) => Lsn.TryParse(text, out var position) ? position : null;

    private static DateTimeOffset? Moment(string? text) => text is null ? null : DateTimeOffset.Parse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal);
}
