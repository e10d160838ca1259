using System.Globalization;
using Pgd.Linux;
using Pgd.Postgres;
using Pgd.Runtime;
using Pgd.Storage;

namespace Pgd.Tracing;

/// <summary>The folder of a volume that a watched server tells its statements to. It is there from the server's start to its next one.</summary>
internal static class TraceFolder
{
    public static string Of(Volume volume) => volume.Trace;

    public static string Log(Volume volume) => Path.Combine(Of(volume), "trace.csv");

    /// <summary>Makes it, and notes in it which database is watched.</summary>
    public static void Make(Volume volume, IRuntime runtime, string database)
    {
        Remove(volume);
        runtime.PrepareSocketFolder(Of(volume), volume);
        DataDirectory.Write(volume, Database(volume), database);
    }

    /// <summary>
    /// Removes it, and keeps in the server's log what that would have had otherwise: all but statements. Returns the database that was watched, whose event triggers are still there; null if
    /// none was.
    /// </summary>
    public static string? Clear(Volume volume)
    {
        if (!Directory.Exists(Of(volume)))
            return null;
        if (File.Exists(Log(volume)))
        {
            using var told = File.OpenRead(Log(volume));
            using var log = new StreamWriter(volume.Log, append: true);
            foreach (var entry in ServerLogEntry.Read(told).Where(e => e.Severity != "LOG" || e.Backend != "client backend"))
                Write(log, entry);
        }

        var database = File.Exists(Database(volume)) ? File.ReadAllText(Database(volume)) : null;
        Remove(volume);
        return database;
    }

    private static string Database(Volume volume) => Path.Combine(Of(volume), "database");

    private static void Remove(Volume volume)
    {
        if (Libc.Exists(Of(volume)))
            Directory.Delete(Of(volume), recursive: true);
    }

    // As the server writes it.
    private static void Write(StreamWriter log, ServerLogEntry entry)
    {
        foreach (var (kind, text) in ((string, string?)[])[(entry.Severity, entry.Message), ("DETAIL", entry.Detail), ("HINT", entry.Hint), ("CONTEXT", entry.Context)])
        {
            if (text is not null)
                log.Write(string.Create(CultureInfo.InvariantCulture, $"{entry.At:yyyy-MM-dd HH:mm:ss.fff} UTC [{entry.Process}] {kind}:  {text.Replace("\n", "\n\t", StringComparison.Ordinal)}\n"));
        }
    }
}
