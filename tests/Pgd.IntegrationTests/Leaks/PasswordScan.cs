using System.Text.RegularExpressions;

namespace Pgd.IntegrationTests;

/// <summary>
/// Looks for our own passwords in what tests of every kind leave behind. Each has a form that nothing else has: 32 letters and digits of base32, and
/// not only those that a hexadecimal number has as well.
/// </summary>
internal static partial class PasswordScan
{
    /// <summary>Whether a text holds something that looks like one.</summary>
    public static bool Finds(string text) => Password().EnumerateMatches(text).MoveNext();

    /// <exception cref="InvalidOperationException">It does. The password itself is not told.</exception>
    public static void Refuse(string where, string text)
    {
        if (Finds(text))
            throw new InvalidOperationException($"A password got into {where}: {Password().Replace(text[..Math.Min(text.Length, 2000)], "‹password›")}");
    }

    [GeneratedRegex("(?<![A-Za-z0-9])(?=[a-z2-7]{32}(?![A-Za-z0-9]))(?=[a-f2-7]*[g-z])[a-z2-7]*[2-7][a-z2-7]*")]
    private static partial Regex Password();
}
