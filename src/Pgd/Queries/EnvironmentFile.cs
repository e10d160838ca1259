namespace Pgd.Queries;

/// <summary>The lines of a <c>.env</c> file.</summary>
internal static class EnvironmentFile
{
    public static Dictionary<string, string> Read(string file, string text)
    {
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        var number = 0;
        foreach (var raw in text.TrimStart('\uFEFF').ReplaceLineEndings("\n").Split('\n'))
        {
            number++;
            var line = raw.Trim();
            if (line.StartsWith("export ", StringComparison.Ordinal))
                line = line["export ".Length..].TrimStart();
            if (line.Length == 0 || line[0] == '#')
                continue;
            var equals = line.IndexOf('=', StringComparison.Ordinal);
            // Whatever is in the line may be part of a password, so it is not repeated.
            if (equals <= 0)
                throw new PgdException(ExitCode.Misuse, $"{file}, line {number}: this is not NAME=value", "Write each variable on a line of its own; a value may be in '…' or \"…\".");
            values[line[..equals].TrimEnd()] = Value(line[(equals + 1)..].Trim());
        }

        return values;
    }

    // '…' is taken as it is, "…" knows escapes; without quotes a # after a blank begins a comment.
    private static string Value(string text)
    {
        if (text.Length >= 2 && text[0] == '\'' && text[^1] == '\'')
            return text[1..^1];
        if (text.Length >= 2 && text[0] == '"' && text[^1] == '"')
            return System.Text.RegularExpressions.Regex.Replace(text[1..^1], @"\\(.)", match => match.Groups[1].Value switch { "n" => "\n", "r" => "\r", "t" => "\t", var other => other });
        var comment = text.IndexOf(" #", StringComparison.Ordinal);
        return comment < 0 ? text : text[..comment].TrimEnd();
    }
}
