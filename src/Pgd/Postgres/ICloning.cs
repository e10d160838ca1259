using Pgd.Storage;

namespace Pgd.Postgres;

/// <summary>The making of a new volume from what there is: a branch as it is now, a snapshot, or a moment between.</summary>
internal interface ICloning : IDisposable
{
    /// <summary>Makes the volume; its server has never run, and finds nothing of another one's run.</summary>
    Task<Clone> MakeAsync(VolumeKey target, CancellationToken cancellationToken);
}
