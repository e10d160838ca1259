using System.Globalization;
using System.Text;

namespace Pgd.Backups;

/// <summary>A logical backup of PostgreSQL as one script for <c>psql</c>: definitions, rows, large objects, where the sequences stand, and then what is built on rows. It is never in memory as a whole.</summary>
/// <param name="chain">The backup, after those that it builds on.</param>
/// <param name="definitions">Which definitions of it: with owners, or those of <see cref="LogicalDump.WithoutOwners"/>.</param>
/// <param name="open">Opens an object.</param>
/// <param name="reporter">Hears how far it is.</param>
internal sealed class LogicalScript(IReadOnlyList<StoredBackup> chain, string definitions, Func<string, CancellationToken, Task<Stream>> open, IReporter reporter)
{
    private readonly DatabaseContent _content = chain[^1].Manifest!.Database!;
    private readonly string _prefix = chain[^1].Prefix;

    public async Task WriteAsync(Stream target, CancellationToken cancellationToken)
    {
        await CopyAsync(definitions + LogicalDump.BeforeData, target, cancellationToken).ConfigureAwait(false);
        // What the database or the role sets must not change what is read.
        await SayAsync(target, "\nSET TimeZone = 'UTC';\nSET DateStyle = 'ISO, YMD';\nSET IntervalStyle = 'postgres';\nSET bytea_output = 'hex';\nSET extra_float_digits = 3;\n\n", cancellationToken).ConfigureAwait(false);
        await RowsAsync(target, cancellationToken).ConfigureAwait(false);
        if (_content.LargeObjects > 0)
            await LargeObjectsAsync(target, cancellationToken).ConfigureAwait(false);
        foreach (var sequence in _content.Sequences)
            await SayAsync(target, string.Create(CultureInfo.InvariantCulture, $"SELECT pg_catalog.setval('{LogicalSource.QuotedName(sequence.Schema, sequence.Name).Replace("'", "''", StringComparison.Ordinal)}', {sequence.Value}, {(sequence.IsCalled ? "true" : "false")});\n"), cancellationToken).ConfigureAwait(false);
        await CopyAsync(definitions + LogicalDump.AfterData, target, cancellationToken).ConfigureAwait(false);
    }

    private Task RowsAsync(Stream target, CancellationToken cancellationToken) => RowChain.ReadAsync(chain, open, Damaged, async (table, now, part, progress) =>
    {
        await TableAsync(table, LogicalSource.QuotedName(now.Schema, now.Name), part, target, cancellationToken).ConfigureAwait(false);
        reporter.Progress($"exporting {chain[^1].Backup.Id}", progress.Done + table.AllBytes, progress.Total);
    }, cancellationToken);

    private static async Task TableAsync(BackedUpTable table, string name, PartReader part, Stream target, CancellationToken cancellationToken)
    {
        if (table.Changes is { KeyBytes: > 0 } changes)
        {
            var (keys, make, delete) = changes.IsByHash ? (RowChanges.GoneTable, RowChanges.MakeGoneTable, RowChanges.DeleteGone(name, table.Key!)) : (RowChanges.KeyTable, RowChanges.MakeKeyTable(table.Key!), RowChanges.DeleteOthers(name, table.Key!));
            await SayAsync(target, $"{make};\nCOPY {keys} FROM stdin;\n", cancellationToken).ConfigureAwait(false);
            await part.CopyAsync(target, changes.KeyBytes, cancellationToken).ConfigureAwait(false);
            await SayAsync(target, $"\\.\n\n{delete};\nDROP TABLE {keys};\n", cancellationToken).ConfigureAwait(false);
        }

        if (table.Changes is not null && table.Bytes == 0)
            return;
        await SayAsync(target, $"COPY {name}{(table.Columns.Length == 0 ? "" : $" ({table.Columns})")} FROM stdin;\n", cancellationToken).ConfigureAwait(false);
        await part.CopyAsync(target, table.Bytes, cancellationToken).ConfigureAwait(false);
        await SayAsync(target, "\\.\n\n", cancellationToken).ConfigureAwait(false);
    }

    private async Task LargeObjectsAsync(Stream target, CancellationToken cancellationToken)
    {
        using var lines = new StreamReader(await open(_prefix + LogicalDump.LargeObjects, cancellationToken).ConfigureAwait(false), Encoding.ASCII);
        var last = "";
        while (await lines.ReadLineAsync(cancellationToken).ConfigureAwait(false) is { } line)
        {
            if (line.Split('\t') is not [var oid, var offset, var digits] || !$"{oid}{offset}".All(char.IsAsciiDigit) || !digits.All(char.IsAsciiHexDigit))
                throw Damaged(_prefix + LogicalDump.LargeObjects, "a line of it is no piece of a large object");
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
        var stored = await open(_prefix + key, cancellationToken).ConfigureAwait(false);
        await using var _ = stored.ConfigureAwait(false);
        await stored.CopyToAsync(target, cancellationToken).ConfigureAwait(false);
    }

    private static ValueTask SayAsync(Stream target, string text, CancellationToken cancellationToken) => target.WriteAsync(Encoding.UTF8.GetBytes(text), cancellationToken);

    private static PgdException Damaged(string key, string what) => new(ExitCode.Failed, $"{key} is damaged: {what}", "What is damaged is not exported; choose another backup: dotnet pgd backup list");
}
