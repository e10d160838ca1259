using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Backups;

internal static class BackupExport
{
    public static Command Command(Surface surface)
    {
        var id = BackupRestore.Id();
        var layout = Arguments.OneOf("--layout", "How it is laid out: as DB Backup Utility does (dbtool.py), with plain SQL in .sql.zst (the default)", "dbtool");
        var folder = new Option<string?>("--to") { HelpName = "DIR", Description = "Folder that gets it, in a folder of its own" };
        var noOwner = new Option<bool>("--no-owner") { Description = "Let all of it belong to whoever restores it, without the rights that were granted" };
        var repository = new Repository();
        return new Verb(surface, "export", "Write a logical backup as files that are restored without pgd.",
            "backup export latest --layout dbtool --to /srv/dumps --repo /srv/backups")
            .With([id, layout, folder, noOwner, .. repository.Options])
            .Does(async (run, cancellationToken) =>
            {
                var target = run[folder] ?? throw new PgdException(ExitCode.Misuse, "it is not said where the backup is written to", "Name a folder: --to DIR");
                run.Show(await run.Workspace.Backups.ExportAsync(repository.Of(run), run[id]!, Path.GetFullPath(target, run.Session.WorkingDirectory), !run[noOwner], cancellationToken), () => JsonShapes.All.ExportedBackup, BackupText.Exported);
            });
    }
}
