using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Backups;

internal static class BackupCreate
{
    public static Command Command(Surface surface)
    {
        var branch = Arguments.Branch(surface);
        var repository = new Repository();
        return new Verb(surface, "create", "Back a branch up: all of its cluster, from a snapshot. Its server goes on.",
            "backup create prod/main --repo /srv/backups")
            .With([branch, .. repository.Options])
            .Does(async (run, cancellationToken) =>
                run.Show(await run.Workspace.Backups.CreateAsync(run.Branch(branch), repository.Of(run), cancellationToken), () => JsonShapes.All.Backup, (backup, sheet) => BackupText.Made(backup, repository.Said(run), sheet)));
    }
}
