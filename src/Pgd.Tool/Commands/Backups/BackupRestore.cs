using System.CommandLine;
using Pgd.Configuration;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Backups;

internal static class BackupRestore
{
    public static Command Command(Surface surface)
    {
        var id = Id();
        var branch = new Option<string?>("--to-branch") { HelpName = "PROJECT/BRANCH", Description = "Branch to make of it, in a project of the same version" };
        var folder = new Option<string?>("--to") { HelpName = "DIR", Description = "Empty folder to become a data directory" };
        var ttl = Arguments.TimeToLive();
        var repository = new Repository();
        return new Verb(surface, "restore", "Restore a backup: as a branch, or into a folder. Each byte is proved on the way.",
            "backup restore latest --to-branch prod/restored --repo /srv/backups",
            "backup restore 20261129T101500Z --to /srv/pg --repo s3://backups/pgd")
            .With([id, branch, folder, ttl, .. repository.Options])
            .Does(async (run, cancellationToken) =>
            {
                var request = new Pgd.Backups.BackupRestore
                {
                    Place = repository.Of(run),
                    Id = run[id]!,
                    Branch = run[branch] is { } name ? BranchName.Parse(name) : null,
                    Folder = run[folder] is { } path ? Path.GetFullPath(path, run.Session.WorkingDirectory) : null,
                    TimeToLive = run[ttl] is { } text ? Duration.Parse(text) : null,
                };
                run.Show(await run.Workspace.Backups.RestoreAsync(request, cancellationToken), () => JsonShapes.All.Restored, BackupText.Restored);
            });
    }

    internal static Argument<string?> Id() => new("id") { HelpName = "ID", Description = "The backup's identity, the beginning of that, or latest", Arity = ArgumentArity.ExactlyOne };
}
