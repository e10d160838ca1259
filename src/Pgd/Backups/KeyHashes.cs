using System.Buffers.Binary;
using System.Globalization;

namespace Pgd.Backups;

/// <summary>
/// The keys of a table's rows in a backup by column, each with the time of the row's last change, as 60 bits of a digest that the server computes. That a time is a late one says nothing of rows that are gone,
/// nor of one that came with an old time: both are told by comparing what there is with what the earlier backup has.
/// </summary>
/// <param name="Part">The object that holds them.</param>
/// <param name="Offset">Where in it they begin.</param>
/// <param name="Gone">How many of the backup before go, first.</param>
/// <param name="Added">How many come, after them; those of all rows, if all are here.</param>
/// <param name="Sum">The sum of those that there are then.</param>
internal sealed record KeyHashes(string Part, long Offset, long Gone, long Added, string Sum)
{
    /// <summary>How many digits of the digest: with 60 bits no server's numbers end.</summary>
    public const int Digits = 15;

    /// <summary>The keys of a table in the last backup of a chain, in their order; null if they are not what the manifest says.</summary>
    public static async Task<long[]?> ReadAsync(BackupRepository repository, IReadOnlyList<StoredBackup> chain, BackedUpTable table, CancellationToken cancellationToken)
    {
        // From the last back to where all of it is.
        var steps = new Stack<(string Prefix, KeyHashes Hashes)>();
        var (all, link) = (table, chain.Count - 1);
        steps.Push((chain[link].Prefix, table.Hashes!));
        while (all.Changes is not null)
        {
            if (--link < 0 || chain[link].Manifest!.Database!.Tables.FirstOrDefault(earlier => earlier.Identity == table.Identity) is not { Hashes: not null } earlier)
                return null;
            all = earlier;
            steps.Push((chain[link].Prefix, all.Hashes!));
        }

        long[] keys = [];
        foreach (var (prefix, hashes) in steps)
        {
            var stored = await repository.ReadAsync(prefix + hashes.Part, compressed: true, cancellationToken).ConfigureAwait(false);
            await using var _ = stored.ConfigureAwait(false);
            var part = new PartReader(stored, what => new PgdException(ExitCode.Failed, $"{prefix}{hashes.Part} is damaged: {what}", "Make a full backup: leave out --incremental and --differential."));
            await part.CopyAsync(Stream.Null, hashes.Offset, cancellationToken).ConfigureAwait(false);
            var gone = await NumbersAsync(part, hashes.Gone, cancellationToken).ConfigureAwait(false);
            var added = await NumbersAsync(part, hashes.Added, cancellationToken).ConfigureAwait(false);
            // To where the seal is: what was read counts only then.
            await stored.CopyToAsync(Stream.Null, cancellationToken).ConfigureAwait(false);
            keys = Merged(keys, gone, added);
        }

        return keys.LongLength == table.Rows && SumOf(keys) == table.Hashes!.Sum ? keys : null;
    }

    public static string SumOf(IEnumerable<long> keys)
    {
        UInt128 sum = 0;
        foreach (var key in keys)
            sum += (UInt128)key;
        return sum.ToString(CultureInfo.InvariantCulture);
    }

    private static async Task<long[]> NumbersAsync(PartReader part, long count, CancellationToken cancellationToken)
    {
        var numbers = new long[count];
        using var bytes = new MemoryStream();
        for (var i = 0; i < numbers.Length;)
        {
            var some = Math.Min(64 << 10, numbers.Length - i);
            bytes.SetLength(0);
            await part.CopyAsync(bytes, 8L * some, cancellationToken).ConfigureAwait(false);
            for (var j = 0; j < some; j++)
                numbers[i++] = BinaryPrimitives.ReadInt64LittleEndian(bytes.GetBuffer().AsSpan(8 * j));
        }

        return numbers;
    }

    private static long[] Merged(long[] keys, long[] gone, long[] added)
    {
        var merged = new List<long>(Math.Max(0, keys.Length - gone.Length) + added.Length);
        var (g, a) = (0, 0);
        foreach (var key in keys)
        {
            while (a < added.Length && added[a] < key)
                merged.Add(added[a++]);
            while (g < gone.Length && gone[g] < key)
                g++;
            if (g == gone.Length || gone[g] != key)
                merged.Add(key);
        }

        merged.AddRange(added[a..]);
        return [.. merged];
    }
}

/// <summary>Writes the keys of tables, one after the other, when their rows are written.</summary>
internal sealed class KeyHashesPart(string key)
{
    private readonly List<long[]> _all = [];
    private long _bytes;

    /// <summary>Whether there are any.</summary>
    public bool IsEmpty => _all.Count == 0;

    /// <summary>The object's name, below the backup's own folder.</summary>
    public string Key => key;

    public KeyHashes Add(long[] gone, long[] added, string sum)
    {
        Array.Sort(gone);
        Array.Sort(added);
        _all.AddRange([gone, added]);
        var hashes = new KeyHashes(key, _bytes, gone.LongLength, added.LongLength, sum);
        _bytes += 8 * (gone.LongLength + added.LongLength);
        return hashes;
    }

    public async Task WriteAsync(Stream target, CancellationToken cancellationToken)
    {
        var buffer = new byte[8 * 8192];
        foreach (var some in _all.SelectMany(numbers => numbers.Chunk(8192)))
        {
            for (var i = 0; i < some.Length; i++)
                BinaryPrimitives.WriteInt64LittleEndian(buffer.AsSpan(8 * i), some[i]);
            await target.WriteAsync(buffer.AsMemory(0, 8 * some.Length), cancellationToken).ConfigureAwait(false);
        }
    }
}

/// <summary>What a server says of a table's rows by their column.</summary>
/// <param name="All">How many there are.</param>
/// <param name="Kept">How many of them have an earlier time.</param>
/// <param name="Sum">The sum of all keys.</param>
/// <param name="KeptSum">The sum of theirs.</param>
internal sealed record RowCounts(long All, long Kept, string Sum, string KeptSum)
{
    public static RowCounts Of(IReadOnlyList<string?> row) => new(long.Parse(row[0]!, CultureInfo.InvariantCulture), long.Parse(row[1]!, CultureInfo.InvariantCulture), row[2] ?? "0", row[3] ?? "0");
}

/// <summary>How the rows of a table differ from those that an earlier backup has.</summary>
/// <param name="Gone">Keys that it has and that are gone, or whose rows are written anew.</param>
/// <param name="Added">Keys of the rows that are written.</param>
/// <param name="Old">Those of them whose time is an old one: they came back from somewhere, or their key or their time was set by somebody.</param>
internal sealed record RowDifference(long[] Gone, long[] Added, IReadOnlyList<long> Old)
{
    // They are asked for one by one.
    private const int MostOld = 1000;

    /// <summary>Finds it; null if all of the table has to be written again.</summary>
    /// <param name="had">The table in the earlier backup.</param>
    /// <param name="now">What there is now.</param>
    /// <param name="before">Reads the keys that it has.</param>
    /// <param name="read">Reads the keys that there are: of the rows that are later alone, or of all, each with whether it is.</param>
    public static async Task<RowDifference?> FindAsync(BackedUpTable had, RowCounts now, Func<Task<long[]?>> before, Func<bool, Action<long, bool>, Task> read)
    {
        if (now.Kept == 0)
            return null;
        var added = new List<long>();
        if (now.Kept == had.Rows && now.KeptSum == had.Hashes!.Sum)
        {
            if (now.All > now.Kept)
                await read(true, (key, _) => added.Add(key)).ConfigureAwait(false);
            return new([], [.. added], []);
        }

        if (await before().ConfigureAwait(false) is not { } keys)
            return null;
        var (kept, old, isTwice) = (new bool[keys.Length], new List<long>(), false);
        await read(false, (key, isLater) =>
        {
            if (!isLater && Array.BinarySearch(keys, key) is var place and >= 0)
            {
                isTwice |= kept[place];
                kept[place] = true;
                return;
            }

            added.Add(key);
            if (!isLater && old.Count <= MostOld)
                old.Add(key);
        }).ConfigureAwait(false);
        return isTwice || old.Count > MostOld ? null : new([.. keys.Where((_, i) => !kept[i])], [.. added], old);
    }
}
