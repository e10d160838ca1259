namespace Pgd.Following;

/// <summary>What a server's log says of why it does not get on.</summary>
internal static class ServerLog
{
    private const int Read = 16384;

    /// <summary>The last reason for which one of its processes ended, without its time; null if there is none near the end.</summary>
    public static string? LastComplaint(string log)
    {
        try
        {
            using var file = new FileStream(log, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            file.Position = Math.Max(0, file.Length - Read);
            using var reader = new StreamReader(file);
            var lines = reader.ReadToEnd().Split('\n');
            var at = Array.FindLastIndex(lines, line => line.Contains("FATAL:", StringComparison.Ordinal));
            if (at < 0)
                return null;
            // What libpq says may be several lines, which begin with a tab.
            return string.Join(' ', lines.Skip(at + 1).TakeWhile(line => line.StartsWith('\t')).Select(line => line.Trim()).Prepend(lines[at][(lines[at].IndexOf("FATAL:", StringComparison.Ordinal) + "FATAL:".Length)..].Trim()));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
