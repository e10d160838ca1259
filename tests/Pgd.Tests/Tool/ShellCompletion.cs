using Xunit;

namespace Pgd.Tests.Tool;

public sealed class ShellCompletion
{
    [Theory]
    [InlineData("dotnet-pgd br", "branch")]
    [InlineData("dotnet-pgd branch cre", "create")]
    [InlineData("dotnet-pgd branch create prod/dev --cons", "--consistency")]
    [InlineData("dotnet-pgd branch url prod/dev --format npg", "npgsql")]
    [InlineData("dotnet-pgd completion z", "zsh")]
    public async Task Completes_commands_options_and_values(string line, string expected)
    {
        var run = await ToolRun.OfAsync([$"[suggest:{line.Length}]", line]);

        Assert.Equal(expected, Assert.Single(run.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries)));
        Assert.Empty(run.Error);
        Assert.Equal(0, run.Status);
    }

    [Fact]
    public async Task Stays_silent_when_names_cannot_be_read()
    {
        var run = await ToolRun.OfAsync(["[suggest:25]", "dotnet-pgd branch delete p"], session => session with
        {
            Environment = new Dictionary<string, string> { ["PGD_DEFAULT_TTL"] = "nonsense" },
        });

        Assert.Empty(run.Error);
        Assert.Equal(0, run.Status);
    }

    [Theory]
    [InlineData("bash")]
    [InlineData("zsh")]
    [InlineData("fish")]
    public async Task Scripts_ask_the_tool_itself(string shell)
    {
        var run = await ToolRun.OfAsync($"completion {shell}");

        Assert.Contains("dotnet-pgd \"[suggest:", run.Output, StringComparison.Ordinal);
        Assert.Equal(0, run.Status);
    }
}
