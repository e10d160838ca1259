using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Backups;

internal static class BackupList
{
    public static Command Command(Surface surface)
    {
        var source = Of();
        var compat = new Option<bool>("--compat") { Description = "Print them as the backup_catalog.json of DB Backup Utility (dbtool.py) has them" };
        var repository = new Repository(reads: false);
        return new Verb(surface, "list", "List the backups of a repository, also those that cannot be used.",
            "backup list --repo /srv/backups",
            "backup list prod --repo s3://backups/pgd",
            "backup list --compat --repo /srv/backups | jq .backups[].statistics")
            .With([source, compat, .. repository.Options])
            .Does(async (run, cancellationToken) =>
            {
                if (run[compat])
                    run.Show(await run.Workspace.Backups.ListAsDbToolAsync(repository.Of(run), run[source], cancellationToken), () => JsonShapes.All.DbToolCatalog, static (catalog, sheet) => sheet.Line(JsonText.Of(catalog, JsonShapes.All.DbToolCatalog)));
                else
                    run.Show(await run.Workspace.Backups.ListAsync(repository.Of(run), run[source], cancellationToken), () => JsonShapes.All.IReadOnlyListBackup, BackupText.Table);
            });
    }

    // Its source need not be on this machine.
    internal static Argument<string?> Of() => new("of") { HelpName = "PROJECT[/BRANCH]", Description = "Only those of this project or branch", Arity = ArgumentArity.ZeroOrOne };
}
