using System.Text.RegularExpressions;
using Xunit;

namespace Pgd.IntegrationTests.Docs;

/// <summary>What the page for those who come from other tools says can be typed.</summary>
public sealed partial class ComingFrom
{
    [Fact]
    public async Task Every_line_of_the_page_does_what_it_says_in_the_order_in_which_it_stands()
    {
        Lab.Require(Environment.IsPrivilegedProcess, "Mounting file systems and running servers as another account need root");
        using var root = new ToolRoot("reflink");
        // What is to be typed is in the last column of the tables of commands.
        var rows = File.ReadLines(Path.Combine(Checkout.Folder, "docs/coming-from.md")).TakeWhile(line => !line.StartsWith("## What is different", StringComparison.Ordinal))
            .Where(line => line.StartsWith("| `", StringComparison.Ordinal)).Select(line => line.Split('|')).ToList();
        var commands = rows.SelectMany(row => Span().Matches(row[^2]).Select(match => match.Groups["command"].Value)).ToList();
        Assert.True(commands.Count > 40, $"only {commands.Count} commands were found");
        // Of the machine as a whole, and so tried where that can be thrown away: SettingUp.
        Assert.Equal(2, commands.RemoveAll(command => command == "sudo dotnet-pgd setup"));

        foreach (var command in commands.Where(command => command.StartsWith("dotnet pgd ", StringComparison.Ordinal)))
        {
            var result = await root.InProcessAsync(Arguments(command["dotnet pgd ".Length..]));
            // The doctor tells of the machine; here it has to find nothing that a user of the page did.
            Assert.True(result.Status == 0 || (command == "dotnet pgd doctor" && result.Status == (int)ExitCode.Failed), $"{command}: {result}");
        }
    }

    private static string[] Arguments(string text) => [.. Word().Matches(text).Select(word => word.Value.Trim('"'))];

    [GeneratedRegex("`(?<command>(?:sudo dotnet-pgd|dotnet pgd) [^`]+)`")]
    private static partial Regex Span();

    [GeneratedRegex("\"[^\"]*\"|\\S+")]
    private static partial Regex Word();
}
