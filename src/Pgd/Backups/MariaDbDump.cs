using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Pgd.Postgres;
using Pgd.Queries;

namespace Pgd.Backups;

/// <summary>A database of MariaDB or MySQL as its own dump program writes it: all of one moment, and without making anybody there wait.</summary>
internal sealed partial class MariaDbDump : IDisposable
{
    public const string Engine = "mariadb", Key = "data/dump.sql";

    /// <summary>Which server it is, as far as it says so.</summary>
    public const string Place = "concat_ws('/', @@hostname, @@port, @@datadir)";

    private const string Completed = "-- Dump completed";
    // MariaDB's programs begin with it since 2024, and MySQL's and older ones stop at it.
    private static readonly byte[] Sandbox = "/*!999999\\- enable the sandbox mode */"u8.ToArray();

    private readonly MariaDbSource _source;
    private readonly MariaDbClient _client;
    private readonly IReadOnlyList<string> _tables;
    private readonly bool _isPartial;

    private MariaDbDump(MariaDbSource source, MariaDbClient client, IReadOnlyList<string> tables, bool isPartial) => (_source, _client, _tables, _isPartial) = (source, client, tables, isPartial);

    /// <summary>The server's version.</summary>
    public required string Version { get; init; }

    /// <summary>What has to be the same for a later backup to build on this one.</summary>
    public required string History { get; init; }

    /// <summary>The server's clock.</summary>
    public required DateTimeOffset DataAsOf { get; init; }

    public DatabaseContent Content => new() { Name = _source.Database, IsPartial = _isPartial, Tables = [.. _tables.Select(table => new BackedUpTable(_source.Database, table, "", -1, Key, 0, 0))] };

    /// <exception cref="PgdException">It does not answer, has no such table, or one whose engine knows no moments (<see cref="ExitCode.Unsafe"/>).</exception>
    public static async Task<MariaDbDump> OpenAsync(MariaDbSource source, TableSelection selection, CancellationToken cancellationToken)
    {
        RequireDatabase(source);
        var rows = new Rows();
        var session = await QuerySession.OpenAsync(source, null, cancellationToken).ConfigureAwait(false);
        await using (session.ConfigureAwait(false))
        {
            await session.RunAsync(new("", $"select version(), cast(utc_timestamp(6) as char), {Place}"), write: false, rows, cancellationToken).ConfigureAwait(false);
            await session.RunAsync(new("", "select table_name, coalesce(engine, '') from information_schema.tables where table_schema = database() and table_type = 'BASE TABLE' order by 1"), write: false, rows, cancellationToken).ConfigureAwait(false);
        }

        var said = rows.All[0];
        var tables = selection.Choose(rows.All[1..], table => (source.Database, table[0]!));
        RefuseWithoutTransactions(source, tables.Select(table => (table[0]!, table[1]!)));
        return new(source, new(source), [.. tables.Select(table => table[0]!)], selection.IsPartial)
        {
            Version = said[0]!,
            History = said[2]!,
            DataAsOf = DateTimeOffset.Parse(said[1]!, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal),
        };
    }

    /// <summary>The server's address, in place of a number of its own.</summary>
    public static string SystemOf(MariaDbSource source) => State.Layout.ShortHash($"{source.Host}:{source.Port}{source.Socket}");

    /// <exception cref="PgdException">None is named (<see cref="ExitCode.Misuse"/>).</exception>
    public static void RequireDatabase(MariaDbSource source)
    {
        if (source.Database.Length == 0)
            throw new PgdException(ExitCode.Misuse, $"{source} names no database", "Write mariadb://USER@HOST/DATABASE, or add --database NAME.");
    }

    /// <exception cref="PgdException">One of the tables is kept by an engine that knows no moments (<see cref="ExitCode.Unsafe"/>).</exception>
    public static void RefuseWithoutTransactions(MariaDbSource source, IEnumerable<(string Name, string Engine)> tables)
    {
        if (tables.FirstOrDefault(table => table.Engine is not ("InnoDB" or "")) is { Name: { } name } other)
            throw new PgdException(ExitCode.Unsafe, $"the table {name} of {source} is kept by {other.Engine}, which knows no transactions: what is written meanwhile would be in the backup by halves", $"ALTER TABLE {name} ENGINE=InnoDB; or leave it out: --exclude-table {name}");
    }

    /// <summary>Writes the dump.</summary>
    /// <exception cref="PgdException">The program fails, or what it wrote has no end.</exception>
    public async Task WriteAsync(Stream target, CancellationToken cancellationToken)
    {
        List<string> arguments = ["--single-transaction", "--quick", "--triggers", "--hex-blob"];
        // They belong to the database, not to a table.
        if (!_isPartial)
            arguments.AddRange(["--routines", "--events"]);
        arguments.AddRange(["--", _source.Database]);
        if (_isPartial)
            arguments.AddRange(_tables);
        await WriteAsync(_source, _client, arguments, withSandbox: true, target, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Writes what the dump program says.</summary>
    /// <exception cref="PgdException">The program fails, or what it wrote has no end.</exception>
    public static async Task WriteAsync(MariaDbSource source, MariaDbClient client, IEnumerable<string> arguments, bool withSandbox, Stream target, CancellationToken cancellationToken)
    {
        var tail = "";
        await RunAsync(client.Start(MariaDbClient.Find("mariadb-dump", "mysqldump"), ["--no-tablespaces", "--skip-lock-tables", .. arguments]), null, async output =>
        {
            var buffer = new byte[64 << 10];
            if (!withSandbox && await output.ReadAtLeastAsync(buffer.AsMemory(0, Sandbox.Length), Sandbox.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false) is var head && !buffer.AsSpan(0, head).SequenceEqual(Sandbox))
                await target.WriteAsync(buffer.AsMemory(0, head), cancellationToken).ConfigureAwait(false);
            while (await output.ReadAsync(buffer, cancellationToken).ConfigureAwait(false) is var read and > 0)
            {
                await target.WriteAsync(buffer.AsMemory(0, read), cancellationToken).ConfigureAwait(false);
                tail = (tail + Encoding.Latin1.GetString(buffer, Math.Max(0, read - 200), Math.Min(read, 200)))[^Math.Min(200, tail.Length + Math.Min(read, 200))..];
            }
        }, cancellationToken).ConfigureAwait(false);
        if (!tail.Contains(Completed, StringComparison.Ordinal))
            throw new PgdException(ExitCode.Failed, $"the dump of {source} has no end", "Make the backup again.");
    }

    /// <summary>Restores a dump into a database that does not have its tables.</summary>
    /// <exception cref="PgdException">The database has one of them (<see cref="ExitCode.Exists"/>), or the server refuses a statement; the database is then half full.</exception>
    public static async Task RestoreAsync(MariaDbSource target, BackupRepository repository, IReadOnlyList<StoredBackup> chain, IReporter reporter, CancellationToken cancellationToken)
    {
        var (manifest, prefix, rows) = (chain[^1].Manifest!, chain[^1].Prefix, new Rows());
        var session = await QuerySession.OpenAsync(target, null, cancellationToken).ConfigureAwait(false);
        await using (session.ConfigureAwait(false))
            await session.RunAsync(new("", "select table_name from information_schema.tables where table_schema = database()"), write: false, rows, cancellationToken).ConfigureAwait(false);
        var there = rows.All.Select(row => row[0]!).ToList();
        var content = manifest.Database!;
        var taken = content.IsPartial ? [.. there.Intersect(content.Tables.Select(table => table.Name))] : there;
        if (taken.Count > 0)
            throw new PgdException(ExitCode.Exists, $"{target} has {string.Join(", ", taken.Take(3))}{(taken.Count > 3 ? $" and {taken.Count - 3} more" : "")} already", "Nothing was changed. Restore into an empty database.");
        using var client = new MariaDbClient(target);
        try
        {
            // --binary-mode: what is in a value cannot call other programs or read files.
            await RunAsync(client.Start(MariaDbClient.Find("mariadb", "mysql"), ["--binary-mode", "--skip-reconnect", "--max-allowed-packet=1G", $"--database={target.Database}"]), async input =>
            {
                if (content.ChangedBy is not null)
                {
                    await new MariaDbScript(chain, (key, token) => repository.ReadAsync(key, compressed: true, token), "restoring", reporter).WriteAsync(input, cancellationToken).ConfigureAwait(false);
                    return;
                }

                var stored = await repository.ReadAsync(prefix + Key, compressed: true, cancellationToken).ConfigureAwait(false);
                await using var _ = stored.ConfigureAwait(false);
                var head = new byte[Sandbox.Length];
                var length = await stored.ReadAtLeastAsync(head, head.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
                if (!head.AsSpan(0, length).SequenceEqual(Sandbox))
                    await input.WriteAsync(head.AsMemory(0, length), cancellationToken).ConfigureAwait(false);
                await stored.CopyToAsync(input, cancellationToken).ConfigureAwait(false);
            }, null, cancellationToken).ConfigureAwait(false);
        }
        catch (PgdException e) when (ErrorLine().Match(e.Message) is { Success: true } refused)
        {
            // Without the statement, which has the rows.
            throw new PgdException(ExitCode.Failed, $"{target} refused a part of {manifest.Id}: {refused.Groups["message"].Value.Trim()}", "The database is half full now. Drop and make it again before the next try.");
        }

        if (content.ChangedBy is not null)
            await ProveAsync(target, manifest, cancellationToken).ConfigureAwait(false);
    }

    private static async Task ProveAsync(MariaDbSource target, BackupManifest manifest, CancellationToken cancellationToken)
    {
        var session = await QuerySession.OpenAsync(target, null, cancellationToken).ConfigureAwait(false);
        await using var _ = session.ConfigureAwait(false);
        foreach (var table in manifest.Database!.Tables)
        {
            var rows = new Rows();
            await session.RunAsync(new("", $"select count(*) from {MariaDbMoment.Quoted(table.Name)}"), write: false, rows, cancellationToken).ConfigureAwait(false);
            if (rows.All[0][0] != table.Rows.ToString(CultureInfo.InvariantCulture))
                throw new PgdException(ExitCode.Failed, $"{manifest.Id} is damaged: {table.Name} has {rows.All[0][0]} rows instead of {table.Rows}", "Drop the database again, and choose another backup: dotnet pgd backup list");
        }
    }

    public void Dispose() => _client.Dispose();

    private static async Task RunAsync(ProcessStartInfo start, Func<Stream, Task>? feed, Func<Stream, Task>? read, CancellationToken cancellationToken)
    {
        // Streams of bytes, not of text.
        (start.StandardInputEncoding, start.StandardOutputEncoding) = (null, null);
        await DumpProgram.RunAsync(start, feed, read, null, cancellationToken).ConfigureAwait(false);
    }

    [GeneratedRegex(@"^ERROR \d+ \(\w+\)(?: at line \d+)?: (?<message>.*)", RegexOptions.Multiline)]
    private static partial Regex ErrorLine();

    /// <summary>Keeps what a session returns.</summary>
    internal sealed class Rows : IQueryResults
    {
        public List<IReadOnlyList<string?>> All { get; } = [];

        public void Begin(IReadOnlyList<QueryColumn> columns)
        {
        }

        public void Row(IReadOnlyList<string?> values) => All.Add([.. values]);

        public void End(string command)
        {
        }
    }
}
