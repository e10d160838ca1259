using System.Runtime.InteropServices;
using System.Text;
using Pgd.Linux;

namespace Pgd.Storage;

/// <summary>Each volume's data is a btrfs subvolume; a clone is a writable snapshot of it: atomic, and of any size in milliseconds.</summary>
internal sealed class Btrfs(VolumeFolders folders) : IStorage
{
    // struct btrfs_ioctl_vol_args: fd, name[4088]. struct btrfs_ioctl_vol_args_v2: fd, transid, flags, unused[4], name[4040].
    private const int ArgumentsSize = 4096, NameOffset = 8, SnapshotNameOffset = 56;

    public string Name => "btrfs";

    public bool IsAtomic => true;

    public string? Unavailable()
    {
        Directory.CreateDirectory(folders.Root);
        return Libc.FileSystem(folders.Root).Magic == Libc.BTRFS_SUPER_MAGIC ? null : $"{folders.Root} is not on btrfs";
    }

    public unsafe Volume Create(VolumeKey key)
    {
        var volume = folders.Make(key);
        using var parent = Libc.OpenDirectory(volume.Directory);
        var arguments = Arguments(NameOffset, "data");
        fixed (byte* pointer = arguments)
        {
            if (Libc.Ioctl(parent, Libc.BTRFS_IOC_SUBVOL_CREATE, pointer) != 0)
                throw Libc.LastError($"making a subvolume in {volume.Directory}");
        }

        Fault.Here("volume:subvolume");
        File.SetUnixFileMode(volume.Data, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return volume;
    }

    public unsafe Task<Volume> CloneAsync(Volume source, VolumeKey key, bool running, IReporter reporter, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (!IsSubvolume(source.Data))
            throw new PgdException(ExitCode.Unsafe, $"{source.Data} is not a btrfs subvolume, so it cannot be snapshotted", "Was it moved or copied by hand? Make the project again with --storage reflink.");
        var volume = folders.Make(key);
        using var parent = Libc.OpenDirectory(volume.Directory);
        using var from = Libc.OpenDirectory(source.Data);
        var arguments = Arguments(SnapshotNameOffset, "data");
        BitConverter.TryWriteBytes(arguments, (long)from.DangerousGetHandle());
        fixed (byte* pointer = arguments)
        {
            if (Libc.Ioctl(parent, Libc.BTRFS_IOC_SNAP_CREATE_V2, pointer) != 0)
                throw Marshal.GetLastPInvokeError() == Libc.ENOSPC ? State.DiskFull.Error(volume.Directory, Libc.LastError("snapshot")) : Libc.LastError($"snapshotting {source.Data}");
        }

        Fault.Here("clone:snapshot");
        RefuseWhatIsNotInside(source, volume);
        return Task.FromResult(volume);
    }

    public void CopyFile(string source, string target) => new Reflink(folders).CopyFile(source, target);

    public Task<Volume> MoveAsync(VolumeKey from, VolumeKey to, IReporter reporter, CancellationToken cancellationToken) => Task.FromResult(folders.Move(from, to));

    public void MoveBack(VolumeKey from, VolumeKey to) => folders.MoveBack(from, to);

    public void Delete(VolumeKey key) => folders.Delete(key, volume => DeleteSubvolume(volume.Data));

    public Volume? Find(VolumeKey key) => folders.Find(key);

    public IReadOnlyList<Volume> List() => folders.List();

    public IReadOnlyList<Volume> List(BranchName branch) => folders.List(branch);

    private static unsafe void DeleteSubvolume(string data)
    {
        using (var parent = Libc.OpenDirectory(Path.GetDirectoryName(data)!))
        {
            var arguments = Arguments(NameOffset, Path.GetFileName(data));
            fixed (byte* pointer = arguments)
            {
                if (Libc.Ioctl(parent, Libc.BTRFS_IOC_SNAP_DESTROY, pointer) == 0)
                    return;
            }
        }

        // Without the mount option user_subvol_rm_allowed an ordinary user empties a subvolume and removes it like a folder.
        if (Marshal.GetLastPInvokeError() is Libc.EPERM or Libc.EACCES)
            FileTree.Delete(data);
        else
            throw Libc.LastError($"deleting the subvolume {data}");
    }

    // Asked of the snapshot, in which nothing comes or goes: a running source makes and removes folders all the time.
    private static void RefuseWhatIsNotInside(Volume source, Volume clone)
    {
        foreach (var (path, isLink) in FolderListing.FoldersAndLinks(clone.Data, changing: false))
        {
            var original = Path.Combine(source.Data, Path.GetRelativePath(clone.Data, path));
            if (isLink)
                throw FileTree.IsLink(original);
            // A snapshot shows a subvolume inside it as an empty folder: what was in there would be missing without a word.
            if (Libc.Status(path).Inode == Libc.BTRFS_EMPTY_SUBVOL_DIR_OBJECTID)
                throw new PgdException(ExitCode.Unsafe, $"{original} is a subvolume of its own inside the data directory; a snapshot does not contain it", "Move its files into a plain folder first.");
        }
    }

    public static bool IsSubvolume(string path) => Libc.Status(path).Inode == Libc.BTRFS_FIRST_FREE_OBJECTID;

    private static byte[] Arguments(int nameOffset, string name)
    {
        var arguments = new byte[ArgumentsSize];
        Encoding.UTF8.GetBytes(name, arguments.AsSpan(nameOffset));
        return arguments;
    }
}
