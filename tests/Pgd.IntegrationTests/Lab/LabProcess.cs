using System.Globalization;
using System.Runtime.InteropServices;

namespace Pgd.IntegrationTests;

/// <summary>A process as /proc shows it.</summary>
internal sealed partial record LabProcess(int Id, int ParentId, long StartTime, string CommandLine, string? WorkingDirectory)
{
    /// <summary>Whether it is a PostgreSQL server or one of its children: these rename themselves.</summary>
    public bool IsServer =>
        CommandLine.StartsWith("postgres:", StringComparison.Ordinal) || CommandLine.Split(' ')[0].EndsWith("/postgres", StringComparison.Ordinal);

    /// <summary>Every process of this machine but this one.</summary>
    public static IReadOnlyList<LabProcess> All()
    {
        var found = new List<LabProcess>();
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out var id) && id != Environment.ProcessId && Read(id) is { } process)
                found.Add(process);
        }

        return found;
    }

    /// <summary>The server of a data directory. Its children have its command line, too, until they take titles of their own.</summary>
    public static LabProcess Server(string data)
    {
        var found = All().Where(process => process.CommandLine.Contains($"postgres -D {data} ", StringComparison.Ordinal)).ToList();
        return found.Single(process => found.TrueForAll(other => other.Id != process.ParentId));
    }

    /// <summary>Ends it at once, if it is still the same process.</summary>
    public void Kill() => Signal(9);

    /// <summary>Sends it a signal, if it is still the same process.</summary>
    public void Signal(int signal)
    {
        if (Read(Id)?.StartTime == StartTime)
            _ = SendSignal(Id, signal);
    }

    /// <summary>The inode numbers of the sockets that it has open.</summary>
    public IReadOnlySet<long> Sockets()
    {
        var inodes = new HashSet<long>();
        try
        {
            foreach (var file in Directory.EnumerateFileSystemEntries($"/proc/{Id}/fd"))
            {
                if (LinkTarget(file) is { } target && target.StartsWith("socket:[", StringComparison.Ordinal))
                    inodes.Add(long.Parse(target["socket:[".Length..^1], CultureInfo.InvariantCulture));
            }
        }
        catch (IOException)
        {
            // It ended meanwhile.
        }

        return inodes;
    }

    /// <summary>Whether it was started with a variable of that value.</summary>
    public bool HasVariable(string name, string value)
    {
        try
        {
            return File.ReadAllText($"/proc/{Id}/environ").Split('\0').Contains($"{name}={value}");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static LabProcess? Read(int id)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{id}/stat");
            // The name in parentheses may hold spaces and parentheses of its own.
            var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            var commandLine = File.ReadAllText($"/proc/{id}/cmdline").Replace('\0', ' ').Trim();
            // A zombie waits for its parent only, a kernel thread has no command line.
            return fields[0] == "Z" || commandLine.Length == 0
                ? null
                : new(id, int.Parse(fields[1], CultureInfo.InvariantCulture), long.Parse(fields[19], CultureInfo.InvariantCulture), commandLine, LinkTarget($"/proc/{id}/cwd"));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static string? LinkTarget(string link)
    {
        try
        {
            return new FileInfo(link).LinkTarget;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int SendSignal(int processId, int signal);
}
