using System.Text;

namespace Pgd.Backups;

/// <summary>A backup of MariaDB by column as one script, after those that it builds on: the tables as they are defined in the last one, their rows, and then what acts on rows or reads them.</summary>
/// <param name="chain">The backup, after those that it builds on.</param>
/// <param name="open">Opens an object.</param>
/// <param name="what">What is done with it.</param>
/// <param name="reporter">Hears how far it is.</param>
internal sealed class MariaDbScript(IReadOnlyList<StoredBackup> chain, Func<string, CancellationToken, Task<Stream>> open, string what, IReporter reporter)
{
    // What the server or the account sets must not change what is read: what a backslash is, a date that is none, a zero in a column that counts.
    private const string Settings = """

        SET NAMES utf8mb4;
        SET time_zone = '+00:00', sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES', foreign_key_checks = 0, unique_checks = 0 /*M!100201 , check_constraint_checks = 0 */;

        """;

    public async Task WriteAsync(Stream target, CancellationToken cancellationToken)
    {
        var last = chain[^1];
        await CopyAsync(MariaDbRows.BeforeData).ConfigureAwait(false);
        await target.WriteAsync(Encoding.UTF8.GetBytes(Settings), cancellationToken).ConfigureAwait(false);
        await RowChain.ReadAsync(chain, open, Damaged, async (table, _, part, progress) =>
        {
            await part.CopyAsync(target, table.AllBytes, cancellationToken).ConfigureAwait(false);
            reporter.Progress($"{what} {last.Backup.Id}", progress.Done + table.AllBytes, progress.Total);
        }, cancellationToken).ConfigureAwait(false);
        foreach (var definitions in MariaDbRows.Definitions.Skip(1))
            await CopyAsync(definitions).ConfigureAwait(false);

        async Task CopyAsync(string key)
        {
            // Of some tables there are no routines.
            if (!last.Manifest!.Parts.Any(part => part.Key == last.Prefix + key))
                return;
            var stored = await open(last.Prefix + key, cancellationToken).ConfigureAwait(false);
            await using var _ = stored.ConfigureAwait(false);
            await stored.CopyToAsync(target, cancellationToken).ConfigureAwait(false);
        }
    }

    private static PgdException Damaged(string key, string what) => new(ExitCode.Failed, $"{key} is damaged: {what}", "What is damaged is not restored; choose another backup: dotnet pgd backup list");
}
