using System.Runtime.CompilerServices;
using Xunit;

namespace Pgd.Tests;

/// <summary>Text that people read, kept beside the test as <c>Class.Method.verified.txt</c>: the layout that Verify uses.</summary>
internal static class Snapshot
{
    /// <summary>Fails when the text differs from what was approved, and leaves it as <c>.received.txt</c> to look at or rename.</summary>
    public static void Matches(string actual, string? name = null, [CallerFilePath] string file = "", [CallerMemberName] string member = "")
    {
        var stem = Path.Combine(Path.GetDirectoryName(file)!, $"{Path.GetFileNameWithoutExtension(file)}.{member}{(name is null ? "" : $".{name}")}");
        var (verified, received) = ($"{stem}.verified.txt", $"{stem}.received.txt");
        var expected = File.Exists(verified) ? File.ReadAllText(verified) : null;
        if (expected is not null && Lines(expected) == Lines(actual))
        {
            File.Delete(received);
            return;
        }

        File.WriteAllText(received, actual);
        Assert.Fail(expected is null ? $"{verified} does not exist. Look at {received} and rename it." : $"{Path.GetFileName(verified)} differs:\n{FirstDifference(expected, actual)}");
    }

    private static string Lines(string text) => text.ReplaceLineEndings("\n").TrimEnd('\n');

    private static string FirstDifference(string expected, string actual)
    {
        var (one, other) = (Lines(expected).Split('\n'), Lines(actual).Split('\n'));
        var line = Enumerable.Range(0, Math.Max(one.Length, other.Length)).First(i => i >= one.Length || i >= other.Length || one[i] != other[i]);
        return $"line {line + 1}\n  approved: {(line < one.Length ? one[line] : "(none)")}\n  received: {(line < other.Length ? other[line] : "(none)")}";
    }
}
