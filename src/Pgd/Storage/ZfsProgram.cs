using Pgd.Linux;
using Pgd.Processes;

namespace Pgd.Storage;

/// <summary>The programs <c>zfs</c> and <c>zpool</c>, and what their refusals mean.</summary>
internal static class ZfsProgram
{
    private const string Setup = "Let an administrator arrange it once: sudo dotnet-pgd setup";
    private static readonly Dictionary<string, string?> Plain = new() { ["LC_ALL"] = "C" };

    /// <summary>Runs one of them, and returns what it printed.</summary>
    /// <exception cref="PgdException">It is missing, or refuses.</exception>
    public static string Run(string program, params IReadOnlyList<string> arguments) =>
        TryRun(program, arguments) is var result && result.Status == 0 ? result.Output : throw Refusal(program, arguments, result.Error);

    /// <summary>Runs one of them whatever comes of it.</summary>
    /// <exception cref="PgdException">It is missing.</exception>
    public static CommandResult TryRun(string program, params IReadOnlyList<string> arguments)
    {
        // An ordinary user's PATH lacks the folder.
        var path = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Concat(["/usr/sbin", "/sbin", "/usr/local/sbin"]).Select(f => Path.Combine(f, program)).FirstOrDefault(File.Exists)
            ?? throw new PgdException(ExitCode.MachineLacks, $"the program {program} is missing", "Install OpenZFS, for example: apt-get install zfsutils-linux");
        return Shell.Run(new(path, arguments) { Environment = Plain });
    }

    /// <summary>The lines of a listing, each split at its tabs.</summary>
    public static IEnumerable<string[]> Rows(string output) => output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split('\t'));

    /// <summary>What a refusal means to the user.</summary>
    public static PgdException Refusal(string program, IReadOnlyList<string> arguments, string said)
    {
        var what = $"{program} {arguments[0]} {arguments[^1]}: {Shell.LastLines(said)}";
        return said switch
        {
            _ when Has("permission denied") || Has("may only be mounted by root") || Has("must be superuser") || Has("insufficient privileges") => new(ExitCode.MachineLacks, what, Setup),
            _ when Has("/dev/zfs") || Has("modules are not loaded") || Has("modules cannot be") => new(ExitCode.MachineLacks, what, "Load the kernel module: modprobe zfs"),
            _ when Has("out of space") || Has("No space left") || Has("quota exceeded") => new(ExitCode.NoRoom, what, "Free some: dotnet pgd branch list shows what is there, dotnet pgd branch delete removes it."),
            _ when Has("read-only") || Has("readonly") || Has("Read-only") => new(ExitCode.MachineLacks, what, "The pool or dataset is read-only: see zpool status, zfs get readonly."),
            _ when Has("busy") => new(ExitCode.Failed, what, "Somebody is in it, perhaps a process with mounts of its own: grep DATASET /proc/*/mounts tells who."),
            _ when Has("suspended") => new(ExitCode.MachineLacks, what, "See zpool status; when its devices are back: zpool clear"),
            _ => new(ExitCode.Failed, what),
        };

        bool Has(string text) => said.Contains(text, StringComparison.OrdinalIgnoreCase);
    }
}
