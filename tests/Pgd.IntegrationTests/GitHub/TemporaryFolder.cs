namespace Pgd.IntegrationTests.GitHub;

/// <summary>A folder of one test, which the account of the servers may enter.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    /// <summary>Makes it.</summary>
    public TemporaryFolder()
    {
        Path = Directory.CreateTempSubdirectory("pgd-test-").FullName;
        File.SetUnixFileMode(Path, LabFolder.Traversable);
    }

    /// <summary>Where it is.</summary>
    public string Path { get; }

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(Path, recursive: true);
}
