using System.Text;
using System.Text.RegularExpressions;

namespace Pgd.Action.Inputs;

/// <summary>A pattern of file names: <c>*</c> and <c>?</c> inside a folder, <c>**</c> over folders.</summary>
internal sealed class Glob(string pattern)
{
    private readonly Regex regex = new(Translate(pattern.Replace('\\', '/')), RegexOptions.CultureInvariant);

    public static bool IsPattern(string text) => text.AsSpan().IndexOfAny("*?") >= 0;

    public bool Matches(string path) => regex.IsMatch(path);

    /// <summary>The files below a folder that match, in the order of their names.</summary>
    public IEnumerable<string> FilesIn(string folder)
    {
        // Links are not followed: one that leads to its own parent would never end.
        var options = new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint, IgnoreInaccessible = false };
        return Directory.EnumerateFiles(folder, "*", options)
            .Select(file => Path.GetRelativePath(folder, file).Replace('\\', '/'))
            .Where(Matches)
            .Order(StringComparer.Ordinal)
            .Select(file => Path.Combine(folder, file));
    }

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
