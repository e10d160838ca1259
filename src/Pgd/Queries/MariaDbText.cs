namespace Pgd.Queries;

/// <summary>MariaDB's lexical structure, as far as it decides where a statement ends and what its first word is.</summary>
/// <param name="mode">The server's <c>sql_mode</c>, by which a backslash may be a character like all others.</param>
internal sealed class MariaDbText(string mode)
{
    private readonly string escaping = Has(mode, "NO_BACKSLASH_ESCAPES") ? "" : Has(mode, "ANSI_QUOTES") ? "'" : "'\"";

    /// <summary>The place behind the last semicolon that ends a statement; 0 if there is none.</summary>
    public int EndOfStatements(string text)
    {
        _ = Split(text, out var end);
        return end;
    }

    /// <summary>The statements of a text, without their comments.</summary>
    public IReadOnlyList<string> Statements(string text) => Split(text, out _);

    private List<string> Split(string text, out int end)
    {
        var (statements, statement) = (new List<string>(), new System.Text.StringBuilder());
        end = 0;
        for (var at = 0; at < text.Length;)
        {
            var c = text[at];
            var rest = text.AsSpan(at);
            if (c is '\'' or '"' or '`')
            {
                var close = Quoted(text, at);
                statement.Append(text, at, close - at);
                at = close;
            }
            else if (c == '#' || (rest.StartsWith("--") && (rest.Length == 2 || rest[2] <= ' ')))
            {
                at = text.IndexOf('\n', at) is >= 0 and var line ? line : text.Length;
            }
            // A server runs what is in /*! … */: to us it is no comment.
            else if (rest.StartsWith("/*!") || rest.StartsWith("/*M!"))
            {
                at = text.IndexOf('!', at) + 1;
                while (at < text.Length && char.IsAsciiDigit(text[at]))
                    at++;
                statement.Append(' ');
            }
            else if (rest.StartsWith("/*"))
            {
                at = text.IndexOf("*/", at + 2, StringComparison.Ordinal) is >= 0 and var closing ? closing + 2 : text.Length;
                statement.Append(' ');
            }
            else if (c == ';')
            {
                at++;
                end = at;
                Finish();
            }
            else
            {
                statement.Append(c);
                at++;
            }
        }

        Finish();
        return statements;

        void Finish()
        {
            if (statement.ToString().Trim() is { Length: > 0 } whole)
                statements.Add(whole);
            statement.Clear();
        }
    }

    private static bool Has(string mode, string one) => mode.Split(',').Contains(one, StringComparer.OrdinalIgnoreCase);

    private int Quoted(string text, int at)
    {
        var quote = text[at++];
        while (at < text.Length)
        {
            if (text[at] == '\\' && escaping.Contains(quote, StringComparison.Ordinal))
                at++;
            else if (text[at] == quote)
                return at + 1;
            at++;
        }

        return text.Length;
    }
}
