using System.Collections.Concurrent;
using System.Globalization;
using System.IO.Hashing;
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
    private const int MostWorkers = 8, MostAttempts = 30, FirstWithRanges = 14, LargeObjectPiece = 1 << 20, LargeObjectsTogether = 500;
    private const long SmallBytes = 1 << 20;

    private readonly LogicalSource _source;
    private readonly ConcurrentDictionary<string, SourceTable> _gone = new(StringComparer.Ordinal);
    private readonly string _before, _after;
    private readonly bool _withOwners;

    private InitialCopy(LogicalSource source, IReadOnlyList<SourceTable> tables, string before, string after, bool withOwners, IEnumerable<string> owners, DatabaseLocale locale)
    {
        (_source, Tables, WithoutRows, _before, _after, _withOwners, Locale) = (source, [.. tables.Where(table => table.HasRows)], [.. tables.Where(table => !table.HasRows)], before, after, withOwners, locale);
        Owner = owners.First();
        Roles = [.. LogicalRestore.RolesIn(before + after).Concat(owners).Distinct(StringComparer.Ordinal)];
    }

    /// <summary>How many sessions there may be on each side.</summary>
    public int Jobs { get; set; } = DefaultJobs;

    /// <summary>That many if nobody says: as many as there are processors here, as each relays what another one reads.</summary>
    public static int DefaultJobs => Math.Clamp(Environment.ProcessorCount, 2, MostWorkers);

    /// <summary>The tables of which rows are copied, the largest first.</summary>
    public IReadOnlyList<SourceTable> Tables { get; }

    /// <summary>The tables of which only the definition is copied.</summary>
    public IReadOnlyList<SourceTable> WithoutRows { get; }

    /// <summary>What the database has and is not copied, with what cannot be without it.</summary>
    public IReadOnlyList<string> LeftOut { get; private init; } = [];

    /// <summary>Of a table that is larger, several sessions read a piece each; also of one that would keep one of them at work alone.</summary>
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

    /// <summary>How its text is written and sorted.</summary>
    public DatabaseLocale Locale { get; }

    /// <summary>Opens it, and reads its definitions. From here on it is of one moment.</summary>
    /// <exception cref="PgdException">
    /// It does not answer (<see cref="ExitCode.Failed"/>), something of it may not be read (<see cref="ExitCode.Unsafe"/>, with what to grant), pg_dump is missing or too old (<see cref="ExitCode.MachineLacks"/>).
    /// </exception>
    public static async Task<InitialCopy> OpenAsync(ConnectionUrl url, CancellationToken cancellationToken) =>
        await OpenAsync(await LogicalSource.OpenUnlockedAsync(url, TableSelection.All, snapshot: null, cancellationToken).ConfigureAwait(false), static _ => null, withOwners: true, cancellationToken).ConfigureAwait(false);

    /// <summary>The version of a server, of which a copy is to be.</summary>
    /// <exception cref="PgdException">It does not answer, or refuses (<see cref="ExitCode.Failed"/>).</exception>
    public static async Task<int> MajorAsync(ConnectionUrl url, CancellationToken cancellationToken)
    {
        var connection = await ScriptConnection.OpenAsync(url, Application, null, cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        return connection.Connection.PostgreSqlVersion.Major;
    }

    /// <summary>The same of what is open already.</summary>
    /// <param name="source">The database, with the tables that are meant; closed with the copy, and also if there is none.</param>
    /// <param name="rows">Which rows of a table are meant, as a condition; null for all.</param>
    /// <param name="withOwners">Whether everything belongs to whom it belongs to there, with the rights that were granted.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="PgdException">As above.</exception>
    public static async Task<InitialCopy> OpenAsync(LogicalSource source, Func<SourceTable, string?> rows, bool withOwners, CancellationToken cancellationToken)
    {
        try
        {
            var program = (await DumpClients.FindAsync(cancellationToken).ConfigureAwait(false)).DumpOf(source.Major);
            var session = await source.ShareAsync(cancellationToken).ConfigureAwait(false);
            await using var _ = session.ConfigureAwait(false);
            // The database's own, and those of large objects, of which pg_dump is not asked.
            var owners = (await session.QueryAsync("select role from (select pg_get_userbyid(datdba) as role, 1 as place from pg_database where datname = current_database() union select pg_get_userbyid(lomowner), 2 from pg_largeobject_metadata union select pg_get_userbyid(grantee), 2 from pg_largeobject_metadata, aclexplode(lomacl) where grantee <> 0) roles order by place", cancellationToken).ConfigureAwait(false)).ConvertAll(row => row[0]!);
            IReadOnlyList<SourceTable> tables = [.. source.Tables.Select(table => table with { Rows = rows(table) })], empty = [.. tables.Where(table => !table.HasRows)];
            // Foreign keys refer to a partitioned table as a whole.
            IReadOnlyList<SourceTable> whole = [.. source.Partitioned.Where(parent => tables.Where(table => table.PartOf.Contains(parent.Oid)).ToList() is { Count: > 0 } parts && parts.TrueForAll(part => !part.HasRows))];
            var without = await WithoutAsync(session, source.Others, [.. empty, .. whole], cancellationToken).ConfigureAwait(false);
            var references = without.References.Select(reference => $"ALTER TABLE ONLY {reference.Table} ADD CONSTRAINT {reference.Constraint} FOREIGN KEY ").ToHashSet(StringComparer.Ordinal);
            var (before, after) = await source.DefinitionsWithoutAsync(program, withOwners, without.Relations, cancellationToken).ConfigureAwait(false);
            (before, after) = (Meant(before, references), Meant(after, references));
            return new(source, tables, before, after, withOwners, withOwners ? owners : owners.Take(1), DatabaseLocale.Of(await session.QueryAsync(DatabaseLocale.Question, cancellationToken).ConfigureAwait(false))) { LeftOut = [.. without.Relations, .. empty.Select(table => $"the rows of {table.Schema}.{table.Name}"), .. without.References.Select(reference => $"the foreign key {reference.Constraint} of {reference.Table}")] };
        }
        catch
        {
            await source.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    // Neither what we make for replication, nor references to what is left out. A name may have a semicolon in it, or the end of a line.
    private static string Meant(string definitions, HashSet<string> references)
    {
        if (references.Count == 0 && !definitions.Contains(DatabaseReplica.Prefix, StringComparison.Ordinal))
            return definitions;
        return string.Concat(SqlScript.Split(definitions).Where(statement => !Ours().IsMatch(statement.Text) && !IsReference(statement)).Select(statement => statement.Text + ";\n"));

        bool IsReference(SqlStatement statement) => statement.Words is ["alter", "table", ..] && Spaces().Replace(statement.Text, " ") is var text && references.Any(reference => text.StartsWith(reference, StringComparison.Ordinal));
    }

    // pg_dump leaves out what it is told to, and not what cannot be without it.
    private static async Task<(List<string> Relations, List<(string Table, string Constraint)> References)> WithoutAsync(ScriptConnection session, IReadOnlyList<SourceTable> others, IReadOnlyList<SourceTable> empty, CancellationToken cancellationToken)
    {
        var bookkeeping = await session.QueryAsync("select quote_ident(n.nspname) || '.' || quote_ident(c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = $1 and c.relkind = 'r'", cancellationToken, ReplicaRecord.Schema).ConfigureAwait(false);
        if (others.Count + empty.Count == 0)
            return (bookkeeping.ConvertAll(row => row[0]!), []);
        var (oids, without) = (string.Join(',', others.Select(table => table.Oid)), string.Join(',', others.Concat(empty).Select(table => table.Oid)));
        var dependent = await session.QueryAsync($"""
            with recursive gone as (
                select unnest('{"{" + oids + "}"}'::oid[]) as oid
                union
                select r.ev_class from gone g join pg_depend d on d.refclassid = 'pg_class'::regclass and d.refobjid = g.oid and d.classid = 'pg_rewrite'::regclass join pg_rewrite r on r.oid = d.objid
            ) select quote_ident(n.nspname) || '.' || quote_ident(c.relname) from gone join pg_class c on c.oid = gone.oid join pg_namespace n on n.oid = c.relnamespace order by 1
            """, cancellationToken).ConfigureAwait(false);
        var references = await session.QueryAsync($"""
            select quote_ident(n.nspname) || '.' || quote_ident(c.relname), quote_ident(k.conname) from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
            where k.contype = 'f' and k.conparentid = 0 and k.confrelid in ({without}) and k.conrelid not in ({without}) order by 1, 2
            """, cancellationToken).ConfigureAwait(false);
        return ([.. dependent.Concat(bookkeeping).Select(row => row[0]!)], references.ConvertAll(row => (row[0]!, row[1]!)));
    }

    /// <summary>Copies it.</summary>
    /// <param name="target">An empty database that has its roles, and a role that may do everything there.</param>
    /// <param name="reporter">Hears how far it is.</param>
    /// <param name="cancellationToken">Ends it; the database is then half full.</param>
    /// <exception cref="PgdException">Either server refuses something, or is lost (<see cref="ExitCode.Failed"/>).</exception>
    public Task RunAsync(ConnectionUrl target, IReporter reporter, CancellationToken cancellationToken) => RunAsync(target, journal: null, truncated: null, reporter, cancellationToken);

    /// <summary>The same, going on after one that was interrupted.</summary>
    /// <param name="target">A database that is empty but for what the journal names.</param>
    /// <param name="journal">What is done already. Rows are believed only if they are those of this moment.</param>
    /// <param name="truncated">
    /// Which tables the copy will hear of that they were truncated since the moment, by their numbers; null if it will hear nothing. Those may come empty: what they had is of no use to anybody any more.
    /// </param>
    /// <param name="reporter">Hears how far it is.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="PgdException">As above; also if a table was rewritten since the moment (<see cref="ExitCode.Locked"/>).</exception>
    public async Task RunAsync(ConnectionUrl target, CopyJournal? journal, Func<Task<IReadOnlySet<string>>>? truncated, IReporter reporter, CancellationToken cancellationToken)
    {
        try
        {
            var connection = await ConnectAsync(target, cancellationToken).ConfigureAwait(false);
            await using var _ = connection.ConfigureAwait(false);
            if (journal is not null)
                await RequireSameDefinitionsAsync(connection, journal, cancellationToken).ConfigureAwait(false);
            var script = new DefinitionScript(target, Application, Jobs, journal, reporter);
            reporter.Step($"copying the definitions of {Database}");
            await script.ExecuteAsync(connection, _before, cancellationToken).ConfigureAwait(false);
            Fault.Here("copy:definitions");
            await RowsAsync(target, journal, reporter, cancellationToken).ConfigureAwait(false);
            Fault.Here("copy:rows");
            if (!_gone.IsEmpty)
                await EmptyTruncatedAsync(target, journal, truncated, cancellationToken).ConfigureAwait(false);
            await LargeObjectsAsync(target, journal, cancellationToken).ConfigureAwait(false);
            Fault.Here("copy:large-objects");
            reporter.Step($"building indexes and constraints of {Database}");
            await script.BuildAsync(connection, _after, cancellationToken).ConfigureAwait(false);
            Fault.Here("copy:built");
            // Last: what was inserted meanwhile did not come, but a value that was given out must not be given out again.
            foreach (var sequence in await _source.SequencesAsync(ofTheTablesOnly: false, cancellationToken).ConfigureAwait(false))
                await LogicalRestore.SetAsync(connection, sequence, cancellationToken).ConfigureAwait(false);
            await AnalyzeAsync(target, connection, cancellationToken).ConfigureAwait(false);
            // A transaction that waits until the disk has all that was before it.
            await connection.ExecuteAsync(["reset all", "select txid_current()"], cancellationToken).ConfigureAwait(false);
        }
        catch (PostgresException e)
        {
            throw Refused(target, e, journal);
        }
        catch (TargetRefusal e)
        {
            throw Refused(target, (PostgresException)e.InnerException!, journal);
        }
        catch (NpgsqlException e)
        {
            throw new PgdException(ExitCode.Failed, $"a connection was lost while {_source.Url} was copied: {ScriptConnection.Innermost(e)}", journal is null ? "Nothing of it is left. Try again." : "Run the same again: it goes on where it was. If a server has ended, its log says why: one that cannot write its log ends because its disk is full.", e);
        }
    }

    // What ANALYZE without a name finds out, by several sessions. Parts go with the whole.
    private async Task AnalyzeAsync(ConnectionUrl target, ScriptConnection connection, CancellationToken cancellationToken)
    {
        var tables = await connection.QueryAsync("select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind in ('r', 'p', 'm') and c.relpersistence <> 't' and not c.relispartition and n.nspname <> 'information_schema' order by c.relpages desc, 1", cancellationToken).ConfigureAwait(false);
        await Parallel.ForEachAsync(tables.Select((table, i) => (Name: table[0]!, Session: i % Math.Max(1, Jobs))).GroupBy(table => table.Session), new ParallelOptions { MaxDegreeOfParallelism = Math.Max(1, Jobs), CancellationToken = cancellationToken }, async (some, token) =>
        {
            var session = await ConnectAsync(target, token).ConfigureAwait(false);
            await using var _ = session.ConfigureAwait(false);
            await session.QueryAsync($"analyze {string.Join(", ", some.Select(table => table.Name))}", token).ConfigureAwait(false);
        }).ConfigureAwait(false);
    }

    private PgdException Refused(ConnectionUrl target, PostgresException e, CopyJournal? journal) =>
        e.SqlState == PostgresErrorCodes.DiskFull ? (journal is not null ? DatabaseReplica.Refused(target, e) : new PgdException(ExitCode.NoRoom, $"the disk of the new server is full: {e.MessageText}", "Nothing of it is left. Make room, and try again.", e))
        : new PgdException(ExitCode.Failed, $"the new server refused a part of {_source.Url}: {e.MessageText}{(e.Detail is null ? "" : $" ({e.Detail})")}",
            e.SqlState is PostgresErrorCodes.UndefinedFile or PostgresErrorCodes.FeatureNotSupported ? "If it is an extension: install it on this machine, or use an image that has it (--image)."
            : e.SqlState == PostgresErrorCodes.ForeignKeyViolation && Tables.Any(table => table.Rows is not null) ? "A filter leaves out rows that others refer to: leave those out as well." : null, e);

    public ValueTask DisposeAsync() => _source.DisposeAsync();

    private static Task<ScriptConnection> ConnectAsync(ConnectionUrl target, CancellationToken cancellationToken) => LogicalRestore.ConnectAsync(target, Application, cancellationToken);

    // What was made from other definitions cannot be completed by these.
    private async Task RequireSameDefinitionsAsync(ScriptConnection connection, CopyJournal journal, CancellationToken cancellationToken)
    {
        var step = "definitions " + XxHash128.HashToUInt128(System.Text.Encoding.UTF8.GetBytes(_before + _after)).ToString("x32", CultureInfo.InvariantCulture);
        if (journal.IsDone(step))
            return;
        if (journal.WasBegun)
            throw new PgdException(ExitCode.Exists, $"{_source.Url} was redefined, or is to be copied otherwise, since the copy that was begun", "Nothing was changed. Begin anew: --drop-existing");
        await journal.CommitAsync(connection, ["begin"], [step], cancellationToken).ConfigureAwait(false);
    }

    private static string StepOf(SourceTable table) => CopyJournal.Rows + table.QuotedName;

    private async Task RowsAsync(ConnectionUrl target, CopyJournal? journal, IReporter reporter, CancellationToken cancellationToken)
    {
        if (journal?.WasBegun ?? false)
            await ProveAsync(target, journal, reporter, cancellationToken).ConfigureAwait(false);
        var pieces = await PiecesAsync(journal, cancellationToken).ConfigureAwait(false);
        if (journal is { WasBegun: true } && pieces.Count > 0)
            await EmptyAsync(target, journal, pieces, cancellationToken).ConfigureAwait(false);
        var left = new ConcurrentDictionary<string, int>(pieces.GroupBy(piece => piece.Table.Oid).Select(table => KeyValuePair.Create(table.Key, table.Count())), StringComparer.Ordinal);
        var (total, done) = (pieces.Sum(piece => piece.Bytes), 0L);
        var queue = new ConcurrentQueue<Piece>(pieces.OrderByDescending(piece => piece.Bytes));
        await Parallel.ForEachAsync(Enumerable.Range(0, Math.Min(Jobs, pieces.Count)), new ParallelOptions { MaxDegreeOfParallelism = Math.Max(1, Jobs), CancellationToken = cancellationToken }, async (_, token) =>
        {
            var from = await _source.ShareAsync(token).ConfigureAwait(false);
            await using var __ = from.ConfigureAwait(false);
            var into = await ConnectAsync(target, token).ConfigureAwait(false);
            await using var ___ = into.ConfigureAwait(false);
            await into.QueryAsync(LogicalRestore.RowSettings, token).ConfigureAwait(false);
            while (queue.TryDequeue(out var piece))
            {
                // As text, rows are not as large as in the table, but about: what is told never exceeds the piece.
                var told = 0L;
                void Tell(long bytes)
                {
                    var more = Math.Min(bytes, piece.Bytes - told);
                    told += more;
                    reporter.Progress($"copying {Database}", Interlocked.Add(ref done, more), total);
                }

                if (!await TryCopyAsync(from, into, piece, journal, Tell, token).ConfigureAwait(false))
                {
                    // Later it may be free.
                    Interlocked.Add(ref done, -told);
                    queue.Enqueue(piece with { Attempts = piece.Attempts + 1 });
                    continue;
                }

                if (piece.Range is not null && left.AddOrUpdate(piece.Table.Oid, 0, static (_, count) => count - 1) == 0 && journal is not null)
                    await journal.CommitAsync(into, ["begin"], [StepOf(piece.Table)], token).ConfigureAwait(false);
                Fault.Here("copy:table");
                reporter.Progress($"copying {Database}", Interlocked.Add(ref done, piece.Bytes - told), total);
            }
        }).ConfigureAwait(false);
    }

    // Of a table that comes in pieces, some may be there. And what an earlier run built on rows must not look at rows that come anew: references, triggers, rules.
    private async Task EmptyAsync(ConnectionUrl target, CopyJournal journal, List<Piece> pieces, CancellationToken cancellationToken)
    {
        var connection = await ConnectAsync(target, cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        await connection.QueryAsync("begin", cancellationToken).ConfigureAwait(false);
        foreach (var drop in await connection.QueryAsync("""
            select format('alter table %s drop constraint %I', conrelid::regclass, conname) from pg_constraint c where contype = 'f' and conparentid = 0
            union all
            select format('drop trigger %I on %s', tgname, tgrelid::regclass) from pg_trigger t where not tgisinternal and coalesce(to_jsonb(t)->>'tgparentid', '0') = '0' and not exists (select from pg_depend d where d.classid = 'pg_trigger'::regclass and d.objid = t.oid and d.deptype = 'e')
            union all
            select format('drop rule %I on %s', rulename, ev_class::regclass) from pg_rewrite r where rulename <> '_RETURN' and r.oid >= 16384 and not exists (select from pg_depend d where d.classid = 'pg_rewrite'::regclass and d.objid = r.oid and d.deptype = 'e')
            union all
            select format('drop event trigger %I', evtname) from pg_event_trigger e where not exists (select from pg_depend d where d.classid = 'pg_event_trigger'::regclass and d.objid = e.oid and d.deptype = 'e')
            """, cancellationToken).ConfigureAwait(false))
            await connection.QueryAsync(drop[0]!, cancellationToken).ConfigureAwait(false);
        await DefinitionScript.ForgetAsync(connection, journal, _after, statement => LooksAtRows().IsMatch(statement.Text), cancellationToken).ConfigureAwait(false);
        if (pieces.Select(piece => piece.Table).Where(table => table.Condition is null).Select(table => $"only {table.QuotedName}").Distinct().ToList() is { Count: > 0 } tables)
            await connection.QueryAsync($"truncate {string.Join(", ", tables)}", cancellationToken).ConfigureAwait(false);
        await connection.QueryAsync("commit", cancellationToken).ConfigureAwait(false);
    }

    // All that will be truncated is emptied, also what was read before that: what refers to each other is truncated together.
    private async Task EmptyTruncatedAsync(ConnectionUrl target, CopyJournal? journal, Func<Task<IReadOnlySet<string>>>? truncated, CancellationToken cancellationToken)
    {
        var told = truncated is null ? new HashSet<string>() : await truncated().ConfigureAwait(false);
        var connection = await ConnectAsync(target, cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        if (_gone.Values.FirstOrDefault(table => !told.Contains(table.Oid)) is { } rewritten)
        {
            // What was read of them is not what was there.
            foreach (var table in _gone.Values)
                await (journal?.ForgetAsync(connection, StepOf(table), cancellationToken) ?? Task.CompletedTask).ConfigureAwait(false);
            throw LogicalSource.Rewritten(_source.Url, rewritten);
        }

        if (Tables.Where(table => told.Contains(table.Oid)).Select(table => $"only {table.QuotedName}").ToList() is { Count: > 0 } all)
            await connection.QueryAsync($"truncate {string.Join(", ", all)}", cancellationToken).ConfigureAwait(false);
    }

    // What an earlier run copied is of another moment. It stays where the rows are the same, and else it is copied again.
    private async Task ProveAsync(ConnectionUrl target, CopyJournal journal, IReporter reporter, CancellationToken cancellationToken)
    {
        var (done, kept) = (Tables.Where(table => journal.IsDone(StepOf(table))).ToList(), 0);
        if (done.Count == 0)
            return;
        reporter.Step($"comparing {done.Count} {(done.Count == 1 ? "table" : "tables")} that were copied before");
        await Parallel.ForEachAsync(done, new ParallelOptions { MaxDegreeOfParallelism = Math.Max(1, Jobs), CancellationToken = cancellationToken }, async (table, token) =>
        {
            var from = await _source.ShareAsync(token).ConfigureAwait(false);
            await using var _ = from.ConfigureAwait(false);
            var into = await LogicalSource.SessionAsync(target, token).ConfigureAwait(false);
            await using var __ = into.ConfigureAwait(false);
            string Digest(string? rows) => $"select concat_ws(' ', count(*), sum(h), sum(i)) from {RowHashes.Rows(RowHash.Text, [table.Columns], $"only {table.QuotedName} t{Where(rows, table.Condition)}")}";
            var isSame = false;
            var isThere = await _source.ReadAsync(from, table, async () =>
            {
                var (there, here) = (from.QueryAsync(Digest(table.Rows), token), into.QueryAsync(Digest(null), token));
                await Task.WhenAll(there, here).ConfigureAwait(false);
                isSame = (await there.ConfigureAwait(false))[0][0] == (await here.ConfigureAwait(false))[0][0];
            }, token).ConfigureAwait(false);
            if (isSame && isThere)
            {
                Interlocked.Increment(ref kept);
                return;
            }

            var writer = await ConnectAsync(target, token).ConfigureAwait(false);
            await using var ___ = writer.ConfigureAwait(false);
            await journal.ForgetAsync(writer, StepOf(table), token).ConfigureAwait(false);
        }).ConfigureAwait(false);
        reporter.Step($"{kept} of them {(kept == 1 ? "is" : "are")} as at the source; the others are copied again");
    }

    private static string Where(params IEnumerable<string?> conditions)
    {
        // What an extension says of its table begins with the word.
        var all = conditions.Where(condition => !string.IsNullOrEmpty(condition)).Select(condition => $"({(condition!.TrimStart().StartsWith("where", StringComparison.OrdinalIgnoreCase) ? condition.TrimStart()[5..] : condition)})").ToList();
        return all.Count == 0 ? "" : " where " + string.Join(" and ", all);
    }

    private async Task<List<Piece>> PiecesAsync(CopyJournal? journal, CancellationToken cancellationToken)
    {
        var pieces = new List<Piece>();
        var session = await _source.ShareAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = session.ConfigureAwait(false);
        IReadOnlyList<SourceTable> tables = [.. Tables.Where(table => !(journal?.IsDone(StepOf(table)) ?? false))];
        var most = Math.Min(PieceBytes, Math.Max(LogicalDump.LargeBytes, tables.Sum(table => table.Bytes) / Math.Max(1, Jobs)));
        foreach (var table in tables)
        {
            // Without columns nothing is to be had by range, and before that version each piece would read all of the table.
            if (table.Bytes <= most || _source.Major < FirstWithRanges || table.Columns.Length == 0 || table.Condition is not null)
            {
                pieces.Add(new(table, null, table.Bytes));
                continue;
            }

            var pages = long.Parse((await session.QueryAsync("select (pg_relation_size($1::oid) / current_setting('block_size')::int)::text", cancellationToken, table.Oid).ConfigureAwait(false))[0][0]!, CultureInfo.InvariantCulture);
            var count = (int)Math.Min((table.Bytes + most - 1) / most, Math.Max(1, pages));
            for (var i = 0; i < count; i++)
            {
                // The last one has no end: the table may have grown.
                var (first, end) = (pages * i / count, pages * (i + 1) / count);
                pieces.Add(new(table, string.Create(CultureInfo.InvariantCulture, $"ctid >= '({first},0)'") + (i == count - 1 ? "" : string.Create(CultureInfo.InvariantCulture, $" and ctid < '({end},0)'")), table.Bytes / count));
            }
        }

        return pieces;
    }

    // Somebody who redefines a table now may have done so in a while.
    private async Task<bool> TryCopyAsync(ScriptConnection from, ScriptConnection into, Piece piece, CopyJournal? journal, Action<long> tell, CancellationToken cancellationToken)
    {
        try
        {
            if (!await _source.ReadAsync(from, piece.Table, () => ApartAsync(() => CopyAsync(from, into, piece, journal, tell, cancellationToken)), cancellationToken).ConfigureAwait(false))
                _gone[piece.Table.Oid] = piece.Table;
            return true;
        }
        catch (PgdException e) when (e.InnerException is PostgresException { SqlState: PostgresErrorCodes.LockNotAvailable } && piece.Attempts < MostAttempts)
        {
            await into.QueryAsync("rollback", cancellationToken).ConfigureAwait(false);
            return false;
        }
    }

    // Who reads takes for the source's what is said meanwhile.
    private static async Task ApartAsync(Func<Task> copy)
    {
        try
        {
            await copy().ConfigureAwait(false);
        }
        catch (PostgresException e)
        {
            throw new TargetRefusal(e);
        }
    }

    private async Task CopyAsync(ScriptConnection from, ScriptConnection into, Piece piece, CopyJournal? journal, Action<long> tell, CancellationToken cancellationToken)
    {
        var table = piece.Table;
        var columns = table.Columns.Length == 0 ? "" : $" ({table.Columns})";
        var where = Where(piece.Range, table.Rows, table.Condition);
        var statement = where.Length == 0 ? LogicalDump.CopyOf(table.QuotedName, table.Columns) : $"copy (select {table.Columns} from only {table.QuotedName}{where}) to stdout";
        // A table that comes in one piece is written as rows that are old already: nobody has to visit them again for that. What an extension put there stays; and a new file for each of many small tables is no gain.
        var isWhole = piece.Range is null && table.Condition is null;
        var isFrozen = isWhole && piece.Bytes > SmallBytes;
        await into.ExecuteAsync(isFrozen ? ["begin", $"truncate only {table.QuotedName}"] : ["begin"], cancellationToken).ConfigureAwait(false);
        string[] options = [.. isFrozen ? (string[])["freeze"] : [], .. table.IsBinary ? (string[])["format binary"] : []];
        await RelayAsync(from, statement + (table.IsBinary ? " (format binary)" : ""), into, $"copy {table.QuotedName}{columns} from stdin{(options.Length == 0 ? "" : $" ({string.Join(", ", options)})")}", isLarge: piece.Bytes > LogicalDump.LargeBytes, tell, cancellationToken).ConfigureAwait(false);
        await (journal?.CommitAsync(into, [], piece.Range is null ? [StepOf(table)] : [], cancellationToken) ?? into.ExecuteAsync(["commit"], cancellationToken)).ConfigureAwait(false);
    }

    private Task RelayAsync(ScriptConnection from, string copyOut, ScriptConnection into, string copyIn, bool isLarge, Action<long> tell, CancellationToken cancellationToken) => into.CopyInAsync(copyIn, async rows =>
    {
        try
        {
            await LogicalDump.CopyAsync(from, copyOut, isLarge, new Told(rows, tell), cancellationToken).ConfigureAwait(false);
        }
        catch (PostgresException e)
        {
            throw _source.Refused(e);
        }
    }, cancellationToken);

    // Their content comes in pieces, as rows of one table, and not in a round trip for each.
    private async Task LargeObjectsAsync(ConnectionUrl target, CopyJournal? journal, CancellationToken cancellationToken)
    {
        var from = await _source.ShareAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = from.ConfigureAwait(false);
        if (!(journal?.WasBegun ?? false) && (await from.QueryAsync("select exists (select from pg_largeobject_metadata)::text", cancellationToken).ConfigureAwait(false))[0][0] != "true")
            return;
        var into = await ConnectAsync(target, cancellationToken).ConfigureAwait(false);
        await using var __ = into.ConfigureAwait(false);
        await into.ExecuteAsync(["begin", LogicalRestore.RowSettings, "create temp table pieces (oid oid, piece bigint, content bytea) on commit drop"], cancellationToken).ConfigureAwait(false);
        var copy = string.Create(CultureInfo.InvariantCulture, $"""
            copy (with recursive pieces (oid, piece, content) as (
                select oid, 0::bigint, lo_get(oid, 0, {LargeObjectPiece}) from pg_largeobject_metadata
                union all select oid, piece + 1, lo_get(oid, (piece + 1) * {LargeObjectPiece}, {LargeObjectPiece}) from pieces where length(content) = {LargeObjectPiece})
            select * from pieces) to stdout (format binary)
            """);
        await RelayAsync(from, copy, into, "copy pieces from stdin (format binary)", isLarge: true, static _ => { }, cancellationToken).ConfigureAwait(false);
        await into.ExecuteAsync(
        [
            "analyze pieces",
            // Of another moment, if an earlier run left any.
            "select count(case when oid in (select oid from pieces) then lo_truncate(lo_open(oid, x'20000'::int), 0) else lo_unlink(oid) end) from pg_largeobject_metadata",
            "select count(lo_create(oid)) from pieces where piece = 0 and oid not in (select oid from pg_largeobject_metadata)",
            string.Create(CultureInfo.InvariantCulture, $"select count(*) from (select lo_put(oid, piece * {LargeObjectPiece}, content) from pieces where length(content) > 0 offset 0) as put"),
            "commit",
        ], cancellationToken).ConfigureAwait(false);
        // Each has a lock on its object until the transaction ends.
        foreach (var some in (await from.QueryAsync(_withOwners ? $"{Rights} union all {Words} order by 1" : $"{Words} order by 1", cancellationToken, _withOwners ? [target.User] : []).ConfigureAwait(false)).Chunk(LargeObjectsTogether))
            await into.ExecuteAsync(["begin", .. some.Select(row => row[1]!), "commit"], cancellationToken).ConfigureAwait(false);
    }

    // What pg_dump would write of them.
    private const string Rights = """
        select 1, format('alter large object %s owner to %I', oid, pg_get_userbyid(lomowner)) from pg_largeobject_metadata where pg_get_userbyid(lomowner) <> $1
        union all select 2, format('revoke all on large object %s from %I', oid, pg_get_userbyid(lomowner)) from pg_largeobject_metadata where lomacl is not null
        union all select 3, format('grant %s on large object %s to %s%s', privilege_type, oid, case grantee when 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end, case when is_grantable then ' with grant option' end) from pg_largeobject_metadata, aclexplode(lomacl)
        """;
    private const string Words = """
        select 4, format('comment on large object %s is %L', objoid, description) from pg_description where classoid = 'pg_largeobject'::regclass
        union all select 5, format('security label for %I on large object %s is %L', provider, objoid, label) from pg_seclabel where classoid = 'pg_largeobject'::regclass
        """;

    [GeneratedRegex(@"^(CREATE|ALTER) PUBLICATION pgd_[0-9a-f]{8}(_truncated)?\b|^(CREATE|ALTER) SCHEMA pgd_replicate\b|^COMMENT ON SCHEMA pgd_replicate\b")]
    private static partial Regex Ours();

    [GeneratedRegex(@"^(ALTER TABLE (ONLY )?.+\s+ADD CONSTRAINT .+ FOREIGN KEY |CREATE (CONSTRAINT |EVENT )?TRIGGER |CREATE RULE |ALTER TABLE .+ (ENABLE|DISABLE) (REPLICA |ALWAYS )?(TRIGGER|RULE) |ALTER EVENT TRIGGER |COMMENT ON (CONSTRAINT|TRIGGER|RULE|EVENT TRIGGER) )", RegexOptions.Singleline)]
    private static partial Regex LooksAtRows();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Spaces();

    /// <summary>A stream that tells how much is written to it.</summary>
    private sealed class Told(Stream target, Action<long> tell) : WriteLayer
    {
        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            await target.WriteAsync(buffer, cancellationToken).ConfigureAwait(false);
            tell(buffer.Length);
        }

        public override ValueTask CompleteAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;
    }

    /// <summary>What the target says while the source is read.</summary>
    private sealed class TargetRefusal(PostgresException e) : Exception(e.MessageText, e);

    /// <summary>What one session reads at a time.</summary>
    private sealed record Piece(SourceTable Table, string? Range, long Bytes)
    {
        /// <summary>How often it could not be had.</summary>
        public int Attempts { get; init; }
    }
}
