using System.Globalization;
using System.Text.RegularExpressions;

namespace Pgd.Bench;

/// <summary>When a server says that it started and that it was ready: what of a branch's making is the server's own time.</summary>
internal static partial class ServerLog
{
    public static (DateTimeOffset Started, DateTimeOffset Ready) Read(string root)
    {
        var lines = File.ReadAllLines(Path.Combine(root, "volumes", "bench", "b", "g1", "server.log"));
        return (At(lines, "starting PostgreSQL"), At(lines, "ready to accept connections"));
    }

    private static DateTimeOffset At(string[] lines, string text)
    {
        var line = Stamp().Match(lines.First(line => line.Contains(text, StringComparison.Ordinal)));
        var time = DateTime.Parse(line.Groups["time"].Value, CultureInfo.InvariantCulture);
        // The server writes its zone's short name, which only names these two without doubt.
        return line.Groups["zone"].Value is "UTC" or "GMT" ? new(time, TimeSpan.Zero) : new(time);
    }

    [GeneratedRegex(@"^(?<time>\S+ \S+) (?<zone>\S+)")]
    private static partial Regex Stamp();
}
