using System.Formats.Tar;

namespace Pgd.Backups;

/// <summary>The files of a server as <c>pg_basebackup</c> sends them: one tar archive, which is read while it comes.</summary>
/// <param name="archive">What it sends.</param>
/// <param name="name">The server.</param>
/// <param name="atEnd">Called when all of the data is here, and only the end of the write-ahead log is to come.</param>
internal sealed class BaseBackupFiles(Stream archive, string name, Func<Task> atEnd) : IClusterFiles, IAsyncDisposable
{
    private const string ControlFile = "global/pg_control";

    // By these a server goes on as a standby of its primary, which is nothing that a restored one may do unasked.
    private static readonly string[] Signals = ["standby.signal", "recovery.signal"];

    private readonly TarReader _reader = new(archive, leaveOpen: true);
    private readonly List<string> _folders = [];

    public string Name => name;

    public long Bytes => 0;

    public bool IsSideBySide => false;

    /// <summary>The folders so far, each after the one that it is in.</summary>
    public IReadOnlyList<string> Folders => [.. _folders.Order(StringComparer.Ordinal)];

    /// <summary>What the server says of the files, once it has come; null before PostgreSQL 13.</summary>
    public byte[]? Manifest { get; private set; }

    /// <summary>Whether a file is left out.</summary>
    public static bool IsLeftOut(string path) => Signals.Contains(path);

    public async ValueTask<ClusterFile?> NextAsync(CancellationToken cancellationToken)
    {
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
                    var content = entry.DataStream ?? Stream.Null;
                    if (path == ServerManifest.File)
                        content = new MemoryStream(Manifest = await AllAsync(content, cancellationToken).ConfigureAwait(false), writable: false);
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

    private static async Task<byte[]> AllAsync(Stream stream, CancellationToken cancellationToken)
    {
        using var all = new MemoryStream();
        await stream.CopyToAsync(all, cancellationToken).ConfigureAwait(false);
        return all.ToArray();
    }
}
