using System.Globalization;

namespace Pgd.Backups;

/// <summary>
/// The rows that an earlier backup has. What was written since is told by the number of the transaction that wrote a row, its <c>xmin</c>: nobody has to keep a column for that, and
/// a transaction that was open then counts as later, also if it began long before.
/// </summary>
internal sealed class EarlierRows
{
    // Numbers are compared around a circle of 2^32, in half of which they are later; beside a good distance from its end.
    private const ulong MostTransactions = (1UL << 31) - 100_000_000;

    private readonly Dictionary<string, BackedUpTable> _tables;
    private readonly Func<TimeOfChange, string>? _since;

    private EarlierRows(IReadOnlyList<StoredBackup> chain, uint oldest, Func<TimeOfChange, string>? since)
    {
        (Chain, _since) = (chain, since);
        _tables = chain[^1].Manifest!.Database!.Tables.Where(table => table.Identity is not null).ToDictionary(table => table.Identity!, StringComparer.Ordinal);
        IsLater = string.Create(CultureInfo.InvariantCulture, $"(age(xmin) <= (select age('{oldest}'::xid)))");
    }

    /// <summary>The earlier backup, after those that it builds on.</summary>
    public IReadOnlyList<StoredBackup> Chain { get; }

    /// <summary>The condition that a row may have been written after the earlier backup. Rows that it has may be among them; none that it lacks is not.</summary>
    public string IsLater { get; }

    /// <summary>What a backup has, for a later one of the same database.</summary>
    /// <param name="chain">The earlier one, after those that it builds on.</param>
    /// <param name="snapshot">PostgreSQL's text for the later moment.</param>
    /// <param name="whyNot">Why nothing can be built on that; null if something can.</param>
    public static EarlierRows? Of(IReadOnlyList<StoredBackup> chain, string snapshot, out string? whyNot)
    {
        var earlier = chain[^1].Manifest!;
        var (then, now) = (Moment.Parse(earlier.Database!.Snapshot!), Moment.Parse(snapshot));
        whyNot = now.Next < then.Next ? $"the transactions of {earlier.Id} are no longer there: its source was restored"
            : now.Next - then.Oldest > MostTransactions ? $"since {earlier.Id} there were {now.Next - then.Oldest} transactions, and their numbers are used again"
            // Two that were begun at the same time: the one that is done first may show the later moment.
            : now.Open.Any(transaction => transaction < then.Next && !then.Open.Contains(transaction)) ? $"{earlier.Id} was made meanwhile, and shows a later moment"
            : null;
        return whyNot is null ? new(chain, (uint)then.Oldest, null) : null;
    }

    /// <summary>The same, where a column tells what was written since.</summary>
    public static EarlierRows? Of(IReadOnlyList<StoredBackup> chain, ChangedBy by, LogicalSource source, out string? whyNot)
    {
        whyNot = by.WhyNot(chain[^1].Manifest!, source.LsnBefore);
        return whyNot is null ? new(chain, 0, type => by.Shown(chain[^1].Manifest!.Database!.ChangedBy!.LowWatermark, type, source.DataAsOf)) : null;
    }

    /// <summary>The condition that a row of a table may have been written after the earlier backup, by its column. What has no time is always read again, and so is a time that means none.</summary>
    public string IsLaterIn(SourceTable table)
    {
        var (column, type) = (table.Change!.Column, table.Change.Type switch { TimeOfChange.Moment => "timestamptz", TimeOfChange.Clock => "timestamp", _ => "date" });
        return $"({column} is null or {column} >= '{_since!(table.Change.Type)}{(table.Change.Type == TimeOfChange.Moment ? "Z" : "")}'::{type} or {column} = '-infinity'::{type})";
    }

    /// <summary>A table in the earlier backup, if its keys are there; null if all of it has to be read again.</summary>
    public BackedUpTable? TableOf(SourceTable table) => table.Key is not null && _tables.TryGetValue(table.Identity, out var there) && there.Hashes is not null ? there : null;

    /// <summary>How many rows of a table the earlier backup has; null if all of the table has to be read again: it is new, was truncated, rewritten or redefined, or its rows cannot be told from each other.</summary>
    public long? RowsOf(SourceTable table) => table.Key is not null && _tables.TryGetValue(table.Identity, out var there) ? there.Rows : null;

    /// <summary>The columns of a key, each as it is quoted.</summary>
    public static IReadOnlyList<string> KeyColumns(string key)
    {
        var (columns, begin, isQuoted) = (new List<string>(), 0, false);
        for (var i = 0; i <= key.Length; i++)
        {
            if (i == key.Length || (key[i] == ',' && !isQuoted))
            {
                columns.Add(key[begin..i].Trim());
                begin = i + 1;
            }
            else if (key[i] == '"')
            {
                isQuoted = !isQuoted;
            }
        }

        return columns;
    }

    /// <summary>A moment: the oldest transaction that was open, the number of the next one, and those between them that were open.</summary>
    private readonly record struct Moment(ulong Oldest, ulong Next, HashSet<ulong> Open)
    {
        public static Moment Parse(string snapshot) => snapshot.Split(':') is [var oldest, var next, var open] ? new(Number(oldest), Number(next), [.. open.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(Number)]) : throw new FormatException(snapshot);

        private static ulong Number(string text) => ulong.Parse(text, CultureInfo.InvariantCulture);
    }
}

/// <summary>How the rows of a table in a backup build on those of the backup before.</summary>
/// <param name="Had">How many rows that has.</param>
/// <param name="Kept">How many of them are still as they were.</param>
/// <param name="KeyBytes">The length of the keys of those, or of the digests of all others, which come before the rows; 0 if all are as they were.</param>
internal sealed record RowChanges(long Had, long Kept, long KeyBytes)
{
    /// <summary>The table that the digests of rows are brought into that go.</summary>
    public const string GoneTable = "pg_temp.pgd_gone";

    /// <summary>Whether what comes before the rows are digests of those that go.</summary>
    public bool IsByHash { get; init; }

    /// <summary>Makes the table.</summary>
    public static string MakeGoneTable => "create temp table pgd_gone (h bigint primary key)";

    /// <summary>Deletes the rows of a table that are in it.</summary>
    public static string DeleteGone(string table, string key) => $"delete from only {table} t using {GoneTable} g where g.h = {Hash(key, "t.")}";

    /// <summary>The digest of a row's key, with the time of its last change. It is that of a text in UTF-8, so that every server finds the same one.</summary>
    public static string Hash(string key, string prefix) =>
        $"('x0' || substr(encode(sha256(convert_to(row({string.Join(", ", EarlierRows.KeyColumns(key).Select(column => prefix + column))})::text, 'UTF8')), 'hex'), 1, {KeyHashes.Digits}))::bit(64)::bigint";

    /// <summary>The table that these keys are brought into, to see which rows are gone.</summary>
    public const string KeyTable = "pg_temp.pgd_kept";

    /// <summary>Makes it. As text, byte by byte: a row that is still as it was has the very same key.</summary>
    public static string MakeKeyTable(string key) => $"create temp table pgd_kept ({string.Join(", ", EarlierRows.KeyColumns(key).Select((_, i) => $"k{i} text collate \"C\""))})";

    /// <summary>Deletes the rows of a table that are not in it.</summary>
    public static string DeleteOthers(string table, string key) =>
        $"delete from only {table} t where not exists (select from {KeyTable} k where {string.Join(" and ", EarlierRows.KeyColumns(key).Select((column, i) => $"k.k{i} = t.{column}::text collate \"C\""))})";
}

/// <summary>The tables of a logical backup, with what each needs of the backups that it builds on.</summary>
internal static class RowChain
{
    /// <summary>Reads the tables of a chain, one after the other: what a table has in one backup comes before what the next one changes.</summary>
    /// <param name="chain">The chain.</param>
    /// <param name="open">Opens an object.</param>
    /// <param name="damaged">What is wrong with one.</param>
    /// <param name="table">Gets a table as it is there and in the last backup, how much was read before it and how much there is, and must read all that it has.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public static async Task ReadAsync(IReadOnlyList<StoredBackup> chain, Func<string, CancellationToken, Task<Stream>> open, Func<string, string, PgdException> damaged, Func<BackedUpTable, BackedUpTable, PartReader, (long Done, long Total), Task> table, CancellationToken cancellationToken)
    {
        var wanted = Wanted(chain);
        var (total, done) = (wanted.Sum(link => link.Keys.Sum(table => table.AllBytes)), 0L);
        for (var i = 0; i < chain.Count; i++)
        {
            var (prefix, targets) = (chain[i].Prefix, wanted[i]);
            foreach (var together in chain[i].Manifest!.Database!.Tables.GroupBy(table => table.Part).Where(part => part.Any(targets.ContainsKey)).OrderBy(part => part.Key, StringComparer.Ordinal))
            {
                await ReadPartAsync(prefix + together.Key, together, targets, open, damaged, async (there, now, part) =>
                {
                    await table(there, now, part, (done, total)).ConfigureAwait(false);
                    done += there.AllBytes;
                }, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Reads the tables of one object, in their order there.</summary>
    /// <param name="key">The object.</param>
    /// <param name="together">All that are in it.</param>
    /// <param name="wanted">Those that are needed, each with what it is in the last backup.</param>
    /// <param name="open">Opens it.</param>
    /// <param name="damaged">What is wrong with it.</param>
    /// <param name="table">Gets a table that is needed, as it is there and in the last backup, and must read all that it has.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public static async Task ReadPartAsync(string key, IEnumerable<BackedUpTable> together, IReadOnlyDictionary<BackedUpTable, BackedUpTable> wanted, Func<string, CancellationToken, Task<Stream>> open, Func<string, string, PgdException> damaged, Func<BackedUpTable, BackedUpTable, PartReader, Task> table, CancellationToken cancellationToken)
    {
        var stored = await open(key, cancellationToken).ConfigureAwait(false);
        await using var _ = stored.ConfigureAwait(false);
        var (part, position) = (new PartReader(stored, what => damaged(key, what)), 0L);
        foreach (var there in together.OrderBy(table => table.Offset).ThenBy(table => table.AllBytes))
        {
            if (there.Offset != position)
                throw part.Damaged($"the rows of {there.Schema}.{there.Name} do not begin where the manifest says");
            position += there.AllBytes;
            if (wanted.TryGetValue(there, out var now))
                await table(there, now, part).ConfigureAwait(false);
            else
                await part.CopyAsync(Stream.Null, there.AllBytes, cancellationToken).ConfigureAwait(false);
        }

        await part.EndAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>For each backup, which of its tables are needed, and for which of the last one.</summary>
    /// <exception cref="PgdException">They do not fit together (<see cref="ExitCode.Failed"/>).</exception>
    public static IReadOnlyList<IReadOnlyDictionary<BackedUpTable, BackedUpTable>> Wanted(IReadOnlyList<StoredBackup> chain)
    {
        Dictionary<BackedUpTable, BackedUpTable>[] wanted = [.. chain.Select(_ => new Dictionary<BackedUpTable, BackedUpTable>(ReferenceEqualityComparer.Instance))];
        foreach (var table in chain[^1].Manifest!.Database!.Tables)
        {
            var needed = table;
            for (var i = chain.Count - 1; ; i--)
            {
                wanted[i][needed] = table;
                if (needed.Changes is not { } changes)
                    break;
                needed = i == 0 ? null : chain[i - 1].Manifest!.Database!.Tables.FirstOrDefault(earlier => earlier.Identity == table.Identity);
                if (needed is null || needed.Rows != changes.Had)
                    throw new PgdException(ExitCode.Failed, $"{chain[i].Prefix} is damaged: {table.Schema}.{table.Name} does not fit what it builds on", "What is damaged is not restored; choose another backup: dotnet pgd backup list");
            }
        }

        return wanted;
    }
}
