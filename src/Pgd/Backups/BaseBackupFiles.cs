using System.Buffers.Binary;
using System.Formats.Tar;
using System.Text;

namespace Pgd.Backups;

/// <summary>
/// The files of a server as <c>pg_basebackup</c> sends them: one tar archive, which is read while it comes. Of a file that an earlier backup has, a server from PostgreSQL 17 on may send only the blocks
/// that were written since.
/// </summary>
/// <param name="archive">What it sends.</param>
/// <param name="name">The server.</param>
/// <param name="atEnd">Called when all of the data is here, and only the end of the write-ahead log is to come.</param>
/// <remarks>https://github.com/postgres/postgres/blob/REL_17_STABLE/src/backend/backup/basebackup_incremental.c</remarks>
internal sealed class BaseBackupFiles(Stream archive, string name, Func<Task> atEnd) : IClusterFiles, IAsyncDisposable
{
    private const string ControlFile = "global/pg_control", Label = "backup_label", SentInPart = "INCREMENTAL.";

    // By it a server refuses to start from a folder that lacks what is in earlier backups. What is restored lacks nothing.
    private const string BuildsOn = "INCREMENTAL FROM ";

    private const uint Magic = 0xd3ae1f0d;
    private const int HeaderBytes = 3 * sizeof(uint), MostBlocks = 131_072;

    // By these a server goes on as a standby of its primary, which is nothing that a restored one may do unasked.
    private static readonly string[] Signals = ["standby.signal", "recovery.signal"];

    private readonly TarReader _reader = new(archive, leaveOpen: true);
    private readonly List<string> _folders = [];
    private (string Path, long Bytes, ChecksummedStream Content)? _last;

    public string Name => name;

    public long Bytes => 0;

    public bool IsSideBySide => false;

    /// <summary>The folders so far, each after the one that it is in.</summary>
    public IReadOnlyList<string> Folders => [.. _folders.Order(StringComparer.Ordinal)];

    /// <summary>What came so far, under the names that it came with.</summary>
    public List<SentFile> Sent { get; } = [];

    /// <summary>What the server says of the files, once it has come; null before PostgreSQL 13.</summary>
    public byte[]? Manifest { get; private set; }

    /// <summary>Whether any file came in part.</summary>
    public bool IsInPart { get; private set; }

    /// <summary>Whether a file is left out.</summary>
    public static bool IsLeftOut(string path) => Signals.Contains(path);

    public async ValueTask<ClusterFile?> NextAsync(CancellationToken cancellationToken)
    {
        if (_last is { } last)
            Sent.Add(new(last.Path, last.Bytes, last.Content.Checksum()));
        _last = null;
        while (await _reader.GetNextEntryAsync(copyData: false, cancellationToken).ConfigureAwait(false) is { } entry)
        {
            var path = entry.Name.TrimEnd('/');
            if (path.StartsWith("./", StringComparison.Ordinal))
                path = path[2..];
            switch (entry.EntryType)
            {
                case TarEntryType.Directory:
                    if (path is not ("" or "."))
                        _folders.Add(path);
                    break;
                case TarEntryType.RegularFile or TarEntryType.V7RegularFile:
                    if (IsLeftOut(path))
                        break;
                    if (path == ControlFile)
                        await atEnd().ConfigureAwait(false);
                    if (path == ServerManifest.File)
                    {
                        Manifest = await AllAsync(entry.DataStream ?? Stream.Null, cancellationToken).ConfigureAwait(false);
                        // It is about what came, which is not what there will be.
                        if (IsInPart)
                            break;
                        return new(path, Manifest.Length, () => new MemoryStream(Manifest, writable: false));
                    }

                    var content = new ChecksummedStream(entry.DataStream ?? Stream.Null);
                    _last = (path, entry.Length, content);
                    var (folder, file) = (path[..(path.LastIndexOf('/') + 1)], path[(path.LastIndexOf('/') + 1)..]);
                    if (file.StartsWith(SentInPart, StringComparison.Ordinal))
                        return await InPartAsync(folder + file[SentInPart.Length..], entry.Length, content, cancellationToken).ConfigureAwait(false);
                    if (path == Label)
                        return Whole(await AllAsync(content, cancellationToken).ConfigureAwait(false));
                    return new(path, entry.Length, () => content);
                default:
                    throw new PgdException(ExitCode.Unsafe, $"{name} has a link {path} in its data directory, and a backup of it would not hold what is there", "Move its tables into the data directory: ALTER TABLE … SET TABLESPACE pg_default.");
            }
        }

        // Who is not read to the end does not end.
        await archive.CopyToAsync(Stream.Null, cancellationToken).ConfigureAwait(false);
        return null;
    }

    public ValueTask DisposeAsync() => _reader.DisposeAsync();

    private static ClusterFile Whole(byte[] label)
    {
        var text = Encoding.UTF8.GetString(label);
        if (text.Contains(BuildsOn, StringComparison.Ordinal))
            label = Encoding.UTF8.GetBytes(string.Concat(text.Split('\n').Where(line => !line.StartsWith(BuildsOn, StringComparison.Ordinal) && line.Length > 0).Select(line => line + "\n")));
        return new(Label, label.Length, () => new MemoryStream(label, writable: false));
    }

    private static async Task<byte[]> AllAsync(Stream stream, CancellationToken cancellationToken)
    {
        using var all = new MemoryStream();
        await stream.CopyToAsync(all, cancellationToken).ConfigureAwait(false);
        return all.ToArray();
    }

    // What it has is said before it; it begins at a multiple of a block's length, if there is any.
    private async Task<ClusterFile> InPartAsync(string path, long length, Stream content, CancellationToken cancellationToken)
    {
        IsInPart = true;
        var header = new byte[HeaderBytes];
        await content.ReadExactlyAsync(header, cancellationToken).ConfigureAwait(false);
        var (magic, count, kept) = (Number(header, 0), Number(header, 1), Number(header, 2));
        if (magic != Magic || count > MostBlocks || kept > MostBlocks)
            throw Odd(path);
        var numbers = new byte[count == 0 ? 0 : RoundUp(HeaderBytes + ((int)count * sizeof(uint))) - HeaderBytes];
        await content.ReadExactlyAsync(numbers, cancellationToken).ConfigureAwait(false);
        var blocks = new uint[count];
        for (var i = 0; i < blocks.Length; i++)
        {
            blocks[i] = Number(numbers, i);
            if (blocks[i] >= MostBlocks || (i > 0 && blocks[i] <= blocks[i - 1]))
                throw Odd(path);
        }

        if (length != HeaderBytes + numbers.Length + ((long)count * BlockMap.BlockBytes))
            throw Odd(path);
        var total = count == 0 ? kept : Math.Max(kept, blocks[^1] + 1);
        return new(path, (long)total * BlockMap.BlockBytes, () => content, new(blocks, kept));
    }

    private PgdException Odd(string path) => new(ExitCode.Failed, $"{name} sent what changed in {path} in a form that this version does not know", "Make a full backup: leave out --incremental and --differential.");

    private static uint Number(byte[] bytes, int index) => BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(index * sizeof(uint)));

    private static int RoundUp(int bytes) => (bytes + BlockMap.BlockBytes - 1) / BlockMap.BlockBytes * BlockMap.BlockBytes;
}

/// <summary>A file that a server sent.</summary>
/// <param name="Path">Its name.</param>
/// <param name="Bytes">Its length.</param>
/// <param name="Checksum">Its CRC-32C, as the server's manifest has it.</param>
internal sealed record SentFile(string Path, long Bytes, string Checksum);
