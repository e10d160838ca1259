using System.ComponentModel;
using System.Runtime.InteropServices;

// What is passed is passed as it is: so the calls can be compiled ahead.
[assembly: System.Runtime.CompilerServices.DisableRuntimeMarshalling]

namespace Pgd.Linux;

/// <summary>The system calls that .NET has no call for.</summary>
internal static partial class Libc
{
    public const int EPERM = 1, ENOENT = 2, EINTR = 4, EAGAIN = 11, EACCES = 13, ENXIO = 6, EBUSY = 16, EXDEV = 18, EINVAL = 22, ENOTDIR = 20, ENOTTY = 25,
        ENOSPC = 28, EEXIST = 17, EROFS = 30, ENOSYS = 38, ELOOP = 40, EOPNOTSUPP = 95, EDQUOT = 122, ESRCH = 3;

    public const int SIGINT = 2, SIGQUIT = 3, SIGKILL = 9, SIGTERM = 15;

    public const int LOCK_SH = 1, LOCK_EX = 2, LOCK_NB = 4, LOCK_UN = 8;

    // <linux/mount.h>, <sys/mount.h>
    public const nuint MS_NOSUID = 2, MS_NODEV = 4;

    public const int UMOUNT_NOFOLLOW = 8;

    public const int SEEK_DATA = 3, SEEK_HOLE = 4;

    // <linux/fs.h>, <linux/btrfs.h>
    public const nuint FICLONE = 0x40049409, BTRFS_IOC_SUBVOL_CREATE = 0x5000940E, BTRFS_IOC_SNAP_DESTROY = 0x5000940F, BTRFS_IOC_SNAP_CREATE_V2 = 0x50009417,
        FS_IOC_FIEMAP = 0xC020660B;

    public const long BTRFS_SUPER_MAGIC = 0x9123683E;

    public const ulong BTRFS_FIRST_FREE_OBJECTID = 256, BTRFS_EMPTY_SUBVOL_DIR_OBJECTID = 2;

    [LibraryImport("libc", EntryPoint = "flock", SetLastError = true)]
    public static partial int Flock(SafeHandle file, int operation);

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    public static partial int Kill(int pid, int signal);

    [LibraryImport("libc", EntryPoint = "geteuid")]
    public static partial uint EffectiveUserId();

    [LibraryImport("libc", EntryPoint = "getegid")]
    public static partial uint EffectiveGroupId();

    [LibraryImport("libc", EntryPoint = "link", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Link(string path, string newPath);

    [LibraryImport("libc", EntryPoint = "lchown", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int LChown(string path, uint owner, uint group);

    [LibraryImport("libc", EntryPoint = "fchown", SetLastError = true)]
    public static partial int FChown(SafeHandle file, uint owner, uint group);

    [LibraryImport("libc", EntryPoint = "mount", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Mount(string source, string target, string fileSystem, nuint flags, string options);

    [LibraryImport("libc", EntryPoint = "umount2", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Unmount(string target, int flags);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    public static partial int Ioctl(SafeHandle file, nuint request, nint argument);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    public static unsafe partial int Ioctl(SafeHandle file, nuint request, byte* argument);

    [LibraryImport("libc", EntryPoint = "copy_file_range", SetLastError = true)]
    public static unsafe partial nint CopyFileRange(SafeHandle source, long* sourceOffset, SafeHandle target, long* targetOffset, nuint length, uint flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Sync(SafeHandle file);

    [LibraryImport("libc", EntryPoint = "syncfs", SetLastError = true)]
    private static partial int SyncAll(SafeHandle file);

    [LibraryImport("libc", EntryPoint = "lseek", SetLastError = true)]
    public static partial long LSeek(SafeHandle file, long offset, int whence);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags, int mode);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial int Statx(int directory, string path, int flags, uint mask, byte* buffer);

    [LibraryImport("libc", EntryPoint = "statfs", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial int StatFs(string path, byte* buffer);

    [LibraryImport("libc", EntryPoint = "getpwnam_r", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial int GetPwNam(string name, byte* entry, byte* buffer, nuint length, nint* result);

    [LibraryImport("libc", EntryPoint = "getpwuid_r", SetLastError = true)]
    private static unsafe partial int GetPwUid(uint user, byte* entry, byte* buffer, nuint length, nint* result);

    [LibraryImport("libc", EntryPoint = "getgrnam_r", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial int GetGrNam(string name, byte* entry, byte* buffer, nuint length, nint* result);

    [LibraryImport("libc", EntryPoint = "getgroups", SetLastError = true)]
    private static unsafe partial int GetGroups(int size, uint* groups);

    [LibraryImport("libc", EntryPoint = "initgroups", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int InitGroups(string user, uint group);

    [LibraryImport("libc", EntryPoint = "setgid", SetLastError = true)]
    private static partial int SetGroupId(uint group);

    [LibraryImport("libc", EntryPoint = "setuid", SetLastError = true)]
    private static partial int SetUserId(uint user);

    /// <summary>The error of the last call, as an exception that names what was done to which path.</summary>
    public static IOException LastError(string what)
    {
        var number = Marshal.GetLastPInvokeError();
        return new IOException($"{what}: {new Win32Exception(number).Message}", number);
    }

    /// <summary>Opens a folder, for calls that take one as a descriptor; never through a symbolic link in its last part.</summary>
    public static Microsoft.Win32.SafeHandles.SafeFileHandle OpenDirectory(string path)
    {
        const int flags = 0 /* O_RDONLY */ | 0x80000 /* O_CLOEXEC */;
        var (directory, noFollow) = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? (0x4000, 0x8000) : (0x10000, 0x20000);
        var descriptor = Open(path, flags | directory | noFollow, 0);
        return descriptor < 0 ? throw LastError(path) : new(descriptor, ownsHandle: true);
    }

    /// <summary>Where a folder really is, whatever links lead to it; null if there is none.</summary>
    public static string? RealFolder(string path)
    {
        try
        {
            // The dot is a folder, and so no link.
            using var folder = OpenDirectory(path + "/.");
            return new FileInfo($"/proc/self/fd/{folder.DangerousGetHandle()}").LinkTarget;
        }
        catch (IOException e) when (e.HResult is ENOENT or ENOTDIR)
        {
            return null;
        }
    }

    /// <summary>Opens a file for reading; never through a symbolic link in its last part, and without waiting for the writer of a pipe.</summary>
    public static Microsoft.Win32.SafeHandles.SafeFileHandle OpenForReading(string path)
    {
        const int flags = 0x800 /* O_NONBLOCK */ | 0x80000 /* O_CLOEXEC */;
        var noFollow = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 0x8000 : 0x20000;
        var descriptor = Open(path, flags | noFollow, 0);
        return descriptor < 0 ? throw LastError(path) : new(descriptor, ownsHandle: true);
    }

    /// <summary>Waits until the entries of a folder are on the disk.</summary>
    public static void SyncFolder(string path)
    {
        using var folder = OpenForReading(path);
        if (Sync(folder) != 0)
            throw LastError(path);
    }

    /// <summary>Waits until everything in the file system that holds a path is on the disk.</summary>
    public static void SyncFileSystem(string path)
    {
        using var folder = OpenForReading(path);
        if (SyncAll(folder) != 0)
            throw LastError(path);
    }

    /// <summary>Opens a file for reading and writing, and makes it if there is none; never through a symbolic link in its last part.</summary>
    public static Microsoft.Win32.SafeHandles.SafeFileHandle OpenOrCreate(string path, UnixFileMode mode)
    {
        const int flags = 2 /* O_RDWR */ | 0x40 /* O_CREAT */ | 0x80000 /* O_CLOEXEC */;
        var noFollow = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 0x8000 : 0x20000;
        var descriptor = Open(path, flags | noFollow, (int)mode);
        return descriptor < 0 ? throw LastError(path) : new(descriptor, ownsHandle: true);
    }

    /// <summary>Makes a file that must not exist yet, and opens it for reading and writing.</summary>
    public static Microsoft.Win32.SafeHandles.SafeFileHandle CreateNew(string path, UnixFileMode mode)
    {
        const int flags = 2 /* O_RDWR */ | 0x40 /* O_CREAT */ | 0x80 /* O_EXCL */ | 0x80000 /* O_CLOEXEC */;
        var descriptor = Open(path, flags, (int)mode);
        return descriptor < 0 ? throw LastError(path) : new(descriptor, ownsHandle: true);
    }

    /// <summary>
    /// Whether the kernel uses a block device itself: mounted in whatever namespace, for swap, or as a part of an array or of another device. On a block device
    /// <c>O_EXCL</c> asks for exactly that.
    /// </summary>
    public static bool IsInUse(string device)
    {
        const int flags = 0x80 /* O_EXCL */ | 0x80000 /* O_CLOEXEC */;
        using var handle = new Microsoft.Win32.SafeHandles.SafeFileHandle(Open(device, flags, 0), ownsHandle: true);
        return handle.IsInvalid && (Marshal.GetLastPInvokeError() == EBUSY ? true : throw LastError(device));
    }

    /// <summary>Owner, mode, inode number and allocated bytes of a path; of the link itself if it is one.</summary>
    public static FileStatus Status(string path) => Status(-100 /* AT_FDCWD */, path, 0x100 /* AT_SYMLINK_NOFOLLOW */);

    /// <summary>Whether there is a file or folder. Unlike .NET's call it does not answer "no" where it may not look.</summary>
    public static unsafe bool Exists(string path)
    {
        var buffer = stackalloc byte[256];
        if (Statx(-100 /* AT_FDCWD */, path, 0x100 /* AT_SYMLINK_NOFOLLOW */, 1, buffer) == 0)
            return true;
        return Marshal.GetLastPInvokeError() switch
        {
            ENOENT or ENOTDIR => false,
            EACCES => throw new UnauthorizedAccessException(LastError(path).Message),
            _ => throw LastError(path),
        };
    }

    /// <summary>The same of an open file.</summary>
    public static FileStatus Status(Microsoft.Win32.SafeHandles.SafeFileHandle file) => Status((int)file.DangerousGetHandle(), "", 0x1000 /* AT_EMPTY_PATH */);

    private static unsafe FileStatus Status(int directory, string path, int flags)
    {
        const uint basic = 0x7ff;
        var buffer = stackalloc byte[256];
        if (Statx(directory, path, flags, basic, buffer) != 0)
            throw LastError(path);
        return new(*(uint*)(buffer + 20), *(uint*)(buffer + 24), (UnixFileMode)(*(ushort*)(buffer + 28) & 0xFFF), (*(ushort*)(buffer + 28) & 0xF000) == 0x8000, *(ulong*)(buffer + 32), *(long*)(buffer + 40), *(long*)(buffer + 48) * 512, ((ulong)*(uint*)(buffer + 136) << 32) | *(uint*)(buffer + 140));
    }

    /// <summary>The magic number of the file system that holds a path, its free bytes for us and its size.</summary>
    public static unsafe (long Magic, long Available, long Size) FileSystem(string path)
    {
        var buffer = stackalloc byte[256];
        if (StatFs(path, buffer) != 0)
            throw LastError(path);
        var (blockSize, blocks, available) = (*(long*)(buffer + 8), *(long*)(buffer + 16), *(long*)(buffer + 32));
        return (*(long*)buffer & 0xFFFFFFFF, available * blockSize, blocks * blockSize);
    }

    /// <summary>The numeric ids of an account; null if there is none of that name.</summary>
    public static unsafe Account? FindAccount(string name)
    {
        var entry = stackalloc byte[128];
        var buffer = new byte[16384];
        nint result = 0;
        fixed (byte* text = buffer)
        {
            if (GetPwNam(name, entry, text, (nuint)buffer.Length, &result) != 0 || result == 0)
                return null;
        }

        // struct passwd { char *name; char *passwd; uid_t uid; gid_t gid; … }
        return new(name, *(uint*)(entry + 16), *(uint*)(entry + 20));
    }

    /// <summary>The account with a number; null if there is none.</summary>
    public static unsafe Account? FindAccount(uint user)
    {
        var entry = stackalloc byte[128];
        var buffer = new byte[16384];
        nint result = 0;
        fixed (byte* text = buffer)
        {
            return GetPwUid(user, entry, text, (nuint)buffer.Length, &result) != 0 || result == 0 ? null
                : new(Marshal.PtrToStringUTF8(*(nint*)entry)!, *(uint*)(entry + 16), *(uint*)(entry + 20));
        }
    }

    /// <summary>The numeric id of a group; null if there is none of that name.</summary>
    public static unsafe uint? FindGroup(string name)
    {
        var entry = stackalloc byte[128];
        // All members' names are in it.
        var buffer = new byte[1 << 18];
        nint result = 0;
        fixed (byte* text = buffer)
        {
            // struct group { char *name; char *passwd; gid_t gid; … }
            return GetGrNam(name, entry, text, (nuint)buffer.Length, &result) != 0 || result == 0 ? null : *(uint*)(entry + 16);
        }
    }

    /// <summary>The groups that this process has, which are those of its session's beginning.</summary>
    public static unsafe IReadOnlyList<uint> Groups()
    {
        var groups = new uint[65536];
        fixed (uint* first = groups)
            return [.. groups.AsSpan(0, Math.Max(0, GetGroups(groups.Length, first))), EffectiveGroupId()];
    }

    /// <summary>Gives up being root for good: this process is the account's from now on, with the groups that it has today.</summary>
    public static void Become(Account account)
    {
        // In this order: the last one takes the right to do the others. The C library does it for all threads.
        if (InitGroups(account.Name, account.GroupId) != 0 || SetGroupId(account.GroupId) != 0 || SetUserId(account.UserId) != 0)
            throw LastError($"becoming {account.Name}");
    }
}

/// <summary>What a path is, as far as copying it needs to know.</summary>
internal readonly record struct FileStatus(uint Owner, uint Group, UnixFileMode Mode, bool IsRegular, ulong Inode, long Size, long AllocatedBytes, ulong Device);

/// <summary>An account of this host.</summary>
internal sealed record Account(string Name, uint UserId, uint GroupId);
