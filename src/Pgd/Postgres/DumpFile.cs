namespace Pgd.Postgres;

internal sealed class DumpFile : IDisposable
{
    public static Task<DumpFile> OpenAsync(string path, Stream? input, CancellationToken cancellationToken) => throw new NotImplementedException();

    public void RequireServer(int major) => throw new NotImplementedException();

    public Task RestoreAsync(ServerAddress server, string database, IReporter reporter, CancellationToken cancellationToken) => throw new NotImplementedException();

    public void Dispose()
    {
    }
}
