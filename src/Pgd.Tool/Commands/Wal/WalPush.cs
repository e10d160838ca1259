using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Commands.Backups;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Wal;

internal static class WalPush
{
    public static Command Command(Surface surface)
    {
        var branch = Arguments.Branch(surface);
        var repository = new Repository(reads: false);
        return new Verb(surface, "push", "Bring what was archived of a branch's log to a repository of backups: from there it leads from any backup to any later moment.",
            "wal push prod/main --repo s3://backups/pgd")
            .With([branch, .. repository.Options])
            .Does(async (run, cancellationToken) => run.Show(await run.Workspace.Backups.PushLogAsync(run.Branch(branch), repository.Of(run), cancellationToken), () => JsonShapes.All.LogPushed, WalText.Pushed));
    }
}
