using Pgd.Postgres;

namespace Pgd.Recovery;

/// <summary>Looks for a moment in a write-ahead log, record by record.</summary>
/// <param name="name">Whose log it is.</param>
/// <param name="reporter">Hears how far it is, and where a clock was wrong.</param>
internal sealed class TargetSearch(string name, IReporter reporter)
{
    private const ulong ReportedBytes = 64 << 20;

    private static readonly TimeSpan ClockTolerance = TimeSpan.FromSeconds(1);

    // A log may be looked through from several places on.
    private readonly HashSet<ulong> _told = [];

    /// <summary>Looks from a position on.</summary>
    /// <param name="log">The log.</param>
    /// <param name="target">The moment.</param>
    /// <param name="start">Where to begin.</param>
    /// <param name="until">Where somebody else has looked already.</param>
    /// <param name="end">Where it ends as far as is known: who asks for a time after its last transaction gets all of it if it was read to there.</param>
    /// <param name="complete">When what is there was complete that the log goes on from.</param>
    /// <param name="isRecovering">Whether that was a standby.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>Where to stop, if it was found; and how far the log was read.</returns>
    /// <exception cref="PgdException">The transaction that was asked for was rolled back (<see cref="ExitCode.NotFound"/>).</exception>
    public (TargetFound? Found, ulong Reached) Run(WriteAheadLog log, RecoveryTarget target, ulong start, ulong until, ulong end, DateTimeOffset complete, bool isRecovering, CancellationToken cancellationToken)
    {
        var (reached, last, now) = (start, start, DateTimeOffset.UtcNow);
        DateTimeOffset? lastCommit = null, latest = null;
        TargetFound? named = null;
        foreach (var record in log.Records(start))
        {
            cancellationToken.ThrowIfCancellationRequested();
            var ended = TransactionEnd.Of(record);
            if (ended is not null && latest - ended.At > ClockTolerance && _told.Add(record.Position))
                reporter.Warn($"the clock of {name} went back by {(latest - ended.At)!.Value.TotalSeconds:0} s at {Lsn.Format(record.Position)}; the first moment at which it showed a time is taken");
            if (target.Time is not null && ended?.At > now && _told.Add(record.Position))
                reporter.Warn($"by its server's clock, a transaction of {name} at {Lsn.Format(record.Position)} ended at {RecoveryTarget.AtTime(ended.At)}, which is still to come: what followed it is not reached by a time; choose --at-xid, --at-lsn or --at-restore-point");
            if (record.Position >= target.Position || ended?.At > target.Time)
                return (new(record.Position, Inclusive: false, IsKnown() ? reached : 0, lastCommit), reached);
            if (ended is { IsCommit: true })
                lastCommit = ended.At;
            latest = ended?.At > latest || latest is null ? ended?.At ?? latest : latest;
            if (record.End / ReportedBytes != reached / ReportedBytes)
                reporter.Progress($"looking for {target} in the log of {name}", (long)(record.End - start), (long)(Math.Max(end, record.End) - start));
            (reached, last) = (record.End, record.Position);
            if (target.Transaction is { } transaction && ended?.Transaction == transaction)
            {
                return ended.IsCommit ? (new(last, Inclusive: true, reached, lastCommit), reached)
                    : throw new PgdException(ExitCode.NotFound, $"{target} was rolled back at {RecoveryTarget.AtTime(ended.At)}, so there is no state of {name} that has it", "Choose the time, or the transaction before it.");
            }

            // The name may have been given again.
            if (target.RestorePoint is { } point && record.RestorePoint == point)
                named = new(last, Inclusive: true, reached, lastCommit);
            if (record.End >= until)
                break;
        }

        if (target.Transaction is not null || target.RestorePoint is not null)
            return (named, reached);

        // All of the log there is: who asks for a time after its last transaction gets all of it.
        var isAll = Lsn.Aligned(reached) >= Lsn.Aligned(end);
        return isAll && (target.Time is not null || (target.Position is { } position && position <= Lsn.Aligned(reached))) ? (new(last, Inclusive: true, IsKnown() ? reached : 0, lastCommit), reached) : (null, reached);

        // What was there before its log begins must be older than the target as well: a transaction that is tells, and so does the clock of this machine
        // where that is the server's.
        bool IsKnown() => target.Time is not { } time || latest is not null || (time >= complete && !isRecovering);
    }
}

/// <summary>Where to stop.</summary>
/// <param name="Stop">The record to stop at.</param>
/// <param name="Inclusive">Whether that one still belongs to it.</param>
/// <param name="End">The end of the last record that belongs to it; 0 if that is not known to be what was asked for.</param>
/// <param name="LastCommit">The last transaction that belongs to it.</param>
internal sealed record TargetFound(ulong Stop, bool Inclusive, ulong End, DateTimeOffset? LastCommit);
