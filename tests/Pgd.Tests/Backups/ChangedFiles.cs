using Pgd.Backups;
using Xunit;

namespace Pgd.Tests.Backups;

/// <summary>What backups that build on each other make of files that change.</summary>
public sealed class ChangedFiles : IDisposable
{
    private const int MostLinks = 5, WindowBytes = 4 << 20;

    private readonly RepositoryFolder _folder = new();
    private readonly DirectoryInfo _data = Directory.CreateTempSubdirectory("pgd-data-"), _restored = Directory.CreateTempSubdirectory("pgd-restored-");

    /// <inheritdoc/>
    public void Dispose()
    {
        _folder.Dispose();
        _data.Delete(recursive: true);
        _restored.Delete(recursive: true);
    }

    [Fact]
    public async Task Whatever_happens_to_the_files_each_backup_of_a_chain_gives_back_what_there_was()
    {
        var catalog = new BackupCatalog(await _folder.InitializeAsync(encrypted: false));
        catalog.Repository.Compression = new(1, 0);
        for (var seed = 0; seed < 100; seed++)
        {
            var random = new Random(seed);
            var chain = new List<StoredBackup>();
            foreach (var entry in _data.GetFileSystemInfos())
                Delete(entry);
            for (var links = random.Next(2, MostLinks + 1); chain.Count < links;)
            {
                Edit(random, large: seed % 20 == 0);
                // A differential one is built on the full one, whatever came between.
                var buildsOn = chain.Count == 0 || random.Next(3) > 0 ? chain : [chain[0]];
                chain = [.. buildsOn, await BackUpAsync(catalog, seed, buildsOn)];
                await RestoreAsync(catalog, chain);
                Assert.Equal(ContentOf(_data), ContentOf(_restored));
            }
        }
    }

    [Fact]
    public async Task Of_a_file_with_one_changed_page_hardly_more_than_that_is_stored_and_of_one_that_did_not_change_nothing()
    {
        var catalog = new BackupCatalog(await _folder.InitializeAsync(encrypted: true));
        var content = new byte[3 * WindowBytes];
        new Random(1).NextBytes(content);
        foreach (var name in (string[])["one", "two", "three"])
            File.WriteAllBytes(Path.Combine(_data.FullName, name), content);
        File.WriteAllText(Path.Combine(_data.FullName, "small"), "before");
        var full = await BackUpAsync(catalog, 1, []);
        content[WindowBytes + 5]++;
        File.WriteAllBytes(Path.Combine(_data.FullName, "two"), content);
        File.WriteAllText(Path.Combine(_data.FullName, "small"), "after!");

        var incremental = await BackUpAsync(catalog, 1, [full]);

        var files = incremental.Manifest!.Files.ToDictionary(file => file.Path);
        Assert.Equal([("one", true), ("small", false), ("three", true), ("two", false)], files.OrderBy(file => file.Key).Select(file => (file.Key, file.Value.IsAsBefore)));
        Assert.InRange(files["two"].Changes!.Bytes, BlockMap.BlockBytes, BlockMap.BlockBytes + 100);
        Assert.InRange(incremental.Manifest.Parts.Sum(part => part.StoredBytes), BlockMap.BlockBytes, 2 * BlockMap.BlockBytes);
        await RestoreAsync(catalog, [full, incremental]);
        Assert.Equal(ContentOf(_data), ContentOf(_restored));
    }

    /// <summary>Each backup may be whole by itself, and yet not what the next one was built on.</summary>
    [Fact]
    public async Task What_does_not_fit_together_is_no_restore()
    {
        var catalog = new BackupCatalog(await _folder.InitializeAsync(encrypted: false));
        var file = Path.Combine(_data.FullName, "file");
        File.WriteAllBytes(file, RepositoryFolder.Content(200_000));
        var full = await BackUpAsync(catalog, 1, []);
        var content = File.ReadAllBytes(file);
        content[0]++;
        File.WriteAllBytes(file, content);
        var incremental = await BackUpAsync(catalog, 1, [full]);
        content[199_999]++;
        File.WriteAllBytes(file, content);
        var other = await BackUpAsync(catalog, 1, []);

        Assert.Contains("file is not what was backed up", (await Assert.ThrowsAsync<PgdException>(() => RestoreAsync(catalog, [other, incremental]))).Message, StringComparison.Ordinal);
        Assert.Contains("is no full backup", (await Assert.ThrowsAsync<PgdException>(() => RestoreAsync(catalog, [incremental]))).Message, StringComparison.Ordinal);
        await RestoreAsync(catalog, [full, incremental]);
    }

    private static void Delete(FileSystemInfo entry)
    {
        if (entry is DirectoryInfo folder)
            folder.Delete(recursive: true);
        else
            entry.Delete();
    }

    private static SortedDictionary<string, string> ContentOf(DirectoryInfo folder) =>
        new(folder.EnumerateFiles("*", SearchOption.AllDirectories).ToDictionary(file => Path.GetRelativePath(folder.FullName, file.FullName), file => Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(file.FullName)))), StringComparer.Ordinal);

    // A few names, so that what was deleted comes back, also as a folder that was a file.
    private void Edit(Random random, bool large)
    {
        for (var edits = random.Next(1, 8); edits > 0; edits--)
        {
            var path = Path.Combine(_data.FullName, random.Next(4) == 0 ? $"{random.Next(3)}/{random.Next(3)}" : $"{random.Next(5)}");
            if (Directory.Exists(path) && random.Next(2) == 0)
            {
                Directory.Delete(path, recursive: true);
                continue;
            }

            if (Directory.Exists(path))
                continue;
            if (File.Exists(Path.GetDirectoryName(path)))
                File.Delete(Path.GetDirectoryName(path)!);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            var length = File.Exists(path) ? new FileInfo(path).Length : 0;
            // About what has a map and what has none, and about the ends of blocks and windows.
            var newLength = random.Next(6) switch
            {
                0 => random.Next(3) * BlockMap.BlockBytes,
                1 => (64 << 10) + random.Next(-1, 2),
                2 => random.Next(200_000),
                3 when large => WindowBytes + random.Next(-1, 2),
                4 when large => (2 * WindowBytes) + random.Next(BlockMap.BlockBytes),
                _ => random.Next(20) * BlockMap.BlockBytes,
            };
            using var file = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.Write);
            switch (random.Next(5))
            {
                case 0:
                    file.Dispose();
                    File.Delete(path);
                    break;
                case 1:
                    RandomAccess.SetLength(file, newLength);
                    break;
                case 2 when length > 0:
                    Write(random, file, random.NextInt64(length), random.Next(20_000));
                    break;
                case 3:
                    // One more page, or the end of one.
                    Write(random, file, length, random.Next(1, 2 * BlockMap.BlockBytes));
                    break;
                default:
                    RandomAccess.SetLength(file, 0);
                    Write(random, file, 0, newLength);
                    break;
            }
        }
    }

    private static void Write(Random random, Microsoft.Win32.SafeHandles.SafeFileHandle file, long offset, int length)
    {
        var content = new byte[length];
        random.NextBytes(content);
        RandomAccess.Write(file, content, offset);
    }

    private async Task<StoredBackup> BackUpAsync(BackupCatalog catalog, int seed, List<StoredBackup> chain)
    {
        var files = new FolderFiles(_data.FullName, "data");
        await using var begun = await catalog.BeginAsync($"{seed}", new(chain.Count == 0 ? BackupKind.Full : BackupKind.Incremental, chain, null), default);
        using var earlier = chain.Count == 0 ? null : new EarlierFiles(chain, catalog.Repository);
        var written = await DataParts.WriteAsync(files, earlier, begun.Prefix, catalog.Repository, SilentReporter.Instance, default);
        var manifest = new BackupManifest { Id = begun.Id, Source = "data", SystemIdentifier = $"{seed}", CreatedAt = begun.At, Kind = begun.BuildsOn.Kind, Parent = begun.BuildsOn.Parent?.Backup.Id, Folders = files.Folders, Files = written.Files, Parts = written.Parts, BlockMaps = written.Maps };
        return new(begun.Prefix, manifest, await catalog.CommitAsync(begun, manifest, default));
    }

    private async Task RestoreAsync(BackupCatalog catalog, List<StoredBackup> chain)
    {
        foreach (var entry in _restored.GetFileSystemInfos())
            Delete(entry);
        var owner = Pgd.Linux.Libc.Status(_restored.FullName);
        await new RestoredFiles(_restored.FullName, catalog.Repository, chain, owner.Owner, owner.Group, SilentReporter.Instance).RunAsync(default);
    }
}
