using System.Buffers.Binary;
using System.ComponentModel;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Pgd.IntegrationTests;

/// <summary>Which bytes of two files lie at the same place of the device. A silent byte copy cannot pass for a clone here.</summary>
public readonly record struct SharedExtents(long SharedBytes, long Bytes)
{
    private const int HeaderSize = 32;
    private const int ExtentSize = 56;
    private const int ExtentsPerCall = 512;
    private const nuint FsIocFiemap = 0xC020660B;
    private const uint FlagSync = 0x1;
    private const uint ExtentLast = 0x1;
    // Unknown, delayed, unaligned tail or inside the inode: no place of the device that could be compared.
    private const uint ExtentWithoutPlace = 0x2 | 0x4 | 0x200 | 0x400;
    private const uint ExtentShared = 0x2000;

    /// <summary>The part that is shared, from 0 to 1; 1 when there is nothing to share.</summary>
    public double Fraction => Bytes == 0 ? 1 : (double)SharedBytes / Bytes;

    /// <summary>How much of a file is physically the same as another file.</summary>
    public static SharedExtents OfFiles(string file, string other)
    {
        var theirs = Map(other);
        long bytes = 0, shared = 0;
        foreach (var extent in Map(file))
        {
            bytes += extent.Length;
            if (!extent.Shared)
                continue;
            foreach (var their in theirs)
                shared += Math.Max(0, Math.Min(extent.End, their.End) - Math.Max(extent.Physical, their.Physical));
        }

        return new(shared, bytes);
    }

    /// <summary>The same over all files of a folder and those of the same relative path in another one. A file that the other lacks shares nothing.</summary>
    public static SharedExtents OfFolders(string folder, string other)
    {
        long bytes = 0, shared = 0;
        foreach (var file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
        {
            var counterpart = Path.Combine(other, Path.GetRelativePath(folder, file));
            var found = File.Exists(counterpart) ? OfFiles(file, counterpart) : new(0, Map(file).Sum(extent => extent.Length));
            bytes += found.Bytes;
            shared += found.SharedBytes;
        }

        return new(shared, bytes);
    }

    private static List<Extent> Map(string path)
    {
        using var file = File.OpenHandle(path, share: FileShare.ReadWrite | FileShare.Delete);
        var extents = new List<Extent>();
        var buffer = new byte[HeaderSize + (ExtentsPerCall * ExtentSize)];
        for (ulong start = 0; ;)
        {
            // struct fiemap: start, length, flags, mapped_extents, extent_count, reserved
            Array.Clear(buffer);
            BinaryPrimitives.WriteUInt64LittleEndian(buffer, start);
            BinaryPrimitives.WriteUInt64LittleEndian(buffer.AsSpan(8), ulong.MaxValue - start);
            BinaryPrimitives.WriteUInt32LittleEndian(buffer.AsSpan(16), FlagSync);
            BinaryPrimitives.WriteUInt32LittleEndian(buffer.AsSpan(24), ExtentsPerCall);
            if (Control(file, FsIocFiemap, buffer) != 0)
                throw new Win32Exception(Marshal.GetLastPInvokeError(), $"FIEMAP of {path}");
            var count = BinaryPrimitives.ReadUInt32LittleEndian(buffer.AsSpan(20));
            if (count == 0)
                return extents;
            for (var i = 0; i < count; i++)
            {
                // struct fiemap_extent: logical, physical, length, 16 reserved bytes, flags
                var extent = buffer.AsSpan(HeaderSize + (i * ExtentSize), ExtentSize);
                var logical = BinaryPrimitives.ReadUInt64LittleEndian(extent);
                var physical = BinaryPrimitives.ReadInt64LittleEndian(extent[8..]);
                var length = BinaryPrimitives.ReadInt64LittleEndian(extent[16..]);
                var flags = BinaryPrimitives.ReadUInt32LittleEndian(extent[40..]);
                if ((flags & ExtentWithoutPlace) == 0)
                    extents.Add(new(physical, length, (flags & ExtentShared) != 0));
                if ((flags & ExtentLast) != 0)
                    return extents;
                start = logical + (ulong)length;
            }
        }
    }

    [DllImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Control(SafeFileHandle file, nuint request, [In, Out] byte[] argument);

    private readonly record struct Extent(long Physical, long Length, bool Shared)
    {
        public long End => Physical + Length;
    }
}
