using Pgd.State;
using Pgd.Storage;

namespace Pgd.Postgres;

/// <summary>Clones a snapshot. Nothing changes it, so nothing has to be asked or waited for.</summary>
internal sealed class SnapshotClone(IStorage storage, SnapshotRecord snapshot, IReporter reporter) : ICloning
{
    public async Task<Clone> MakeAsync(VolumeKey target, CancellationToken cancellationToken)
    {
        var source = Snapshots.Attach(storage, snapshot);
        DiskFull.RefuseWithout(0, source.Data);
        var volume = await storage.CloneAsync(source, target, running: false, reporter, cancellationToken).ConfigureAwait(false);
        return new(volume, snapshot.DataAsOf, snapshot.IsRecovering) { Slots = snapshot.Slots, Adopted = snapshot.IsAdopted };
    }

    public void Dispose()
    {
    }
}
