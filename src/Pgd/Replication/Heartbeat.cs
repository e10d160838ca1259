using System.Diagnostics;
using System.Globalization;
using Pgd.Postgres;

namespace Pgd.Replication;

/// <summary>
/// How long a change takes from a source to its copy: a mark in the source's write-ahead log that changes nothing, and the time until the copy has confirmed that it has all up to there. What servers say of themselves is empty while nobody writes, and old while
/// somebody does.
/// </summary>
internal static class Heartbeat
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(20);

    /// <summary>Sets a mark, in a transaction: only what is on the source's disk is sent, and nobody else sees to it that a mark alone gets there soon.</summary>
    /// <returns>Its position.</returns>
    public static async Task<ulong> MarkAsync(DatabaseReplica replica, CancellationToken cancellationToken)
    {
        await replica.AskSourceAsync("select pg_logical_emit_message(true, 'pgd', '')::text", cancellationToken).ConfigureAwait(false);
        return Position((await replica.AskSourceAsync("select pg_current_wal_flush_lsn()::text", cancellationToken).ConfigureAwait(false))[0][0]);
    }

    /// <summary>Waits for the copy.</summary>
    /// <returns>How long it took; null if it takes longer than that.</returns>
    public static async Task<TimeSpan?> ArrivesAsync(DatabaseReplica replica, ulong mark, TimeSpan atMost, CancellationToken cancellationToken)
    {
        for (var began = Stopwatch.GetTimestamp(); ;)
        {
            var at = await ConfirmedAsync(replica, cancellationToken).ConfigureAwait(false);
            var passed = Stopwatch.GetElapsedTime(began);
            if (at >= mark)
                return passed;
            if (passed >= atMost)
                return null;
            await Task.Delay(Interval, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Up to where the copy has confirmed that it has everything; 0 without a slot.</summary>
    public static async Task<ulong> ConfirmedAsync(DatabaseReplica replica, CancellationToken cancellationToken) =>
        await replica.AskSourceAsync("select confirmed_flush_lsn::text from pg_replication_slots where slot_name = $1", cancellationToken, replica.Name).ConfigureAwait(false) is [[{ } lsn]] ? Position(lsn) : 0;

    /// <summary>A position that a server said.</summary>
    public static ulong Position(string? lsn) => Lsn.TryParse(lsn, out var position) ? position : throw new FormatException(string.Create(CultureInfo.InvariantCulture, $"\"{lsn}\" is no position"));
}
