using System.Text.RegularExpressions;

namespace Pgd.IntegrationTests;

/// <summary>
/// Looks for our own passwords in what tests of every kind leave behind. Each has a form that nothing else has: 32 letters and digits of base32, and
/// not only those that a hexadecimal number has as well.
/// </summary>
internal static partial class PasswordScan
{
    /// <summary>Whether a text holds something that looks like one.</summary>
    public static bool Finds(string text) => Password().EnumerateMatches(text).MoveNext();

    /// <exception cref="InvalidOperationException">It does. The password itself is not told.</exception>
    public static void Refuse(string where, string text)
    {
        if (Finds(text))
            throw new InvalidOperationException($"A password got into {where}: {Password().Replace(text[..Math.Min(text.Length, 2000)], "‹password›")}");
    }

    /// <summary>Looks through a root: records, marks, logs of servers, rules, the audit log; but not through the data, where only verifiers are.</summary>
    /// <exception cref="InvalidOperationException">A file holds one.</exception>
    public static void RefuseIn(string root)
    {
        if (!Directory.Exists(root))
            return;
        // A lease that is held cannot be opened here; nothing is ever written into one.
        foreach (var file in FilesOf(root).Where(file => !Path.GetFileName(file).StartsWith("~lease-", StringComparison.Ordinal)))
        {
            try
            {
                // Shared with everyone: .NET would otherwise take a lock on it, and some of these files are locks.
                using var reader = new StreamReader(new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete));
                Refuse(file, reader.ReadToEnd());
            }
            catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
            {
                // A server that is being ended removes its own.
            }
        }
    }

    /// <summary>The files of a root that are not PostgreSQL's data.</summary>
    public static IEnumerable<string> FilesOf(string root) => new System.IO.Enumeration.FileSystemEnumerable<string>(root, static (ref entry) => entry.ToFullPath(),
        new() { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint, IgnoreInaccessible = true })
    {
        ShouldIncludePredicate = static (ref entry) => !entry.IsDirectory && !entry.FileName.StartsWith(".s.PGSQL", StringComparison.Ordinal) && !entry.FileName.SequenceEqual("host.key"),
        ShouldRecursePredicate = static (ref entry) => !File.Exists(Path.Combine(entry.ToFullPath(), "PG_VERSION")),
    };

    [GeneratedRegex("(?<![A-Za-z0-9])(?=[a-z2-7]{32}(?![A-Za-z0-9]))(?=[a-f2-7]*[g-z])[a-z2-7]*[2-7][a-z2-7]*")]
    private static partial Regex Password();
}
