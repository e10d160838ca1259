using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using Npgsql;
using Pgd.Linux;
using Pgd.Postgres;

namespace Pgd.Backups;

/// <summary>
/// A database as definitions (what pg_dump writes) and rows (what COPY sends, as text, so that any later version reads them), all of one moment. Sessions that share that moment read
/// tables side by side; small tables share an object.
/// </summary>
internal static class LogicalDump
{
    public const string BeforeData = "definitions/before-data.sql", AfterData = "definitions/after-data.sql", WithoutOwners = "definitions/without-owners/", LargeObjects = "data/large-objects";

    private const int MostSessions = 8, MostTablesTogether = 200;
    private const long TogetherBytes = 16 << 20;

    /// <summary>From how many bytes on a table is worth a thread that reads ahead.</summary>
    public const long LargeBytes = 8 << 20;

    /// <summary>Whether a table is worth a thread that reads ahead.</summary>
    public static bool IsLarge(SourceTable table) => table.Bytes > LargeBytes;

    /// <summary>Reads a database into a repository.</summary>
    /// <param name="source">The database.</param>
    /// <param name="earlier">What is there already; null to read all.</param>
    /// <param name="isPartial">Whether only some tables are meant.</param>
    /// <param name="program">pg_dump.</param>
    /// <param name="prefix">Where it goes.</param>
    /// <param name="repository">The repository.</param>
    /// <param name="reporter">Hears how far it is.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="PgdException">Something of it may not be read, or the repository refuses.</exception>
    public static async Task<DatabaseContent> WriteAsync(LogicalSource source, EarlierRows? earlier, bool isPartial, string program, string prefix, BackupRepository repository, IReporter reporter, CancellationToken cancellationToken)
    {
        var parts = new ConcurrentDictionary<string, StoredPart>(StringComparer.Ordinal);
        var tables = new ConcurrentBag<BackedUpTable>();
        var (total, done) = (source.Tables.Sum(table => table.Bytes), 0L);
        var groups = Together(source.Tables, table => table.Bytes);
        using var failed = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var definitions = DefinitionsAsync(failed.Token);
        var rows = Parallel.ForEachAsync(Enumerable.Range(0, groups.Count), new ParallelOptions { MaxDegreeOfParallelism = Math.Min(Math.Max(2, Environment.ProcessorCount), MostSessions), CancellationToken = failed.Token }, async (i, token) =>
        {
            var session = await source.ShareAsync(token).ConfigureAwait(false);
            await using var _ = session.ConfigureAwait(false);
            var key = string.Create(CultureInfo.InvariantCulture, $"data/{i:D5}.copy");
            var hashes = new KeyHashesPart(string.Create(CultureInfo.InvariantCulture, $"data/{i:D5}.keys"));
            parts[key] = await repository.WriteAsync(prefix + key, async (stream, inner) =>
            {
                var offset = 0L;
                foreach (var table in groups[i])
                {
                    var written = await WriteAsync(source, session, table, earlier, hashes, repository, stream, inner).ConfigureAwait(false) with { Part = key, Offset = offset };
                    tables.Add(written);
                    offset += written.AllBytes;
                    reporter.Progress($"backing up {source.Url.Database}", Interlocked.Add(ref done, table.Bytes), total);
                }
            }, compress: true, token).ConfigureAwait(false);
            if (!hashes.IsEmpty)
                parts[hashes.Key] = await repository.WriteAsync(prefix + hashes.Key, hashes.WriteAsync, compress: true, token).ConfigureAwait(false);
            Fault.Here("backup:part");
        });
        // What fails first ends the other, and is what is told.
        try
        {
            await (await Task.WhenAny(definitions, rows).ConfigureAwait(false)).ConfigureAwait(false);
            await Task.WhenAll(definitions, rows).ConfigureAwait(false);
        }
        catch
        {
            await failed.CancelAsync().ConfigureAwait(false);
            await Task.WhenAll(definitions, rows).ContinueWith(static _ => { }, TaskScheduler.Default).ConfigureAwait(false);
            throw;
        }

        var largeObjects = 0L;
        if (!isPartial)
        {
            var session = await source.ShareAsync(cancellationToken).ConfigureAwait(false);
            await using var _ = session.ConfigureAwait(false);
            parts[LargeObjects] = await repository.WriteAsync(prefix + LargeObjects, async (stream, token) => largeObjects = await LargeObjectsAsync(source, session, stream, token).ConfigureAwait(false), compress: true, cancellationToken).ConfigureAwait(false);
        }

        return new()
        {
            Name = source.Url.Database,
            IsPartial = isPartial,
            Snapshot = source.Snapshot,
            ChangedBy = source.ChangedBy,
            Tables = [.. tables.OrderBy(table => table.Schema, StringComparer.Ordinal).ThenBy(table => table.Name, StringComparer.Ordinal)],
            // Last: what was inserted meanwhile is no part of the backup, but a value that was given out must not be given out again.
            Sequences = await source.SequencesAsync(isPartial, cancellationToken).ConfigureAwait(false),
            LargeObjects = largeObjects,
            LeftOut = isPartial ? await source.LeftOutAsync(cancellationToken).ConfigureAwait(false) : [],
            Parts = [.. parts.OrderBy(part => part.Key, StringComparer.Ordinal).Select(part => part.Value)],
        };

        async Task DefinitionsAsync(CancellationToken token)
        {
            foreach (var (key, section, withOwners) in ((string, string, bool)[])[(BeforeData, "pre-data", true), (AfterData, "post-data", true), (WithoutOwners + BeforeData, "pre-data", false), (WithoutOwners + AfterData, "post-data", false)])
                parts[key] = await repository.WriteAsync(prefix + key, (stream, inner) => source.DefinitionsAsync(program, section, withOwners, isPartial, stream, inner), compress: true, token).ConfigureAwait(false);
            Fault.Here("backup:definitions");
        }
    }

    /// <summary>Tables that share an object.</summary>
    public static List<List<T>> Together<T>(IReadOnlyList<T> tables, Func<T, long> bytesOf)
    {
        var (groups, open, bytes) = (new List<List<T>>(), new List<T>(), 0L);
        foreach (var table in tables)
        {
            if (open.Count > 0 && (bytes + bytesOf(table) > TogetherBytes || open.Count == MostTablesTogether))
            {
                groups.Add(open);
                (open, bytes) = ([], 0);
            }

            open.Add(table);
            bytes += bytesOf(table);
        }

        if (open.Count > 0)
            groups.Add(open);
        return groups;
    }

    // What the earlier backup has and is as it was stays there. The keys of those rows say which of them are gone.
    private static async Task<BackedUpTable> WriteAsync(LogicalSource source, ScriptConnection session, SourceTable table, EarlierRows? earlier, KeyHashesPart hashes, BackupRepository repository, Stream target, CancellationToken cancellationToken)
    {
        var (name, isLarge) = (LogicalSource.QuotedName(table.Schema, table.Name), IsLarge(table));
        var written = new BackedUpTable(table.Schema, table.Name, table.Columns, 0, "", 0, 0) { Identity = table.Identity, Key = table.Key };
        try
        {
            if (source.ChangedBy is not null && table is { Key: { } key, Change: { } change })
                return await ByColumnAsync(session, table, written with { Key = $"{key}, {change.Column}" }, earlier, hashes, repository, target, cancellationToken).ConfigureAwait(false);
            if (source.ChangedBy is null && earlier?.RowsOf(table) is { } had)
            {
                var counted = (await session.QueryAsync($"select count(*)::text, count(*) filter (where not {earlier.IsLater})::text from only {name}", cancellationToken).ConfigureAwait(false))[0];
                var (all, kept) = (long.Parse(counted[0]!, CultureInfo.InvariantCulture), long.Parse(counted[1]!, CultureInfo.InvariantCulture));
                // More of them than there were is a sign that the table is not the one that it was.
                if (kept > 0 && kept <= had)
                {
                    var keys = kept == had ? 0 : (await CopyAsync(session, $"copy (select {string.Join(", ", EarlierRows.KeyColumns(table.Key!).Select(column => column + "::text"))} from only {name} where not {earlier.IsLater}) to stdout", isLarge, target, cancellationToken).ConfigureAwait(false)).Bytes;
                    var later = all == kept ? default : await CopyAsync(session, $"copy (select {table.Columns} from only {name} where {earlier.IsLater}) to stdout", isLarge, target, cancellationToken).ConfigureAwait(false);
                    return written with { Rows = all, Bytes = later.Bytes, Changes = new(had, kept, keys) };
                }
            }

            var copied = await WholeAsync(session, table, target, cancellationToken).ConfigureAwait(false);
            return written with { Rows = copied.Rows, Bytes = copied.Bytes, RowDigest = copied.Digest };
        }
        catch (PostgresException e)
        {
            throw source.Refused(e);
        }
    }

    /// <summary>The statement that sends all rows of a table. One without columns has rows all the same.</summary>
    public static string CopyOf(string name, string columns) => $"copy {name}{(columns.Length == 0 ? "" : $" ({columns})")} to stdout";

    private static async Task<(long Bytes, long Rows, string? Digest)> WholeAsync(ScriptConnection session, SourceTable table, Stream target, CancellationToken cancellationToken)
    {
        var name = LogicalSource.QuotedName(table.Schema, table.Name);
        // What an extension puts into its own tables when it is made is not known here.
        var digest = table.Condition is null ? new RowDigest() : null;
        var (bytes, rows) = await CopyAsync(session, string.IsNullOrEmpty(table.Condition) ? CopyOf(name, table.Columns) : $"copy (select {table.Columns} from only {name} {table.Condition}) to stdout", IsLarge(table), target, cancellationToken, digest).ConfigureAwait(false);
        return (bytes, rows, digest?.ToString());
    }

    private static async Task<BackedUpTable> ByColumnAsync(ScriptConnection session, SourceTable table, BackedUpTable written, EarlierRows? earlier, KeyHashesPart hashes, BackupRepository repository, Stream target, CancellationToken cancellationToken)
    {
        var (name, hash) = (LogicalSource.QuotedName(table.Schema, table.Name), RowChanges.Hash(written.Key!, ""));
        if (earlier?.TableOf(table) is { } had)
        {
            var later = earlier.IsLaterIn(table);
            var now = RowCounts.Of((await session.QueryAsync($"select count(*)::text, count(*) filter (where not later)::text, sum(hash)::text, (sum(hash) filter (where not later))::text from (select {hash} as hash, {later} as later from only {name}) t", cancellationToken).ConfigureAwait(false))[0]);
            if (await RowDifference.FindAsync(had, now, () => KeyHashes.ReadAsync(repository, earlier.Chain, had, cancellationToken), ReadAsync).ConfigureAwait(false) is { } difference)
            {
                var gone = Encoding.ASCII.GetBytes(string.Concat(difference.Gone.Select(key => key.ToString(CultureInfo.InvariantCulture) + "\n")));
                await target.WriteAsync(gone, cancellationToken).ConfigureAwait(false);
                var old = difference.Old.Count == 0 ? "" : $" or {hash} = any ('{{{string.Join(',', difference.Old)}}}'::bigint[])";
                var rows = difference.Added.Length == 0 ? default : await CopyAsync(session, $"copy (select {table.Columns} from only {name} where {later}{old}) to stdout", IsLarge(table), target, cancellationToken).ConfigureAwait(false);
                return written with { Rows = now.All, Bytes = rows.Bytes, Changes = new(had.Rows, had.Rows - difference.Gone.Length, gone.Length) { IsByHash = true }, Hashes = hashes.Add(difference.Gone, difference.Added, now.Sum) };
            }

            async Task ReadAsync(bool onlyLater, Action<long, bool> see) =>
                await KeysAsync(session, $"select {hash}, {later} from only {name}{(onlyLater ? $" where {later}" : "")}", IsLarge(table), see, cancellationToken).ConfigureAwait(false);
        }

        var copied = await WholeAsync(session, table, target, cancellationToken).ConfigureAwait(false);
        var keys = new List<long>();
        await KeysAsync(session, $"select {hash}, true from only {name}", IsLarge(table), (key, _) => keys.Add(key), cancellationToken).ConfigureAwait(false);
        // Two rows whose keys look the same could not be told from each other: there is no building on that.
        return written with { Rows = copied.Rows, Bytes = copied.Bytes, RowDigest = copied.Digest, Hashes = keys.Distinct().Count() == keys.Count ? hashes.Add([], [.. keys], KeyHashes.SumOf(keys)) : null };
    }

    private static async Task KeysAsync(ScriptConnection session, string select, bool isLarge, Action<long, bool> see, CancellationToken cancellationToken)
    {
        var copied = await session.CopyOutAsync($"copy ({select}) to stdout", cancellationToken).ConfigureAwait(false);
        await using var _ = copied.ConfigureAwait(false);
        var from = isLarge ? new ReadAhead(copied) : copied;
        await using var __ = from.ConfigureAwait(false);
        using var lines = new StreamReader(from, Encoding.ASCII);
        while (await lines.ReadLineAsync(cancellationToken).ConfigureAwait(false) is { } line)
            see(long.Parse(line.AsSpan(0, line.Length - 2), CultureInfo.InvariantCulture), line[^1] == 't');
    }

    /// <summary>Hands on what COPY sends.</summary>
    /// <param name="session">The session.</param>
    /// <param name="copy">The statement.</param>
    /// <param name="isLarge">Whether it is worth a thread that reads ahead.</param>
    /// <param name="target">Where it goes.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <param name="digest">Gets the rows as well; null for none.</param>
    public static async Task<(long Bytes, long Rows)> CopyAsync(ScriptConnection session, string copy, bool isLarge, Stream target, CancellationToken cancellationToken, RowDigest? digest = null)
    {
        var copied = await session.CopyOutAsync(copy, cancellationToken).ConfigureAwait(false);
        await using var _ = copied.ConfigureAwait(false);
        // A message is a row: many of them are read without waiting, while others are compressed.
        var from = isLarge ? new ReadAhead(copied) : copied;
        await using var __ = from.ConfigureAwait(false);
        var (buffer, bytes, rows) = (new byte[isLarge ? 1 << 20 : 64 << 10], 0L, 0L);
        while (await from.ReadAsync(buffer, cancellationToken).ConfigureAwait(false) is var read and > 0)
        {
            // In the text form a line is a row: line ends inside of values are written as \n.
            rows += buffer.AsSpan(0, read).Count((byte)'\n');
            bytes += read;
            digest?.Add(buffer.AsSpan(0, read));
            await target.WriteAsync(buffer.AsMemory(0, read), cancellationToken).ConfigureAwait(false);
        }

        return (bytes, rows);
    }

    // A line is a piece: the object's number, where the piece begins, and its bytes as digits. Every object has at least one.
    private static async Task<long> LargeObjectsAsync(LogicalSource source, ScriptConnection session, Stream target, CancellationToken cancellationToken)
    {
        const int piece = 1 << 20;
        try
        {
            var all = await session.QueryAsync("select oid::text from pg_largeobject_metadata order by oid", cancellationToken).ConfigureAwait(false);
            foreach (var row in all)
            {
                for (var offset = 0L; ; offset += piece)
                {
                    var digits = (await session.QueryAsync("select encode(lo_get($1::oid, $2::bigint, $3::int), 'hex')", cancellationToken, row[0], offset.ToString(CultureInfo.InvariantCulture), piece.ToString(CultureInfo.InvariantCulture)).ConfigureAwait(false))[0][0]!;
                    if (digits.Length > 0 || offset == 0)
                        await target.WriteAsync(Encoding.ASCII.GetBytes($"{row[0]}\t{offset.ToString(CultureInfo.InvariantCulture)}\t{digits}\n"), cancellationToken).ConfigureAwait(false);
                    if (digits.Length < 2 * piece)
                        break;
                }
            }

            return all.Count;
        }
        catch (PostgresException e)
        {
            throw source.Refused(e);
        }
    }
}

/// <summary>What a logical backup holds of a database.</summary>
internal sealed record DatabaseContent
{
    /// <summary>The database's name.</summary>
    public required string Name { get; init; }

    /// <summary>Whether only some tables were meant.</summary>
    public bool IsPartial { get; init; }

    /// <summary>PostgreSQL's text for the moment.</summary>
    public string? Snapshot { get; init; }

    public IReadOnlyList<BackedUpTable> Tables { get; init; } = [];

    public IReadOnlyList<BackedUpSequence> Sequences { get; init; } = [];

    /// <summary>By which column a later backup can build on this one; null if by none.</summary>
    public ChangedSince? ChangedBy { get; init; }

    /// <summary>How many large objects there are.</summary>
    public long LargeObjects { get; init; }

    /// <summary>What the tables need and the backup does not have.</summary>
    public IReadOnlyList<string> LeftOut { get; init; } = [];

    /// <summary>The objects, which the manifest has.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public IReadOnlyList<StoredPart> Parts { get; init; } = [];
}

/// <summary>A table in a backup.</summary>
/// <param name="Schema">Its schema.</param>
/// <param name="Name">Its name.</param>
/// <param name="Columns">The columns whose values there are, quoted, with commas.</param>
/// <param name="Rows">How many rows the table has.</param>
/// <param name="Part">The object that holds those that are here, below the backup's own folder.</param>
/// <param name="Offset">Where in it they begin.</param>
/// <param name="Bytes">How long they are.</param>
internal sealed record BackedUpTable(string Schema, string Name, string Columns, long Rows, string Part, long Offset, long Bytes)
{
    /// <summary>What is the same as long as nothing but its rows changes; null where only whole tables are backed up.</summary>
    public string? Identity { get; init; }

    /// <summary>Columns by which its rows are told from each other, quoted, with commas.</summary>
    public string? Key { get; init; }

    /// <summary>The digest of all its rows, in whatever order; null where not all of them are here, or where an older version made it.</summary>
    public string? RowDigest { get; init; }

    /// <summary>How the rows here build on those of the backup before; null if all of them are here.</summary>
    public RowChanges? Changes { get; init; }

    /// <summary>The keys of its rows, in a backup by column.</summary>
    public KeyHashes? Hashes { get; init; }

    /// <summary>The length of all that it has in the part.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public long AllBytes => (Changes?.KeyBytes ?? 0) + Bytes;
}

/// <summary>Where a sequence stands.</summary>
/// <param name="Schema">Its schema.</param>
/// <param name="Name">Its name.</param>
/// <param name="Value">The last value.</param>
/// <param name="IsCalled">Whether it was given out.</param>
internal sealed record BackedUpSequence(string Schema, string Name, long Value, bool IsCalled);
