using System.Globalization;
using System.Text;
using Pgd.Linux;
using Pgd.Queries;

namespace Pgd.Backups;

/// <summary>
/// Writes a moment of MariaDB into a repository, by the column that says when rows were changed: definitions as the dump program writes them, and rows as statements that every server reads. What is stored is
/// what is restored: one part after the other is a script.
/// </summary>
/// <param name="moment">The moment.</param>
/// <param name="chain">What it builds on, the full one first; empty to write all.</param>
/// <param name="prefix">Where it goes.</param>
/// <param name="repository">The repository.</param>
/// <param name="reporter">Hears how far it is.</param>
internal sealed class MariaDbRows(MariaDbMoment moment, IReadOnlyList<StoredBackup> chain, string prefix, BackupRepository repository, IReporter reporter)
{
    /// <summary>What is defined before there are rows, and what after them, because it would act on them or reads them.</summary>
    public const string BeforeData = "definitions/before-data.sql", Routines = "definitions/routines.sql", Triggers = "definitions/triggers.sql";

    private readonly Dictionary<string, BackedUpTable> _earlier = chain.Count == 0 ? [] : chain[^1].Manifest!.Database!.Tables.Where(table => table is { Identity: not null, Hashes: not null }).ToDictionary(table => table.Identity!, StringComparer.Ordinal);

    /// <summary>All of them, in their order.</summary>
    public static IReadOnlyList<string> Definitions { get; } = [BeforeData, Routines, Triggers];

    /// <exception cref="PgdException">Something of it may not be read, a table is redefined meanwhile, or the repository refuses.</exception>
    public async Task<DatabaseContent> WriteAsync(ChangedBy by, bool isPartial, CancellationToken cancellationToken)
    {
        var (parts, tables) = (new List<StoredPart>(), new List<BackedUpTable>());
        using (var client = new MariaDbClient(moment.Source))
        {
            foreach (var (key, arguments) in DefinitionArguments(isPartial))
                parts.Add(await repository.WriteAsync(prefix + key, (stream, token) => MariaDbDump.WriteAsync(moment.Source, client, arguments, withSandbox: false, stream, token), compress: true, cancellationToken).ConfigureAwait(false));
        }

        Fault.Here("backup:definitions");
        var (total, done) = (moment.Tables.Sum(table => table.Bytes), 0L);
        foreach (var (group, i) in LogicalDump.Together(moment.Tables, table => table.Bytes).Select((group, i) => (group, i)))
        {
            var key = string.Create(CultureInfo.InvariantCulture, $"data/{i:D5}.sql");
            var hashes = new KeyHashesPart(string.Create(CultureInfo.InvariantCulture, $"data/{i:D5}.keys"));
            parts.Add(await repository.WriteAsync(prefix + key, async (stream, token) =>
            {
                var offset = 0L;
                foreach (var table in group)
                {
                    var written = await WriteAsync(by, table, hashes, stream, token).ConfigureAwait(false) with { Part = key, Offset = offset };
                    tables.Add(written);
                    offset += written.AllBytes;
                    reporter.Progress($"backing up {moment.Source.Database}", done += table.Bytes, total);
                }
            }, compress: true, cancellationToken).ConfigureAwait(false));
            if (!hashes.IsEmpty)
                parts.Add(await repository.WriteAsync(prefix + hashes.Key, hashes.WriteAsync, compress: true, cancellationToken).ConfigureAwait(false));
            Fault.Here("backup:part");
        }

        await moment.ProveAsync(cancellationToken).ConfigureAwait(false);
        return new()
        {
            Name = moment.Source.Database,
            IsPartial = isPartial,
            ChangedBy = moment.ChangedBy,
            Tables = [.. tables.OrderBy(table => table.Name, StringComparer.Ordinal)],
            Parts = [.. parts.OrderBy(part => part.Key, StringComparer.Ordinal)],
        };
    }

    private IEnumerable<(string Key, IReadOnlyList<string> Arguments)> DefinitionArguments(bool isPartial)
    {
        var database = moment.Source.Database;
        if (isPartial)
        {
            yield return (BeforeData, ["--no-data", "--skip-triggers", "--", database, .. moment.Stored]);
            yield return (Triggers, ["--no-data", "--no-create-info", "--triggers", "--", database, .. moment.Stored]);
            yield break;
        }

        yield return (BeforeData, ["--no-data", "--skip-triggers", .. moment.Views.Select(Ignored), "--", database]);
        // Views after the routines that they call: so they are written together.
        yield return (Routines, ["--no-data", "--skip-triggers", "--routines", "--events", .. moment.Stored.Select(Ignored), "--", database]);
        yield return (Triggers, ["--no-data", "--no-create-info", "--triggers", "--", database]);

        string Ignored(string name) => $"--ignore-table={database}.{name}";
    }

    private async Task<BackedUpTable> WriteAsync(ChangedBy by, MariaDbTable table, KeyHashesPart hashes, Stream target, CancellationToken cancellationToken)
    {
        var (name, hash) = (MariaDbMoment.Quoted(table.Name), table.CanBeTold ? table.Hash("") : "0");
        var written = new BackedUpTable(moment.Source.Database, table.Name, string.Join(", ", table.Columns.Select(column => MariaDbMoment.Quoted(column.Name))), 0, "", 0, 0) { Identity = table.Identity };
        // To the savepoint, or whoever redefines a table would wait until all of the backup is done.
        await moment.AskAsync("savepoint pgd", cancellationToken).ConfigureAwait(false);
        try
        {
            if (table.Identity is not null && _earlier.GetValueOrDefault(table.Identity) is { } had)
            {
                var later = table.IsLater(by, chain[^1].Manifest!.Database!.ChangedBy!.LowWatermark, moment.DataAsOf);
                var now = RowCounts.Of((await moment.AskAsync($"select count(*), coalesce(sum(not later), 0), coalesce(sum(hash), 0), coalesce(sum(if(later, 0, hash)), 0) from (select {hash} as hash, {later} as later from {name}) t", cancellationToken).ConfigureAwait(false))[0]);
                if (await RowDifference.FindAsync(had, now, () => KeyHashes.ReadAsync(repository, chain, had, cancellationToken), (onlyLater, see) => KeysAsync($"select {hash}, {later} from {name}{(onlyLater ? $" where {later}" : "")}", see, cancellationToken)).ConfigureAwait(false) is { } difference)
                {
                    var gone = await GoneAsync(table, difference.Gone, target, cancellationToken).ConfigureAwait(false);
                    var old = difference.Old.Count == 0 ? "" : $" or {hash} in ({string.Join(',', difference.Old)})";
                    var rows = difference.Added.Length == 0 ? default : await RowsAsync(table, $" where {later}{old}", target, cancellationToken).ConfigureAwait(false);
                    return written with { Rows = now.All, Bytes = rows.Bytes, Changes = new(had.Rows, had.Rows - difference.Gone.Length, gone) { IsByHash = true }, Hashes = hashes.Add(difference.Gone, difference.Added, now.Sum) };
                }
            }

            var all = await RowsAsync(table, "", target, cancellationToken).ConfigureAwait(false);
            var keys = new List<long>();
            if (table.CanBeTold)
                await KeysAsync($"select {hash}, 1 from {name}", (key, _) => keys.Add(key), cancellationToken).ConfigureAwait(false);
            // Two rows whose keys look the same could not be told from each other: there is no building on that.
            return written with { Rows = all.Rows, Bytes = all.Bytes, Hashes = table.CanBeTold && keys.Distinct().Count() == keys.Count ? hashes.Add([], [.. keys], KeyHashes.SumOf(keys)) : null };
        }
        finally
        {
            // After an error there is no session.
            if (moment.IsOpen)
                await moment.AskAsync("rollback to savepoint pgd", cancellationToken).ConfigureAwait(false);
        }
    }

    private Task KeysAsync(string select, Action<long, bool> see, CancellationToken cancellationToken) => moment.ReadAsync(select, row =>
    {
        see(long.Parse(row[0].Span, CultureInfo.InvariantCulture), row[1].Span is [(byte)'1']);
        return ValueTask.CompletedTask;
    }, cancellationToken);

    // The table itself is read once, and each of its keys looked for among those that go.
    private static async Task<long> GoneAsync(MariaDbTable table, long[] gone, Stream target, CancellationToken cancellationToken)
    {
        if (gone.Length == 0)
            return 0;
        var text = new StringBuilder("CREATE TEMPORARY TABLE `pgd gone` (h bigint unsigned NOT NULL PRIMARY KEY) ENGINE=InnoDB;\n");
        var bytes = 0L;
        foreach (var some in gone.Chunk(10_000))
        {
            text.Append("INSERT INTO `pgd gone` VALUES (").AppendJoin("),(", some).Append(");\n");
            await SayAsync().ConfigureAwait(false);
        }

        text.Append(CultureInfo.InvariantCulture, $"DELETE t FROM {MariaDbMoment.Quoted(table.Name)} AS t STRAIGHT_JOIN `pgd gone` AS g ON g.h = {table.Hash("t.")};\nDROP TEMPORARY TABLE `pgd gone`;\n");
        await SayAsync().ConfigureAwait(false);
        return bytes;

        async Task SayAsync()
        {
            var said = Encoding.UTF8.GetBytes(text.ToString());
            bytes += said.Length;
            text.Clear();
            await target.WriteAsync(said, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task<(long Bytes, long Rows)> RowsAsync(MariaDbTable table, string where, Stream target, CancellationToken cancellationToken)
    {
        var inserts = new MariaDbInserts(table, target);
        await moment.ReadAsync($"select {inserts.Select} from {MariaDbMoment.Quoted(table.Name)}{where}", row => inserts.AddAsync(row, cancellationToken), cancellationToken).ConfigureAwait(false);
        await inserts.EndAsync(cancellationToken).ConfigureAwait(false);
        return (inserts.Bytes, inserts.Rows);
    }
}
