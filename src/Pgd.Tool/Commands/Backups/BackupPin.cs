using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Backups;

internal static class BackupPin
{
    public static Command Command(Surface surface)
    {
        var id = BackupRestore.Id();
        var reason = new Option<string?>("--reason") { HelpName = "TEXT", Description = "What others are told when it stays" };
        var repository = new Repository();
        return new Verb(surface, "pin", "Keep a backup from being pruned, until it is unpinned.",
            "backup pin 20261129T101500 --reason \"before the move to 18\" --repo /srv/backups")
            .With([id, reason, .. repository.Options])
            .Does(async (run, cancellationToken) =>
                run.Show(await run.Workspace.Backups.PinAsync(repository.Of(run), run[id]!, run[reason], cancellationToken), () => JsonShapes.All.Backup, BackupText.Pinned));
    }
}

internal static class BackupUnpin
{
    public static Command Command(Surface surface)
    {
        var id = BackupRestore.Id();
        var repository = new Repository();
        return new Verb(surface, "unpin", "Let a backup be pruned again.", "backup unpin 20261129T101500 --repo /srv/backups")
            .With([id, .. repository.Options])
            .Does(async (run, cancellationToken) =>
                run.Show(await run.Workspace.Backups.UnpinAsync(repository.Of(run), run[id]!, cancellationToken), () => JsonShapes.All.Backup, BackupText.Pinned));
    }
}
