using System.CommandLine;
using Pgd.Configuration;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Backups;

internal static class BackupPrune
{
    public static Command Command(Surface surface)
    {
        var source = BackupList.Of();
        var keep = new Option<string?>("--keep") { HelpName = "RULES", Description = "Delete what none of these rules keeps: last=N, hourly=N, daily=N, weekly=N, monthly=N, yearly=N, with commas between" };
        var window = new Option<string?>("--recovery-window") { HelpName = "DURATION", Description = "Keep what is needed to restore any moment of that time, such as 14d; with --keep both count" };
        var dryRun = new Option<bool>("--dry-run") { Description = "Only tell what would be deleted, and why the others stay" };
        var repository = new Repository();
        return new Verb(surface, "prune", "Delete old backups of each branch, what was never completed, and the write-ahead log that no other backup needs.",
            "backup prune --keep last=7,daily=14,weekly=8,monthly=12 --dry-run --repo /srv/backups",
            "backup prune --recovery-window 14d --keep monthly=12 --repo /srv/backups")
            .With([source, keep, window, dryRun, .. repository.Options])
            .Does(async (run, cancellationToken) =>
            {
                var request = new Pgd.Backups.BackupPrune
                {
                    Place = repository.Of(run),
                    Keep = run[keep] is { } rules ? Retention.Parse(rules) : null,
                    RecoveryWindow = run[window] is { } text ? Duration.Parse(text) : null,
                    Source = run[source],
                    DryRun = run[dryRun],
                };
                run.Show(await run.Workspace.Backups.PruneAsync(request, cancellationToken), () => JsonShapes.All.BackupsPruned, BackupText.Pruned);
            });
    }
}
