using Pgd.Tool;
using Pgd.Tool.Output;
using Xunit;

namespace Pgd.Tests.Tool;

public sealed class TextOutput
{
    private readonly StringWriter _output = new() { NewLine = "\n" };

    [Fact]
    public void Branches_in_a_file() => Shows(Screen.None, sheet => BranchText.Table([Samples.Main, Samples.Preview, Samples.Expired], sheet));

    [Fact]
    public void Branches_on_a_terminal() => Shows(new(true, false, 120), sheet => BranchText.Table([Samples.Main, Samples.Preview], sheet));

    [Fact]
    public void Branches_on_a_colored_terminal() => Shows(new(true, true, 120), sheet => BranchText.Table([Samples.Main, Samples.Preview, Samples.Expired], sheet));

    [Fact]
    public void A_branch() => Shows(Screen.None, sheet => BranchText.Details(Samples.Preview, sheet));

    [Fact]
    public void A_created_branch() => Shows(Screen.None, sheet => BranchText.Made(new(Samples.Preview, true), sheet));

    [Fact]
    public void A_tree_of_branches() => Shows(Screen.None, sheet => TreeText.Write([Samples.Main, Samples.Preview, Samples.Expired, Samples.Preview with { Name = BranchName.Parse("prod/qa") }, Samples.Main with { Name = BranchName.Parse("stage/main") }, Samples.Preview with { Name = BranchName.Parse("stage/dev"), Parent = BranchName.Parse("stage/gone"), Golden = true }], sheet));

    [Fact]
    public void A_promoted_branch() => Shows(Screen.None, sheet => BranchText.Promoted(Samples.Promoted, sheet));

    [Fact]
    public void A_branch_that_was_there() => Shows(Screen.None, sheet => BranchText.Made(new(Samples.Preview, false), sheet));

    [Fact]
    public void A_dry_run() => Shows(Screen.None, sheet => DiagnosisText.Write(Samples.Diagnosis with { DryRun = true, Report = null }, sheet));

    [Fact]
    public void A_first_branch() => Shows(Screen.None, sheet => BranchText.Details(Samples.Main, sheet));

    [Fact]
    public void Projects() => Shows(Screen.None, sheet => ProjectText.Table([Samples.Project], sheet));

    [Fact]
    public void A_project() => Shows(Screen.None, sheet => ProjectText.Details(Samples.Project, sheet));

    [Fact]
    public void The_status() => Shows(Screen.None, sheet => StatusText.Write(Samples.Status, sheet));

    [Fact]
    public void A_diagnosis() => Shows(Screen.None, sheet => DiagnosisText.Write(Samples.Diagnosis, sheet));

    [Fact]
    public void Nothing_to_list_is_said()
    {
        var sheet = Sheet(Screen.None);
        BranchText.Table([], sheet);
        ProjectText.Table([], sheet);

        Assert.Equal("No branches.\nNo projects.\n", _output.ToString());
    }

    [Fact]
    public void No_escape_codes_reach_a_file()
    {
        var sheet = Sheet(Screen.None);
        BranchText.Table([Samples.Main, Samples.Preview], sheet);
        BranchText.Details(Samples.Preview, sheet);
        DiagnosisText.Write(Samples.Diagnosis, sheet);

        Assert.DoesNotContain('\e', _output.ToString());
    }

    [Theory]
    [InlineData(true, "", "", "xterm", true)]
    [InlineData(true, "1", "", "xterm", false)]
    [InlineData(true, "", "", "dumb", false)]
    [InlineData(false, "", "", "xterm", false)]
    [InlineData(false, "", "1", "xterm", true)]
    [InlineData(false, "", "0", "xterm", false)]
    [InlineData(false, "1", "1", "xterm", false)]
    public void Color_follows_terminal_and_conventions(bool isTerminal, string noColor, string force, string term, bool expected)
    {
        var environment = new Dictionary<string, string> { ["NO_COLOR"] = noColor, ["CLICOLOR_FORCE"] = force, ["TERM"] = term };

        Assert.Equal(expected, Screen.Of(environment, isTerminal).Color);
    }

    private void Shows(Screen screen, Action<Sheet> write, [System.Runtime.CompilerServices.CallerFilePath] string file = "", [System.Runtime.CompilerServices.CallerMemberName] string member = "")
    {
        write(Sheet(screen));
        Snapshot.Match(_output.ToString().Replace("\e", "␛", StringComparison.Ordinal), file, member);
    }

    private Sheet Sheet(Screen screen) => new(new() { Output = _output, Error = TextWriter.Null, OutputScreen = screen, Clock = new ManualClock() });
}
