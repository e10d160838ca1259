using System.Text;
using System.Text.RegularExpressions;

namespace Pgd.Action.Reports;

/// <summary>
/// Text from elsewhere inside GitHub's Markdown. Names, messages and SQL belong to whoever wrote them: they may not end a code block, make
/// a table, start HTML, link anywhere or notify anybody.
/// </summary>
internal static partial class Markdown
{
    // Stops GitHub from seeing a mention, a reference or a comment; a backslash does not, because these are looked for in the finished page.
    private const string Nothing = "\u200B";

    /// <summary>Ordinary words.</summary>
    public static string Text(string text, int limit = 500)
    {
        var escaped = new StringBuilder();
        foreach (var c in PlainText.Line(text, limit))
        {
            escaped.Append(c switch
            {
                '&' => "&amp;",
                '<' => "&lt;",
                '>' => "&gt;",
                '@' => "@" + Nothing,
                '#' => "\\#" + Nothing,
                ':' => ":" + Nothing, // :// makes a link, and :tada: a picture.
                '\\' or '`' or '*' or '_' or '{' or '}' or '[' or ']' or '(' or ')' or '+' or '.' or '!' or '|' or '~' or '=' or '$' => "\\" + c,
                _ => c.ToString(),
            });
        }

        return ShortReferences().Replace(escaped.ToString(), "$0" + Nothing);
    }

    /// <summary>A name or a value on one line.</summary>
    public static string Code(string text, int limit = 200)
    {
        var line = NoComment(PlainText.Line(text, limit));
        if (line.Length == 0)
            return "";
        var fence = new string('`', LongestRun(line) + 1);
        var pad = line[0] == '`' || line[^1] == '`' ? " " : "";
        return fence + pad + line + pad + fence;
    }

    /// <summary>The same inside a table, where a pipe would end the cell even in code.</summary>
    public static string Cell(string text, int limit = 200) => Code(text, limit).Replace("|", "\\|", StringComparison.Ordinal);

    /// <summary>The fence of a code block that holds these lines.</summary>
    public static string Fence(IEnumerable<string> lines) => new('`', Math.Max(3, lines.Select(LongestRun).DefaultIfEmpty(0).Max() + 1));

    /// <summary>A line inside a code block.</summary>
    public static string CodeLine(string text, int limit)
    {
        var line = PlainText.Clean(text).Replace('\n', ' ').TrimEnd();
        if (line.Length > limit)
            line = PlainText.Before(line, limit - 1) + "…";
        return NoComment(line);
    }

    /// <summary>A link whose text is code.</summary>
    public static string Link(string code, string? url) => url is null ? code : $"[{code}]({url})";

    // Our own markers are comments, and are looked for in the text.
    private static string NoComment(string text) =>
        text.Replace("<!--", $"<!{Nothing}--", StringComparison.Ordinal).Replace("-->", $"--{Nothing}>", StringComparison.Ordinal);

    private static int LongestRun(string text) => Backticks().Matches(text).Select(m => m.Length).DefaultIfEmpty(0).Max();

    // GH-123 is a reference too.
    [GeneratedRegex(@"\bGH-(?=[0-9])", RegexOptions.IgnoreCase)]
    private static partial Regex ShortReferences();

    [GeneratedRegex("`+")]
    private static partial Regex Backticks();
}
