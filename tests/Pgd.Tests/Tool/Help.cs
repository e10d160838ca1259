using System.CommandLine;
using Pgd.Tool;
using Pgd.Tool.CommandLine;
using Xunit;

namespace Pgd.Tests.Tool;

public sealed class Help
{
    public static TheoryData<string> Paths => [.. All(Tree()).Select(command => HelpText.Path(command)["pgd".Length..].Trim())];

    [Theory]
    [MemberData(nameof(Paths))]
    public async Task Every_command_explains_itself(string path)
    {
        var run = await ToolRun.OfAsync($"{path} --help");

        Assert.Equal(0, run.Status);
        Assert.Empty(run.Error);
        Snapshot.Match(run.Output, method: $"{nameof(Every_command_explains_itself)}.{(path.Length == 0 ? "pgd" : path.Replace(' ', '-'))}");
    }

    [Theory]
    [InlineData("")]
    [InlineData("branch")]
    [InlineData("project")]
    [InlineData("pr")]
    public async Task A_noun_alone_shows_its_help(string noun)
    {
        var run = await ToolRun.OfAsync(noun);

        Assert.Equal((await ToolRun.OfAsync($"{noun} --help")).Output, run.Output);
        Assert.Equal(0, run.Status);
    }

    [Fact]
    public void Every_verb_has_an_example_that_parses()
    {
        foreach (var verb in All(Tree()).OfType<Verb>())
        {
            var examples = verb.Examples.Where(line => !line.StartsWith('#')).ToList();
            Assert.NotEmpty(examples);
            foreach (var example in examples)
            {
                // What stands behind belongs to the shell.
                var own = example.Split("dotnet pgd ")[^1].Split(" | ")[0].Split(" > ")[0].Split(" <")[0].Split(" && ")[0];
                var parsed = Tree().Parse(own, Entry.Parsing);
                Assert.True(parsed.Errors.Count == 0, $"{example}: {string.Join("; ", parsed.Errors)}");
            }
        }
    }

    [Fact]
    public void Descriptions_are_sentences_and_options_are_not()
    {
        foreach (var command in All(Tree()))
        {
            Assert.EndsWith(".", command.Description, StringComparison.Ordinal);
            Assert.All(command.Options, option => Assert.False(option.Description!.EndsWith('.'), $"{HelpText.Path(command)} {option.Name}"));
        }
    }

    private static RootCommand Tree() => CommandTree.Create(new() { Output = TextWriter.Null, Error = TextWriter.Null });

    private static IEnumerable<Command> All(Command command) => command.Subcommands.SelectMany(All).Prepend(command);
}
