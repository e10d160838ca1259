using Pgd.Linux;
using Pgd.Postgres;
using Pgd.State;
using Pgd.Storage;

namespace Pgd.Backups;

/// <summary>Makes a volume of what a backup holds.</summary>
internal sealed class RestoredClone(IStorage storage, Volume sibling, BackupRepository repository, IReadOnlyList<StoredBackup> chain, IReporter reporter) : ICloning
{
    public async Task<Clone> MakeAsync(VolumeKey target, CancellationToken cancellationToken)
    {
        var manifest = chain[^1].Manifest!;
        DiskFull.RefuseWithout(manifest.Files.Sum(file => file.Bytes), sibling.Data);
        var volume = storage.Create(target);
        // Whoever runs the servers of this project: its first branch's files are that one's.
        var owner = Libc.Status(sibling.Data);
        await new RestoredFiles(volume.Data, repository, chain, owner.Owner, owner.Group, reporter).RunAsync(cancellationToken).ConfigureAwait(false);
        return new(volume, manifest.DataAsOf, manifest.IsRecovering) { Slots = manifest.Slots, Adopted = manifest.IsAdopted };
    }

    public void Dispose()
    {
    }
}
