namespace Pgd.Backups;

/// <summary>The files of a cluster that is backed up, one after the other.</summary>
internal interface IClusterFiles
{
    /// <summary>What it is called.</summary>
    string Name { get; }

    /// <summary>The bytes of all files; 0 where that is not known before they have come.</summary>
    long Bytes { get; }

    /// <summary>Whether several may be read at the same time.</summary>
    bool IsSideBySide { get; }

    /// <summary>The next one; null after the last. Unless they are read side by side, the one before has been read then.</summary>
    ValueTask<ClusterFile?> NextAsync(CancellationToken cancellationToken);
}

/// <summary>A file of a cluster.</summary>
/// <param name="Path">Its path in the data directory.</param>
/// <param name="Bytes">Its length.</param>
/// <param name="Open">Opens its content, once.</param>
/// <param name="Sent">The blocks that the content has if a server sent nothing else of the file; null if it is all of it.</param>
internal sealed record ClusterFile(string Path, long Bytes, Func<Stream> Open, SentBlocks? Sent = null);

/// <summary>Which blocks a server sent of a file, of which the rest is as it was.</summary>
/// <param name="Blocks">Their places, in their order.</param>
/// <param name="KeptBlocks">How many blocks at its beginning are those that there were, unless they were sent.</param>
internal sealed record SentBlocks(IReadOnlyList<uint> Blocks, uint KeptBlocks);

/// <summary>The files of a data directory that nobody changes meanwhile.</summary>
internal sealed class FolderFiles : IClusterFiles
{
    private readonly string _data;
    private readonly List<(string Path, long Bytes)> _files = [];
    private int _next = -1;

    /// <exception cref="PgdException">There is a link in it (<see cref="ExitCode.Unsafe"/>).</exception>
    public FolderFiles(string data, string name)
    {
        (_data, Name) = (data, name);
        var folders = new List<string>();
        foreach (var entry in new DirectoryInfo(data).EnumerateFileSystemInfos("*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.None }))
        {
            var path = Path.GetRelativePath(data, entry.FullName);
            if (entry.LinkTarget is not null)
                throw new PgdException(ExitCode.Unsafe, $"{name} has a symbolic link {path}, and a backup of it would not hold what is there", "Move its tablespaces into the data directory: alter table … set tablespace pg_default.");
            if (entry is DirectoryInfo)
                folders.Add(path);
            else
                _files.Add((path, ((FileInfo)entry).Length));
        }

        folders.Sort(StringComparer.Ordinal);
        _files.Sort((one, other) => string.CompareOrdinal(one.Path, other.Path));
        (Folders, Bytes) = (folders, _files.Sum(file => file.Bytes));
    }

    public string Name { get; }

    public long Bytes { get; }

    public bool IsSideBySide => true;

    /// <summary>The folders, each after the one that it is in.</summary>
    public IReadOnlyList<string> Folders { get; }

    public ValueTask<ClusterFile?> NextAsync(CancellationToken cancellationToken)
    {
        if (Interlocked.Increment(ref _next) is var next && next >= _files.Count)
            return default;
        var (path, bytes) = _files[next];
        return new(new ClusterFile(path, bytes, () => new FileStream(Path.Combine(_data, path), new FileStreamOptions { Access = FileAccess.Read, Share = FileShare.ReadWrite | FileShare.Delete, Options = FileOptions.SequentialScan | FileOptions.Asynchronous, BufferSize = 0 })));
    }
}
