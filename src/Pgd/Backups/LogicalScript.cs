using System.Globalization;
using System.Text;

namespace Pgd.Backups;

/// <summary>A logical backup of PostgreSQL as one script for <c>psql</c>: definitions, rows, large objects, where the sequences stand, and then what is built on rows. It is never in memory as a whole.</summary>
/// <param name="manifest">The backup.</param>
/// <param name="prefix">Where its objects are.</param>
/// <param name="definitions">Which definitions of it: with owners, or those of <see cref="LogicalDump.WithoutOwners"/>.</param>
/// <param name="open">Opens an object, by its name below the prefix.</param>
/// <param name="reporter">Hears how far it is.</param>
internal sealed class LogicalScript(BackupManifest manifest, string prefix, string definitions, Func<string, CancellationToken, Task<Stream>> open, IReporter reporter)
{
    private readonly DatabaseContent _content = manifest.Database!;

    public async Task WriteAsync(Stream target, CancellationToken cancellationToken)
    {
        await CopyAsync(definitions + LogicalDump.BeforeData, target, cancellationToken).ConfigureAwait(false);
        // What the database or the role sets must not change what is read.
        await SayAsync(target, "\nSET DateStyle = 'ISO, YMD';\nSET IntervalStyle = 'postgres';\n\n", cancellationToken).ConfigureAwait(false);
        await RowsAsync(target, cancellationToken).ConfigureAwait(false);
        if (_content.LargeObjects > 0)
            await LargeObjectsAsync(target, cancellationToken).ConfigureAwait(false);
        foreach (var sequence in _content.Sequences)
            await SayAsync(target, string.Create(CultureInfo.InvariantCulture, $"SELECT pg_catalog.setval('{LogicalSource.QuotedName(sequence.Schema, sequence.Name).Replace("'", "''", StringComparison.Ordinal)}', {sequence.Value}, {(sequence.IsCalled ? "true" : "false")});\n"), cancellationToken).ConfigureAwait(false);
        await CopyAsync(definitions + LogicalDump.AfterData, target, cancellationToken).ConfigureAwait(false);
    }

    private async Task RowsAsync(Stream target, CancellationToken cancellationToken)
    {
        var (total, done) = (_content.Tables.Sum(table => table.Bytes), 0L);
        var buffer = new byte[64 << 10];
        foreach (var together in _content.Tables.GroupBy(table => table.Part).OrderBy(part => part.Key, StringComparer.Ordinal))
        {
            var stored = await open(together.Key, cancellationToken).ConfigureAwait(false);
            await using var _ = stored.ConfigureAwait(false);
            var position = 0L;
            foreach (var table in together.OrderBy(table => table.Offset).ThenBy(table => table.Bytes))
            {
                if (table.Offset != position)
                    throw Damaged(together.Key, $"the rows of {table.Schema}.{table.Name} do not begin where the manifest says");
                await SayAsync(target, $"COPY {LogicalSource.QuotedName(table.Schema, table.Name)}{(table.Columns.Length == 0 ? "" : $" ({table.Columns})")} FROM stdin;\n", cancellationToken).ConfigureAwait(false);
                for (var left = table.Bytes; left > 0;)
                {
                    var read = await stored.ReadAsync(buffer.AsMemory(0, (int)Math.Min(buffer.Length, left)), cancellationToken).ConfigureAwait(false);
                    if (read == 0)
                        throw Damaged(together.Key, "it ends early");
                    await target.WriteAsync(buffer.AsMemory(0, read), cancellationToken).ConfigureAwait(false);
                    left -= read;
                }

                await SayAsync(target, "\\.\n\n", cancellationToken).ConfigureAwait(false);
                position += table.Bytes;
                reporter.Progress($"exporting {manifest.Id}", done += table.Bytes, total);
            }

            if (await stored.ReadAsync(buffer, cancellationToken).ConfigureAwait(false) != 0)
                throw Damaged(together.Key, "it has more than the manifest says");
        }
    }

    private async Task LargeObjectsAsync(Stream target, CancellationToken cancellationToken)
    {
        using var lines = new StreamReader(await open(LogicalDump.LargeObjects, cancellationToken).ConfigureAwait(false), Encoding.ASCII);
        var last = "";
        while (await lines.ReadLineAsync(cancellationToken).ConfigureAwait(false) is { } line)
        {
            if (line.Split('\t') is not [var oid, var offset, var digits] || !$"{oid}{offset}".All(char.IsAsciiDigit) || !digits.All(char.IsAsciiHexDigit))
                throw Damaged(LogicalDump.LargeObjects, "a line of it is no piece of a large object");
            // Up to version 16 of pg_dump the definitions make it.
            if (oid != last)
                await SayAsync(target, $"SELECT pg_catalog.lo_create({oid}) WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_largeobject_metadata WHERE oid = {oid});\n", cancellationToken).ConfigureAwait(false);
            if (digits.Length > 0)
                await SayAsync(target, $"SELECT pg_catalog.lo_put({oid}, {offset}, '\\x{digits}');\n", cancellationToken).ConfigureAwait(false);
            last = oid;
        }
    }

    private async Task CopyAsync(string key, Stream target, CancellationToken cancellationToken)
    {
        var stored = await open(key, cancellationToken).ConfigureAwait(false);
        await using var _ = stored.ConfigureAwait(false);
        await stored.CopyToAsync(target, cancellationToken).ConfigureAwait(false);
    }

    private static ValueTask SayAsync(Stream target, string text, CancellationToken cancellationToken) => target.WriteAsync(Encoding.UTF8.GetBytes(text), cancellationToken);

    private PgdException Damaged(string key, string what) => new(ExitCode.Failed, $"{prefix}{key} is damaged: {what}", "What is damaged is not exported; choose another backup: dotnet pgd backup list");
}
