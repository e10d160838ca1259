using System.Diagnostics;
using Pgd.Backups;
using Pgd.IntegrationTests.GitHub;

namespace Pgd.IntegrationTests.Backups;

/// <summary>A server that speaks S3 (s3rver from npm: a small one, that knows no conditions), with a bucket, in front of it our <see cref="S3Proxy"/>.</summary>
internal sealed class S3Server : IAsyncDisposable
{
    public const string Bucket = "pgd";
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("pgd-s3-");
    private Process? _process;

    /// <summary>What stands between, and can misbehave.</summary>
    public S3Proxy Proxy { get; private set; } = null!;

    /// <summary>What was said on the way.</summary>
    public HeardReporter Heard { get; } = new();

    /// <summary>The credentials that it knows.</summary>
    public static Dictionary<string, string> Environment => new() { ["AWS_ACCESS_KEY_ID"] = "S3RVER", ["AWS_SECRET_ACCESS_KEY"] = "S3RVER" };

    public static async Task<S3Server> StartAsync(bool strict = false)
    {
        var server = new S3Server();
        server._process = NodePackages.Start("s3.mjs", [server._folder.FullName, Bucket, .. strict ? ["strict"] : Array.Empty<string>()]);
        var port = await server._process.StandardOutput.ReadLineAsync().WaitAsync(TimeSpan.FromMinutes(1));
        server.Proxy = await S3Proxy.StartAsync(new($"http://127.0.0.1:{port}"));
        return server;
    }

    public IBackupStore Open(string prefix = "repository", int timeout = 60, string bucket = Bucket, Dictionary<string, string>? environment = null) =>
        BackupStores.Open($"s3://{bucket}/{prefix}?endpoint={Proxy.Address}&path-style=true&timeout={timeout}", environment ?? Environment, TimeProvider.System, Heard);

    /// <summary>Files of uploads that were neither completed nor aborted.</summary>
    public IReadOnlyList<string> OpenUploads() => [.. Directory.GetDirectories(_folder.FullName, ".s3rver_uploads", SearchOption.AllDirectories).SelectMany(Directory.GetFileSystemEntries)];

    /// <summary>Objects as the server has them.</summary>
    public IReadOnlyList<string> Objects() => [.. Directory.GetFiles(_folder.FullName, "*._S3rver_object", SearchOption.AllDirectories).Where(file => !file.Contains(".s3rver_uploads", StringComparison.Ordinal))
        .Select(file => Path.GetRelativePath(Path.Combine(_folder.FullName, Bucket), file)[..^"._S3rver_object".Length]).Order(StringComparer.Ordinal)];

    public async ValueTask DisposeAsync()
    {
        await Proxy.DisposeAsync();
        if (_process is not null)
        {
            _process.StandardInput.Close();
            await _process.WaitForExitAsync();
            _process.Dispose();
        }

        _folder.Delete(recursive: true);
    }
}

/// <summary>Remembers warnings.</summary>
internal sealed class HeardReporter : IReporter
{
    private readonly List<string> _warnings = [];

    public IReadOnlyList<string> Warnings
    {
        get
        {
            lock (_warnings)
                return [.. _warnings];
        }
    }

    public void Step(string text)
    {
    }

    public void Progress(string text, long done, long total)
    {
    }

    public void Warn(string text)
    {
        lock (_warnings)
            _warnings.Add(text);
    }
}
