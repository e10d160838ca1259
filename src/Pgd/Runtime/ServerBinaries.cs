using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Pgd.Configuration;
using Pgd.Postgres;

namespace Pgd.Runtime;

/// <summary>The PostgreSQL server programs on this host.</summary>
internal sealed partial class ServerBinaries(HostConfiguration configuration)
{
    /// <summary>The oldest and newest majors that branches are supported on.</summary>
    public const int OldestMajor = 13, NewestMajor = 18;

    private IReadOnlyList<ServerBinary>? _found;

    /// <summary>All that were found, the configured folders first, then the newest.</summary>
    public IReadOnlyList<ServerBinary> Found => _found ??= Find();

    /// <summary>The binaries of a major.</summary>
    /// <exception cref="PgdException">There are none (<see cref="ExitCode.MachineLacks"/>).</exception>
    public ServerBinary For(int major)
    {
        // Debian names the folder after the major: asking the program itself costs a process.
        var debian = $"/usr/lib/postgresql/{major}/bin";
        if (configuration.PostgresBinaries.Count == 0 && IsComplete(debian))
            return new(major, debian);
        if (major is < OldestMajor or > NewestMajor)
            throw new PgdException(ExitCode.Misuse, $"PostgreSQL {major} is not supported", $"Choose a version from {OldestMajor} to {NewestMajor}.");
        return Found.FirstOrDefault(b => b.Major == major) ?? throw new PgdException(ExitCode.MachineLacks,
            $"there are no server binaries of PostgreSQL {major} on this machine{(Found.Count > 0 ? $", only of {string.Join(", ", Found.Select(b => b.Major).Distinct())}" : "")}",
            $"Install them, for example: apt-get install postgresql-{major}. Or name their folder in config.yaml under postgres: binaries.");
    }

    private List<ServerBinary> Find()
    {
        var folders = configuration.PostgresBinaries.Select(f => IsComplete(f) ? f : Path.Combine(f, "bin"))
            .Concat(Versioned("/usr/lib/postgresql", "bin")).Concat(Versioned("/usr", "bin", "pgsql-*")).Concat(Versioned("/opt/homebrew/opt", "bin", "postgresql@*"))
            .Append("/usr/local/pgsql/bin").Concat((Environment.GetEnvironmentVariable("PATH") ?? "").Split(':'))
            // A link may be left of a package that is gone.
            .Where(IsComplete).Select(Resolved).Where(IsComplete).Distinct(StringComparer.Ordinal);
        return [.. folders.Select(Ask).OfType<ServerBinary>().Where(b => b.Major is >= OldestMajor and <= NewestMajor)
            .OrderByDescending(b => configuration.PostgresBinaries.Any(f => b.Folder.StartsWith(f, StringComparison.Ordinal))).ThenByDescending(b => b.Major)];
    }

    private static IEnumerable<string> Versioned(string folder, string below, string pattern = "*") =>
        Directory.Exists(folder) ? Directory.EnumerateDirectories(folder, pattern).Select(d => Path.Combine(d, below)) : [];

    private static bool IsComplete(string folder) => folder.Length > 0 && File.Exists(Path.Combine(folder, "postgres")) && File.Exists(Path.Combine(folder, "initdb"));

    private static string Resolved(string folder) =>
        Path.GetDirectoryName(File.ResolveLinkTarget(Path.Combine(folder, "postgres"), returnFinalTarget: true)?.FullName) ?? folder;

    private static ServerBinary? Ask(string folder)
    {
        if (DebianFolder().Match(folder) is { Success: true } debian)
            return new(int.Parse(debian.Groups[1].ValueSpan, CultureInfo.InvariantCulture), folder);
        try
        {
            using var process = Process.Start(new ProcessStartInfo(Path.Combine(folder, "postgres"), ["--version"]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            var text = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return VersionText().Match(text) is { Success: true } match ? new(int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture), folder) : null;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }

    [GeneratedRegex(@"^/usr/lib/postgresql/(\d+)/bin$")]
    private static partial Regex DebianFolder();

    [GeneratedRegex(@"\(PostgreSQL\) (\d+)")]
    private static partial Regex VersionText();
}

/// <summary>A folder with the server programs of one major.</summary>
internal sealed record ServerBinary(int Major, string Folder)
{
    public string Postgres => Path.Combine(Folder, "postgres");

    public string Initdb => Path.Combine(Folder, "initdb");

    /// <summary>Where its libraries are; null if that cannot be told.</summary>
    public string? LibraryFolder() => PreloadLibrary.FoldersFromPrograms.Select(f => Path.GetFullPath(f, Folder)).FirstOrDefault(f => File.Exists(Path.Combine(f, "plpgsql.so")));
}
