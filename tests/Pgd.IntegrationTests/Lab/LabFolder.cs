namespace Pgd.IntegrationTests;

/// <summary>What the lab asks of folders.</summary>
internal static class LabFolder
{
    /// <summary>Everybody may enter: servers run as another account when the tests run as root.</summary>
    public const UnixFileMode Traversable =
        UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
        | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    /// <summary>Whether a path is the folder or something in it.</summary>
    public static bool Contains(string folder, string? path) =>
        path is not null && (path == folder || path.StartsWith(folder + "/", StringComparison.Ordinal));

    /// <summary>The mount points of this machine.</summary>
    public static IEnumerable<string> MountPoints() =>
        // The fifth field; spaces in it are written as \040, which no path of ours has.
        File.ReadLines("/proc/self/mountinfo").Select(line => line.Split(' ')[4]);

    /// <summary>Whether something is mounted exactly there.</summary>
    public static bool IsMountPoint(string folder) => MountPoints().Contains(folder);

    /// <summary>Locks a file for as long as this process lives; null if another process has it.</summary>
    public static FileStream? TryLock(string file)
    {
        try
        {
            return new FileStream(file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>Locks a file that others hold for moments only.</summary>
    public static FileStream WaitForLock(string file)
    {
        for (var attempt = 0; attempt < 3000; attempt++)
        {
            if (TryLock(file) is { } stream)
                return stream;
            Thread.Sleep(20);
        }

        throw new TimeoutException($"{file} has been locked for a minute.");
    }
}
