using System.Globalization;

namespace Pgd.Postgres;

/// <summary>The client programs of this machine, by major version.</summary>
internal sealed class DumpClients
{
    private const string PackagedRoot = "/usr/lib/postgresql";

    private readonly SortedDictionary<int, string> folders;

    public DumpClients(IEnumerable<KeyValuePair<int, string>> folders) => this.folders = new(folders.ToDictionary(pair => pair.Key, pair => pair.Value));

    /// <summary>Looks where distributions put them, and in <c>PATH</c>.</summary>
    public static async Task<DumpClients> FindAsync(CancellationToken cancellationToken)
    {
        var found = new Dictionary<int, string>();
        if (Directory.Exists(PackagedRoot))
        {
            foreach (var folder in Directory.GetDirectories(PackagedRoot))
            {
                var programs = Path.Combine(folder, "bin");
                if (int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out var major) && HasAll(programs))
                    found[major] = programs;
            }
        }

        foreach (var folder in (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries))
        {
            // Debian's psql in /usr/bin is a wrapper that picks a version by itself; the real ones were found above.
            if (!HasAll(folder) || (found.Count > 0 && Path.GetFullPath(folder) is "/usr/bin" or "/bin"))
                continue;
            var version = await DumpProgram.OutputAsync(Path.Combine(folder, "psql"), ["--version"], cancellationToken);
            if (DumpText.Major(version[(version.IndexOf(')') + 1)..]) is { } major)
                found.TryAdd(major, folder);
        }

        return new(found);
    }

    /// <summary>The folder of programs that can read what a pg_dump of this version wrote: the server's own version if that is enough.</summary>
    /// <exception cref="PgdException">None is installed (<see cref="ExitCode.MachineLacks"/>).</exception>
    public string For(int dumpMajor, int serverMajor)
    {
        if (serverMajor >= dumpMajor && folders.TryGetValue(serverMajor, out var own))
            return own;
        foreach (var (major, folder) in folders)
        {
            if (major >= dumpMajor)
                return folder;
        }

        throw new PgdException(ExitCode.MachineLacks,
            $"the dump was made by pg_dump {dumpMajor}, and this machine has "
            + (folders.Count == 0 ? "no PostgreSQL client programs" : $"only the client programs of PostgreSQL {string.Join(", ", folders.Keys)}"),
            $"Install the package postgresql-client-{dumpMajor} (apt.postgresql.org has every version).");
    }

    /// <summary>A pg_dump that can read a server of this version.</summary>
    /// <exception cref="PgdException">None is installed (<see cref="ExitCode.MachineLacks"/>).</exception>
    public string DumpOf(int serverMajor) => ProgramOf("pg_dump", serverMajor);

    /// <summary>A pg_basebackup that can read a server of this version.</summary>
    /// <exception cref="PgdException">None is installed (<see cref="ExitCode.MachineLacks"/>).</exception>
    public string BaseBackupOf(int serverMajor) => ProgramOf("pg_basebackup", serverMajor);

    /// <summary>The same; null if none is installed.</summary>
    public string? FindBaseBackup(int serverMajor) => Find("pg_basebackup", serverMajor);

    private string? Find(string name, int serverMajor) => folders.Where(pair => pair.Key >= serverMajor).Select(pair => Path.Combine(pair.Value, name)).FirstOrDefault(File.Exists);

    private string ProgramOf(string name, int serverMajor) => Find(name, serverMajor)
            ?? throw new PgdException(ExitCode.MachineLacks, $"this machine has no {name} that can read a server of PostgreSQL {serverMajor}" + (folders.Count == 0 ? "" : $", only those of {string.Join(", ", folders.Keys)}"),
                $"Install the package postgresql-client-{serverMajor} (apt.postgresql.org has every version).");

    private static bool HasAll(string folder) => File.Exists(Path.Combine(folder, "psql")) && File.Exists(Path.Combine(folder, "pg_restore"));
}
