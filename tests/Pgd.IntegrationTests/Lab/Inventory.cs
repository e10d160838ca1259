using System.Globalization;

namespace Pgd.IntegrationTests;

/// <summary>
/// What a root has on this machine: files, volumes, mounts, servers and other processes, ports and sockets.
/// Asked of find, /proc and the kernel's tables, never of the code under test.
/// </summary>
public sealed class Inventory
{
    // A running server makes and removes files inside its data directory all the time. What would be a leftover there is at these depths.
    private static readonly string[] ListedInsideDataDirectory = ["", "base", "pg_replslot", "pg_tblspc"];
    private static readonly string[] VolatileInsideDataDirectory = ["base/pgsql_tmp", "pg_internal.init"];

    private readonly SortedSet<string> _entries;

    private Inventory(SortedSet<string> entries) => _entries = entries;

    /// <summary>One line for each thing, sorted.</summary>
    public IReadOnlyCollection<string> Entries => _entries;

    /// <summary>Lists what a root has now.</summary>
    public static Inventory Take(string root)
    {
        var entries = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var entry in Files(root).Concat(Mounts(root)).Concat(Processes(root)).Concat(Datasets(root)).Concat(Lab.Current.Docker.IsUsed ? DockerLab.Listing(root) : []))
            entries.Add(entry);
        return new(entries);
    }

    /// <summary>What came (+) and went (-) between two listings; empty if nothing did.</summary>
    public static IReadOnlyList<string> Difference(Inventory before, Inventory after)
    {
        ArgumentNullException.ThrowIfNull(before);
        ArgumentNullException.ThrowIfNull(after);
        return
        [
            .. after._entries.Except(before._entries).Select(entry => $"+ {entry}"),
            .. before._entries.Except(after._entries).Select(entry => $"- {entry}"),
        ];
    }

    private static IEnumerable<string> Files(string root)
    {
        if (!Directory.Exists(root))
            return [];
        // Files may vanish while find looks at them, which makes its status 1.
        var output = LabCommand.Try("find", root, "-mindepth", "1", "-printf", @"%y\t%i\t%P\0").Output;
        var found = output.Split('\0', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split('\t', 3)).ToList();
        var dataDirectories = found.Where(fields => Path.GetFileName(fields[2]) == "PG_VERSION" && !IsDatabaseFolder(fields[2]))
            .Select(fields => Path.GetDirectoryName(fields[2]) ?? "").ToHashSet(StringComparer.Ordinal);
        // The root of every btrfs subvolume has this inode number, and nothing else there has.
        var subvolume = new DriveInfo(root).DriveFormat == "btrfs" ? "256" : "none";
        // What was done is written down, and which pull requests were closed; and the root has one certificate authority from its first branch with TLS on.
        return found.Where(fields => fields[2] is not ("state/audit.log" or "state/~closed" or "s/ca.crt") && !fields[2].StartsWith("state/~closed/", StringComparison.Ordinal) && !IsVolatile(fields[2], dataDirectories)).Select(fields => $"{FileKind(fields, subvolume)} {fields[2]}");
    }

    // Every database has a PG_VERSION of its own, in base/<oid> or in a tablespace.
    private static bool IsDatabaseFolder(string versionFile) =>
        Path.GetFileName(Path.GetDirectoryName(versionFile)) is { Length: > 0 } folder && folder.All(char.IsAsciiDigit);

    private static bool IsVolatile(string path, HashSet<string> dataDirectories)
    {
        for (var folder = Path.GetDirectoryName(path); folder is not null; folder = Path.GetDirectoryName(folder))
        {
            if (dataDirectories.Contains(folder))
            {
                var inside = folder.Length == 0 ? path : path[(folder.Length + 1)..];
                return !ListedInsideDataDirectory.Contains(Path.GetDirectoryName(inside)) || VolatileInsideDataDirectory.Contains(inside);
            }
        }

        return false;
    }

    private static string FileKind(string[] fields, string subvolume) => fields[0] switch
    {
        "d" => fields[1] == subvolume ? "subvolume" : "folder",
        "s" => "socket",
        "l" => "link",
        _ => "file",
    };

    private static IEnumerable<string> Mounts(string root) => LabFolder.MountPoints().Where(mount => LabFolder.Contains(root, mount)).Select(mount => $"mount {mount}");

    // Also those beside ours: a snapshot that is left on a source that was there before would be in one of them.
    private static IEnumerable<string> Datasets(string root) => File.Exists($"{root}/zfs.dataset")
        ? ZfsLab.Listing(File.ReadAllText($"{root}/zfs.dataset").Trim()[..^"/pgd".Length]).Select(name => $"{(name.Contains('@', StringComparison.Ordinal) ? "snapshot" : "dataset")} {name}") : [];

    private static IEnumerable<string> Processes(string root)
    {
        var ours = LabProcess.All().Where(process => (LabFolder.Contains(root, process.WorkingDirectory) || Mentions(process.CommandLine, root)) && !process.CommandLine.StartsWith("docker", StringComparison.Ordinal)).ToList();
        // A server's children come and go; the server does not.
        var ids = ours.Select(process => process.Id).ToHashSet();
        foreach (var process in ours.Where(process => !ids.Contains(process.ParentId)))
            yield return $"process {process.Id} started {process.StartTime}: {process.CommandLine}";
        var sockets = ours.SelectMany(process => process.Sockets()).ToHashSet();
        foreach (var port in Listening("/proc/net/tcp", sockets).Concat(Listening("/proc/net/tcp6", sockets)))
            yield return $"port {port}";
    }

    private static bool Mentions(string commandLine, string root)
    {
        // /a/1 must not find the processes of /a/12.
        for (var at = commandLine.IndexOf(root, StringComparison.Ordinal); at >= 0; at = commandLine.IndexOf(root, at + 1, StringComparison.Ordinal))
        {
            var end = at + root.Length;
            if (end == commandLine.Length || !(char.IsAsciiLetterOrDigit(commandLine[end]) || commandLine[end] is '-' or '_' or '.'))
                return true;
        }

        return false;
    }

    private static IEnumerable<int> Listening(string table, HashSet<long> sockets)
    {
        if (!File.Exists(table))
            yield break;
        foreach (var line in File.ReadLines(table).Skip(1))
        {
            var fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            const string listen = "0A";
            if (fields[3] == listen && sockets.Contains(long.Parse(fields[9], CultureInfo.InvariantCulture)))
                yield return int.Parse(fields[1].Split(':')[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
        }
    }
}
