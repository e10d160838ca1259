using System.Diagnostics;
using System.Globalization;
using System.Text;
using Pgd.Postgres;
using Pgd.Queries;

namespace Pgd.Backups;

/// <summary>A database of MariaDB or MySQL as its own dump program writes it: all of one moment, and without making anybody there wait.</summary>
internal sealed class MariaDbDump : IDisposable
{
    public const string Engine = "mariadb", Key = "data/dump.sql";

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

    /// <summary>The server's clock.</summary>
    public required DateTimeOffset DataAsOf { get; init; }

    public DatabaseContent Content => new() { Name = _source.Database, IsPartial = _isPartial, Tables = [.. _tables.Select(table => new BackedUpTable(_source.Database, table, "", -1, Key, 0, 0))] };

    /// <exception cref="PgdException">It does not answer, has no such table, or one whose engine knows no moments (<see cref="ExitCode.Unsafe"/>).</exception>
    public static async Task<MariaDbDump> OpenAsync(MariaDbSource source, TableSelection selection, CancellationToken cancellationToken)
    {
        if (source.Database.Length == 0)
            throw new PgdException(ExitCode.Misuse, $"{source} names no database", "Write mariadb://USER@HOST/DATABASE, or add --database NAME.");
        var rows = new Rows();
        var session = await QuerySession.OpenAsync(source, null, cancellationToken).ConfigureAwait(false);
        await using (session.ConfigureAwait(false))
        {
            await session.RunAsync(new("", "select version(), cast(utc_timestamp(6) as char)"), write: false, rows, cancellationToken).ConfigureAwait(false);
            await session.RunAsync(new("", "select table_name, coalesce(engine, '') from information_schema.tables where table_schema = database() and table_type = 'BASE TABLE' order by 1"), write: false, rows, cancellationToken).ConfigureAwait(false);
        }

        var said = rows.All[0];
        var tables = selection.Choose(rows.All[1..], table => (source.Database, table[0]!));
        if (tables.FirstOrDefault(table => table[1] is not ("InnoDB" or "")) is { } other)
            throw new PgdException(ExitCode.Unsafe, $"the table {other[0]} of {source} is kept by {other[1]}, which knows no transactions: what is written meanwhile would be in the backup by halves", $"ALTER TABLE {other[0]} ENGINE=InnoDB; or leave it out: --exclude-table {other[0]}");
        return new(source, new(source), [.. tables.Select(table => table[0]!)], selection.IsPartial)
        {
            Version = said[0]!,
            DataAsOf = DateTimeOffset.Parse(said[1]!, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal),
        };
    }

    /// <summary>Writes the dump.</summary>
    /// <exception cref="PgdException">The program fails, or what it wrote has no end.</exception>
    public async Task WriteAsync(Stream target, CancellationToken cancellationToken)
    {
        List<string> arguments = ["--single-transaction", "--quick", "--triggers", "--hex-blob", "--no-tablespaces", "--skip-lock-tables"];
        // They belong to the database, not to a table.
        if (!_isPartial)
            arguments.AddRange(["--routines", "--events"]);
        arguments.AddRange(["--", _source.Database]);
        if (_isPartial)
            arguments.AddRange(_tables);
        var tail = "";
        await RunAsync(_client.Start(MariaDbClient.Find("mariadb-dump", "mysqldump"), arguments), null, async output =>
        {
            var buffer = new byte[64 << 10];
            while (await output.ReadAsync(buffer, cancellationToken).ConfigureAwait(false) is var read and > 0)
            {
                await target.WriteAsync(buffer.AsMemory(0, read), cancellationToken).ConfigureAwait(false);
                tail = (tail + Encoding.Latin1.GetString(buffer, Math.Max(0, read - 200), Math.Min(read, 200)))[^Math.Min(200, tail.Length + Math.Min(read, 200))..];
            }
        }, cancellationToken).ConfigureAwait(false);
        if (!tail.Contains(Completed, StringComparison.Ordinal))
            throw new PgdException(ExitCode.Failed, $"the dump of {_source} has no end", "Make the backup again.");
    }

    /// <summary>Restores a dump into a database that does not have its tables.</summary>
    /// <exception cref="PgdException">The database has one of them (<see cref="ExitCode.Exists"/>), or the server refuses a statement; the database is then half full.</exception>
    public static async Task RestoreAsync(MariaDbSource target, BackupRepository repository, BackupManifest manifest, string prefix, CancellationToken cancellationToken)
    {
        var rows = new Rows();
        var session = await QuerySession.OpenAsync(target, null, cancellationToken).ConfigureAwait(false);
        await using (session.ConfigureAwait(false))
            await session.RunAsync(new("", "select table_name from information_schema.tables where table_schema = database()"), write: false, rows, cancellationToken).ConfigureAwait(false);
        var there = rows.All.Select(row => row[0]!).ToList();
        var content = manifest.Database!;
        var taken = content.IsPartial ? [.. there.Intersect(content.Tables.Select(table => table.Name))] : there;
        if (taken.Count > 0)
            throw new PgdException(ExitCode.Exists, $"{target} has {string.Join(", ", taken.Take(3))}{(taken.Count > 3 ? $" and {taken.Count - 3} more" : "")} already", "Nothing was changed. Restore into an empty database.");
        using var client = new MariaDbClient(target);
        // --binary-mode: what is in a value cannot call other programs or read files.
        await RunAsync(client.Start(MariaDbClient.Find("mariadb", "mysql"), ["--binary-mode", "--skip-reconnect", $"--database={target.Database}"]), async input =>
        {
            var stored = await repository.ReadAsync(prefix + Key, compressed: true, cancellationToken).ConfigureAwait(false);
            await using var _ = stored.ConfigureAwait(false);
            var head = new byte[Sandbox.Length];
            var length = await stored.ReadAtLeastAsync(head, head.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
            if (!head.AsSpan(0, length).SequenceEqual(Sandbox))
                await input.WriteAsync(head.AsMemory(0, length), cancellationToken).ConfigureAwait(false);
            await stored.CopyToAsync(input, cancellationToken).ConfigureAwait(false);
        }, null, cancellationToken).ConfigureAwait(false);
    }

    public void Dispose() => _client.Dispose();

    private static async Task RunAsync(ProcessStartInfo start, Func<Stream, Task>? feed, Func<Stream, Task>? read, CancellationToken cancellationToken)
    {
        // Streams of bytes, not of text.
        (start.StandardInputEncoding, start.StandardOutputEncoding) = (null, null);
        await DumpProgram.RunAsync(start, feed, read, null, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Keeps what a session returns.</summary>
    private sealed class Rows : IQueryResults
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
