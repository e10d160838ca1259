using System.Collections.Concurrent;
using System.Globalization;

namespace Pgd.IntegrationTests;

/// <summary>Folders with <c>initdb</c>, <c>postgres</c> and <c>pg_ctl</c>, by PostgreSQL's major version.</summary>
public sealed class ServerBinariesLab
{
    private readonly ConcurrentDictionary<int, Lazy<(string? Folder, string Error)>> _folders = new();

    /// <summary>The versions that the tests run on.</summary>
    public static IReadOnlyList<int> Majors { get; } = [15, 17, 18];

    /// <summary>The folder of a major version. Only the distribution's has client programs, too.</summary>
    public string Folder(int major)
    {
        // Once per run, however many tests ask at the same time; build/server-binaries.sh knows where they come from.
        var (folder, error) = _folders.GetOrAdd(major, static major => new(() => Find(major))).Value;
        Lab.Require(folder is not null, $"PostgreSQL {major} is not here: {error}");
        return folder;
    }

    private static (string? Folder, string Error) Find(int major)
    {
        var script = Path.Combine(Checkout.Folder, "build", "server-binaries.sh");
        var (status, output, error) = LabCommand.Try("bash", script, major.ToString(CultureInfo.InvariantCulture));
        return status == 0 ? (output.Trim(), "") : (null, error.Trim());
    }
}
