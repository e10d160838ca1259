using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Xunit;

namespace Pgd.Tests.Docs;

/// <summary>The page that says what is promised names a test for each promise.</summary>
public sealed partial class SafetyPage
{
    [Fact]
    public void Every_test_that_it_names_is_there()
    {
        var tests = Path.GetDirectoryName(Path.GetDirectoryName(Path.GetDirectoryName(ThisFile())!)!)!;
        var there = Directory.EnumerateFiles(tests, "*.cs", SearchOption.AllDirectories).SelectMany(f => Method().Matches(File.ReadAllText(f)).Select(m => m.Groups[1].Value)).ToHashSet(StringComparer.Ordinal);

        var named = Name().Matches(File.ReadAllText(Path.Combine(tests, "..", "docs", "safety.md"))).Select(m => m.Groups[1].Value).ToList();

        Assert.True(named.Count > 30);
        Assert.Empty(named.Except(there));
    }

    [GeneratedRegex(@"(?:Task|void) (\w+)\(")]
    private static partial Regex Method();

    // Names of tests are sentences.
    [GeneratedRegex(@"`([A-Z]\w*(?:_\w+){3,})`")]
    private static partial Regex Name();

    private static string ThisFile([CallerFilePath] string path = "") => path;
}
