using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Backups;

internal static class BackupList
{
    public static Command Command(Surface surface)
    {
        var source = Of();
        var repository = new Repository();
        return new Verb(surface, "list", "List the backups of a repository, also those that cannot be used.",
            "backup list --repo /srv/backups",
            "backup list prod --repo s3://backups/pgd")
            .With([source, .. repository.Options])
            .Does(async (run, cancellationToken) =>
                run.Show(await run.Workspace.Backups.ListAsync(repository.Of(run), run[source], cancellationToken), () => JsonShapes.All.IReadOnlyListBackup, BackupText.Table));
    }

    // Its source need not be on this machine.
    internal static Argument<string?> Of() => new("of") { HelpName = "PROJECT[/BRANCH]", Description = "Only those of this project or branch", Arity = ArgumentArity.ZeroOrOne };
}
