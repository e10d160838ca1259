using System.Diagnostics;
using System.Globalization;
using Npgsql;
using Pgd.Backups;
using Pgd.Libpq;
using Pgd.Postgres;

namespace Pgd.Replication;

/// <summary>
/// How long a copy will take. Rows are really read for that, for a moment, by as many sessions as the copy will have, and thrown away: how fast that goes depends on the network, the disks and the rows, which no constant knows.
/// What a target does with rows is not tried out, as it may not have the database yet: it takes between as long and several times as long, so this is a range.
/// </summary>
/// <param name="source">The database, open with the tables that are meant.</param>
/// <param name="tables">Those of which rows are copied, with their conditions, the largest first.</param>
/// <param name="jobs">How many sessions the copy will have.</param>
internal sealed class CopyEstimate(LogicalSource source, IReadOnlyList<SourceTable> tables, int jobs)
{
    private const int Sampled = 8, FirstWithRanges = 14, FirstPages = 64;
    // Measured between two servers of one machine: to copy rows takes 1.1 times as long as to read them where they are wide, and up to 4 times where they are narrow; a byte of an index takes as long to build as 1 to 4 bytes of rows to read.
    private const double LeastOfRows = 1.1, MostOfRows = 4, LeastOfIndexes = 0.8, MostOfIndexes = 4;
    private const double LeastOfDefinitions = 0.3, MostOfDefinitions = 2, LeastOfTable = 0.001, MostOfTable = 0.02;

    /// <summary>Measures, and tells.</summary>
    /// <param name="patience">How long rows are read at most.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="PgdException">The source does not answer or refuses.</exception>
    public async Task<(double AtLeast, double AtMost, double? BytesPerSecond)> MeasureAsync(TimeSpan patience, CancellationToken cancellationToken)
    {
        var speed = await SpeedAsync(patience, cancellationToken).ConfigureAwait(false);
        var (rows, indexes) = (tables.Sum(table => (double)table.Bytes), (double)(await IndexBytesAsync(cancellationToken).ConfigureAwait(false)).Values.Sum());
        var (least, most) = (LeastOfDefinitions + (tables.Count * LeastOfTable), MostOfDefinitions + (tables.Count * MostOfTable));
        return speed is null ? (least, most, null) : (least + (((rows * LeastOfRows) + (indexes * LeastOfIndexes)) / speed.Value), most + (((rows * MostOfRows) + (indexes * MostOfIndexes)) / speed.Value), speed);
    }

    /// <summary>How much the indexes of the tables take, by the tables' numbers.</summary>
    public async Task<IReadOnlyDictionary<string, long>> IndexBytesAsync(CancellationToken cancellationToken)
    {
        var session = await source.ShareAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = session.ConfigureAwait(false);
        return (await session.QueryAsync($"select oid::text, pg_indexes_size(oid)::text from pg_class where oid in ({string.Join(',', tables.Select(table => table.Oid).DefaultIfEmpty("0"))})", cancellationToken).ConfigureAwait(false))
            .ToDictionary(row => row[0]!, row => long.Parse(row[1]!, CultureInfo.InvariantCulture), StringComparer.Ordinal);
    }

    // Bytes of tables in a second, of all sessions together.
    private async Task<double?> SpeedAsync(TimeSpan patience, CancellationToken cancellationToken)
    {
        var meant = tables.Where(table => table.Bytes > 0 && table.Columns.Length > 0).Take(Sampled).Select(table => new Sample(table)).ToList();
        if (meant.Count == 0)
            return null;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var (began, bytes) = (0L, 0.0);
        var sessions = new List<ScriptConnection>();
        try
        {
            for (var i = 0; i < Math.Min(jobs, meant.Count * 2); i++)
                sessions.Add(await source.ShareAsync(cancellationToken).ConfigureAwait(false));
            foreach (var sample in meant)
                sample.Pages = Math.Max(1, long.Parse((await sessions[0].QueryAsync("select (pg_relation_size($1::oid) / current_setting('block_size')::int)::text", cancellationToken, sample.Table.Oid).ConfigureAwait(false))[0][0]!, CultureInfo.InvariantCulture));
            // A single piece may take longer, where the source is slow.
            limit.CancelAfter(patience * 1.5);
            began = Stopwatch.GetTimestamp();
            await Task.WhenAll(sessions.Select(ReadAsync)).ConfigureAwait(false);
        }
        catch (PostgresException e)
        {
            throw source.Refused(e);
        }
        finally
        {
            foreach (var session in sessions)
                await session.DisposeAsync().ConfigureAwait(false);
        }

        var seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
        return bytes > 0 ? bytes / seconds : null;

        async Task ReadAsync(ScriptConnection session, int index)
        {
            var pages = (long)FirstPages;
            try
            {
                for (var turn = index; Stopwatch.GetElapsedTime(began) < patience; turn++)
                {
                    if (Enumerable.Range(turn, meant.Count).Select(at => meant[at % meant.Count]).FirstOrDefault(one => one.Next < one.Pages) is not { } sample)
                        return;
                    var (from, piece) = (sample.Take(pages), Stopwatch.GetTimestamp());
                    var count = Math.Min(pages, sample.Pages - from);
                    if (count <= 0)
                        continue;
                    await LogicalDump.CopyAsync(session, Statement(sample, from, count), isLarge: false, Stream.Null, limit.Token).ConfigureAwait(false);
                    lock (limit)
                        bytes += sample.Table.Bytes * (double)count / sample.Pages;
                    // Long enough to count, and short enough to end in time.
                    if (Stopwatch.GetElapsedTime(piece) < patience / 20)
                        pages *= 2;
                }
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                // What came so far counts.
            }
        }
    }

    private string Statement(Sample sample, long from, long count)
    {
        var (table, isLast) = (sample.Table, from + count >= sample.Pages);
        // Before that version a range would read all of the table.
        var range = source.Major < FirstWithRanges ? null : string.Create(CultureInfo.InvariantCulture, $"ctid >= '({from},0)'") + (isLast ? "" : string.Create(CultureInfo.InvariantCulture, $" and ctid < '({from + count},0)'"));
        var some = range is not null ? "" : string.Create(CultureInfo.InvariantCulture, $" tablesample system ({100.0 * count / sample.Pages:0.######}) repeatable ({from})");
        var conditions = string.Join(" and ", new[] { range, table.Rows is null ? null : $"({table.Rows})" }.OfType<string>());
        return $"copy (select {table.Columns} from only {table.QuotedName}{some}{(conditions.Length == 0 ? "" : " where " + conditions)}) to stdout";
    }

    private sealed class Sample(SourceTable table)
    {
        private long _next;

        public SourceTable Table => table;

        public long Pages { get; set; }

        public long Next => Interlocked.Read(ref _next);

        public long Take(long pages) => Interlocked.Add(ref _next, pages) - pages;
    }
}

/// <summary>What a copy does with a database of the target.</summary>
public enum CopyPlan
{
    /// <summary>It is made.</summary>
    Make,

    /// <summary>It is there and empty, and is filled.</summary>
    Fill,

    /// <summary>A copy that was interrupted is gone on with.</summary>
    GoOn,

    /// <summary>It is dropped and made anew.</summary>
    Replace,

    /// <summary>It is a complete copy, and stays.</summary>
    Keep,

    /// <summary>It has something else, and stays: nothing is copied.</summary>
    Refuse,
}

/// <summary>How large a copy will be, and how long it will take.</summary>
/// <param name="Source">The source's name.</param>
/// <param name="Target">The copy's name.</param>
/// <param name="Plan">What is done.</param>
public sealed record EstimatedDatabase(string Source, string Target, CopyPlan Plan)
{
    /// <summary>The tables, the largest first.</summary>
    public IReadOnlyList<EstimatedTable> Tables { get; init; } = [];

    /// <summary>What the tables of which rows are copied take at the source.</summary>
    public long Bytes { get; init; }

    /// <summary>What their indexes take, which are built and not copied.</summary>
    public long IndexBytes { get; init; }

    /// <summary>Bytes of tables that were read in a second; null if there was nothing to read.</summary>
    public double? BytesPerSecond { get; init; }

    /// <summary>How many seconds it takes at least.</summary>
    public double SecondsAtLeast { get; init; }

    /// <summary>How many seconds it takes at most, if nothing else is at work on the two servers.</summary>
    public double SecondsAtMost { get; init; }

    /// <summary>What keeps it from being copied.</summary>
    public IReadOnlyList<Finding> Problems { get; init; } = [];
}

/// <summary>A table that would be copied.</summary>
/// <param name="Name">Its schema and name.</param>
/// <param name="Bytes">What it takes at the source.</param>
/// <param name="IndexBytes">What its indexes take.</param>
/// <param name="Rows">Which rows of it are meant, as a condition; null for all, <c>false</c> for none.</param>
public sealed record EstimatedTable(string Name, long Bytes, long IndexBytes, string? Rows);
