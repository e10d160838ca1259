using System.Text;
using System.Text.RegularExpressions;

namespace Pgd.Action.Reports;

/// <summary>Text from elsewhere, made fit to be shown: no terminal escapes, no control characters, nothing that turns text around.</summary>
public static partial class PlainText
{
    /// <summary>The text without what a reader could not see; line breaks and tabs stay.</summary>
    public static string Clean(string text)
    {
        var clean = new StringBuilder(text.Length);
        foreach (var rune in Escapes().Replace(text.ReplaceLineEndings("\n"), "").EnumerateRunes())
        {
            if (rune.Value is '\n' or '\t' || !(Rune.IsControl(rune) || TurnsTextAround(rune)))
                clean.Append(rune.ToString());
        }

        return clean.ToString();
    }

    /// <summary>The text on one line of at most <paramref name="limit"/> characters, cut in its middle: names differ at their ends.</summary>
    public static string Line(string text, int limit = 200)
    {
        var line = Spaces().Replace(Clean(text), " ").Trim();
        if (line.Length <= limit)
            return line;
        var half = (limit - 1) / 2;
        return $"{Before(line, half)}…{After(line, line.Length - half)}";
    }

    /// <summary>The first characters of a text, never half of one.</summary>
    public static string Before(string text, int length) =>
        text.Length <= length ? text : text[..(length > 0 && char.IsHighSurrogate(text[length - 1]) ? length - 1 : length)];

    private static string After(string text, int start) => text[(start < text.Length && char.IsLowSurrogate(text[start]) ? start + 1 : start)..];

    // Bidirectional overrides and marks: with them, a reader sees another statement than the one that ran.
    private static bool TurnsTextAround(Rune rune) =>
        rune.Value is 0x061C or 0x200E or 0x200F or (>= 0x202A and <= 0x202E) or (>= 0x2066 and <= 0x2069);

    // CSI sequences, OSC strings up to their end, and the two-character escapes.
    [GeneratedRegex(@"\x1B\[[0-?]*[ -/]*[@-~]|\x1B\][^\x07\x1B]*(?:\x07|\x1B\\)?|\x1B[@-Z\\-_]|\x9B[0-?]*[ -/]*[@-~]")]
    private static partial Regex Escapes();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Spaces();
}
