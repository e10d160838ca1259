using Pgd.Linux;

namespace Pgd.State;

/// <summary>Recognizes a full disk or an exhausted quota, which is an answer of its own and not a failure like others.</summary>
internal static class DiskFull
{
    public static bool Is(Exception e) => e is IOException io && (io.HResult & 0xFFFF) is Libc.ENOSPC or Libc.EDQUOT
        || e.Message.Contains("No space left on device", StringComparison.Ordinal) || e.Message.Contains("Disk quota exceeded", StringComparison.Ordinal);

    public static PgdException Error(string where, Exception e) =>
        new(ExitCode.NoRoom, $"no space is left on the file system of {where}", "Free some: dotnet pgd branch list shows what is there, dotnet pgd branch delete removes it.", e);
}
