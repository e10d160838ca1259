using System.Collections.Concurrent;
using System.Globalization;
using Npgsql;
using Pgd.Backups;
using Pgd.Libpq;
using Pgd.Postgres;
using Pgd.Schema;

namespace Pgd.Replication;

/// <summary>Compares a database with its copy: first what both have at a moment each, tables side by side; then what differed and may have been on its way.</summary>
internal sealed class DatabaseComparison(Comparison request, ConnectionUrl sourceUrl, ConnectionUrl targetUrl, bool isOneOfSeveral, IReporter reporter)
{
    private const string Application = LogicalSource.Application;
    private const int MostJobs = 8;

    public async Task<ComparedDatabase> RunAsync(CancellationToken cancellationToken)
    {
        var name = sourceUrl.Database;
        var atSource = await ScriptConnection.OpenAsync(sourceUrl, Application, null, cancellationToken).ConfigureAwait(false);
        await using var _ = atSource.ConfigureAwait(false);
        ScriptConnection atTarget;
        try
        {
            atTarget = await ScriptConnection.OpenAsync(targetUrl, Application, null, cancellationToken).ConfigureAwait(false);
        }
        catch (PgdException e) when (e.ExitCode == ExitCode.NotFound)
        {
            return new() { Name = name, IsMissing = true };
        }

        await using var __ = atTarget.ConfigureAwait(false);
        var following = await SubscriptionProgress.FindAsync(sourceUrl, atSource, targetUrl, atTarget, cancellationToken).ConfigureAwait(false);
        var (found, scanned) = await ScanAsync(atSource, following, cancellationToken).ConfigureAwait(false);
        var tables = new List<ComparedTable>(found.Tables);
        var verdict = new RowVerdict(atSource, atTarget, token => ScriptConnection.OpenAsync(sourceUrl, Application, null, token), following);
        await using var ___ = verdict.ConfigureAwait(false);
        var fix = request.SqlFix is null ? null : new SqlFix(request.SqlFix);
        if (fix is not null && scanned.Any(one => one.Scan.Keys.Count > 0))
            await fix.BeginAsync(isOneOfSeveral ? targetUrl.Database : null).ConfigureAwait(false);
        foreach (var (pair, scan) in scanned)
        {
            if (scan.Keys.Count + scan.Rows.Count > 0)
                reporter.Step($"reading {scan.Keys.Count + scan.Rows.Count} rows of {pair} again");
            tables.Add(scan.Keys.Count > 0 ? await ByKeyAsync(pair, scan, verdict, atSource, atTarget, fix, cancellationToken).ConfigureAwait(false) : await WithoutKeyAsync(pair, scan, verdict, fix, cancellationToken).ConfigureAwait(false));
        }

        if (fix is not null)
            await fix.EndAsync().ConfigureAwait(false);
        return found with { Tables = [.. tables.OrderBy(table => table.IsEqual).ThenBy(table => table.Schema, StringComparer.Ordinal).ThenBy(table => table.Name, StringComparer.Ordinal)] };
    }

    private async Task<(ComparedDatabase Found, IReadOnlyList<(TablePair Pair, RowScan Scan)> Scanned)> ScanAsync(ScriptConnection atSource, SubscriptionProgress? following, CancellationToken cancellationToken)
    {
        var selection = request.Filter.Of(sourceUrl.Database);
        var source = await LogicalSource.OpenAsync(sourceUrl, selection, cancellationToken).ConfigureAwait(false);
        await using var _ = source.ConfigureAwait(false);
        if (following is not null)
        {
            reporter.Step($"waiting until {sourceUrl.Database} has arrived as it is now");
            await following.ReachAsync(atSource, source.Lsn!, request.Patience, cancellationToken).ConfigureAwait(false);
        }

        // What is meant is what matches there; the source has told whether that is anything.
        var target = await LogicalSource.OpenAsync(targetUrl, selection with { Elsewhere = [.. selection.Tables, .. selection.Except] }, cancellationToken).ConfigureAwait(false);
        await using var __ = target.ConfigureAwait(false);
        var conditions = await ReplicaRecord.ThenAsync(target, source.Tables, await request.Filter.ConditionsAsync(source, cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
        var notes = new List<string>();
        var hash = await HashAsync(source, target, notes, cancellationToken).ConfigureAwait(false);
        var (pairs, atSourceOnly, atTargetOnly) = await TablePair.OfAsync(source, target, hash, conditions, cancellationToken).ConfigureAwait(false);
        var catalog = new CatalogComparison(source, target);
        var meant = selection.IsPartial ? source.Tables.Concat(source.Partitioned).Concat(target.Tables).Concat(target.Partitioned).Select(table => (table.Schema, table.Name)).ToHashSet() : null;
        // Side by side: what is in the catalogs is many small questions, and rows are a few long ones.
        var (schema, sequences) = (catalog.SchemaAsync(meant, request.WithOwners, cancellationToken), catalog.SequencesAsync(selection.IsPartial, following is not null, cancellationToken));
        var roles = request.WithOwners ? catalog.MissingRolesAsync(selection.IsPartial, cancellationToken) : Task.FromResult<IReadOnlyList<string>>([]);
        var objects = selection.IsPartial ? Task.FromResult<ComparedLargeObjects?>(null) : catalog.LargeObjectsAsync(cancellationToken);
        var rows = RowsAsync(source, target, pairs, cancellationToken);
        await Task.WhenAll(schema, sequences, roles, objects, rows).ConfigureAwait(false);
        // A newer server brings newer ones.
        var newer = source.Major == target.Major ? [] : (await schema.ConfigureAwait(false)).Where(one => one is { Kind: SchemaKind.Extension, Change: SchemaChange.Changed }).ToList();
        var found = new ComparedDatabase
        {
            Name = sourceUrl.Database,
            SourceMajor = source.Major,
            TargetMajor = target.Major,
            IsFollowing = following is not null,
            Schema = [.. (await schema.ConfigureAwait(false)).Except(newer)],
            Sequences = await sequences.ConfigureAwait(false),
            MissingRoles = await roles.ConfigureAwait(false),
            LargeObjects = await objects.ConfigureAwait(false),
            Tables = [.. await CountsAsync(source, atSourceOnly, isOfSource: true, cancellationToken).ConfigureAwait(false), .. await CountsAsync(target, atTargetOnly, isOfSource: false, cancellationToken).ConfigureAwait(false)],
            Notes = [.. notes, .. newer.Select(one => $"{one} has another version, as it comes with PostgreSQL {target.Major}.")],
        };
        return (found, await rows.ConfigureAwait(false));
    }

    // Hashes are compared only where both servers are seen to compute the same.
    private async Task<RowHash> HashAsync(LogicalSource source, LogicalSource target, List<string> notes, CancellationToken cancellationToken)
    {
        if (request.Strict || request.Hash is not null)
            return request.Hash ?? RowHash.Bytes;
        foreach (var hash in (RowHash[])(Math.Min(source.Major, target.Major) >= RowHashes.FirstWithValues ? [RowHash.Values, RowHash.Text] : [RowHash.Text]))
        {
            var said = await Task.WhenAll(AskAsync(source, hash), AskAsync(target, hash)).ConfigureAwait(false);
            if (said[0].SequenceEqual(said[1]))
                return hash;
        }

        notes.Add("The servers do not hash alike (other encodings or processors), so rows were compared by their bytes.");
        return RowHash.Bytes;

        async Task<string?[]> AskAsync(LogicalSource of, RowHash hash)
        {
            var session = await of.ShareAsync(cancellationToken).ConfigureAwait(false);
            await using var _ = session.ConfigureAwait(false);
            return (await session.QueryAsync(RowHashes.Canary(hash), cancellationToken).ConfigureAwait(false))[0];
        }
    }

    private async Task<IReadOnlyList<(TablePair, RowScan)>> RowsAsync(LogicalSource source, LogicalSource target, IReadOnlyList<TablePair> pairs, CancellationToken cancellationToken)
    {
        var (queue, scanned, total, done) = (new ConcurrentQueue<TablePair>(pairs.OrderByDescending(pair => pair.Bytes)), new ConcurrentBag<(TablePair Pair, RowScan Scan)>(), pairs.Sum(pair => pair.Bytes), 0L);
        var jobs = Math.Min(request.Jobs ?? Math.Min(Environment.ProcessorCount, MostJobs), Math.Max(1, pairs.Count));
        await Parallel.ForEachAsync(Enumerable.Range(0, jobs), new ParallelOptions { MaxDegreeOfParallelism = jobs, CancellationToken = cancellationToken }, async (_, token) =>
        {
            var from = await ComparedSession.ShareAsync(source, token).ConfigureAwait(false);
            await using var __ = from.ConfigureAwait(false);
            var to = await ComparedSession.ShareAsync(target, token).ConfigureAwait(false);
            await using var ___ = to.ConfigureAwait(false);
            while (queue.TryDequeue(out var pair))
            {
                var scan = new RowScan(pair, from, to);
                try
                {
                    await scan.RunAsync(token).ConfigureAwait(false);
                }
                catch (PostgresException e)
                {
                    throw new PgdException(ExitCode.Failed, $"the rows of {pair} cannot be compared: {e.MessageText}", e.Hint, e);
                }

                scanned.Add((pair, scan));
                reporter.Progress($"comparing {sourceUrl.Database}", Interlocked.Add(ref done, pair.Bytes), total);
            }
        }).ConfigureAwait(false);
        return [.. scanned.OrderBy(one => one.Pair.ToString(), StringComparer.Ordinal)];
    }

    private static async Task<IReadOnlyList<ComparedTable>> CountsAsync(LogicalSource of, IReadOnlyList<SourceTable> tables, bool isOfSource, CancellationToken cancellationToken)
    {
        if (tables.Count == 0)
            return [];
        var session = await of.ShareAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = session.ConfigureAwait(false);
        var counted = new List<ComparedTable>();
        foreach (var table in tables)
        {
            var rows = long.Parse((await session.QueryAsync($"select count(*)::text from {(table.IsPartitioned ? "" : "only ")}{LogicalSource.QuotedName(table.Schema, table.Name)}", cancellationToken).ConfigureAwait(false))[0][0]!, CultureInfo.InvariantCulture);
            counted.Add(new() { Schema = table.Schema, Name = table.Name, SourceRows = isOfSource ? rows : null, TargetRows = isOfSource ? null : rows });
        }

        return counted;
    }

    private async Task<ComparedTable> ByKeyAsync(TablePair pair, RowScan scan, RowVerdict verdict, ScriptConnection atSource, ScriptConnection atTarget, SqlFix? fix, CancellationToken cancellationToken)
    {
        var result = await verdict.OfKeysAsync(pair, scan.Keys, request.Patience, cancellationToken).ConfigureAwait(false);
        var told = fix is null || scan.IsCutOff ? result.Decided.Take(request.ShownRows).ToList() : result.Decided;
        var (here, there) = (await TextsAsync(atSource, true).ConfigureAwait(false), await TextsAsync(atTarget, false).ConfigureAwait(false));
        List<FixedRow> rows = [.. told.Select((_, i) => new FixedRow(here[i], there[i])).Where(row => row.Source is not null || row.Target is not null)];
        if (fix is not null && !scan.IsCutOff)
            await fix.WriteAsync(pair, rows).ConfigureAwait(false);
        else if (fix is not null)
            await fix.LeaveAsync($"{pair} differs in more than {RowScan.MostSuspects} rows: copy it anew").ConfigureAwait(false);
        return Table(pair, scan) with
        {
            Missing = result.Decided.Count(row => row.Target is null),
            Extra = result.Decided.Count(row => row.Source is null),
            Different = result.Decided.Count(row => row is { Source: not null, Target: not null }),
            Undecided = result.Undecided,
            Rows = [.. rows.Take(request.ShownRows).Select(Difference)],
        };

        async Task<string?[]?[]> TextsAsync(ScriptConnection session, bool isSource)
        {
            var texts = new string?[]?[told.Count];
            if (told.Count == 0)
                return texts;
            await ComparedSession.BeginAsync(session, cancellationToken).ConfigureAwait(false);
            foreach (var chunk in Enumerable.Range(0, told.Count).Chunk(1_000))
            {
                foreach (var row in await session.QueryAsync(pair.TextByKeys(isSource), cancellationToken, [.. pair.Key.Select((_, column) => ScriptConnection.ArrayOf(chunk.Select(i => told[i].Row[column]!)))]).ConfigureAwait(false))
                    texts[chunk[int.Parse(row[0]!, CultureInfo.InvariantCulture) - 1]] = row[1..];
            }

            await session.QueryAsync("rollback", cancellationToken).ConfigureAwait(false);
            return texts;
        }

        RowDifference Difference(FixedRow row)
        {
            var kind = row.Target is null ? RowDifferenceKind.Missing : row.Source is null ? RowDifferenceKind.Extra : RowDifferenceKind.Different;
            var columns = pair.Columns.Select((column, i) => (column, i)).ToList();
            return new(kind, columns.Where(one => pair.Key.Contains(one.column)).ToDictionary(one => one.column.Name, one => (row.Source ?? row.Target)![one.i]),
                kind != RowDifferenceKind.Different ? [] : [.. columns.Where(one => row.Source![one.i] != row.Target![one.i]).Select(one => new ColumnDifference(one.column.Name, row.Source![one.i], row.Target![one.i]))], 1);
        }
    }

    private async Task<ComparedTable> WithoutKeyAsync(TablePair pair, RowScan scan, RowVerdict verdict, SqlFix? fix, CancellationToken cancellationToken)
    {
        if (scan.Rows.Count == 0)
            return Table(pair, scan);
        var result = await verdict.OfRowsAsync(pair, scan.Rows, request.Patience, cancellationToken).ConfigureAwait(false);
        var rows = result.Decided.Select(row => (row.Row, More: Count(row.Source) - Count(row.Target))).ToList();
        if (fix is not null && rows.Count > 0)
            await fix.LeaveAsync($"{pair} has no key by which its rows could be told from each other: {rows.Where(row => row.More > 0).Sum(row => row.More)} are missing, {rows.Where(row => row.More < 0).Sum(row => -row.More)} are extra; copy it anew").ConfigureAwait(false);
        return Table(pair, scan) with
        {
            Missing = (int)rows.Where(row => row.More > 0).Sum(row => row.More),
            Extra = (int)rows.Where(row => row.More < 0).Sum(row => -row.More),
            Undecided = result.Undecided,
            Rows = [.. rows.Where(row => row.Row.Text.Length > 0).Take(request.ShownRows).Select(row => new RowDifference(row.More > 0 ? RowDifferenceKind.Missing : RowDifferenceKind.Extra, pair.Columns.Select((column, i) => (column.Name, row.Row.Text[i])).ToDictionary(), [], Math.Abs(row.More)))],
        };

        static long Count(string? text) => text is null ? 0 : long.Parse(text, CultureInfo.InvariantCulture);
    }

    private static ComparedTable Table(TablePair pair, RowScan scan) => new()
    {
        Schema = pair.Schema,
        Name = pair.Name,
        SourceRows = scan.SourceRows,
        TargetRows = scan.TargetRows,
        AndMore = scan.IsCutOff,
        Key = [.. pair.Key.Select(column => column.Name)],
    };
}
