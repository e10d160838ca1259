using System.Text.RegularExpressions;

namespace Pgd.Backups;

/// <summary>Which names are meant: a name, one with <c>*</c> and <c>?</c>, a regular expression between slashes, or a name in double quotes that is taken as it is.</summary>
internal sealed class NamePattern
{
    private readonly Regex? _matching;

    /// <exception cref="PgdException">It is a regular expression that is none (<see cref="ExitCode.Misuse"/>).</exception>
    public NamePattern(string text)
    {
        Text = text;
        if (text is ['"', .., '"'] and { Length: > 1 })
        {
            Name = text[1..^1].Replace("\"\"", "\"", StringComparison.Ordinal);
        }
        else if (text is ['/', .., '/'] and { Length: > 2 })
        {
            try
            {
                _matching = new(text[1..^1].Replace("\\/", "/", StringComparison.Ordinal), RegexOptions.CultureInvariant);
            }
            catch (ArgumentException e)
            {
                throw new PgdException(ExitCode.Misuse, $"{text} is no regular expression: {e.Message}", "Write a name that begins with a slash in double quotes.", e);
            }
        }
        else if (text.AsSpan().ContainsAny('*', '?'))
        {
            _matching = new("^" + Regex.Escape(text).Replace("\\*", ".*", StringComparison.Ordinal).Replace("\\?", ".", StringComparison.Ordinal) + "$", RegexOptions.CultureInvariant | RegexOptions.Singleline);
        }
        else
        {
            Name = text;
        }
    }

    /// <summary>As it was written.</summary>
    public string Text { get; }

    /// <summary>The one name that is meant; null if it may be several.</summary>
    public string? Name { get; }

    /// <summary>Whether a name is meant.</summary>
    public bool IsMatch(string name) => Name is null ? _matching!.IsMatch(name) : Name == name;

    /// <summary>What stands between a separator, but not where it is quoted or inside of a regular expression.</summary>
    /// <param name="text">Names with dots.</param>
    /// <param name="separator">A dot, or what stands between or behind such names.</param>
    /// <param name="most">What is left when there are that many pieces is the last one.</param>
    public static IReadOnlyList<string> Split(string text, char separator, int most = int.MaxValue)
    {
        var (pieces, from, atStart) = (new List<string>(), 0, true);
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            if (atStart && (c is '"' or '/'))
            {
                i = EndOf(text, i);
                atStart = false;
                continue;
            }

            if (c == separator && pieces.Count + 1 < most)
            {
                pieces.Add(text[from..i]);
                from = i + 1;
            }

            atStart = c == '.' || c == separator || (atStart && char.IsWhiteSpace(c));
        }

        pieces.Add(text[from..]);
        return pieces;
    }

    // Where nothing ends it, the character is one like others.
    private static int EndOf(string text, int start)
    {
        for (var i = start + 1; i < text.Length; i++)
        {
            if (text[start] == '/' && text[i] == '\\')
                i++;
            else if (text[i] == text[start] && text[i] == '"' && i + 1 < text.Length && text[i + 1] == '"')
                i++;
            else if (text[i] == text[start])
                return i;
        }

        return start;
    }
}
