using Pgd.Schema;
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
    public void A_comparison() => Shows(Screen.None, sheet => ComparisonText.Write(Samples.Compared, null, sheet));

    [Fact]
    public void A_comparison_of_what_is_equal() => Shows(Screen.None, sheet => ComparisonText.Write(Samples.Compared with { Databases = [Samples.Compared.Databases[1]] }, null, sheet));

    [Fact]
    public void A_comparison_that_is_not_decided() => Shows(Screen.None, sheet => ComparisonText.Write(Samples.Compared with { Databases = [Samples.Compared.Databases[1] with { Tables = [new() { Schema = "sales", Name = "counters", Key = ["id"], SourceRows = 3, TargetRows = 3, Undecided = 1 }] }] }, null, sheet));

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
    public void An_estimate_of_a_copy() => Shows(Screen.None, sheet => ReplicationText.Estimated(Samples.Estimated, sheet));

    [Fact]
    public void An_estimate_of_a_copy_on_a_terminal() => Shows(new(true, true, 80), sheet => ReplicationText.Estimated(Samples.Estimated, sheet));

    [Theory]
    [InlineData(0.2, 0.9, "up to 1 second")]
    [InlineData(0.9, 8.2, "up to 9 seconds")]
    [InlineData(4.1, 4.3, "4 to 5 seconds")]
    [InlineData(60, 98.5, "60 to 99 seconds")]
    [InlineData(182, 293, "3 to 5 minutes")]
    [InlineData(5940, 6100, "1 to 2 hours")]
    [InlineData(10, 7000, "up to 2 hours")]
    public void A_time_that_is_not_known_exactly_is_a_range(double least, double most, string expected) => Assert.Equal(expected, ReplicationText.Range(least, most));

    [Fact]
    public void Projects() => Shows(Screen.None, sheet => ProjectText.Table([Samples.Project], sheet));

    [Fact]
    public void A_project() => Shows(Screen.None, sheet => ProjectText.Details(Samples.Project, sheet));

    [Fact]
    public void How_new_the_data_of_projects_is() => Shows(Screen.None, sheet => FreshnessText.Table([Samples.Streaming, Samples.Behind, Samples.Copied, new Freshness { Project = "own" }], sheet));

    [Fact]
    public void How_new_the_data_of_a_project_is() => Shows(Screen.None, sheet =>
    {
        FreshnessText.Details(Samples.Streaming, sheet);
        sheet.Line();
        FreshnessText.Details(Samples.Behind, sheet);
        sheet.Line();
        FreshnessText.Details(Samples.Copied, sheet);
    });

    [Fact]
    public void A_branch_that_follows_another_server() => Shows(Screen.None, sheet => BranchText.Details(Samples.Main with { Follows = Samples.Streaming.From, DataAsOf = Samples.Now }, sheet));

    [Fact]
    public void A_project_with_an_archive() => Shows(Screen.None, sheet => ProjectText.Details(Samples.Project with { PointInTime = TimeSpan.FromDays(7) }, sheet));

    [Fact]
    public void Logs() => Shows(Screen.None, sheet => WalText.Info([Samples.Log, Samples.Log with { Branch = BranchName.Parse("dev/main"), PointInTime = null, Directory = null, Files = 0, Bytes = 0, Oldest = null, Newest = null, Gaps = [], Archiver = null, Windows = [], Needs = [] }], sheet));

    [Fact]
    public void A_cleanup_of_a_log() => Shows(Screen.None, sheet =>
    {
        WalText.Cleaned(Samples.Cleaned, sheet);
        WalText.Cleaned(Samples.Cleaned with { DryRun = true }, sheet);
        WalText.Cleaned(new(Samples.Main.Name, false, [], 0, 0, [], []), sheet);
    });

    [Fact]
    public void A_verified_log() => Shows(Screen.None, sheet =>
    {
        WalText.Verified(new(Samples.Main.Name, 412, []), sheet);
        WalText.Verified(new(Samples.Main.Name, 1, [Samples.Log.Gaps[0].ToString(), "000000010000000000000041: it has 5 bytes instead of 16777216"]), sheet);
    });

    [Fact]
    public void The_status() => Shows(Screen.None, sheet => StatusText.Write(Samples.Status, sheet));

    [Fact]
    public void The_status_of_a_project() => Shows(Screen.None, sheet => ActivityText.Project(Samples.ProjectStatus, sheet));

    [Fact]
    public void The_status_of_a_project_whose_storage_tells_no_space() => Shows(Screen.None, sheet => ActivityText.Project(Samples.ProjectStatus with { Branches = [.. Samples.ProjectStatus.Branches.Select(b => b with { Branch = b.Branch with { Space = null } })] }, sheet));

    [Fact]
    public void The_status_of_a_branch() => Shows(Screen.None, sheet => ActivityText.Branch(Samples.Busy, sheet));

    [Fact]
    public void A_difference() => Shows(Screen.None, sheet => SchemaText.Write(Samples.Diff, sheet));

    [Fact]
    public void A_difference_on_a_colored_terminal() => Shows(new(true, true, 120), sheet => SchemaText.Write(Samples.Diff, sheet));

    [Fact]
    public void A_diagnosis() => Shows(Screen.None, sheet => DiagnosisText.Write(Samples.Diagnosis, sheet));

    [Fact]
    public void A_cleanup_of_snapshots() => Shows(Screen.None, sheet => SnapshotText.CleanedUp(Samples.CleanedUp, sheet));

    [Fact]
    public void What_a_cleanup_of_snapshots_would_do() => Shows(Screen.None, sheet => SnapshotText.CleanedUp(Samples.CleanedUp with { DryRun = true, Left = [] }, sheet));

    [Fact]
    public void A_run_of_the_schedule() => Shows(Screen.None, sheet => SnapshotText.Scheduled(new([Samples.Snapshot], [new("shop/main", "there is no room")], Samples.CleanedUp), sheet));

    [Fact]
    public void Nothing_to_clean_up_is_said()
    {
        var sheet = Sheet(Screen.None);
        SnapshotText.CleanedUp(new(false, [], [], []), sheet);
        SnapshotText.CleanedUp(new(false, [], [new("prod/main@a", "last")], []), sheet);
        SnapshotText.Scheduled(new([], [], new(false, [], [], [])), sheet);

        Assert.Equal("No snapshots.\nstays    prod/main@a: last\nNothing to delete.\nThere is no branch to take a snapshot of.\n", _output.ToString());
    }

    [Fact]
    public void Nothing_to_list_is_said()
    {
        var sheet = Sheet(Screen.None);
        BranchText.Table([], sheet);
        ProjectText.Table([], sheet);
        SchemaText.Write(SchemaDiff.Of(Samples.Preview.Name, Samples.Main.Name, "shop", [], []), sheet);

        Assert.Equal("No branches.\nNo projects.\nNo difference.\n", _output.ToString());
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
