using Microsoft.Extensions.FileSystemGlobbing;

namespace Pgd.Action.Inputs;

/// <summary>File names with <c>*</c> and <c>**</c>, as the engine reads those of migrations: one on each line, and <c>!</c> takes away again.</summary>
internal sealed class FilePattern
{
    private readonly Matcher matcher = new(StringComparison.Ordinal, preserveFilterOrder: true);

    public FilePattern(string pattern)
    {
        foreach (var line in pattern.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            if (line[0] == '!')
                matcher.AddExclude(Plain(line[1..]));
            else
                matcher.AddInclude(Plain(line));
        }
    }

    public static bool IsPattern(string text) => text.Contains('*', StringComparison.Ordinal);

    public bool Matches(string path) => matcher.Match(path).HasMatches;

    /// <summary>The files below a folder that match, in the order of their names.</summary>
    public IEnumerable<string> FilesIn(string folder) => matcher.GetResultsInFullPath(folder).Order(StringComparer.Ordinal);

    private static string Plain(string pattern) => pattern.StartsWith("./", StringComparison.Ordinal) ? pattern[2..] : pattern;
}
