using System.Globalization;
using Npgsql;
using Pgd.Libpq;

namespace Pgd.Backups;

/// <summary>Compares the rows of a restored database with those that were backed up.</summary>
/// <param name="chain">The backup, with what it builds on before it.</param>
/// <param name="reporter">Hears how far it is.</param>
internal sealed class RowProof(IReadOnlyList<StoredBackup> chain, IReporter reporter)
{
    private readonly DatabaseContent _content = chain[^1].Manifest!.Database!;

    /// <summary>How many tables all rows of which are compared.</summary>
    public int Compared => _content.Tables.Count(table => DigestOf(table) is not null);

    /// <summary>How many tables whose rows are only counted: no backup has a digest of all of them.</summary>
    public int Counted => _content.Tables.Count - Compared;

    /// <summary>What is different.</summary>
    public async Task<IReadOnlyList<string>> ProblemsAsync(ConnectionUrl restored, CancellationToken cancellationToken)
    {
        // As they were read: what a value looks like depends on settings.
        var session = await LogicalSource.SessionAsync(restored, cancellationToken).ConfigureAwait(false);
        await using var _ = session.ConfigureAwait(false);
        var (problems, done) = (new List<string>(), 0L);
        foreach (var table in _content.Tables)
        {
            reporter.Progress($"comparing the rows of {_content.Name}", done++, _content.Tables.Count);
            var (name, shown) = (LogicalSource.QuotedName(table.Schema, table.Name), $"{table.Schema}.{table.Name}");
            try
            {
                if (DigestOf(table) is not { } expected)
                {
                    var count = long.Parse((await session.QueryAsync($"select count(*) from only {name}", cancellationToken).ConfigureAwait(false))[0][0]!, CultureInfo.InvariantCulture);
                    if (count != table.Rows)
                        problems.Add($"{shown} has {count} rows instead of {table.Rows}");
                    continue;
                }

                var digest = new RowDigest();
                var read = await LogicalDump.CopyAsync(session, LogicalDump.CopyOf(name, table.Columns), isLarge: table.Bytes > LogicalDump.LargeBytes, Stream.Null, cancellationToken, digest).ConfigureAwait(false);
                if (read.Rows != table.Rows)
                    problems.Add($"{shown} has {read.Rows} rows instead of {table.Rows}");
                else if (digest.ToString() != expected)
                    problems.Add($"{shown} has {table.Rows} rows, but they are not those that were backed up");
            }
            catch (PostgresException e)
            {
                problems.Add($"{shown} cannot be compared: {e.MessageText}");
                // What failed ended the transaction that all of them are read in.
                await session.QueryAsync("rollback", cancellationToken).ConfigureAwait(false);
                await LogicalSource.BeginAsync(session, null, cancellationToken).ConfigureAwait(false);
            }
        }

        return problems;
    }

    // Where no row changed since the backup before, the rows are those of that one.
    private string? DigestOf(BackedUpTable table)
    {
        for (var i = chain.Count - 1; ; i--)
        {
            if (table.Changes is not { } changes)
                return table.RowDigest;
            if (i == 0 || changes.Kept != changes.Had || table.Rows != changes.Kept || table.Bytes > 0)
                return null;
            if (chain[i - 1].Manifest!.Database!.Tables.FirstOrDefault(earlier => earlier.Identity == table.Identity) is not { } before || before.Rows != changes.Had)
                return null;
            table = before;
        }
    }
}
