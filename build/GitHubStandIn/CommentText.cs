using System.Text;
using System.Text.RegularExpressions;

namespace Pgd.IntegrationTests.GitHub;

/// <summary>A comment as a reviewer sees it, on a terminal: as much of GitHub's Markdown as our comments use.</summary>
internal static partial class CommentText
{
    public static string Render(string markdown, bool color)
    {
        var text = new StringBuilder();
        var table = new List<string[]>();
        var code = false;
        foreach (var line in HtmlComment().Replace(markdown.ReplaceLineEndings("\n"), "").Split('\n'))
        {
            if (!code && line.StartsWith('|'))
            {
                table.Add([.. CellBorder().Split(line.Trim().Trim('|')).Select(cell => cell.Trim())]);
                continue;
            }

            WriteTable(text, table, color);
            if (line.StartsWith("```", StringComparison.Ordinal))
                code = !code;
            else if (code)
                text.Append("    ").Append(line).Append('\n');
            else
                text.Append(Line(line, color)).Append('\n');
        }

        WriteTable(text, table, color);
        return BlankLines().Replace(text.ToString(), "\n\n").Trim('\n');
    }

    private static string Line(string line, bool color)
    {
        var heading = line.TrimStart('#');
        var words = Inline(heading.TrimStart());
        if (heading.Length < line.Length)
            return Paint(words, "1", color);
        if (line.Contains("<summary>", StringComparison.Ordinal))
            return $"▸ {words}";
        return line.StartsWith("<sub>", StringComparison.Ordinal) ? Paint(words, "2", color) : words;
    }

    private static string Inline(string text)
    {
        text = Link().Replace(text, "$1");
        text = Element().Replace(text, "");
        text = text.Replace("**", "", StringComparison.Ordinal).Replace("`", "", StringComparison.Ordinal).Replace("\u200B", "", StringComparison.Ordinal);
        text = Escape().Replace(text, "$1");
        return text.Replace("&lt;", "<", StringComparison.Ordinal).Replace("&gt;", ">", StringComparison.Ordinal).Replace("&amp;", "&", StringComparison.Ordinal);
    }

    private static void WriteTable(StringBuilder text, List<string[]> table, bool color)
    {
        if (table.Count > 1)
        {
            var right = table[1].Select(cell => cell.EndsWith(':') && !cell.StartsWith(':')).ToArray();
            table.RemoveAt(1);
            var rows = table.Select(row => row.Select(Inline).ToArray()).ToList();
            var widths = right.Select((_, column) => rows.Max(row => column < row.Length ? Width(row[column]) : 0)).ToArray();
            foreach (var row in rows)
            {
                var cells = row.Select((cell, column) => new string(' ', widths[column] - Width(cell)) is var pad && right[column] ? pad + cell : cell + pad);
                var line = "  " + string.Join("  ", cells).TrimEnd();
                text.Append(row == rows[0] ? Paint(line, "2", color) : line).Append('\n');
            }
        }

        table.Clear();
    }

    // A terminal gives these two columns; a general table of widths would be longer than this file.
    private static int Width(string text) => text.EnumerateRunes().Sum(rune => rune.Value is 0x2705 or 0x274C or >= 0x1F300 ? 2 : 1);

    private static string Paint(string text, string code, bool color) => color && text.Length > 0 ? $"\e[{code}m{text}\e[0m" : text;

    [GeneratedRegex("<!--.*?-->", RegexOptions.Singleline)]
    private static partial Regex HtmlComment();

    [GeneratedRegex(@"(?<!\\)\|")]
    private static partial Regex CellBorder();

    [GeneratedRegex(@"\[([^\]]*)\]\([^)]*\)")]
    private static partial Regex Link();

    [GeneratedRegex("</?[a-z]+>")]
    private static partial Regex Element();

    [GeneratedRegex(@"\\([!-/:-@\[-`{-~])")]
    private static partial Regex Escape();

    [GeneratedRegex("\n{3,}")]
    private static partial Regex BlankLines();
}
