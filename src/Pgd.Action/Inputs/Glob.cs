using System.Text;
using System.Text.RegularExpressions;

namespace Pgd.Action.Inputs;

/// <summary>A pattern of file names: <c>*</c> and <c>?</c> inside a folder, <c>**</c> over folders.</summary>
internal sealed class Glob(string pattern)
{
    private readonly Regex regex = new(Translate(pattern.Replace('\\', '/')), RegexOptions.CultureInvariant);

    public static bool IsPattern(string text) => text.AsSpan().IndexOfAny("*?") >= 0;

    /// <summary>The files that a pattern names, starting from a folder, in the order of their names.</summary>
    public static IEnumerable<string> Files(string pattern, string folder)
    {
        // Only below the folders that the pattern spells out: a checkout can hold a hundred thousand other files.
        pattern = pattern.Replace('\\', '/');
        var fixedLength = pattern.LastIndexOf('/', pattern.AsSpan().IndexOfAny("*?")) + 1;
        var start = Path.GetFullPath(pattern[..fixedLength], folder);
        if (!Directory.Exists(start))
            return [];
        var glob = new Glob(pattern[fixedLength..]);
        // Links are not followed: one that leads to its own parent would never end.
        var options = new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint, IgnoreInaccessible = false };
        return Directory.EnumerateFiles(start, "*", options)
            .Where(file => glob.Matches(Path.GetRelativePath(start, file).Replace('\\', '/')))
            .Order(StringComparer.Ordinal);
    }

    public bool Matches(string path) => regex.IsMatch(path);

    private static string Translate(string pattern)
    {
        var regex = new StringBuilder(@"\A");
        for (var at = pattern.StartsWith("./", StringComparison.Ordinal) ? 2 : 0; at < pattern.Length; at++)
        {
            var rest = pattern.AsSpan(at);
            if (rest.StartsWith("**/"))
            {
                regex.Append("(?:[^/]+/)*");
                at += 2;
            }
            else if (rest.StartsWith("**"))
            {
                regex.Append(".*");
                at++;
            }
            else
            {
                regex.Append(pattern[at] switch { '*' => "[^/]*", '?' => "[^/]", var c => Regex.Escape(c.ToString()) });
            }
        }

        return regex.Append(@"\z").ToString();
    }
}
