using Pgd.Linux;

namespace Pgd.State;

/// <summary>Recognizes a full disk or an exhausted quota, which is an answer of its own and not a failure like others.</summary>
internal static class DiskFull
{
    private const string FreeSome = "Free some: dotnet pgd branch list shows what is there, dotnet pgd branch delete removes it.";

    public static bool Is(Exception e) => e is IOException io && (io.HResult & 0xFFFF) is Libc.ENOSPC or Libc.EDQUOT
        || e.Message.Contains("No space left on device", StringComparison.Ordinal) || e.Message.Contains("Disk quota exceeded", StringComparison.Ordinal);

    /// <summary>Room that must be there before anything is cloned: a source on the same file system that cannot extend its write-ahead log stops.</summary>
    public const long Reserve = 64 << 20;

    /// <exception cref="PgdException">There is less (<see cref="ExitCode.NoRoom"/>).</exception>
    public static void RefuseWithout(long bytes, string folder)
    {
        if (Libc.FileSystem(folder).Available is var available && available < bytes + Reserve)
        {
            throw new PgdException(ExitCode.NoRoom, $"the file system of {folder} has {available >> 20} MB left, and {(bytes + Reserve) >> 20} MB are needed",
                bytes == 0 ? FreeSome : $"{FreeSome} Or use a file system that shares blocks: btrfs, XFS with reflink, ZFS.");
        }
    }

    /// <summary>Does something that may find the disk full at any step.</summary>
    public static async Task<T> TellAsync<T>(string where, Func<Task<T>> work)
    {
        try
        {
            return await work().ConfigureAwait(false);
        }
        catch (Exception e) when (e is not PgdException && Is(e))
        {
            throw Error(where, e);
        }
    }

    public static PgdException Error(string where, Exception e) =>
        new(ExitCode.NoRoom, $"no space is left on the file system of {where}", FreeSome, e);
}
