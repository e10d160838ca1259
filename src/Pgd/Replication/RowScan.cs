using System.Globalization;
using System.Text;
using Npgsql;
using Pgd.Backups;
using Pgd.Postgres;

namespace Pgd.Replication;

/// <summary>
/// Looks for the rows of a table that differ. What is equal is read once: how many rows there are and the sums of their hashes. Else the sums of buckets say where to look, and of their rows hashes and places come here, as many
/// at a time as fit into memory: whatever is on both sides drops out.
/// </summary>
/// <param name="pair">The table.</param>
/// <param name="source">A session of the source's moment.</param>
/// <param name="target">A session of the target's moment.</param>
internal sealed class RowScan(TablePair pair, ScriptConnection source, ScriptConnection target)
{
    /// <summary>Of a table no more rows that differ are looked for.</summary>
    public const int MostSuspects = 100_000;

    // Without a key all of the table is read to see whether they still differ, and nothing mends them.
    private const int MostWithoutKey = 10_000;

    private const long MostAtOnce = 1_000_000;
    private const int KeysAtOnce = 10_000, MostTexts = 1_000;
    private readonly HashSet<string> _known = new(StringComparer.Ordinal);

    public long SourceRows { get; private set; }

    public long TargetRows { get; private set; }

    /// <summary>Whether more differ than were looked for.</summary>
    public bool IsCutOff { get; private set; }

    /// <summary>Keys of rows that differ, as text.</summary>
    public List<string?[]> Keys { get; } = [];

    /// <summary>Without a key: the hashes of the rows whose numbers differ, with their text.</summary>
    public List<KeylessRow> Rows { get; } = [];

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var totals = await BothAsync(atSource => Session(atSource).QueryAsync(pair.Totals(atSource), cancellationToken)).ConfigureAwait(false);
        (SourceRows, TargetRows) = (Number(totals.Source[0][0]), Number(totals.Target[0][0]));
        if (totals.Source[0].SequenceEqual(totals.Target[0]))
            return;
        foreach (var some in await PartsAsync(cancellationToken).ConfigureAwait(false))
        {
            var unequal = await UnequalAsync(some, cancellationToken).ConfigureAwait(false);
            var most = pair.Key.Count > 0 ? MostSuspects : MostWithoutKey;
            IsCutOff |= Keys.Count + Rows.Count + unequal.Count > most;
            foreach (var chunk in unequal.Take(most - Keys.Count - Rows.Count).Chunk(KeysAtOnce))
                await LookUpAsync(chunk, cancellationToken).ConfigureAwait(false);
            if (IsCutOff)
                return;
        }
    }

    private ScriptConnection Session(bool atSource) => atSource ? source : target;

    private static async Task<(T Source, T Target)> BothAsync<T>(Func<bool, Task<T>> ask)
    {
        var (one, other) = (ask(true), ask(false));
        await Task.WhenAll(one, other).ConfigureAwait(false);
        return (await one.ConfigureAwait(false), await other.ConfigureAwait(false));
    }

    // Buckets that differ, as many together as are looked at in one go; null is all of a table that is small enough.
    private async Task<IReadOnlyList<IReadOnlyList<int>?>> PartsAsync(CancellationToken cancellationToken)
    {
        if (Math.Max(SourceRows, TargetRows) <= MostAtOnce / 5)
            return [null];
        var buckets = await BothAsync(async atSource =>
        {
            // The planner cannot know how few groups there are, and would sort all rows.
            await Session(atSource).QueryAsync("set local enable_sort = off", cancellationToken).ConfigureAwait(false);
            var rows = await Session(atSource).QueryAsync(pair.BucketTotals(atSource), cancellationToken).ConfigureAwait(false);
            await Session(atSource).QueryAsync("set local enable_sort = on", cancellationToken).ConfigureAwait(false);
            return rows.ToDictionary(row => (int)Number(row[0]), row => (Count: Number(row[1]), Sums: (row[2], row[3])));
        }).ConfigureAwait(false);
        var (parts, count) = (new List<IReadOnlyList<int>?>(), MostAtOnce);
        foreach (var bucket in buckets.Source.Keys.Union(buckets.Target.Keys).Order())
        {
            var (one, other) = (buckets.Source.GetValueOrDefault(bucket), buckets.Target.GetValueOrDefault(bucket));
            if (one == other)
                continue;
            var more = Math.Max(one.Count, other.Count);
            if (count + more > MostAtOnce)
            {
                parts.Add(new List<int>());
                count = 0;
            }

            ((List<int>)parts[^1]!).Add(bucket);
            count += more;
        }

        return parts;
    }

    private async Task<IReadOnlyList<Unequal>> UnequalAsync(IReadOnlyList<int>? buckets, CancellationToken cancellationToken)
    {
        var balances = new Dictionary<(long, long), Balance>();
        await BothAsync(async atSource =>
        {
            using var reader = new StreamReader(await Session(atSource).CopyOutAsync(pair.RowsOf(atSource, buckets), cancellationToken).ConfigureAwait(false), Encoding.ASCII, false, 1 << 16);
            while (await reader.ReadLineAsync(cancellationToken).ConfigureAwait(false) is { } line)
            {
                var (hash, place) = Parsed(line);
                lock (balances)
                {
                    ref var balance = ref System.Runtime.InteropServices.CollectionsMarshal.GetValueRefOrAddDefault(balances, hash, out _);
                    balance = atSource ? balance with { Count = balance.Count + 1, Source = place } : balance with { Count = balance.Count - 1, Target = place };
                    if (balance.Count == 0)
                        balances.Remove(hash);
                }
            }

            return true;
        }).ConfigureAwait(false);
        return [.. balances.Select(row => new Unequal(row.Key, row.Value.Count, row.Value.Count > 0 ? row.Value.Source : row.Value.Target))];
    }

    // "hash<tab>hash<tab>table<tab>(page,line)".
    private static ((long, long) Hash, Place Place) Parsed(ReadOnlySpan<char> line)
    {
        Span<Range> fields = stackalloc Range[4];
        line.Split(fields, '\t');
        var at = line[fields[3]][1..^1];
        var comma = at.IndexOf(',');
        return ((long.Parse(line[fields[0]], CultureInfo.InvariantCulture), long.Parse(line[fields[1]], CultureInfo.InvariantCulture)),
            new(uint.Parse(line[fields[2]], CultureInfo.InvariantCulture), uint.Parse(at[..comma], CultureInfo.InvariantCulture), ushort.Parse(at[(comma + 1)..], CultureInfo.InvariantCulture)));
    }

    // At the same moments, in which nothing is elsewhere.
    private async Task LookUpAsync(Unequal[] unequal, CancellationToken cancellationToken)
    {
        foreach (var of in unequal.GroupBy(row => (row.IsOfSource, row.Place.Table)))
        {
            // A row without a key is known by its hashes; its text is for those who read about it, and nobody reads about them all.
            var asked = pair.Key.Count > 0 ? [.. of] : of.Take(Math.Max(0, MostTexts - Rows.Count)).ToList();
            var sql = pair.AtPlaces(of.Key.IsOfSource, pair.Key.Count > 0 ? pair.Key : pair.Columns, of.Key.Table.ToString(CultureInfo.InvariantCulture));
            var found = (await Session(of.Key.IsOfSource).QueryAsync(sql, cancellationToken, ScriptConnection.ArrayOf(asked.Select(row => row.Place.ToString()))).ConfigureAwait(false)).ToDictionary(row => row[0]!, row => row[1..], StringComparer.Ordinal);
            if (pair.Key.Count == 0)
                Rows.AddRange(of.Select(row => new KeylessRow(row.Hash, found.GetValueOrDefault(row.Place.ToString(), []))));
            else
                Keys.AddRange(found.Values.Where(key => _known.Add(string.Join('\0', key))));
        }
    }

    private static long Number(string? text) => long.Parse(text!, CultureInfo.InvariantCulture);

    /// <summary>Where a row is, in the moment of its session.</summary>
    private readonly record struct Place(uint Table, uint Page, ushort Line)
    {
        public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"({Page},{Line})");
    }

    private readonly record struct Balance(int Count, Place Source, Place Target);

    private readonly record struct Unequal((long, long) Hash, int Count, Place Place)
    {
        public bool IsOfSource => Count > 0;
    }
}

/// <summary>A row of a table without a key: both of its hashes, and its columns as text, of the first ones.</summary>
internal sealed record KeylessRow((long, long) Hash, string?[] Text);
