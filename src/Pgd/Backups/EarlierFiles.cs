namespace Pgd.Backups;

/// <summary>The files that an earlier backup has, with the digests of their blocks: what is as it was there is not stored again.</summary>
internal sealed class EarlierFiles : IDisposable
{
    // One holds the maps of 2 GiB of files, see DataParts.
    private const int MostMaps = 8;

    private readonly BackupRepository _repository;
    private readonly Dictionary<string, Found> _files = new(StringComparer.Ordinal);
    private readonly LinkedList<(StoredPart Part, byte[] Maps)> _read = new();
    private readonly SemaphoreSlim _reading = new(1);

    /// <param name="chain">The backup, after those that it builds on.</param>
    /// <param name="repository">Where they are.</param>
    public EarlierFiles(IReadOnlyList<StoredBackup> chain, BackupRepository repository)
    {
        _repository = repository;
        foreach (var link in chain)
        {
            var before = _files;
            _files = new(StringComparer.Ordinal);
            var (maps, offsets) = (link.Manifest!.BlockMaps.ToDictionary(map => map.Key, StringComparer.Ordinal), new Dictionary<int, int>());
            foreach (var file in link.Manifest.Files)
            {
                if (file.IsAsBefore)
                {
                    _files[file.Path] = before[file.Path];
                    continue;
                }

                var offset = offsets.GetValueOrDefault(file.Part);
                _files[file.Path] = new(file, maps.GetValueOrDefault(DataParts.MapOf(link.Prefix, file.Part)), offset);
                offsets[file.Part] = offset + BlockMap.BytesFor(file.Bytes);
            }
        }
    }

    /// <summary>The file of that path; null if there was none.</summary>
    public BackedUpFile? Find(string path) => _files.GetValueOrDefault(path)?.File;

    /// <summary>The digests of that file's blocks.</summary>
    /// <exception cref="PgdException">They are damaged (<see cref="ExitCode.Failed"/>).</exception>
    public async Task<ReadOnlyMemory<byte>> MapAsync(string path, CancellationToken cancellationToken)
    {
        var (file, part, offset) = _files[path];
        if (BlockMap.BytesFor(file.Bytes) is var length && length == 0)
            return default;
        if (part is null)
            throw new PgdException(ExitCode.Failed, $"the earlier backup does not have the digests of {path}", "Make a full backup: leave out --incremental and --differential.");
        await _reading.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            var node = _read.First;
            while (node is not null && node.Value.Part.Key != part.Key)
                node = node.Next;
            if (node is null)
                node = new((part, await ReadAsync(part, cancellationToken).ConfigureAwait(false)));
            else
                _read.Remove(node);
            _read.AddFirst(node);
            if (_read.Count > MostMaps)
                _read.RemoveLast();
            return node.Value.Maps.AsMemory(offset, length);
        }
        finally
        {
            _reading.Release();
        }
    }

    public void Dispose() => _reading.Dispose();

    private async Task<byte[]> ReadAsync(StoredPart part, CancellationToken cancellationToken)
    {
        var stored = await _repository.ReadAsync(part.Key, compressed: false, cancellationToken).ConfigureAwait(false);
        await using var _ = stored.ConfigureAwait(false);
        using var maps = new MemoryStream((int)part.Bytes);
        await stored.CopyToAsync(maps, cancellationToken).ConfigureAwait(false);
        return maps.Length == part.Bytes ? maps.ToArray() : throw new PgdException(ExitCode.Failed, $"{part.Key} is damaged: it has {maps.Length} bytes instead of {part.Bytes}", "Make a full backup: leave out --incremental and --differential.");
    }

    private sealed record Found(BackedUpFile File, StoredPart? Maps, int Offset);
}
