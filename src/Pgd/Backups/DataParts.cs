using System.Buffers;
using System.Buffers.Binary;
using System.Formats.Tar;
using System.IO.Hashing;
using Pgd.Linux;

namespace Pgd.Backups;

/// <summary>
/// The files of a cluster as tar archives, each of them an object of its own: a damaged one costs no other, and they are written and restored side by side. A file that changed since an
/// earlier backup is in them as windows: some megabytes of it, of which only the blocks are there that are not as they were.
/// </summary>
internal static class DataParts
{
    private const int CopyBytes = 1 << 20, WindowBlocks = 512, WindowBytes = WindowBlocks * BlockMap.BlockBytes;

    // A window begins with its place in the file, and a bit for each of its blocks.
    private const int WindowHeader = sizeof(long) + (WindowBlocks / 8);

    // Large enough that their number does not matter, and small enough that one is soon read again.
    private const long PartBytes = 1L << 30;

    // Maps are kept until their part is written.
    private const int MapBytes = 4 << 20;

    private const int MostSideBySide = 2;

    /// <summary>The object with the maps of a part.</summary>
    public static string MapOf(string prefix, int part) => $"{prefix}blocks/{part:D5}";

    /// <summary>Writes the files, which nobody changes meanwhile.</summary>
    /// <param name="source">The files.</param>
    /// <param name="earlier">What is there already; null to write all.</param>
    /// <param name="prefix">Where they go.</param>
    /// <param name="repository">The repository.</param>
    /// <param name="reporter">Hears how far it is.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="PgdException">A file changes after all (<see cref="ExitCode.Failed"/>), or the repository refuses.</exception>
    public static async Task<WrittenParts> WriteAsync(IClusterFiles source, EarlierFiles? earlier, string prefix, BackupRepository repository, IReporter reporter, CancellationToken cancellationToken)
    {
        var (done, last) = (0L, -1);
        var lanes = Enumerable.Range(0, source.IsSideBySide ? Math.Min(MostSideBySide, Environment.ProcessorCount) : 1).Select(_ => new WrittenParts([], [], [])).ToList();
        await Parallel.ForEachAsync(lanes, new ParallelOptions { MaxDegreeOfParallelism = lanes.Count, CancellationToken = cancellationToken }, async (lane, token) =>
        {
            using var maps = new MemoryStream();
            for (var next = await source.NextAsync(token).ConfigureAwait(false); next is not null;)
            {
                var part = Interlocked.Increment(ref last);
                lane.Parts.Add(await repository.WriteAsync($"{prefix}data/{part:D5}.tar", async (stream, inner) =>
                {
                    var writer = new PartWriter(stream, part, maps, earlier);
                    await using var _ = writer.ConfigureAwait(false);
                    for (; next is not null && writer.HasRoomFor(next); next = await source.NextAsync(inner).ConfigureAwait(false))
                    {
                        lane.Files.Add(await writer.WriteAsync(next, inner).ConfigureAwait(false));
                        if (source.Bytes > 0)
                            reporter.Progress($"backing up {source.Name}", Interlocked.Add(ref done, next.Bytes), source.Bytes);
                    }
                }, compress: true, digest: false, token).ConfigureAwait(false));
                Fault.Here("backup:part");
                if (maps.Length > 0)
                    lane.Maps.Add(await repository.WriteAsync(MapOf(prefix, part), (stream, inner) => stream.WriteAsync(maps.GetBuffer().AsMemory(0, (int)maps.Length), inner).AsTask(), compress: false, token).ConfigureAwait(false));
                maps.SetLength(0);
                Fault.Here("backup:blocks");
            }
        }).ConfigureAwait(false);
        return new([.. lanes.SelectMany(lane => lane.Files).OrderBy(file => file.Part)], [.. lanes.SelectMany(lane => lane.Parts).OrderBy(part => part.Key, StringComparer.Ordinal)], [.. lanes.SelectMany(lane => lane.Maps).OrderBy(map => map.Key, StringComparer.Ordinal)]);
    }

    /// <summary>Brings what a part has of its files back, and proves it.</summary>
    /// <param name="manifest">The backup.</param>
    /// <param name="part">Which part of it.</param>
    /// <param name="repository">Where it is.</param>
    /// <param name="open">Opens a file, or one to be changed, to be written; null to only read.</param>
    /// <param name="read">Hears how many bytes of content were read.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="PgdException">Something is damaged or missing (<see cref="ExitCode.Failed"/>).</exception>
    public static async Task ReadAsync(BackupManifest manifest, int part, BackupRepository repository, Func<BackedUpFile, Stream?>? open, Action<long> read, CancellationToken cancellationToken)
    {
        var stored = manifest.Parts[part];
        var expected = manifest.Files.Where(file => file.Part == part && file.Changes is not { Windows: 0 }).ToDictionary(file => file.Path, StringComparer.Ordinal);
        var source = await repository.ReadAsync(stored.Key, compressed: true, cancellationToken).ConfigureAwait(false);
        await using var _ = source.ConfigureAwait(false);
        var buffer = ArrayPool<byte>.Shared.Rent(CopyBytes);
        try
        {
            var reader = new TarReader(source, leaveOpen: true);
            await using var __ = reader.ConfigureAwait(false);
            // An archive without a file has no end either.
            var entry = expected.Count == 0 ? null : await reader.GetNextEntryAsync(copyData: false, cancellationToken).ConfigureAwait(false);
            while (entry is not null)
            {
                if (!expected.Remove(entry.Name, out var file) || (file.Changes is null && entry.Length != file.Bytes))
                    throw Damaged(stored, $"it has a file {entry.Name} of {entry.Length} bytes, which the manifest does not have so");
                var target = open?.Invoke(file) ?? Stream.Null;
                await using var ___ = target.ConfigureAwait(false);
                var (hash, windows, digest) = (new XxHash128(), 0, "");
                do
                {
                    var content = entry.DataStream ?? Stream.Null;
                    if (file.Changes is null)
                        digest = await CopyAsync(content, target, file.Bytes, buffer, cancellationToken).ConfigureAwait(false);
                    else
                        await ApplyAsync(content, target, hash, buffer, cancellationToken).ConfigureAwait(false);
                    windows++;
                    entry = await reader.GetNextEntryAsync(copyData: false, cancellationToken).ConfigureAwait(false);
                }
                while (file.Changes is not null && entry?.Name == file.Path);
                if (file.Changes is { } changes ? changes.Windows != windows || Hex(hash) != changes.Digest : digest != file.Digest)
                    throw Damaged(stored, $"{file.Path} is not what was backed up");
                await target.FlushAsync(cancellationToken).ConfigureAwait(false);
                read(file.Changes?.Bytes ?? file.Bytes);
            }

            // To its very end: what protects the object is there.
            await source.CopyToAsync(Stream.Null, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is InvalidDataException or EndOfStreamException or FormatException)
        {
            throw Damaged(stored, e.Message, e);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        if (expected.Count > 0)
            throw Damaged(stored, $"it lacks {expected.Count} files, among them {expected.Keys.First()}");
    }

    /// <summary>The digest of a file's content.</summary>
    public static async Task<string> DigestOfAsync(Stream content, long bytes, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(CopyBytes);
        try
        {
            return await CopyAsync(content, Stream.Null, bytes, buffer, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static PgdException Damaged(StoredPart part, string what, Exception? inner = null) => new(ExitCode.Failed, $"{part.Key} is damaged: {what}", "What is damaged is not restored; choose another backup: dotnet pgd backup list", inner);

    private static string Hex(XxHash128 hash) => Convert.ToHexStringLower(hash.GetCurrentHash());

    private static async Task<string> CopyAsync(Stream source, Stream target, long bytes, byte[] buffer, CancellationToken cancellationToken)
    {
        var map = new byte[BlockMap.BytesFor(bytes)];
        for (var offset = 0L; offset < bytes;)
        {
            var count = (int)Math.Min(CopyBytes, bytes - offset);
            await source.ReadExactlyAsync(buffer.AsMemory(0, count), cancellationToken).ConfigureAwait(false);
            BlockMap.Digest(buffer.AsSpan(0, count), offset, map);
            await target.WriteAsync(buffer.AsMemory(0, count), cancellationToken).ConfigureAwait(false);
            offset += count;
        }

        return BlockMap.DigestOf(map);
    }

    private static async Task ApplyAsync(Stream source, Stream target, XxHash128 hash, byte[] buffer, CancellationToken cancellationToken)
    {
        var header = buffer[..WindowHeader];
        await source.ReadExactlyAsync(header, cancellationToken).ConfigureAwait(false);
        hash.Append(header);
        var offset = BinaryPrimitives.ReadInt64LittleEndian(header);
        for (var block = 0; block < WindowBlocks;)
        {
            // Neighbors at once.
            var run = 0;
            while (block + run < WindowBlocks && run < CopyBytes / BlockMap.BlockBytes && IsSet(header, block + run))
                run++;
            if (run == 0)
            {
                block++;
                continue;
            }

            var count = await source.ReadAtLeastAsync(buffer.AsMemory(0, run * BlockMap.BlockBytes), run * BlockMap.BlockBytes, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
            if (count <= (run - 1) * BlockMap.BlockBytes)
                throw new EndOfStreamException("a window lacks some of its blocks");
            hash.Append(buffer.AsSpan(0, count));
            if (target.CanSeek)
                target.Position = offset + ((long)block * BlockMap.BlockBytes);
            await target.WriteAsync(buffer.AsMemory(0, count), cancellationToken).ConfigureAwait(false);
            block += run;
        }
    }

    private static bool IsSet(ReadOnlySpan<byte> header, int block) => (header[sizeof(long) + (block / 8)] & (1 << (block % 8))) != 0;

    /// <summary>One archive that is written.</summary>
    private sealed class PartWriter(Stream target, int part, MemoryStream maps, EarlierFiles? earlier) : IAsyncDisposable
    {
        private readonly TarWriter _tar = new(target, TarEntryFormat.Pax, leaveOpen: true);
        private readonly byte[] _buffer = ArrayPool<byte>.Shared.Rent(earlier is null ? CopyBytes : WindowBytes);
        private byte[]? _window;
        private long _written;
        private bool _any;

        /// <summary>Whether a file belongs into it; the first one always.</summary>
        public bool HasRoomFor(ClusterFile file) => !_any || (maps.Length < MapBytes && _written + (earlier?.Find(file.Path) is { } before && before.Bytes == file.Bytes ? 0 : file.Bytes) <= PartBytes);

        public async Task<BackedUpFile> WriteAsync(ClusterFile file, CancellationToken cancellationToken)
        {
            _any = true;
            var content = file.Open();
            await using var _ = content.ConfigureAwait(false);
            var map = new byte[BlockMap.BytesFor(file.Bytes)];
            BackedUpFile written;
            if (earlier?.Find(file.Path) is { } before)
            {
                var earlierMap = await earlier.MapAsync(file.Path, cancellationToken).ConfigureAwait(false);
                written = file.Sent is { } sent ? await AddSentAsync(file, sent, content, before, earlierMap, map, cancellationToken).ConfigureAwait(false)
                    : await AddChangesAsync(file, content, before, earlierMap, map, cancellationToken).ConfigureAwait(false);
            }
            else
            {
                written = file.Sent is null ? await AddAsync(file, content, map, cancellationToken).ConfigureAwait(false)
                    : throw new PgdException(ExitCode.Failed, $"the server sent what changed in {file.Path}, and the earlier backup has no such file", "Make a full backup: leave out --incremental and --differential.");
            }

            // What was read is as much as there was; the digest is of all that there is.
            if (await content.ReadAsync(_buffer.AsMemory(0, 1), cancellationToken).ConfigureAwait(false) != 0)
                throw Changed(file, "grew");
            if (!written.IsAsBefore)
                maps.Write(map);
            return written;
        }

        public async ValueTask DisposeAsync()
        {
            await _tar.DisposeAsync().ConfigureAwait(false);
            ArrayPool<byte>.Shared.Return(_buffer);
            if (_window is not null)
                ArrayPool<byte>.Shared.Return(_window);
        }

        private static PgdException Changed(ClusterFile file, string how) => new(ExitCode.Failed, $"{file.Path} {how} while it was backed up", "Nothing may write into a snapshot; take the backup again.");

        private Task WriteEntryAsync(string path, Stream content, long bytes, CancellationToken cancellationToken)
        {
            _written += bytes;
            return _tar.WriteEntryAsync(new PaxTarEntry(TarEntryType.RegularFile, path) { DataStream = content, Mode = UnixFileMode.UserRead | UnixFileMode.UserWrite }, cancellationToken);
        }

        private async Task<BackedUpFile> AddAsync(ClusterFile file, Stream content, byte[] map, CancellationToken cancellationToken)
        {
            await WriteEntryAsync(file.Path, new ReadOnce(file.Bytes, Read), file.Bytes, cancellationToken).ConfigureAwait(false);
            return new(file.Path, file.Bytes, part, BlockMap.DigestOf(map));

            async ValueTask<ReadOnlyMemory<byte>> Read(long offset, CancellationToken token)
            {
                var piece = await PieceAsync(file, content, offset, CopyBytes, token).ConfigureAwait(false);
                BlockMap.Digest(piece.Span, offset, map);
                return piece;
            }
        }

        private async Task<BackedUpFile> AddChangesAsync(ClusterFile file, Stream content, BackedUpFile before, ReadOnlyMemory<byte> earlierMap, byte[] map, CancellationToken cancellationToken)
        {
            _window ??= ArrayPool<byte>.Shared.Rent(WindowHeader + WindowBytes);
            var written = new Windows();
            for (var offset = 0L; offset < file.Bytes; offset += WindowBytes)
            {
                var piece = await PieceAsync(file, content, offset, WindowBytes, cancellationToken).ConfigureAwait(false);
                BlockMap.Digest(piece.Span, offset, map);
                var first = (int)(offset / BlockMap.BlockBytes) * BlockMap.DigestBytes;
                await WriteWindowAsync(file, Gather(piece.Span, offset, map.AsSpan(first), earlierMap.Span[Math.Min(first, earlierMap.Length)..]), written, cancellationToken).ConfigureAwait(false);
            }

            return Written(file, before, written, map);
        }

        // What the server itself found to have changed; the rest of the file is as the earlier backup has it.
        private async Task<BackedUpFile> AddSentAsync(ClusterFile file, SentBlocks sent, Stream content, BackedUpFile before, ReadOnlyMemory<byte> earlierMap, byte[] map, CancellationToken cancellationToken)
        {
            _window ??= ArrayPool<byte>.Shared.Rent(WindowHeader + WindowBytes);
            var (written, total, next) = (new Windows(), (int)(file.Bytes / BlockMap.BlockBytes), 0);
            if (before.Bytes % BlockMap.BlockBytes != 0)
                throw new PgdException(ExitCode.Failed, $"{file.Path} ends within a block in the earlier backup", "Make a full backup: leave out --incremental and --differential.");
            earlierMap.Span[..Math.Min(earlierMap.Length, map.Length)].CopyTo(map);
            for (var block = earlierMap.Length / BlockMap.DigestBytes; block < total; block++)
                BlockMap.ZeroBlock.CopyTo(map.AsSpan(block * BlockMap.DigestBytes));
            for (var first = 0; first < total; first += WindowBlocks)
            {
                var length = StartWindow((long)first * BlockMap.BlockBytes);
                for (var block = first; block < Math.Min(total, first + WindowBlocks); block++)
                {
                    var isSent = next < sent.Blocks.Count && sent.Blocks[next] == block;
                    // Beyond what the file was cut to since, only what was sent is there.
                    if (!isSent && block < sent.KeptBlocks)
                        continue;
                    var place = _window.AsMemory(length, BlockMap.BlockBytes);
                    if (!isSent)
                        place.Span.Clear();
                    else if (await content.ReadAtLeastAsync(place, place.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false) < place.Length)
                        throw Changed(file, "shrank");
                    else
                        next++;
                    BlockMap.Digest(place.Span, (long)block * BlockMap.BlockBytes, map);
                    Mark(block - first);
                    length += place.Length;
                }

                await WriteWindowAsync(file, length, written, cancellationToken).ConfigureAwait(false);
            }

            return Written(file, before, written, map);
        }

        private BackedUpFile Written(ClusterFile file, BackedUpFile before, Windows written, byte[] map)
        {
            var digest = BlockMap.DigestOf(map);
            return written.Count == 0 && file.Bytes == before.Bytes && digest == before.Digest ? new(file.Path, file.Bytes, BackedUpFile.AsBefore, digest)
                : new(file.Path, file.Bytes, part, digest) { Changes = new(written.Count, written.Bytes, Hex(written.Hash)) };
        }

        private async Task<ReadOnlyMemory<byte>> PieceAsync(ClusterFile file, Stream content, long offset, int most, CancellationToken cancellationToken)
        {
            var piece = _buffer.AsMemory(0, (int)Math.Min(most, file.Bytes - offset));
            return await content.ReadAtLeastAsync(piece, piece.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false) == piece.Length ? piece : throw Changed(file, "shrank");
        }

        private async Task WriteWindowAsync(ClusterFile file, int length, Windows written, CancellationToken cancellationToken)
        {
            if (length == WindowHeader)
                return;
            written.Add(_window.AsSpan(0, length));
            using var copy = new MemoryStream(_window!, 0, length, writable: false);
            await WriteEntryAsync(file.Path, copy, length, cancellationToken).ConfigureAwait(false);
        }

        private int StartWindow(long offset)
        {
            _window.AsSpan(0, WindowHeader).Clear();
            BinaryPrimitives.WriteInt64LittleEndian(_window, offset);
            return WindowHeader;
        }

        private void Mark(int block) => _window![sizeof(long) + (block / 8)] |= (byte)(1 << (block % 8));

        // The blocks that are not as they were, after what says which they are.
        private int Gather(ReadOnlySpan<byte> piece, long offset, ReadOnlySpan<byte> map, ReadOnlySpan<byte> earlierMap)
        {
            var length = StartWindow(offset);
            for (var block = 0; block * BlockMap.BlockBytes < piece.Length; block++)
            {
                var at = block * BlockMap.DigestBytes;
                if (at + BlockMap.DigestBytes <= earlierMap.Length && map.Slice(at, BlockMap.DigestBytes).SequenceEqual(earlierMap.Slice(at, BlockMap.DigestBytes)))
                    continue;
                Mark(block);
                var content = piece[(block * BlockMap.BlockBytes)..Math.Min(piece.Length, (block + 1) * BlockMap.BlockBytes)];
                content.CopyTo(_window.AsSpan(length));
                length += content.Length;
            }

            return length;
        }

        private sealed class Windows
        {
            public XxHash128 Hash { get; } = new();

            public int Count { get; private set; }

            public long Bytes { get; private set; }

            public void Add(ReadOnlySpan<byte> window)
            {
                Hash.Append(window);
                (Count, Bytes) = (Count + 1, Bytes + window.Length);
            }
        }
    }

    /// <summary>A stream that only reads, piece by piece, for a writer that asks how much there is.</summary>
    private sealed class ReadOnce(long length, Func<long, CancellationToken, ValueTask<ReadOnlyMemory<byte>>> read) : Stream
    {
        private ReadOnlyMemory<byte> _piece;
        private long _read;

        public override bool CanRead => true;

        // Only then is the length believed, and the content not gathered in memory first.
        public override bool CanSeek => true;

        public override bool CanWrite => false;

        public override long Length => length;

        public override long Position { get => _read; set => throw new NotSupportedException(); }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (_piece.Length == 0 && _read < length)
                _piece = await read(_read, cancellationToken).ConfigureAwait(false);
            var count = Math.Min(buffer.Length, _piece.Length);
            _piece[..count].CopyTo(buffer);
            _piece = _piece[count..];
            _read += count;
            return count;
        }

        // Without another copy between.
        public override async Task CopyToAsync(Stream destination, int bufferSize, CancellationToken cancellationToken)
        {
            while (_read < length)
            {
                var piece = await read(_read, cancellationToken).ConfigureAwait(false);
                await destination.WriteAsync(piece, cancellationToken).ConfigureAwait(false);
                _read += piece.Length;
            }
        }

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override int Read(byte[] buffer, int offset, int count) => ReadAsync(buffer.AsMemory(offset, count)).AsTask().GetAwaiter().GetResult();

        public override void Flush() => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}

/// <summary>What was written of a cluster's files.</summary>
/// <param name="Files">The files, in the order in which they are in the parts.</param>
/// <param name="Parts">The objects that hold them.</param>
/// <param name="Maps">The objects with the digests of their blocks.</param>
internal sealed record WrittenParts(List<BackedUpFile> Files, List<StoredPart> Parts, List<StoredPart> Maps);
