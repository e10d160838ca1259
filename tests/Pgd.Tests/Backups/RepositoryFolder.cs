using Pgd.Backups;

namespace Pgd.Tests.Backups;

/// <summary>A repository in a folder that is gone afterwards.</summary>
internal sealed class RepositoryFolder : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("pgd-backups-");

    public static BackupKey Key { get; } = BackupKey.FromBytes(new byte[BackupKey.Size]);

    public string Path => _folder.FullName;

    public IBackupStore Store => BackupStores.Open(Path, new Dictionary<string, string>(), TimeProvider.System);

    public Task<BackupRepository> InitializeAsync(bool encrypted) => BackupRepository.InitializeAsync(Store, encrypted ? Key : null, default);

    public string FileOf(string key) => System.IO.Path.Combine(Path, key);

    public void Dispose() => _folder.Delete(recursive: true);

    /// <summary>Bytes that half compress.</summary>
    public static byte[] Content(int size, int seed = 1)
    {
        var content = new byte[size];
        var random = new Random(seed);
        random.NextBytes(content);
        for (var i = 0; i < size; i += 2)
            content[i] = (byte)(i >> 12);
        return content;
    }

    public static Task<StoredPart> WriteAsync(BackupRepository repository, string key, byte[] content, bool compress) =>
        repository.WriteAsync(key, async (stream, token) => await stream.WriteAsync(content, token), compress, default);

    public static async Task<byte[]> ReadAsync(BackupRepository repository, string key, bool compressed)
    {
        await using var stream = await repository.ReadAsync(key, compressed, default);
        using var content = new MemoryStream();
        await stream.CopyToAsync(content);
        return content.ToArray();
    }
}
