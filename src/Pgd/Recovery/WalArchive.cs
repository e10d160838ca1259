using Pgd.Processes;

namespace Pgd.Recovery;

/// <summary>A folder with the parts of a branch's write-ahead log that its server has handed over, plain or compressed by zstd.</summary>
internal sealed class WalArchive(string folder)
{
    private const string Compressed = ".zst";

    public string Folder => folder;

    public bool Exists => Directory.Exists(folder);

    public bool Has(string name) => Find(name) is not null;

    /// <summary>Puts a part into a file; false if it is not here.</summary>
    /// <exception cref="PgdException">It is damaged (<see cref="ExitCode.Failed"/>), or zstd is missing (<see cref="ExitCode.MachineLacks"/>).</exception>
    public bool Extract(string name, string target)
    {
        if (Find(name) is not { } file)
            return false;
        if (file.EndsWith(Compressed, StringComparison.Ordinal))
            Zstd("-d", "-q", "-f", "-o", target, file);
        else
            File.Copy(file, target, overwrite: true);
        return true;
    }

    /// <summary>The content of a small text in it; null if it is not here.</summary>
    public string? Read(string name) => Find(name) switch
    {
        null => null,
        var file when file.EndsWith(Compressed, StringComparison.Ordinal) => Zstd("-d", "-q", "-c", file),
        var file => File.ReadAllText(file),
    };

    private string? Find(string name) => Path.Combine(folder, name) is var plain && File.Exists(plain) ? plain : File.Exists(plain + Compressed) ? plain + Compressed : null;

    private static string Zstd(params string[] arguments)
    {
        CommandResult result;
        try
        {
            result = Shell.Run(new("zstd", arguments));
        }
        catch (PgdException e) when (e.ExitCode == ExitCode.MachineLacks)
        {
            throw new PgdException(ExitCode.MachineLacks, "the program zstd is missing, and the archive of the write-ahead log is compressed by it", "apt-get install zstd", e);
        }

        return result.Status == 0 ? result.Output
            : throw new PgdException(ExitCode.Failed, $"{arguments[^1]} cannot be read: {Shell.LastLines(result.Error)}", "See what is damaged: dotnet pgd wal verify");
    }
}
