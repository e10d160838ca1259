using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Backups;

internal static class BackupPrune
{
    public static Command Command(Surface surface)
    {
        var source = BackupList.Of();
        var keep = new Option<string?>("--keep") { HelpName = "RULES", Description = "Delete what none of these rules keeps: last=N, hourly=N, daily=N, weekly=N, monthly=N, yearly=N, with commas between" };
        var dryRun = new Option<bool>("--dry-run") { Description = "Only tell what would be deleted, and why the others stay" };
        var repository = new Repository();
        return new Verb(surface, "prune", "Delete old backups of each branch, and what was never completed.",
            "backup prune --keep last=7,daily=14,weekly=8,monthly=12 --dry-run --repo /srv/backups")
            .With([source, keep, dryRun, .. repository.Options])
            .Does(async (run, cancellationToken) =>
                run.Show(await run.Workspace.Backups.PruneAsync(repository.Of(run), Retention.Parse(run[keep] ?? throw new PgdException(ExitCode.Misuse, "it is not said which backups stay", "Write it, for example --keep last=7,daily=14,weekly=8")), run[source], run[dryRun], cancellationToken),
                    () => JsonShapes.All.BackupsPruned, BackupText.Pruned));
    }
}
