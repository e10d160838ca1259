using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Pgd.Linux;
using Pgd.State;

namespace Pgd.Storage;

/// <summary>Every file shares its extents with the source's (FICLONE): XFS, btrfs, bcachefs. Not atomic over files.</summary>
internal sealed class Reflink(VolumeFolders folders) : IStorage
{
    public string Name => "reflink";

    public bool IsAtomic => false;

    public string? Unavailable()
    {
        // Only trying tells: whether XFS shares extents was decided when it was made.
        Directory.CreateDirectory(folders.Root);
        var (one, two) = (Probe(), Probe());
        try
        {
            File.WriteAllBytes(one, new byte[4096]);
            Fault.Here("reflink:probe");
            FileTree.CopyFile(one, two, mayVanish: false, Share, CancellationToken.None);
            return null;
        }
        catch (IOException)
        {
            return $"the file system of {folders.Root} does not share extents between files";
        }
        finally
        {
            File.Delete(one);
            File.Delete(two);
        }
    }

    /// <summary>Proves that files in a folder share extents, by a clone that is read back. Both files have no name while anything is in them: a kill leaves none.</summary>
    /// <exception cref="IOException">They do not.</exception>
    public static void Prove(string folder)
    {
        var content = RandomNumberGenerator.GetBytes(16384);
        using var one = Nameless();
        using var two = Nameless();
        RandomAccess.Write(one, content, 0);
        Share(one, two, content.Length, CancellationToken.None);
        var cloned = new byte[content.Length];
        if (RandomAccess.Read(two, cloned, 0) != content.Length || !cloned.AsSpan().SequenceEqual(content))
            throw new IOException($"a file that was cloned in {folder} is not what it was cloned from");

        Microsoft.Win32.SafeHandles.SafeFileHandle Nameless()
        {
            var path = Path.Combine(folder, $".probe-{Environment.ProcessId}-{Guid.NewGuid():N}");
            var file = Libc.CreateNew(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            File.Delete(path);
            return file;
        }
    }

    public Volume Create(VolumeKey key)
    {
        var volume = folders.Make(key);
        Directory.CreateDirectory(volume.Data, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return volume;
    }

    public async Task<Volume> CloneAsync(Volume source, VolumeKey key, bool running, IReporter reporter, CancellationToken cancellationToken)
    {
        var volume = folders.Make(key);
        await FileTree.CopyAsync(source.Data, volume.Data, running, Share, reserve: false, reporter, cancellationToken).ConfigureAwait(false);
        return volume;
    }

    public void CopyFile(string source, string target)
    {
        File.Delete(target);
        FileTree.CopyFile(source, target, mayVanish: false, Share, CancellationToken.None);
    }

    public Task<Volume> MoveAsync(VolumeKey from, VolumeKey to, IReporter reporter, CancellationToken cancellationToken) => Task.FromResult(folders.Move(from, to));

    public void MoveBack(VolumeKey from, VolumeKey to) => folders.MoveBack(from, to);

    public void Delete(VolumeKey key) => folders.Delete(key, volume => FileTree.Delete(volume.Data));

    public Volume? Find(VolumeKey key) => folders.Find(key);

    public IReadOnlyList<Volume> List() => folders.List();

    public IReadOnlyList<Volume> List(BranchName branch) => folders.List(branch);

    // With our process's number, so that the doctor can tell what a killed one left.
    private string Probe() => Path.Combine(folders.Root, $".probe-{Environment.ProcessId}-{Guid.NewGuid():N}");

    private static void Share(Microsoft.Win32.SafeHandles.SafeFileHandle source, Microsoft.Win32.SafeHandles.SafeFileHandle target, long length, CancellationToken cancellationToken)
    {
        while (Libc.Ioctl(target, Libc.FICLONE, source.DangerousGetHandle()) != 0)
        {
            if (Marshal.GetLastPInvokeError() != Libc.EINTR)
                throw Libc.LastError("sharing extents");
        }
    }
}
