using System.Runtime.InteropServices;

namespace Pgd.Backups;

/// <summary>zstd itself, which Debian and all that come from it have anyway, as dpkg needs it: it compresses several times faster than its port to C#.</summary>
internal sealed unsafe partial class Libzstd : IDisposable
{
    private const string Library = "libzstd.so.1";
    // zstd.h: ZSTD_c_compressionLevel, ZSTD_c_checksumFlag.
    private const int LevelParameter = 100, ChecksumParameter = 201;
    private static readonly bool IsThere = NativeLibrary.TryLoad(Library, typeof(Libzstd).Assembly, DllImportSearchPath.System32, out _);

    private nint _context;

    private Libzstd(int level)
    {
        _context = CreateContext();
        if (_context == 0)
            throw new InsufficientMemoryException("zstd has no memory for a context");
        _ = SetParameter(_context, LevelParameter, level);
        _ = SetParameter(_context, ChecksumParameter, 1);
    }

    /// <summary>A compressor; null where the library is not installed.</summary>
    public static Libzstd? TryCreate(int level) => IsThere ? new(level) : null;

    /// <summary>Compresses into one frame with its checksum.</summary>
    /// <returns>The frame's length.</returns>
    public int Compress(ReadOnlySpan<byte> content, Span<byte> frame)
    {
        fixed (byte* from = content, to = frame)
        {
            var length = Compress(_context, to, (nuint)frame.Length, from, (nuint)content.Length);
            return IsError(length) == 0 ? (int)length : throw new IOException($"zstd cannot compress: {Marshal.PtrToStringAnsi(ErrorName(length))}");
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _ = FreeContext(_context);
        _context = 0;
    }

    [LibraryImport(Library, EntryPoint = "ZSTD_createCCtx")]
    private static partial nint CreateContext();

    [LibraryImport(Library, EntryPoint = "ZSTD_freeCCtx")]
    private static partial nuint FreeContext(nint context);

    [LibraryImport(Library, EntryPoint = "ZSTD_CCtx_setParameter")]
    private static partial nuint SetParameter(nint context, int parameter, int value);

    [LibraryImport(Library, EntryPoint = "ZSTD_compress2")]
    private static partial nuint Compress(nint context, byte* target, nuint capacity, byte* source, nuint length);

    [LibraryImport(Library, EntryPoint = "ZSTD_isError")]
    private static partial uint IsError(nuint code);

    [LibraryImport(Library, EntryPoint = "ZSTD_getErrorName")]
    private static partial nint ErrorName(nuint code);
}
