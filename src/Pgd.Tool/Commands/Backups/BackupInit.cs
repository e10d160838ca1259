using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Backups;

internal static class BackupInit
{
    public static Command Command(Surface surface)
    {
        var repository = new Repository(reads: false);
        return new Verb(surface, "init", "Make a repository. With a key file or a passphrase it is encrypted, and lost without that; with a public key, whoever writes into it cannot read it.",
            "backup init --repo /srv/backups --key-file /etc/pgd/backup.key",
            "backup init --repo /srv/backups --public-key /etc/pgd/backup.key.pub")
            .With(repository.Options)
            .Does(async (run, cancellationToken) =>
            {
                var place = repository.Of(run);
                await run.Workspace.Backups.InitializeAsync(place, cancellationToken);
                run.Show(new RepositoryMade(place.Repository, place.KeyFile is not null || place.PublicKeyFile is not null || place.Passphrase is not null), () => JsonShapes.All.RepositoryMade,
                    static (made, sheet) => sheet.Line($"Made the repository {made.Repository}{(made.Encrypted ? ", encrypted" : ", without encryption")}"));
            });
    }
}
