using System.Collections.Concurrent;
using System.Globalization;
using System.Text.RegularExpressions;
using Npgsql;
using Pgd.Backups;
using Pgd.Libpq;
using Pgd.Linux;
using Pgd.Migrations;
using Pgd.Postgres;

namespace Pgd.Replication;

/// <summary>
/// A database of another server, and how it comes into an empty one: all of it as it is at one moment, over sessions that share that moment, from server to server without a file in between. Rows come first, and
/// what is built on them then: indexes side by side, constraints and triggers after them.
/// </summary>
internal sealed partial class InitialCopy : IAsyncDisposable
{
    private const string Application = "pgd copy";
    private const int MostWorkers = 8, FirstWithRanges = 14, LargeObjectPiece = 1 << 20;

    private readonly LogicalSource _source;
    private readonly string _before, _after;

    private InitialCopy(LogicalSource source, string before, string after, string?[] said)
    {
        (_source, _before, _after) = (source, before, after);
        (Owner, Encoding, Collate, Type) = (said[0]!, said[1]!, said[2]!, said[3]!);
        Roles = [.. LogicalRestore.RolesIn(before + after).Append(Owner).Distinct(StringComparer.Ordinal)];
    }

    /// <summary>Of a table that is larger, several sessions read a piece each.</summary>
    public long PieceBytes { get; set; } = 256L << 20;

    /// <summary>The database's name.</summary>
    public string Database => _source.Url.Database;

    /// <summary>The version of its server.</summary>
    public int Major => _source.Major;

    /// <summary>The server's clock at the moment.</summary>
    public DateTimeOffset DataAsOf => _source.DataAsOf;

    /// <summary>To whom the database belongs.</summary>
    public string Owner { get; }

    /// <summary>The roles to which something belongs or was granted.</summary>
    public IReadOnlyList<string> Roles { get; }

    /// <summary>How its text is written.</summary>
    public string Encoding { get; }

    /// <summary>How its text is sorted.</summary>
    public string Collate { get; }

    /// <summary>What of its text is a letter.</summary>
    public string Type { get; }

    /// <summary>Opens it, and reads its definitions. From here on it is of one moment, and its tables cannot be redefined until it is closed.</summary>
    /// <exception cref="PgdException">
    /// It does not answer (<see cref="ExitCode.Failed"/>), something of it may not be read (<see cref="ExitCode.Unsafe"/>, with what to grant), pg_dump is missing or too old (<see cref="ExitCode.MachineLacks"/>).
    /// </exception>
    public static async Task<InitialCopy> OpenAsync(ConnectionUrl url, CancellationToken cancellationToken)
    {
        var source = await LogicalSource.OpenAsync(url, TableSelection.All, cancellationToken).ConfigureAwait(false);
        try
        {
            var program = (await DumpClients.FindAsync(cancellationToken).ConfigureAwait(false)).DumpOf(source.Major);
            var session = await source.ShareAsync(cancellationToken).ConfigureAwait(false);
            await using var _ = session.ConfigureAwait(false);
            var said = (await session.QueryAsync("select pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype from pg_database where datname = current_database()", cancellationToken).ConfigureAwait(false))[0];
            return new(source, await source.DefinitionsAsync(program, "pre-data", withOwners: true, isPartial: false, cancellationToken).ConfigureAwait(false), await source.DefinitionsAsync(program, "post-data", withOwners: true, isPartial: false, cancellationToken).ConfigureAwait(false), said);
        }
        catch
        {
            await source.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Copies it.</summary>
    /// <param name="target">An empty database that has its roles, and a role that may do everything there.</param>
    /// <param name="reporter">Hears how far it is.</param>
    /// <param name="cancellationToken">Ends it; the database is then half full.</param>
    /// <exception cref="PgdException">Either server refuses something, or is lost (<see cref="ExitCode.Failed"/>).</exception>
    public async Task RunAsync(ConnectionUrl target, IReporter reporter, CancellationToken cancellationToken)
    {
        try
        {
            var connection = await ConnectAsync(target, cancellationToken).ConfigureAwait(false);
            await using var _ = connection.ConfigureAwait(false);
            reporter.Step($"copying the definitions of {Database}");
            await LogicalRestore.ExecuteAsync(connection, _before, cancellationToken).ConfigureAwait(false);
            Fault.Here("copy:definitions");
            await RowsAsync(target, reporter, cancellationToken).ConfigureAwait(false);
            Fault.Here("copy:rows");
            await LargeObjectsAsync(target, cancellationToken).ConfigureAwait(false);
            reporter.Step($"building indexes and constraints of {Database}");
            await BuildAsync(connection, target, cancellationToken).ConfigureAwait(false);
            Fault.Here("copy:built");
            // Last: what was inserted meanwhile did not come, but a value that was given out must not be given out again.
            foreach (var sequence in await _source.SequencesAsync(ofTheTablesOnly: false, cancellationToken).ConfigureAwait(false))
                await LogicalRestore.SetAsync(connection, sequence, cancellationToken).ConfigureAwait(false);
            await connection.QueryAsync("reset all", cancellationToken).ConfigureAwait(false);
            await connection.QueryAsync("analyze", cancellationToken).ConfigureAwait(false);
        }
        catch (PostgresException e)
        {
            throw new PgdException(ExitCode.Failed, $"the new server refused a part of {_source.Url}: {e.MessageText}{(e.Detail is null ? "" : $" ({e.Detail})")}",
                e.SqlState is PostgresErrorCodes.UndefinedFile or PostgresErrorCodes.FeatureNotSupported ? "If it is an extension: install it on this machine, or use an image that has it (--image)." : null, e);
        }
        catch (NpgsqlException e)
        {
            throw new PgdException(ExitCode.Failed, $"a connection was lost while {_source.Url} was copied: {ScriptConnection.Innermost(e)}", "Nothing of it is left. Try again.", e);
        }
    }

    public ValueTask DisposeAsync() => _source.DisposeAsync();

    private static Task<ScriptConnection> ConnectAsync(ConnectionUrl target, CancellationToken cancellationToken) => ScriptConnection.OpenAsync(target, Application, null, cancellationToken);

    private static int Workers(int most) => Math.Min(Math.Min(Math.Max(2, Environment.ProcessorCount), MostWorkers), most);

    private async Task RowsAsync(ConnectionUrl target, IReporter reporter, CancellationToken cancellationToken)
    {
        var pieces = await PiecesAsync(cancellationToken).ConfigureAwait(false);
        var (total, done) = (pieces.Sum(piece => piece.Bytes), 0L);
        var queue = new ConcurrentQueue<Piece>(pieces.OrderByDescending(piece => piece.Bytes));
        await Parallel.ForEachAsync(Enumerable.Range(0, Workers(pieces.Count)), new ParallelOptions { MaxDegreeOfParallelism = MostWorkers, CancellationToken = cancellationToken }, async (_, token) =>
        {
            var from = await _source.ShareAsync(token).ConfigureAwait(false);
            await using var __ = from.ConfigureAwait(false);
            var into = await ConnectAsync(target, token).ConfigureAwait(false);
            await using var ___ = into.ConfigureAwait(false);
            await into.QueryAsync(LogicalRestore.RowSettings, token).ConfigureAwait(false);
            while (queue.TryDequeue(out var piece))
            {
                await CopyAsync(from, into, piece, token).ConfigureAwait(false);
                reporter.Progress($"copying {Database}", Interlocked.Add(ref done, piece.Bytes), total);
            }
        }).ConfigureAwait(false);
    }

    private async Task<List<Piece>> PiecesAsync(CancellationToken cancellationToken)
    {
        var pieces = new List<Piece>();
        var session = await _source.ShareAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = session.ConfigureAwait(false);
        foreach (var table in _source.Tables)
        {
            // Without columns nothing is to be had by range, and before that version each piece would read all of the table.
            if (table.Bytes <= PieceBytes || _source.Major < FirstWithRanges || table.Columns.Length == 0 || table.Condition is not null)
            {
                pieces.Add(new(table, null, table.Bytes));
                continue;
            }

            var pages = long.Parse((await session.QueryAsync("select (pg_relation_size($1::oid) / current_setting('block_size')::int)::text", cancellationToken, table.Oid).ConfigureAwait(false))[0][0]!, CultureInfo.InvariantCulture);
            var count = (int)Math.Min((table.Bytes / PieceBytes) + 1, Math.Max(1, pages));
            for (var i = 0; i < count; i++)
            {
                // The last one has no end: the table may have grown.
                var (first, end) = (pages * i / count, pages * (i + 1) / count);
                pieces.Add(new(table, string.Create(CultureInfo.InvariantCulture, $"where ctid >= '({first},0)'") + (i == count - 1 ? "" : string.Create(CultureInfo.InvariantCulture, $" and ctid < '({end},0)'")), table.Bytes / count));
            }
        }

        return pieces;
    }

    private async Task CopyAsync(ScriptConnection from, ScriptConnection into, Piece piece, CancellationToken cancellationToken)
    {
        var (table, name) = (piece.Table, LogicalSource.QuotedName(piece.Table.Schema, piece.Table.Name));
        var columns = table.Columns.Length == 0 ? "" : $" ({table.Columns})";
        var statement = piece.Range is null && string.IsNullOrEmpty(table.Condition) ? LogicalDump.CopyOf(name, table.Columns) : $"copy (select {table.Columns} from only {name} {piece.Range ?? table.Condition}) to stdout";
        // A table that comes in one piece is written as rows that are old already: nobody has to visit them again for that. What an extension put there stays.
        var isFrozen = piece.Range is null && table.Condition is null;
        if (isFrozen)
        {
            await into.QueryAsync("begin", cancellationToken).ConfigureAwait(false);
            await into.QueryAsync($"truncate only {name}", cancellationToken).ConfigureAwait(false);
        }

        await RelayAsync(from, statement, into, $"copy {name}{columns} from stdin{(isFrozen ? " (freeze)" : "")}", isLarge: piece.Bytes > LogicalDump.LargeBytes, cancellationToken).ConfigureAwait(false);
        if (isFrozen)
            await into.QueryAsync("commit", cancellationToken).ConfigureAwait(false);
    }

    private Task RelayAsync(ScriptConnection from, string copyOut, ScriptConnection into, string copyIn, bool isLarge, CancellationToken cancellationToken) => into.CopyInAsync(copyIn, async rows =>
    {
        try
        {
            await LogicalDump.CopyAsync(from, copyOut, isLarge, rows, cancellationToken).ConfigureAwait(false);
        }
        catch (PostgresException e)
        {
            throw _source.Refused(e);
        }
    }, cancellationToken);

    // They are there, empty, with their owners: pg_dump's definitions make them. Their content comes in pieces, as rows of one table, and not in a round trip for each.
    private async Task LargeObjectsAsync(ConnectionUrl target, CancellationToken cancellationToken)
    {
        var from = await _source.ShareAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = from.ConfigureAwait(false);
        var into = await ConnectAsync(target, cancellationToken).ConfigureAwait(false);
        await using var __ = into.ConfigureAwait(false);
        var there = (await into.QueryAsync("select exists (select from pg_largeobject_metadata)::text", cancellationToken).ConfigureAwait(false))[0][0] == "true";
        if (!there)
            return;
        await into.QueryAsync(LogicalRestore.RowSettings, cancellationToken).ConfigureAwait(false);
        await into.QueryAsync("create temp table pieces (oid oid, piece bigint, content bytea)", cancellationToken).ConfigureAwait(false);
        var copy = string.Create(CultureInfo.InvariantCulture, $"""
            copy (with recursive pieces (oid, piece, content) as (
                select oid, 0::bigint, lo_get(oid, 0, {LargeObjectPiece}) from pg_largeobject_metadata
                union all select oid, piece + 1, lo_get(oid, (piece + 1) * {LargeObjectPiece}, {LargeObjectPiece}) from pieces where length(content) = {LargeObjectPiece})
            select * from pieces where length(content) > 0) to stdout
            """);
        await RelayAsync(from, copy, into, "copy pieces from stdin", isLarge: true, cancellationToken).ConfigureAwait(false);
        await into.QueryAsync($"select count(*)::text from (select lo_put(oid, piece * {LargeObjectPiece}, content) from pieces offset 0) as put", cancellationToken).ConfigureAwait(false);
    }

    // What stands together and builds an index is built side by side; all else comes as it was written.
    private async Task BuildAsync(ScriptConnection connection, ConnectionUrl target, CancellationToken cancellationToken)
    {
        var statements = SqlScript.Split(_after).ToList();
        var settings = statements.TakeWhile(statement => statement.Words is ["set" or "select", ..]).ToList();
        for (var i = 0; i < statements.Count;)
        {
            var builds = statements.Skip(i).TakeWhile(statement => BuildsIndex().IsMatch(statement.Text)).ToList();
            if (builds.Count < 2)
            {
                await LogicalRestore.ExecuteAsync(connection, statements[i++], cancellationToken).ConfigureAwait(false);
                continue;
            }

            i += builds.Count;
            var (queue, deadlocked) = (new ConcurrentQueue<SqlStatement>(builds), new ConcurrentQueue<SqlStatement>());
            await Parallel.ForEachAsync(Enumerable.Range(0, Workers(builds.Count)), new ParallelOptions { MaxDegreeOfParallelism = MostWorkers, CancellationToken = cancellationToken }, async (_, token) =>
            {
                var worker = await ConnectAsync(target, token).ConfigureAwait(false);
                await using var __ = worker.ConfigureAwait(false);
                foreach (var setting in settings)
                    await LogicalRestore.ExecuteAsync(worker, setting, token).ConfigureAwait(false);
                while (queue.TryDequeue(out var build))
                {
                    try
                    {
                        await LogicalRestore.ExecuteAsync(worker, build, token).ConfigureAwait(false);
                    }
                    catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.DeadlockDetected)
                    {
                        // A partitioned table and its parts lock each other; alone it gets through.
                        deadlocked.Enqueue(build);
                    }
                }
            }).ConfigureAwait(false);
            foreach (var build in deadlocked)
                await LogicalRestore.ExecuteAsync(connection, build, cancellationToken).ConfigureAwait(false);
        }
    }

    [GeneratedRegex(@"^\s*(CREATE (UNIQUE )?INDEX |ALTER TABLE ONLY .+\s+ADD CONSTRAINT .+ (PRIMARY KEY|UNIQUE)\b)", RegexOptions.Singleline)]
    private static partial Regex BuildsIndex();

    /// <summary>What one session reads at a time.</summary>
    private sealed record Piece(SourceTable Table, string? Range, long Bytes);
}
