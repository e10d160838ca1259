using System.Diagnostics;
using System.Globalization;
using Pgd.Postgres;

namespace Pgd.Replication;

/// <summary>
/// Whether rows that differed in a scan do differ. They are read again, at the source before and after the target: if the source's row is the same version both times, and the target has all that was committed before, the target's has to be the same. What was
/// changed meanwhile is read once more, until the time is over. A row that never rests is followed at the source all the while: the target has to have one of the versions that it had since.
/// </summary>
/// <param name="source">A session of the source without a transaction.</param>
/// <param name="target">A session of the target without a transaction.</param>
/// <param name="watcher">Opens another session of the source.</param>
/// <param name="following">How the target follows the source; null if it does not.</param>
internal sealed class RowVerdict(ScriptConnection source, ScriptConnection target, Func<CancellationToken, Task<ScriptConnection>> watcher, SubscriptionProgress? following) : IAsyncDisposable
{
    private const int AtOnce = 1_000;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(250);
    private ScriptConnection? _watching;

    /// <summary>Of the keys those whose rows differ, in which way, and how many are undecided.</summary>
    public Task<Verdict<string?[]>> OfKeysAsync(TablePair pair, IReadOnlyList<string?[]> keys, TimeSpan patience, CancellationToken cancellationToken) => OfAsync(keys, isWatched: true, async (session, atSource, asked) =>
    {
        var found = new Version?[asked.Count];
        foreach (var chunk in Enumerable.Range(0, asked.Count).Chunk(AtOnce))
        {
            var parameters = pair.Key.Select((_, column) => ScriptConnection.ArrayOf(chunk.Select(i => asked[i][column]!)));
            foreach (var row in await session.QueryAsync(pair.ByKeys(atSource), cancellationToken, [.. parameters]).ConfigureAwait(false))
            {
                ref var version = ref found[chunk[int.Parse(row[0]!, CultureInfo.InvariantCulture) - 1]];
                // Where the target has no such key, there may be several.
                version = version is null ? new($"{row[1]} {row[2]}", $"{row[3]} {row[4]}") : new($"{version.Content}, {row[1]} {row[2]}", $"{version.Identity}, {row[3]} {row[4]}");
            }
        }

        return found;
    }, patience, cancellationToken);

    /// <summary>Of rows without a key those that are more on one side than on the other.</summary>
    public Task<Verdict<KeylessRow>> OfRowsAsync(TablePair pair, IReadOnlyList<KeylessRow> rows, TimeSpan patience, CancellationToken cancellationToken) => OfAsync(rows, isWatched: false, async (session, atSource, asked) =>
    {
        var counts = (await session.QueryAsync(pair.ByHashes(atSource), cancellationToken, ScriptConnection.ArrayOf(asked.Select(row => row.Hash.Item1.ToString(CultureInfo.InvariantCulture)))).ConfigureAwait(false))
            .ToDictionary(row => (long.Parse(row[0]!, CultureInfo.InvariantCulture), long.Parse(row[1]!, CultureInfo.InvariantCulture)), row => new Version(row[2]!, row[3]!));
        // One that goes and one that comes leave their number as it was.
        return [.. asked.Select(row => counts.GetValueOrDefault(row.Hash))];
    }, patience, cancellationToken);

    private async Task<Verdict<T>> OfAsync<T>(IReadOnlyList<T> suspects, bool isWatched, Func<ScriptConnection, bool, IReadOnlyList<T>, Task<Version?[]>> readAsync, TimeSpan patience, CancellationToken cancellationToken)
    {
        var (open, decided, rounds) = (suspects.Select(suspect => new Open<T>(suspect, null, null)).ToList(), new List<Decided<T>>(), 0);
        for (var watch = Stopwatch.StartNew(); open.Count > 0; rounds++)
        {
            List<T> asked = [.. open.Select(one => one.Suspect)];
            var before = await AtOneMomentAsync(source, true).ConfigureAwait(false);
            var position = following is null ? null : (await source.QueryAsync("select (case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end)::text", cancellationToken).ConfigureAwait(false))[0][0]!;
            var seen = open.Select(_ => new HashSet<string>(StringComparer.Ordinal)).ToList();
            Version?[] there;
            // Most have come when they are looked at for the first time.
            using (var arrived = new CancellationTokenSource())
            {
                var watching = isWatched && rounds > 0 && asked.Count <= AtOnce ? WatchAsync(arrived.Token) : Task.CompletedTask;
                try
                {
                    if (following is not null)
                        await following.ReachAsync(source, position!, patience, cancellationToken).ConfigureAwait(false);
                    there = await AtOneMomentAsync(target, false).ConfigureAwait(false);
                }
                finally
                {
                    await arrived.CancelAsync().ConfigureAwait(false);
                    await watching.ConfigureAwait(false);
                }
            }

            var after = await AtOneMomentAsync(source, true).ConfigureAwait(false);
            var next = new List<Open<T>>();
            for (var i = 0; i < open.Count; i++)
            {
                var (one, same) = (open[i], before[i] == after[i]);
                if ((same && before[i]?.Content == there[i]?.Content) || after[i]?.Content == there[i]?.Content || seen[i].Contains(there[i]?.Content ?? ""))
                    continue;
                // Twice: a commit is in the log a moment before others see it.
                if (same && one.IsRead && one.Source == before[i] && one.Target == there[i])
                    decided.Add(new(one.Suspect, before[i]?.Content, there[i]?.Content));
                else
                    next.Add(new(one.Suspect, after[i], there[i]) { IsRead = same });
            }

            open = next;
            if (open.Count > 0 && watch.Elapsed > patience)
                break;
            // A target that follows sets the pace itself; without one that is known, what comes has to be given some time.
            if (open.Count > 0 && following is null)
                await Task.Delay(Pause, cancellationToken).ConfigureAwait(false);

            // No longer than it takes: a TRUNCATE that comes through the subscription waits for our locks, and we would wait for it.
            async Task<Version?[]> AtOneMomentAsync(ScriptConnection session, bool atSource)
            {
                await ComparedSession.BeginAsync(session, cancellationToken).ConfigureAwait(false);
                var read = await readAsync(session, atSource, asked).ConfigureAwait(false);
                await session.QueryAsync("rollback", cancellationToken).ConfigureAwait(false);
                return read;
            }

            async Task WatchAsync(CancellationToken end)
            {
                _watching ??= await watcher(cancellationToken).ConfigureAwait(false);
                while (!end.IsCancellationRequested)
                {
                    var versions = await AtOneMomentAsync(_watching, true).ConfigureAwait(false);
                    for (var i = 0; i < versions.Length; i++)
                        seen[i].Add(versions[i]?.Content ?? "");
                }
            }
        }

        return new(decided, open.Count);
    }

    public async ValueTask DisposeAsync()
    {
        if (_watching is not null)
            await _watching.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>A row as it is at a time: what is in it, and what changes whenever it is written.</summary>
    private sealed record Version(string Content, string Identity);

    private sealed record Open<T>(T Suspect, Version? Source, Version? Target)
    {
        public bool IsRead { get; init; }
    }
}

/// <summary>Those that differ.</summary>
/// <param name="Decided">They.</param>
/// <param name="Undecided">How many changed until the time was over.</param>
internal sealed record Verdict<T>(IReadOnlyList<Decided<T>> Decided, int Undecided);

/// <summary>A row that differs: its content at the source and at the target, or without a key how often it is there; null where it is not.</summary>
internal sealed record Decided<T>(T Row, string? Source, string? Target);
