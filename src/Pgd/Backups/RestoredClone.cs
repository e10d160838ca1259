using Pgd.Linux;
using Pgd.Postgres;
using Pgd.State;
using Pgd.Storage;

namespace Pgd.Backups;

/// <summary>Makes a volume of what a backup holds.</summary>
internal sealed class RestoredClone(IStorage storage, Volume sibling, BackupRepository repository, BackupManifest manifest, IReporter reporter) : ICloning
{
    public async Task<Clone> MakeAsync(VolumeKey target, CancellationToken cancellationToken)
    {
        DiskFull.RefuseWithout(manifest.Files.Sum(file => file.Bytes), sibling.Data);
        var volume = storage.Create(target);
        // Whoever runs the servers of this project: its first branch's files are that one's.
        var owner = Libc.Status(sibling.Data);
        await RestoreAsync(volume.Data, repository, manifest, owner.Owner, owner.Group, reporter, cancellationToken).ConfigureAwait(false);
        return new(volume, manifest.DataAsOf, manifest.IsRecovering) { Slots = manifest.Slots, Adopted = manifest.IsAdopted };
    }

    /// <summary>Restores a backup into a folder that is there and empty, proves every byte of it, and waits until it is on the disk.</summary>
    /// <exception cref="PgdException">The backup is damaged (<see cref="ExitCode.Failed"/>), or there is no room (<see cref="ExitCode.NoRoom"/>).</exception>
    public static async Task RestoreAsync(string folder, BackupRepository repository, BackupManifest manifest, uint owner, uint group, IReporter reporter, CancellationToken cancellationToken)
    {
        const UnixFileMode closed = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        var asRoot = Libc.EffectiveUserId() == 0;
        foreach (var inner in manifest.Folders)
        {
            var path = Inside(folder, inner);
            Directory.CreateDirectory(path, closed);
            Own(path);
        }

        Own(folder);
        File.SetUnixFileMode(folder, closed);
        var (total, done) = (manifest.Files.Sum(file => file.Bytes), 0L);
        await Parallel.ForEachAsync(Enumerable.Range(0, manifest.Parts.Count), new ParallelOptions { MaxDegreeOfParallelism = Math.Min(Environment.ProcessorCount, 8), CancellationToken = cancellationToken }, async (part, token) =>
            await DataParts.ReadAsync(manifest, part, repository, Open, bytes => reporter.Progress($"restoring {manifest.Id}", Interlocked.Add(ref done, bytes), total), token).ConfigureAwait(false)).ConfigureAwait(false);
        Libc.SyncFileSystem(folder);

        Stream Open(BackedUpFile file)
        {
            var path = Inside(folder, file.Path);
            var stream = new FileStream(path, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Options = FileOptions.Asynchronous, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite, PreallocationSize = 0 });
            Own(path);
            return stream;
        }

        void Own(string path)
        {
            if (asRoot && Libc.LChown(path, owner, group) != 0)
                throw Libc.LastError(path);
        }
    }

    public void Dispose()
    {
    }

    // A manifest is only believed as far as it stays where it belongs.
    private static string Inside(string folder, string path) => !Path.IsPathRooted(path) && !path.Split('/').Any(part => part is "" or "." or "..") ? Path.Combine(folder, path)
        : throw new PgdException(ExitCode.Failed, $"the backup has a file \"{path}\", which is outside of a data directory", "It was not made by pgd; do not use it.");
}
