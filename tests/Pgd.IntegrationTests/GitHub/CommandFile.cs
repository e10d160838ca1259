namespace Pgd.IntegrationTests.GitHub;

/// <summary>Reads the files that a step writes names and values to: <c>GITHUB_OUTPUT</c>, <c>GITHUB_ENV</c>.</summary>
internal static class CommandFile
{
    /// <summary>Lines <c>name=value</c>, or <c>name&lt;&lt;END</c>, the value's lines, <c>END</c>.</summary>
    /// <exception cref="FormatException">The runner would refuse the file.</exception>
    public static IReadOnlyDictionary<string, string> Read(string path)
    {
        var values = new Dictionary<string, string>();
        using var lines = File.ReadLines(path).GetEnumerator();
        while (lines.MoveNext())
        {
            var line = lines.Current;
            if (line.Length == 0)
                continue;
            var equals = line.IndexOf('=', StringComparison.Ordinal);
            var heredoc = line.IndexOf("<<", StringComparison.Ordinal);
            if (equals > 0 && (heredoc < 0 || equals < heredoc))
                values[line[..equals]] = line[(equals + 1)..];
            else if (heredoc > 0)
                values[line[..heredoc]] = ReadUntil(line[(heredoc + 2)..], lines);
            else
                throw new FormatException($"Invalid format '{line}'");
        }

        return values;
    }

    private static string ReadUntil(string end, IEnumerator<string> lines)
    {
        var value = new List<string>();
        while (lines.MoveNext())
        {
            if (lines.Current == end)
                return string.Join('\n', value);
            value.Add(lines.Current);
        }

        throw new FormatException($"Invalid value. Matching delimiter not found '{end}'");
    }
}
