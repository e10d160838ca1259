using System.CommandLine;
using Pgd.Action.Reports;
using Pgd.Backups;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Backups;

internal static class BackupVerify
{
    public static Command Command(Surface surface)
    {
        var id = BackupRestore.Id();
        var level = Arguments.OneOf("--level", "How much is looked at: each object's length, each byte (the default), or a branch that is restored from it", "objects", "content", "restore");
        var project = new Option<string?>("--project") { HelpName = "NAME", Description = "Project in which it is restored for that (default: the one that it was made of)" };
        var repository = new Repository();
        return new Verb(surface, "verify", "Prove a backup, and keep in the repository what came of it.",
            "backup verify latest --repo /srv/backups",
            "backup verify latest --level restore --repo /srv/backups")
            .With([id, level, project, .. repository.Options])
            .Does(async (run, cancellationToken) =>
            {
                var backup = await run.Workspace.Backups.VerifyAsync(repository.Of(run), run[id]!, run[level] switch { "objects" => VerificationLevel.Objects, "restore" => VerificationLevel.Restore, _ => VerificationLevel.Content }, run[project], cancellationToken);
                await Summary.AppendAsync(run, backup, BackupSummary.VerifiedAsync, cancellationToken);
                run.Show(backup, () => JsonShapes.All.Backup, BackupText.Verified);
                return (int)(backup.Verified!.Problems.Count == 0 ? ExitCode.Done : ExitCode.Failed);
            });
    }
}
