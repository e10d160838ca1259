using Pgd.Backups;

namespace Pgd.IntegrationTests.Backups;

/// <summary>A folder.</summary>
public sealed class FileStoreConformance : StoreConformance
{
    private readonly string _folder = Path.Combine(Lab.Current.FileSystem("ext4").NewRoot(), "repository");

    private protected override IReadOnlyList<string> Unfinished() => Directory.GetFiles(Path.Combine(_folder, ".unfinished"));

    private protected override Task<IBackupStore> OpenAsync() => Task.FromResult(BackupStores.Open(_folder, new Dictionary<string, string>(), TimeProvider.System));
}

/// <summary>A bucket of a server that knows the condition.</summary>
public sealed class S3StoreConformance : StoreConformance
{
    private S3Server _server = null!;

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        await _server.DisposeAsync();
    }

    private protected override IReadOnlyList<string> Unfinished() => _server.OpenUploads();

    private protected override async Task<IBackupStore> OpenAsync()
    {
        _server = await S3Server.StartAsync();
        return _server.Open();
    }
}

/// <summary>A bucket of a server that does not.</summary>
public sealed class SimpleS3StoreConformance : StoreConformance
{
    private S3Server _server = null!;

    private protected override bool IsConditional => false;

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        await _server.DisposeAsync();
    }

    private protected override IReadOnlyList<string> Unfinished() => _server.OpenUploads();

    private protected override async Task<IBackupStore> OpenAsync()
    {
        _server = await S3Server.StartAsync();
        _server.Proxy.IsConditional = false;
        return _server.Open(prefix: "");
    }
}
