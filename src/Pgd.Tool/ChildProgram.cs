using System.Runtime.InteropServices;

namespace Pgd.Tool;

/// <summary>A program to run in our place, with its arguments and its whole environment.</summary>
internal sealed partial record ChildProgram(string File, IReadOnlyList<string> Arguments, IReadOnlyDictionary<string, string> Environment)
{
    private const int SigPipe = 13;

    /// <summary>
    /// Becomes the program (execve). A parent that waits would have to pass on every signal and could not tell a terminal's Ctrl-C, which the child
    /// has had already, from one sent to us alone; and job control, terminal modes and exit status would be imitations.
    /// </summary>
    public int ReplaceThisProcess()
    {
        // The runtime ignores SIGPIPE, and what is ignored stays so in the new program: "exec … | head" would never end.
        _ = signal(SigPipe, IntPtr.Zero);
        string?[] arguments = [File, .. Arguments, null];
        string?[] environment = [.. Environment.Select(pair => $"{pair.Key}={pair.Value}"), null];
        _ = execve(File, arguments, environment);
        throw new PgdException(ExitCode.Failed, $"{File} could not be started: {Marshal.GetLastPInvokeErrorMessage()}");
    }

    /// <summary>The file that a shell would run; null if there is none.</summary>
    public static string? Find(string name, string? searchPath, string workingDirectory)
    {
        if (name.Contains('/', StringComparison.Ordinal))
            return IsExecutable(Path.GetFullPath(name, workingDirectory)) ? Path.GetFullPath(name, workingDirectory) : null;
        return (searchPath ?? "/usr/local/bin:/usr/bin:/bin").Split(':')
            .Select(folder => Path.Combine(Path.GetFullPath(folder.Length == 0 ? "." : folder, workingDirectory), name))
            .FirstOrDefault(IsExecutable);
    }

    private static bool IsExecutable(string file) =>
        System.IO.File.Exists(file) && (OperatingSystem.IsWindows()
            || (System.IO.File.GetUnixFileMode(file) & (UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute)) != 0);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int execve(string path, string?[] arguments, string?[] environment);

    [LibraryImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial IntPtr signal(int number, IntPtr handler);
}
