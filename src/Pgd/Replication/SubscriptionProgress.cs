using System.Diagnostics;
using Pgd.Libpq;
using Pgd.Postgres;

namespace Pgd.Replication;

/// <summary>That a database follows another one by subscriptions: how far it is, the slots of the source say.</summary>
internal sealed class SubscriptionProgress
{
    // As often as a subscriber reports.
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    private readonly ConnectionUrl _source, _target;
    private readonly string _slots;

    private SubscriptionProgress(ConnectionUrl source, ConnectionUrl target, string slots) => (_source, _target, _slots) = (source, target, slots);

    /// <summary>Null if it follows none, or another one.</summary>
    public static async Task<SubscriptionProgress?> FindAsync(ConnectionUrl source, ScriptConnection atSource, ConnectionUrl target, ScriptConnection atTarget, CancellationToken cancellationToken)
    {
        var subscribed = await atTarget.QueryAsync("select subslotname from pg_subscription where subenabled and subslotname is not null and subdbid = (select oid from pg_database where datname = current_database())", cancellationToken).ConfigureAwait(false);
        var slots = await atSource.QueryAsync("select slot_name from pg_replication_slots where slot_type = 'logical' and database = current_database() and slot_name = any (cast($1 as text[]))", cancellationToken, ScriptConnection.ArrayOf(subscribed.Select(row => row[0]!))).ConfigureAwait(false);
        return slots.Count == 0 ? null : new(source, target, ScriptConnection.ArrayOf(slots.Select(row => row[0]!)));
    }

    /// <summary>Waits until all that was committed before a position of the source's log is at the target as well.</summary>
    /// <param name="atSource">A session of the source; it sees what others did meanwhile.</param>
    /// <param name="position">The position.</param>
    /// <param name="patience">How long to wait.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="PgdException">It takes too long, or the slot is gone (<see cref="ExitCode.Failed"/>).</exception>
    public async Task ReachAsync(ScriptConnection atSource, string position, TimeSpan patience, CancellationToken cancellationToken)
    {
        for (var watch = Stopwatch.StartNew(); ;)
        {
            var said = (await atSource.QueryAsync("select bool_and(coalesce(confirmed_flush_lsn >= cast($2 as pg_lsn), false))::text, pg_size_pretty(max(pg_wal_lsn_diff(cast($2 as pg_lsn), confirmed_flush_lsn))), bool_and(active)::text from pg_replication_slots where slot_name = any (cast($1 as text[]))", cancellationToken, _slots, position).ConfigureAwait(false))[0];
            if (said[0] == "true")
                return;
            if (said[0] is null)
                throw new PgdException(ExitCode.Failed, $"the replication slot of {_target} at {_source} is gone", "Nothing comes any more. Begin anew: the rows have to be copied again.");
            if (watch.Elapsed > patience)
            {
                throw new PgdException(ExitCode.Failed, $"{_target} is {said[1]} of the log behind {_source}{(said[2] == "true" ? "" : ", and does not read it")}",
                    said[2] == "true" ? "Give it more time: --timeout 10m. dotnet pgd replicate status says whether something hinders it." : "dotnet pgd replicate status says whether the source was redefined, and what to type. Else its server's log says why: a row that does not fit stops a subscription.");
            }

            await Task.Delay(Pause, cancellationToken).ConfigureAwait(false);
        }
    }
}
