using System.Buffers;
using System.Formats.Tar;
using System.Security.Cryptography;
using Pgd.Linux;

namespace Pgd.Backups;

/// <summary>A data directory as a sequence of tar archives, each of them an object of its own: a damaged one costs no other, and they are restored side by side.</summary>
internal static class DataParts
{
    // Large enough that their number does not matter, and small enough that one is soon read again.
    private const long PartBytes = 1L << 30;

    private const int CopyBytes = 1 << 20;

    /// <summary>Writes the directory's files, which nobody changes meanwhile.</summary>
    /// <exception cref="PgdException">There is a link in it (<see cref="ExitCode.Unsafe"/>), or the repository refuses.</exception>
    public static async Task<(IReadOnlyList<string> Folders, IReadOnlyList<BackedUpFile> Files, IReadOnlyList<StoredPart> Parts)> WriteAsync(string data, string name, string prefix, BackupRepository repository, IReporter reporter, CancellationToken cancellationToken)
    {
        var (folders, found) = List(data, name);
        var (files, parts) = (new List<BackedUpFile>(found.Count), new List<StoredPart>());
        var (total, done) = (found.Sum(f => f.Bytes), 0L);
        for (var next = 0; next < found.Count;)
        {
            var part = parts.Count;
            parts.Add(await repository.WriteAsync($"{prefix}data/{part:D5}.tar", async (stream, token) =>
            {
                var writer = new TarWriter(stream, TarEntryFormat.Pax, leaveOpen: true);
                await using var _ = writer.ConfigureAwait(false);
                for (var written = 0L; next < found.Count && (written == 0 || written + found[next].Bytes <= PartBytes); next++)
                {
                    var (path, bytes) = found[next];
                    files.Add(new(path, bytes, part, await AddAsync(writer, data, path, bytes, token).ConfigureAwait(false)));
                    written += bytes;
                    done += bytes;
                    reporter.Progress($"backing up {name}", done, total);
                }
            }, compress: true, cancellationToken).ConfigureAwait(false));
            Fault.Here("backup:part");
        }

        return (folders, files, parts);
    }

    /// <summary>Brings the files of a part back, and proves each of them.</summary>
    /// <param name="manifest">The backup.</param>
    /// <param name="part">Which part of it.</param>
    /// <param name="repository">Where it is.</param>
    /// <param name="open">Makes a file of that path and length; null to only read.</param>
    /// <param name="read">Hears how many bytes of content were read.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="PgdException">Something is damaged or missing (<see cref="ExitCode.Failed"/>).</exception>
    public static async Task ReadAsync(BackupManifest manifest, int part, BackupRepository repository, Func<BackedUpFile, Stream>? open, Action<long> read, CancellationToken cancellationToken)
    {
        var stored = manifest.Parts[part];
        var expected = manifest.Files.Where(file => file.Part == part).ToDictionary(file => file.Path, StringComparer.Ordinal);
        var source = await repository.ReadAsync(stored.Key, compressed: true, cancellationToken).ConfigureAwait(false);
        await using var _ = source.ConfigureAwait(false);
        try
        {
            var reader = new TarReader(source, leaveOpen: true);
            await using var __ = reader.ConfigureAwait(false);
            while (await reader.GetNextEntryAsync(copyData: false, cancellationToken).ConfigureAwait(false) is { } entry)
            {
                if (!expected.Remove(entry.Name, out var file) || entry.Length != file.Bytes)
                    throw Damaged(stored, $"it has a file {entry.Name} of {entry.Length} bytes, which the manifest does not have so");
                var target = open?.Invoke(file) ?? Stream.Null;
                await using var ___ = target.ConfigureAwait(false);
                if (await CopyAsync(entry.DataStream ?? Stream.Null, target, cancellationToken).ConfigureAwait(false) != file.Sha256)
                    throw Damaged(stored, $"{entry.Name} is not what was backed up");
                await target.FlushAsync(cancellationToken).ConfigureAwait(false);
                read(file.Bytes);
            }

            // To its very end: what protects the object is there.
            await source.CopyToAsync(Stream.Null, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is InvalidDataException or EndOfStreamException or FormatException)
        {
            throw Damaged(stored, e.Message, e);
        }

        if (expected.Count > 0)
            throw Damaged(stored, $"it lacks {expected.Count} files, among them {expected.Keys.First()}");
    }

    private static PgdException Damaged(StoredPart part, string what, Exception? inner = null) => new(ExitCode.Failed, $"{part.Key} is damaged: {what}", "What is damaged is not restored; choose another backup: dotnet pgd backup list", inner);

    private static (List<string> Folders, List<(string Path, long Bytes)> Files) List(string data, string name)
    {
        var (folders, files) = (new List<string>(), new List<(string, long)>());
        foreach (var entry in new DirectoryInfo(data).EnumerateFileSystemInfos("*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.None }))
        {
            var path = Path.GetRelativePath(data, entry.FullName);
            if (entry.LinkTarget is not null)
                throw new PgdException(ExitCode.Unsafe, $"{name} has a symbolic link {path}, and a backup of it would not hold what is there", "Move its tablespaces into the data directory: alter table … set tablespace pg_default.");
            if (entry is DirectoryInfo)
                folders.Add(path);
            else
                files.Add((path, ((FileInfo)entry).Length));
        }

        folders.Sort(StringComparer.Ordinal);
        files.Sort((one, other) => string.CompareOrdinal(one.Item1, other.Item1));
        return (folders, files);
    }

    private static async Task<string> AddAsync(TarWriter writer, string data, string path, long bytes, CancellationToken cancellationToken)
    {
        var file = new FileStream(Path.Combine(data, path), new FileStreamOptions { Access = FileAccess.Read, Share = FileShare.ReadWrite | FileShare.Delete, Options = FileOptions.SequentialScan | FileOptions.Asynchronous, BufferSize = CopyBytes });
        await using var _ = file.ConfigureAwait(false);
        using var hash = SHA256.Create();
        var hashed = new CryptoStream(file, hash, CryptoStreamMode.Read);
        await using var __ = hashed.ConfigureAwait(false);
        await writer.WriteEntryAsync(new PaxTarEntry(TarEntryType.RegularFile, path) { DataStream = new KnownLength(hashed, bytes), Mode = UnixFileMode.UserRead | UnixFileMode.UserWrite }, cancellationToken).ConfigureAwait(false);
        // The writer reads as much as there was; the digest is of all that there is.
        if (await hashed.ReadAsync(new byte[1], cancellationToken).ConfigureAwait(false) != 0)
            throw new PgdException(ExitCode.Failed, $"{Path.Combine(data, path)} grew while it was backed up", "Nothing may write into a snapshot; take the backup again.");
        return Convert.ToHexStringLower(hash.Hash!);
    }

    private static async Task<string> CopyAsync(Stream source, Stream target, CancellationToken cancellationToken)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = ArrayPool<byte>.Shared.Rent(CopyBytes);
        try
        {
            while (await source.ReadAsync(buffer, cancellationToken).ConfigureAwait(false) is var count and > 0)
            {
                hash.AppendData(buffer, 0, count);
                await target.WriteAsync(buffer.AsMemory(0, count), cancellationToken).ConfigureAwait(false);
            }

            return Convert.ToHexStringLower(hash.GetHashAndReset());
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>A stream that only reads, for a writer that asks how much there is.</summary>
    private sealed class KnownLength(Stream source, long length) : Stream
    {
        private long _read;

        public override bool CanRead => true;

        // Only then is the length believed, and the content not gathered in memory first.
        public override bool CanSeek => true;

        public override bool CanWrite => false;

        public override long Length => length;

        public override long Position { get => _read; set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override int Read(Span<byte> buffer)
        {
            var count = source.Read(buffer[..(int)Math.Min(buffer.Length, length - _read)]);
            _read += count;
            return count;
        }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var count = await source.ReadAsync(buffer[..(int)Math.Min(buffer.Length, length - _read)], cancellationToken).ConfigureAwait(false);
            _read += count;
            return count;
        }

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override void Flush() => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
