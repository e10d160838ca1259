using Pgd.Linux;
using Pgd.Storage;

namespace Pgd.Provisioning;

/// <summary>What is the same of a data directory on every file system: its folder, its image, whose it becomes.</summary>
internal static class DataFolder
{
    // An empty cluster and its first segments of log take a hundred; the file systems themselves take the rest of what they need at least.
    private const long Smallest = 512L << 20;
    private const UnixFileMode OwnersAlone = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>The file that a file system with a size of its own is in.</summary>
    public static string Image(string folder) => folder + ".img";

    public static bool IsEmpty(string folder) => !Directory.Exists(folder) || !Directory.EnumerateFileSystemEntries(folder).Any();

    /// <summary>Refuses what a file system would be mounted over.</summary>
    public static void RefuseUsed(string folder)
    {
        if (File.Exists(folder))
            throw new PgdException(ExitCode.Exists, $"{folder} is a file", "It is left untouched. Choose another folder with --data-dir.");
        if (!IsEmpty(folder))
            throw new PgdException(ExitCode.Unsafe, $"{folder} is not empty: a file system that is mounted there would hide what is in it", "It is left untouched. Choose another folder with --data-dir.");
    }

    public static PgdException IsTaken(MountedFileSystem mounted) => new(ExitCode.Unsafe, $"something is mounted at {mounted.Point} already: {mounted.Source} ({mounted.Type})", "It is left untouched. Choose another folder with --data-dir.");

    public static PgdException IsOtherwise(string folder, string type, string source) => new(ExitCode.Exists, $"{folder} is on {type} in {source} already",
        $"It stays as it is. Choose another folder with --data-dir; if it is empty, it can be removed: sudo dotnet-pgd setup --undo --data-dir {folder}");

    public static void RefuseTooSmall(string what, long size)
    {
        if (size < Smallest)
            throw new PgdException(ExitCode.Misuse, $"a data directory needs {Smallest >> 20}M at least, and {what} has {size >> 20}M");
    }

    /// <summary>Refuses an image that could not be filled, and tells what its being sparse means.</summary>
    public static void CheckImage(string image, long size, List<string> notes)
    {
        RefuseTooSmall(image, size);
        var holder = Path.GetDirectoryName(image)!;
        while (!Directory.Exists(holder))
            holder = Path.GetDirectoryName(holder)!;
        var free = Libc.FileSystem(holder).Available;
        if (size > free)
            throw new PgdException(ExitCode.NoRoom, $"{image} could grow to {size >> 20}M, and only {free >> 20}M are free in {holder}: a database whose file system cannot be written any more stops", "Choose a smaller size with --loop, or make room.");
        notes.Add($"{image} is sparse: its {size >> 20}M are not reserved in {holder}, and others must leave them free");
    }

    /// <summary>An image in words. One that is there keeps its size.</summary>
    public static string Sparse(string image, long size, List<string> notes)
    {
        var now = File.Exists(image) ? new FileInfo(image).Length : size;
        if (now != size)
            notes.Add($"{image} has {now >> 20}M, and keeps them: it is not made larger or smaller");
        return $"{image}, sparse, up to {now >> 20}M";
    }

    /// <summary>The last step: an empty folder becomes its owner's. One that has anything in it is in use already, and stays as it is.</summary>
    public static Step Ready(string folder, Account owner, bool prove) => Step.Of("directory", $"directory {folder}", $"of {owner.Name} alone{(prove ? ", once a file has been cloned in it" : "")}",
        () => MountTable.Read().At(folder) is not null && (!IsEmpty(folder) || HostSteps.IsAs(folder, OwnersAlone, owner.UserId, owner.GroupId)), () =>
        {
            if (prove)
                Prove(folder);
            HostSteps.Give(folder, OwnersAlone, owner.UserId, owner.GroupId);
        });

    public static Step Removed(string folder) => Step.Of("folder", $"folder {folder}", "removed", () => !Directory.Exists(folder), () => Directory.Delete(folder));

    /// <summary>Refuses to take away what has anything in it.</summary>
    public static void RefuseData(string folder)
    {
        if (!IsEmpty(folder))
        {
            throw new PgdException(ExitCode.Unsafe, $"{folder} is not empty: there is {Directory.EnumerateFileSystemEntries(folder).First()}",
                $"No data is ever removed here. Stop its server and remove the files yourself, if nobody needs them, and then: sudo dotnet-pgd setup --undo --data-dir {folder}");
        }
    }

    public static PgdException IsNotMounted(string folder, string how) => new(ExitCode.Unsafe, $"{folder} is not mounted, so whether it is empty cannot be told", $"{how}, and then: sudo dotnet-pgd setup --undo --data-dir {folder}");

    private static void Prove(string folder)
    {
        try
        {
            Reflink.Prove(folder);
        }
        catch (IOException e)
        {
            throw new PgdException(ExitCode.MachineLacks, $"files in {folder} do not share extents: {e.Message}", "Choose another file system with --filesystem.", e);
        }
    }
}
