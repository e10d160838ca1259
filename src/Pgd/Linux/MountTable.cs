using System.Text;

namespace Pgd.Linux;

/// <summary>What is mounted where, as the kernel tells this process.</summary>
internal sealed class MountTable
{
    private readonly IReadOnlyList<MountedFileSystem> _mounts;

    private MountTable(IReadOnlyList<MountedFileSystem> mounts) => _mounts = mounts;

    public static MountTable Read() => Parse(File.ReadLines("/proc/self/mountinfo"));

    public static MountTable Parse(IEnumerable<string> lines) => new([.. lines.Select(ParseLine).OfType<MountedFileSystem>()]);

    /// <summary>What holds a path: of several mounts on top of each other the last one.</summary>
    public MountedFileSystem? Of(string path) =>
        _mounts.Where(m => IsAtOrBelow(path, m.Point)).Aggregate((MountedFileSystem?)null, (best, m) => best is null || m.Point.Length >= best.Point.Length ? m : best);

    /// <summary>What is mounted at a place itself.</summary>
    public MountedFileSystem? At(string point) => Of(point) is { } mount && mount.Point == point ? mount : null;

    /// <summary>What is mounted below a folder.</summary>
    public IEnumerable<MountedFileSystem> Below(string folder) => _mounts.Where(m => m.Point != folder && IsAtOrBelow(m.Point, folder));

    /// <summary>Where a file system of that name is mounted as a whole.</summary>
    public string? PointOf(string source) => _mounts.LastOrDefault(m => m.Source == source && m.Root == "/")?.Point;

    private static bool IsAtOrBelow(string path, string folder) => folder == "/" || path == folder || path.StartsWith(folder + "/", StringComparison.Ordinal);

    // 36 35 98:0 /root /point rw,noatime shared:1 - type source options
    private static MountedFileSystem? ParseLine(string line)
    {
        var fields = line.Split(' ');
        var separator = Array.IndexOf(fields, "-", 6);
        return separator > 0 && fields.Length > separator + 2 ? new(Unescape(fields[3]), Unescape(fields[4]), fields[separator + 1], Unescape(fields[separator + 2])) : null;
    }

    // Blanks are written as three octal digits.
    public static string Unescape(string text)
    {
        if (!text.Contains('\\', StringComparison.Ordinal))
            return text;
        var plain = new StringBuilder();
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == '\\' && i + 3 < text.Length && text[(i + 1)..(i + 4)].All(c => c is >= '0' and <= '7'))
            {
                plain.Append((char)Convert.ToInt32(text[(i + 1)..(i + 4)], 8));
                i += 3;
            }
            else
            {
                plain.Append(text[i]);
            }
        }

        return plain.ToString();
    }
}

/// <summary>One mount.</summary>
/// <param name="Root">The folder inside the file system that is mounted.</param>
/// <param name="Point">Where.</param>
/// <param name="Type">For example <c>zfs</c>.</param>
/// <param name="Source">For ZFS the dataset.</param>
internal sealed record MountedFileSystem(string Root, string Point, string Type, string Source)
{
    /// <summary>Where a path that it holds is inside the file system, without a slash in front.</summary>
    public string Inside(string path) => Path.Combine(Root, path[(Point == "/" ? 1 : Math.Min(path.Length, Point.Length + 1))..]).TrimStart('/').TrimEnd('/');
}
