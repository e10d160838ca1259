using System.Buffers.Binary;
using System.Formats.Tar;
using Pgd.Backups;
using Xunit;

namespace Pgd.Tests.Backups;

/// <summary>What a server sends of files that an earlier backup has: in the form of PostgreSQL's basebackup_incremental.c.</summary>
public sealed class FilesSentInPart : IDisposable
{
    private const int Block = BlockMap.BlockBytes;
    private const uint Magic = 0xd3ae1f0d;

    private readonly RepositoryFolder _folder = new();
    private readonly DirectoryInfo _restored = Directory.CreateTempSubdirectory("pgd-restored-");

    /// <inheritdoc/>
    public void Dispose()
    {
        _folder.Dispose();
        _restored.Delete(recursive: true);
    }

    /// <summary>Files are cut, grow with gaps, and come in part again and again, on top of what was read as a whole as well.</summary>
    [Fact]
    public async Task Each_backup_of_a_chain_gives_back_what_was_kept_and_what_was_sent_and_zeros_where_neither_is()
    {
        var catalog = new BackupCatalog(await _folder.InitializeAsync(encrypted: false));
        for (var seed = 0; seed < 60; seed++)
        {
            var random = new Random(seed);
            // Beyond one window of 512 blocks now and then.
            var most = seed % 10 == 0 ? 1200 : 20;
            var (content, chain) = (Blocks(random, random.Next(most)), new List<StoredBackup>());
            chain.Add(await BackUpAsync(catalog, chain, Tar(("PG_VERSION", "17\n"u8.ToArray()), ("base/1/7", content))));
            for (var links = random.Next(1, 4); links > 0; links--)
            {
                if (random.Next(4) == 0)
                {
                    content = Blocks(random, random.Next(most));
                    chain.Add(await BackUpAsync(catalog, chain, Tar(("PG_VERSION", "17\n"u8.ToArray()), ("base/1/7", content))));
                    continue;
                }

                var kept = random.Next((content.Length / Block) + 3);
                var sent = Enumerable.Range(0, (content.Length / Block) + random.Next(5)).Where(_ => random.Next(3) == 0).ToDictionary(block => block, _ => Blocks(random, 1));
                var after = new byte[Block * Math.Max(kept, sent.Count == 0 ? 0 : sent.Keys.Max() + 1)];
                content.AsSpan(0, Math.Min(Block * kept, Math.Min(content.Length, after.Length))).CopyTo(after);
                foreach (var (block, bytes) in sent)
                    bytes.CopyTo(after, block * Block);
                content = after;
                chain.Add(await BackUpAsync(catalog, chain, Tar(("PG_VERSION", "17\n"u8.ToArray()), ("base/1/INCREMENTAL.7", InPart(kept, sent)))));
            }

            await RestoreAsync(catalog, chain);
            Assert.True(content.AsSpan().SequenceEqual(File.ReadAllBytes(Path.Combine(_restored.FullName, "base/1/7"))), $"seed {seed}");
        }
    }

    [Fact]
    public async Task What_says_that_the_rest_is_elsewhere_is_not_restored_and_the_rest_of_the_label_is()
    {
        var catalog = new BackupCatalog(await _folder.InitializeAsync(encrypted: false));
        var full = await BackUpAsync(catalog, [], Tar(("backup_label", "START WAL LOCATION: 0/2000028\nLABEL: pgd\n"u8.ToArray()), ("7", Blocks(new(1), 2))));

        await RestoreAsync(catalog, [full, await BackUpAsync(catalog, [full], Tar(("backup_label", "START WAL LOCATION: 0/3000028\nLABEL: pgd\nINCREMENTAL FROM LSN: 0/2000028\nINCREMENTAL FROM TLI: 1\n"u8.ToArray()), ("INCREMENTAL.7", InPart(2, []))))]);

        Assert.Equal("START WAL LOCATION: 0/3000028\nLABEL: pgd\n", File.ReadAllText(Path.Combine(_restored.FullName, "backup_label")));
    }

    [Theory]
    [InlineData("magic", "a form that this version does not know")]
    [InlineData("order", "a form that this version does not know")]
    [InlineData("length", "a form that this version does not know")]
    [InlineData("far", "a form that this version does not know")]
    [InlineData("unknown", "the earlier backup has no such file")]
    public async Task What_cannot_be_put_on_top_of_an_earlier_backup_is_no_backup(string what, string expected)
    {
        var catalog = new BackupCatalog(await _folder.InitializeAsync(encrypted: false));
        var full = await BackUpAsync(catalog, [], Tar(("7", Blocks(new(1), 4))));
        var sent = InPart(3, new() { [1] = Blocks(new(2), 1), [2] = Blocks(new(3), 1) });
        if (what == "magic")
            sent[0]++;
        if (what == "order")
            BinaryPrimitives.WriteUInt32LittleEndian(sent.AsSpan(16), 1);
        if (what == "length")
            sent = sent[..^Block];
        if (what == "far")
            BinaryPrimitives.WriteUInt32LittleEndian(sent.AsSpan(16), 131_072);

        var error = await Assert.ThrowsAsync<PgdException>(() => BackUpAsync(catalog, [full], Tar((what == "unknown" ? "INCREMENTAL.8" : "INCREMENTAL.7", sent))));

        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.Contains("Make a full backup", error.Hint, StringComparison.Ordinal);
    }

    private static byte[] Blocks(Random random, int count)
    {
        var content = new byte[count * Block];
        random.NextBytes(content);
        return content;
    }

    private static byte[] InPart(int kept, Dictionary<int, byte[]> sent)
    {
        var header = new byte[12 + (4 * sent.Count)];
        BinaryPrimitives.WriteUInt32LittleEndian(header, Magic);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(4), sent.Count);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(8), kept);
        var blocks = sent.OrderBy(block => block.Key).ToList();
        for (var i = 0; i < blocks.Count; i++)
            BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(12 + (4 * i)), blocks[i].Key);
        if (sent.Count > 0)
            Array.Resize(ref header, (header.Length + Block - 1) / Block * Block);
        return [.. header, .. blocks.SelectMany(block => block.Value)];
    }

    private static MemoryStream Tar(params IReadOnlyList<(string Path, byte[] Content)> files)
    {
        var archive = new MemoryStream();
        using (var writer = new TarWriter(archive, TarEntryFormat.Ustar, leaveOpen: true))
        {
            foreach (var (path, content) in files)
                writer.WriteEntry(new UstarTarEntry(TarEntryType.RegularFile, path) { DataStream = new MemoryStream(content) });
        }

        archive.Position = 0;
        return archive;
    }

    private static async Task<StoredBackup> BackUpAsync(BackupCatalog catalog, List<StoredBackup> chain, Stream archive)
    {
        await using var files = new BaseBackupFiles(archive, "server", () => Task.CompletedTask);
        await using var begun = await catalog.BeginAsync("1", new(chain.Count == 0 ? BackupKind.Full : BackupKind.Incremental, chain, null), default);
        using var earlier = chain.Count == 0 ? null : new EarlierFiles(chain, catalog.Repository);
        var written = await DataParts.WriteAsync(files, earlier, begun.Prefix, catalog.Repository, SilentReporter.Instance, default);
        var manifest = new BackupManifest { Id = begun.Id, Source = "server", SystemIdentifier = "1", CreatedAt = begun.At, Kind = begun.BuildsOn.Kind, Parent = begun.BuildsOn.Parent?.Backup.Id, Folders = ["base", "base/1"], Files = written.Files, Parts = written.Parts, BlockMaps = written.Maps };
        return new(begun.Prefix, manifest, await catalog.CommitAsync(begun, manifest, default));
    }

    private async Task RestoreAsync(BackupCatalog catalog, List<StoredBackup> chain)
    {
        foreach (var entry in _restored.GetFileSystemInfos())
        {
            if (entry is DirectoryInfo folder)
                folder.Delete(recursive: true);
            else
                entry.Delete();
        }

        var owner = Pgd.Linux.Libc.Status(_restored.FullName);
        await new RestoredFiles(_restored.FullName, catalog.Repository, chain, owner.Owner, owner.Group, SilentReporter.Instance).RunAsync(default);
    }
}
