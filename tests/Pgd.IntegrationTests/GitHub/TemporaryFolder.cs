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

    /// <summary>Writes a file in it, in folders that are made where they are not there.</summary>
    public void Write(string path, string text)
    {
        var file = System.IO.Path.Combine(Path, path);
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(file)!);
        File.WriteAllText(file, text);
    }

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(Path, recursive: true);
}
