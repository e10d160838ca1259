using System.Text;

namespace Pgd.Libpq;

/// <summary>libpq's <c>keyword = value</c> strings, by the rules of conninfo_parse in fe-connect.c.</summary>
internal static class KeywordValueText
{
    public static Dictionary<string, string> Read(string text)
    {
        if (text.StartsWith("jdbc:", StringComparison.OrdinalIgnoreCase))
            throw Malformed.KeywordValue("this is a JDBC URL.");
        if (text.Contains("://", StringComparison.Ordinal) && text.IndexOf("://", StringComparison.Ordinal) < (uint)text.IndexOf('='))
            throw Malformed.Uri("it does not begin with postgresql:// or postgres://.");
        var given = new Dictionary<string, string>(StringComparer.Ordinal);
        var at = 0;
        while (true)
        {
            SkipBlanks(text, ref at);
            if (at == text.Length)
                break;
            var start = at;
            while (at < text.Length && text[at] != '=' && !IsBlank(text[at]))
                at++;
            var keyword = text[start..at];
            SkipBlanks(text, ref at);
            if (at == text.Length || text[at] != '=')
                throw Malformed.KeywordValue($"the word that begins at character {start + 1} is not followed by \"=\".");
            at++;
            SkipBlanks(text, ref at);
            var value = at < text.Length && text[at] == '\'' ? ReadQuoted(text, ref at) : ReadBare(text, ref at);
            if (!LibpqParameters.IsKnown(keyword) && keyword != "requiressl")
            {
                throw Malformed.KeywordValue($"the keyword at character {start + 1} is unknown"
                    + (LibpqParameters.Nearest(keyword) is { } nearest ? $"; did you mean {nearest}?" : " to libpq."));
            }

            Store(given, keyword, value);
        }

        return given.Count > 0 ? given : throw Malformed.KeywordValue("it is empty.");
    }

    /// <summary>Keeps a value; the last of several wins, as in libpq.</summary>
    public static void Store(Dictionary<string, string> given, string keyword, string value)
    {
        if (keyword == "requiressl")
            (keyword, value) = ("sslmode", value.StartsWith('1') ? "require" : "prefer");
        if (value.Contains('\0'))
            throw Malformed.Parameter("it holds a NUL character.");
        given[keyword] = value;
    }

    private static string ReadBare(string text, ref int at)
    {
        var value = new StringBuilder();
        for (; at < text.Length && !IsBlank(text[at]); at++)
        {
            if (text[at] == '\\' && ++at == text.Length)
                break;
            value.Append(text[at]);
        }

        return value.ToString();
    }

    private static string ReadQuoted(string text, ref int at)
    {
        var start = at++;
        var value = new StringBuilder();
        for (; at < text.Length; at++)
        {
            if (text[at] == '\'')
            {
                at++;
                return value.ToString();
            }

            if (text[at] == '\\' && ++at == text.Length)
                break;
            value.Append(text[at]);
        }

        throw Malformed.KeywordValue($"the quote at character {start + 1} is not closed.");
    }

    private static void SkipBlanks(string text, ref int at)
    {
        while (at < text.Length && IsBlank(text[at]))
            at++;
    }

    private static bool IsBlank(char c) => c is ' ' or '\t' or '\n' or '\r' or '\f' or '\v';
}
