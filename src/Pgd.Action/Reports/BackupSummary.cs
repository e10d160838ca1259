using Pgd.Action.Runner;
using Pgd.Backups;

namespace Pgd.Action.Reports;

/// <summary>Backups on the page that GitHub shows for a run.</summary>
public static class BackupSummary
{
    private const int MostLines = 20;

    /// <summary>Adds one that was made.</summary>
    public static Task MadeAsync(RunnerEnvironment runner, Backup backup, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(runner);
        ArgumentNullException.ThrowIfNull(backup);
        var tables = backup.Tables is { } count ? $"{count} {(count == 1 ? "table" : "tables")}{(backup.Rows is { } rows ? $", {rows} rows" : "")}, " : "";
        return AppendAsync(runner, $"### Backed up {Markdown.Code(backup.Source!)}", [$"{Markdown.Code(backup.Id)}: {tables}{Measured.Size(backup.Bytes)}, {Measured.Size(backup.StoredBytes)} in the repository", .. backup.LeftOut.Select(left => $"without {Markdown.Text(left)}")], cancellationToken);
    }

    /// <summary>Adds one that was proved, or found to be damaged.</summary>
    public static Task VerifiedAsync(RunnerEnvironment runner, Backup backup, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(runner);
        ArgumentNullException.ThrowIfNull(backup);
        var verified = backup.Verified!;
        var how = verified.Level switch { VerificationLevel.Objects => "every object is there", VerificationLevel.Content => "every byte was read", _ => verified is { TablesCompared: > 0 and var tables } ? $"it was restored and read, and every row of {tables} {(tables == 1 ? "table" : "tables")} compared" : "it was restored and read" };
        return verified.Problems.Count == 0 ? AppendAsync(runner, $"### The backup {Markdown.Code(backup.Id)} is whole", [$"of {Markdown.Code(backup.Source!)}: {how}"], cancellationToken)
            : AppendAsync(runner, $"### The backup {Markdown.Code(backup.Id)} is damaged", [.. verified.Problems.Select(problem => Markdown.Text(problem))], cancellationToken);
    }

    private static Task AppendAsync(RunnerEnvironment runner, string title, IReadOnlyList<string> lines, CancellationToken cancellationToken) =>
        new StepSummary(runner.SummaryFile).AppendAsync($"{title}\n\n{string.Join('\n', lines.Take(MostLines).Select(line => $"- {line}"))}{(lines.Count > MostLines ? $"\n- and {lines.Count - MostLines} more" : "")}\n", cancellationToken);
}
