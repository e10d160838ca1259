using System.Globalization;

namespace Pgd.IntegrationTests;

/// <summary>A file system of our own: a sparse file, formatted and mounted through a loop device.</summary>
public sealed class LoopFileSystem : IDisposable
{
    private readonly string _image;
    private int _roots;
    private bool _disposed;

    internal LoopFileSystem(string kind, string mountPoint, int megabytes)
    {
        Kind = kind;
        MountPoint = mountPoint;
        _image = $"{mountPoint}.img";
        using (var file = File.Create(_image))
            file.SetLength(megabytes * 1024L * 1024L);
        Directory.CreateDirectory(mountPoint);
        IReadOnlyList<string> format = kind switch
        {
            "btrfs" => ["mkfs.btrfs", "--quiet"],
            "xfs" => ["mkfs.xfs", "-q", "-m", "reflink=1"],
            "ext4" => ["mkfs.ext4", "-q", "-F"],
            _ => throw new ArgumentException($"There is no recipe for a file system {kind}.", nameof(kind)),
        };
        LabCommand.Run(format[0], [.. format.Skip(1), _image]);
        // What is deleted inside leaves the image as well, which may be in memory.
        LabCommand.Run("mount", "-o", "loop,noatime,discard", _image, mountPoint);
        File.SetUnixFileMode(mountPoint, LabFolder.Traversable);
    }

    /// <summary><c>btrfs</c>, <c>xfs</c> or <c>ext4</c>.</summary>
    public string Kind { get; }

    /// <summary>Where it is mounted.</summary>
    public string MountPoint { get; }

    /// <summary>A fresh, empty folder on it, which every account may enter.</summary>
    public string NewRoot()
    {
        var root = Path.Combine(MountPoint, Interlocked.Increment(ref _roots).ToString(CultureInfo.InvariantCulture));
        Directory.CreateDirectory(root, LabFolder.Traversable);
        // The umask was applied to the line above.
        File.SetUnixFileMode(root, LabFolder.Traversable);
        return root;
    }

    /// <summary>
    /// Removes such a folder: hundreds of them do not fit into memory. What cannot be removed now, because a process that was killed has not ended, goes with the file system.
    /// </summary>
    public void RemoveRoot(string root)
    {
        // A volume's own folder is number 256, and one that may only be read is not emptied by others.
        if (Kind == "btrfs")
            LabCommand.Try("find", root, "-depth", "-type", "d", "-inum", "256", "-exec", "btrfs", "--quiet", "subvolume", "delete", "{}", ";");
        LabCommand.Try("rm", "--recursive", "--force", "--one-file-system", root);
    }

    /// <summary>Bytes in use, after everything written has reached the device: what a byte copy would raise.</summary>
    public long UsedBytes()
    {
        // btrfs counts what a deleted subvolume held until its cleaner has been there.
        if (Kind == "btrfs")
            LabCommand.Run("btrfs", "subvolume", "sync", MountPoint);
        LabCommand.Run("sync", "--file-system", MountPoint);
        var drive = new DriveInfo(MountPoint);
        return drive.TotalSize - drive.TotalFreeSpace;
    }

    /// <summary>Unmounts it and removes its image. Servers that a failed test left running on it are ended first.</summary>
    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        Remove(MountPoint);
    }

    /// <summary>Removes a mount of this run or of one that was killed, with the servers that still live on it.</summary>
    internal static void Remove(string mountPoint)
    {
        foreach (var server in LabProcess.All().Where(process => process.IsServer && LabFolder.Contains(mountPoint, process.WorkingDirectory)))
            server.Kill();
        if (LabFolder.IsMountPoint(mountPoint) && !Unmount(mountPoint))
            // Something else is in there, perhaps a person's shell: the device goes when that leaves.
            LabCommand.Run("umount", "--lazy", mountPoint);
        // A run that was told to end, and went on for a moment, wrote into the folder itself.
        if (Directory.Exists(mountPoint))
            Directory.Delete(mountPoint, recursive: true);
        File.Delete($"{mountPoint}.img");
    }

    private static bool Unmount(string mountPoint)
    {
        // A killed process holds its folder until the kernel has taken it apart.
        for (var attempt = 0; attempt < 50; attempt++)
        {
            if (LabCommand.Try("umount", mountPoint).Status == 0)
                return true;
            Thread.Sleep(20);
        }

        return false;
    }
}
