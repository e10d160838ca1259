using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Backups;

internal static class BackupKeygen
{
    public static Command Command(Surface surface)
    {
        var file = new Option<string?>("--to") { HelpName = "FILE", Description = "File that gets the private key; the public one goes beside it, into FILE.pub" };
        return new Verb(surface, "keygen", "Make a key pair for a repository that machines write into and cannot read. The private key stays elsewhere.",
            "backup keygen --to /media/safe/backup.key",
            "backup init --public-key /media/safe/backup.key.pub --repo /srv/backups")
            .With(file)
            .Does(async (run, _) =>
            {
                var target = run[file] ?? throw new PgdException(ExitCode.Misuse, "it is not said where the keys are written to", "Name a file for the private one: --to FILE");
                run.Show(await run.Workspace.Backups.MakeKeysAsync(Path.GetFullPath(target, run.Session.WorkingDirectory)), () => JsonShapes.All.BackupKeyPair, BackupText.KeysMade);
            });
    }
}
