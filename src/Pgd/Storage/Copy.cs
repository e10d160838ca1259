using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Pgd.Linux;

namespace Pgd.Storage;

/// <summary>A plain copy inside the kernel, holes kept. Works everywhere and takes the source's size in time and space.</summary>
internal sealed class Copy(VolumeFolders folders) : IStorage
{
    // The kernel copies a piece without looking at signals; this one takes a fraction of a second.
    private const long Piece = 64 << 20;

    public string Name => "copy";

    public bool SharesCopies => false;

    public bool IsAtomic => false;

    public string? Unavailable() => null;

    public Volume Create(VolumeKey key)
    {
        var volume = folders.Make(key);
        Directory.CreateDirectory(volume.Data, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return volume;
    }

    public async Task<Volume> CloneAsync(Volume source, VolumeKey key, bool running, IReporter reporter, CancellationToken cancellationToken)
    {
        var volume = folders.Make(key);
        await FileTree.CopyAsync(source.Data, volume.Data, running, CopyContent, reserve: true, reporter, cancellationToken).ConfigureAwait(false);
        return volume;
    }

    public void CopyFile(string source, string target)
    {
        File.Delete(target);
        FileTree.CopyFile(source, target, mayVanish: false, CopyContent, CancellationToken.None);
    }

    public Task<Volume> MoveAsync(VolumeKey from, VolumeKey to, IReporter reporter, CancellationToken cancellationToken) => Task.FromResult(folders.Move(from, to));

    public void MoveBack(VolumeKey from, VolumeKey to) => folders.MoveBack(from, to);

    public void Delete(VolumeKey key) => folders.Delete(key, volume => FileTree.Delete(volume.Data));

    public Volume? Find(VolumeKey key) => folders.Find(key);

    public IReadOnlyList<Volume> List() => folders.List();

    public IReadOnlyList<Volume> List(BranchName branch) => folders.List(branch);

    private static void CopyContent(SafeFileHandle source, SafeFileHandle target, long length, CancellationToken cancellationToken)
    {
        long offset = 0;
        while (offset < length)
        {
            var data = Libc.LSeek(source, offset, Libc.SEEK_DATA);
            // No data after the offset is a hole up to the end; a file system that knows no holes answers with an error of its own.
            if (data < 0)
            {
                if (Marshal.GetLastPInvokeError() == Libc.ENXIO)
                    break;
                data = offset;
            }

            var hole = Libc.LSeek(source, data, Libc.SEEK_HOLE);
            var end = hole < 0 ? length : Math.Min(hole, length);
            CopyRange(source, target, data, end, cancellationToken);
            offset = Math.Max(end, data);
            if (hole < 0)
                break;
        }

        // The length that was asked for at first: a file that grows meanwhile gets the rest from the write-ahead log.
        if (RandomAccess.GetLength(target) < length)
            RandomAccess.SetLength(target, length);
    }

    private static unsafe void CopyRange(SafeFileHandle source, SafeFileHandle target, long from, long to, CancellationToken cancellationToken)
    {
        while (from < to)
        {
            cancellationToken.ThrowIfCancellationRequested();
            long read = from, written = from;
            var copied = Libc.CopyFileRange(source, &read, target, &written, (nuint)Math.Min(Piece, to - from), 0);
            if (copied > 0)
            {
                from += copied;
                continue;
            }

            // The source was cut meanwhile: what is missing is a hole, as recovery expects.
            if (copied == 0)
                return;
            switch (Marshal.GetLastPInvokeError())
            {
                case Libc.EINTR:
                    continue;
                case Libc.EXDEV or Libc.ENOSYS or Libc.EOPNOTSUPP or Libc.EINVAL:
                    CopyThroughMemory(source, target, from, to, cancellationToken);
                    return;
                default:
                    throw Libc.LastError("copying");
            }
        }
    }

    private static void CopyThroughMemory(SafeFileHandle source, SafeFileHandle target, long from, long to, CancellationToken cancellationToken)
    {
        var buffer = new byte[1 << 20];
        while (from < to)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var read = RandomAccess.Read(source, buffer.AsSpan(0, (int)Math.Min(buffer.Length, to - from)), from);
            if (read == 0)
                return;
            RandomAccess.Write(target, buffer.AsSpan(0, read), from);
            from += read;
        }
    }
}
