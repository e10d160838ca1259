namespace Pgd.Docker;

/// <summary>The container that this process itself runs in.</summary>
internal static class OwnContainer
{
    private const int IdLength = 64;

    // The engine lays these over the image's own, out of the container's folder, which has its id for a name.
    private static readonly string[] Laid = ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"];

    /// <summary>Its id, as far as it can be told from inside; null outside of one.</summary>
    public static string? Find() => File.Exists("/.dockerenv") || File.Exists("/run/.containerenv") ? Find(File.ReadLines("/proc/self/mountinfo")) : null;

    // Of a line, the fourth field is the file that was mounted, the fifth where.
    internal static string? Find(IEnumerable<string> mounts) => mounts.Select(line => line.Split(' ')).Where(fields => fields.Length > 4 && Laid.Contains(fields[4]))
        .SelectMany(fields => fields[3].Split('/')).FirstOrDefault(name => name.Length == IdLength && name.All(char.IsAsciiHexDigitLower));
}
