using System.CommandLine.Parsing;

namespace Pgd.Tool.CommandLine;

/// <summary>A file of options, given as <c>@FILE</c>: one on each line, and what follows its name is its value as it stands. Conditions are full of quotes, so nothing is quoted here.</summary>
internal static class OptionFile
{
    /// <summary>What puts its lines in the place of its name.</summary>
    public static TryReplaceToken In(string folder) => (string name, out IReadOnlyList<string>? arguments, out string? error) =>
    {
        (arguments, error) = (Read(Path.Combine(folder, name)), null);
        return true;
    };

    private static IReadOnlyList<string> Read(string path)
    {
        try
        {
            return [.. File.ReadLines(path).Select(line => line.Trim()).Where(line => line.Length > 0 && line[0] != '#').SelectMany(OfLine)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new PgdException(ExitCode.NotFound, $"the options in {path} cannot be read: {e.Message}", "Write one option on each line, such as: --exclude-tables shop.events,shop.cache");
        }

        IEnumerable<string> OfLine(string line)
        {
            var end = line.AsSpan().IndexOfAny(' ', '\t', '=');
            if (line is not ['-', '-', _, ..])
                throw new PgdException(ExitCode.Misuse, $"{path} has a line that begins with no option: {line}", "Write one option on each line, such as: --exclude-tables shop.events,shop.cache");
            return end < 0 ? [line] : [line[..end], line[(end + 1)..].Trim()];
        }
    }
}
