using System.Runtime.InteropServices;

namespace Pgd.Linux;

/// <summary>How much of a folder's files shares its place on the disk with other files, as the file system tells (FIEMAP).</summary>
/// <remarks>https://docs.kernel.org/filesystems/fiemap.html</remarks>
internal static unsafe class SharedExtents
{
    private const uint Shared = 0x2000, Last = 1;
    private const int ExtentsAtOnce = 128;

    /// <summary>The bytes in the files of a folder, and how many of them are shared. Null where the file system does not tell, or the files are not ours to read.</summary>
    public static (long Bytes, long SharedBytes)? Of(string folder)
    {
        var (bytes, shared) = (0L, 0L);
        try
        {
            foreach (var file in Directory.EnumerateFiles(folder))
            {
                using var handle = Libc.OpenForReading(file);
                if (Add(handle, ref bytes, ref shared) is false)
                    return null;
            }

            return (bytes, shared);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>The bytes that the files of a folder take on the disk, shared or not.</summary>
    public static long Allocated(string folder)
    {
        try
        {
            return Directory.EnumerateFiles(folder).Sum(file => Libc.Status(file).AllocatedBytes);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }

    private static bool Add(SafeHandle file, ref long bytes, ref long shared)
    {
        // struct fiemap: start, length, flags, mapped, count, reserved; then struct fiemap_extent of 56 bytes each.
        const int head = 32, size = 56;
        var buffer = stackalloc byte[head + (ExtentsAtOnce * size)];
        for (var start = 0L; ;)
        {
            new Span<byte>(buffer, head).Clear();
            *(long*)buffer = start;
            *(long*)(buffer + 8) = long.MaxValue - start;
            *(uint*)(buffer + 24) = ExtentsAtOnce;
            if (Libc.Ioctl(file, Libc.FS_IOC_FIEMAP, buffer) != 0)
                return false;
            var mapped = *(uint*)(buffer + 20);
            if (mapped == 0)
                return true;
            for (var index = 0; index < mapped; index++)
            {
                var extent = buffer + head + (index * size);
                var (at, length, flags) = (*(long*)extent, *(long*)(extent + 16), *(uint*)(extent + 40));
                bytes += length;
                shared += (flags & Shared) != 0 ? length : 0;
                start = at + length;
                if ((flags & Last) != 0)
                    return true;
            }
        }
    }
}
