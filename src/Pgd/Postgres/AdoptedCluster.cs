using System.Globalization;
using Pgd.Linux;
using Pgd.Processes;
using Pgd.Storage;

namespace Pgd.Postgres;

/// <summary>A cluster that somebody else made and runs. It is looked at from outside: nothing here starts, stops, writes or connects.</summary>
/// <param name="Data">Its data directory.</param>
/// <param name="Major">PostgreSQL's major version.</param>
internal sealed record AdoptedCluster(string Data, int Major)
{
    /// <summary>Finds the one cluster in a folder or dataset: there, or up to two folders below.</summary>
    /// <exception cref="PgdException">There is none (<see cref="ExitCode.NotFound"/>), or several (<see cref="ExitCode.Misuse"/>).</exception>
    public static AdoptedCluster Find(string place)
    {
        var folder = Path.IsPathRooted(place) ? place : MountPointOf(place);
        // Where it really is: a clone is made of that, and a link could be turned meanwhile.
        var top = Libc.RealFolder(folder)
            ?? throw new PgdException(ExitCode.NotFound, $"there is no folder {folder}", "Name the data directory, as the server says it: show data_directory; or the dataset that it is in.");
        try
        {
            List<string> found = IsCluster(top) ? [top] : [.. Below(top).SelectMany(f => IsCluster(f) ? [f] : Below(f).Where(IsCluster))];
            return found switch
            {
                [var only] => new(only, MajorOf(only)),
                [] => throw new PgdException(ExitCode.NotFound, $"there is no PostgreSQL data directory in {top}", "Name the data directory itself, as the server says it: show data_directory"),
                _ => throw new PgdException(ExitCode.Misuse, $"there are several PostgreSQL data directories in {top}: {string.Join(", ", found)}", "Name one of them."),
            };
        }
        catch (UnauthorizedAccessException e)
        {
            throw new PgdException(ExitCode.MachineLacks, $"the cluster in {top} cannot be read: {e.Message}", "Its files belong to another account: adopt it as root, in a root of root's own that setup did not make: sudo dotnet-pgd --root /srv/pgd project create …", e);
        }

        static IEnumerable<string> Below(string parent) => Directory.EnumerateDirectories(parent);
    }

    /// <summary>
    /// Whether a server may be running in a data directory. Its own file with its number says little where it runs in a container, so the processes of the machine are asked
    /// which of them works there; who may not look at them has to take the file's word.
    /// </summary>
    public static bool MayRun(string data)
    {
        if (!Libc.Exists(Path.Combine(data, "postmaster.pid")))
            return false;
        if (Libc.EffectiveUserId() != 0)
            return true;
        var place = Libc.Status(data);
        return Directory.EnumerateDirectories("/proc").Any(process => int.TryParse(Path.GetFileName(process), NumberStyles.None, CultureInfo.InvariantCulture, out _) && WorksIn(process, place));
    }

    /// <summary>The port that its server wrote down; null if it has none.</summary>
    public static int? PortOf(string data)
    {
        try
        {
            return File.ReadAllLines(Path.Combine(data, "postmaster.pid")) is [_, _, _, var port, ..] && int.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0 ? number : null;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>What is asked of it is not ours to do.</summary>
    public static PgdException NotOurs(BranchName name) => new(ExitCode.Unsafe, $"{name} was adopted: it is a source to branch from, and pgd never starts, stops, changes or connects to it",
        $"Make a branch of it: dotnet pgd branch create {name.Project}/dev");

    private static bool WorksIn(string process, FileStatus place)
    {
        try
        {
            // The dot leads through the link.
            var there = Libc.Status($"{process}/cwd/.");
            return there.Inode == place.Inode && there.Device == place.Device;
        }
        catch (IOException)
        {
            // Gone meanwhile, or a thread of the kernel.
            return false;
        }
    }

    private static bool IsCluster(string folder) => Libc.Exists(Path.Combine(folder, "PG_VERSION")) && Libc.Exists(Path.Combine(folder, "global", "pg_control"));

    private static int MajorOf(string data) => int.TryParse(File.ReadAllText(Path.Combine(data, "PG_VERSION")).Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var major) ? major
        : throw new PgdException(ExitCode.Misuse, $"{Path.Combine(data, "PG_VERSION")} does not say which PostgreSQL it is of", "Branches need PostgreSQL 13 or newer.");

    private static string MountPointOf(string dataset)
    {
        if (MountTable.Read().PointOf(dataset) is { } folder)
            return folder;
        // Asked only to say what is wrong.
        _ = ZfsProgram.TryRun("zfs", "list", "-H", "-o", "name", dataset) is { Status: 0 } ? true
            : throw new PgdException(ExitCode.NotFound, $"there is no folder and no dataset {dataset}", "A folder is named by its whole path, a dataset as zfs list shows it.");
        throw new PgdException(ExitCode.MachineLacks, $"the dataset {dataset} is not mounted", $"Mount it: zfs mount {dataset}");
    }
}
