using System.Text.RegularExpressions;
using Pgd.Tool;
using Xunit;

namespace Pgd.Tests.Docs;

/// <summary>Every command of the guide, and of the page about setup, is one.</summary>
public sealed partial class GuidePage
{
    [Theory]
    [InlineData("guide.md", 25)]
    [InlineData("setup.md", 4)]
    [InlineData("backups.md", 10)]
    [InlineData("scale.md", 6)]
    public void Every_command_on_it_parses(string page, int atLeast)
    {
        var text = File.ReadAllText(Path.Combine(TroubleshootingPage.Top(), "docs", page));
        var commands = Block().Matches(text).SelectMany(block => block.Groups[1].Value.Split('\n'))
            .Concat(Inline().Matches(Block().Replace(text, "")).Select(code => code.Groups[1].Value))
            .Select(line => Command().Match(line)).Where(command => command.Success).Select(command => command.Groups[1].Value).ToList();

        Assert.True(commands.Count >= atLeast, $"only {commands.Count} commands");
        foreach (var command in commands)
        {
            var parsed = CommandTree.Create(new() { Output = TextWriter.Null, Error = TextWriter.Null }).Parse(command, Entry.Parsing);
            Assert.True(parsed.Errors.Count == 0, $"{command}: {string.Join("; ", parsed.Errors)}");
        }
    }

    [GeneratedRegex("```sh\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Block();

    [GeneratedRegex("`([^`\n]+)`")]
    private static partial Regex Inline();

    // Up to what explains it.
    [GeneratedRegex(@"^(?:dotnet pgd|sudo ""\$\(command -v dotnet-pgd\)"") (.+?)(?: +#.*)?$")]
    private static partial Regex Command();
}
