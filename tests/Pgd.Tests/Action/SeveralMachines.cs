using Pgd.Action;
using Pgd.Action.Reports;
using Xunit;

namespace Pgd.Tests.Action;

/// <summary>One repository, and runners on several machines, each with branches of its own: jobs go wherever there is one free.</summary>
public sealed class SeveralMachines : IDisposable
{
    private readonly StoryStage stage = new();
    private readonly FakeEngine a = new() { HostName = "runner-a" }, b = new() { HostName = "runner-b" };

    public void Dispose() => stage.Dispose();

    private string Comment => Assert.Single(stage.Host.Comments).Body;

    [Fact]
    public async Task The_comment_says_on_which_machine_the_branch_is_and_so_does_the_result()
    {
        Assert.Equal("runner-a", (await OnAsync(a, "opened")).HostName);

        Assert.Contains("A full copy of `shop/main` on `runner-a`", Comment, StringComparison.Ordinal);
        Assert.Equal([new("runner-a", "pr-42")], Marker.Read(Comment)!.Homes);
    }

    [Fact]
    public async Task A_push_that_runs_on_another_machine_makes_a_branch_there_and_tells_of_the_first_one()
    {
        await OnAsync(a, "opened");

        await OnAsync(b, "synchronize");

        Assert.Equal((1, 1), (a.Branches.Count, b.Branches.Count));
        Assert.Contains("A full copy of `shop/main` on `runner-b`", Comment, StringComparison.Ordinal);
        Assert.Contains("> 📍 Another branch of this pull request is on `runner-a`. It stays as it is, and goes with `dotnet pgd pr down` or the next `dotnet pgd pr sweep` there.", Comment, StringComparison.Ordinal);
        Assert.Contains("it lives on runner-a: dotnet pgd pr down deletes it there", stage.Log, StringComparison.Ordinal);

        // And back.
        await OnAsync(a, "synchronize");
        Assert.Contains("Another branch of this pull request is on `runner-b`.", Comment, StringComparison.Ordinal);
        Assert.Equal([new("runner-a", "pr-42"), new("runner-b", "pr-42")], Marker.Read(Comment)!.Homes);
    }

    [Fact]
    public async Task A_teardown_on_the_wrong_machine_says_where_to_go_and_leaves_the_comment()
    {
        await OnAsync(a, "opened");
        var before = Comment;
        stage.Host.Writes.Clear();

        var result = await CloseAsync(b);

        Assert.Equal((StoryOutcome.Nothing, ExitCode.Done), (result.Outcome, result.ExitCode));
        Assert.Equal("Pull request 42 has no database branch on runner-b; shop/pr-42 stays: it lives on runner-a: dotnet pgd pr down deletes it there, or the next sweep of that machine", result.Text);
        Assert.Equal("shop/pr-42", Assert.Single(result.LeftOver).Branch);
        Assert.Contains("runner-a", stage.Summary, StringComparison.Ordinal);
        Assert.Equal(before, Comment);
        Assert.Empty(stage.Host.Writes);
        Assert.Single(a.Branches);

        await CloseAsync(a);
        Assert.Contains("### 🧹 `shop/pr-42` is deleted\n", Comment, StringComparison.Ordinal);
        stage.Host.Writes.Clear();
        Assert.Empty((await CloseAsync(b)).LeftOver);
        Assert.Empty(stage.Host.Writes);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Of_two_branches_each_goes_on_its_own_machine_and_the_comment_follows(bool latestFirst)
    {
        await OnAsync(a, "opened");
        await OnAsync(b, "synchronize");

        var first = await CloseAsync(latestFirst ? b : a);

        var left = latestFirst ? "runner-a" : "runner-b";
        Assert.Equal($"shop/pr-42 is deleted; shop/pr-42 stays: it lives on {left}: dotnet pgd pr down deletes it there, or the next sweep of that machine", first.Text);
        Assert.Equal([new(left, "pr-42")], Marker.Read(Comment)!.Homes);
        Assert.Equal(latestFirst, Comment.Contains("### 🧹 `shop/pr-42` is deleted on `runner-b`", StringComparison.Ordinal));
        Assert.Equal(latestFirst, Comment.Contains("> 📍", StringComparison.Ordinal));

        stage.Engine = latestFirst ? a : b;
        stage.Event = StoryStage.OnSchedule();
        Assert.Equal("shop/pr-42", Assert.Single((await stage.PlayAsync()).Deleted));
        Assert.Contains("### 🧹 `shop/pr-42` is deleted\n", Comment, StringComparison.Ordinal);
        Assert.DoesNotContain("📍", Comment, StringComparison.Ordinal);
        Assert.Empty(Marker.Read(Comment)!.Homes);
    }

    [Fact]
    public async Task A_sweep_tells_nobody_when_the_time_of_another_machines_branch_is_up()
    {
        await OnAsync(a, "opened");
        await OnAsync(b, "synchronize");
        var before = Comment;
        stage.Engine = a;
        a.Branches[0] = a.Branches[0] with { ExpiresAt = FakeEngine.Now.AddHours(1) };
        stage.Event = StoryStage.OnSchedule();

        await stage.PlayAsync();

        Assert.Equal(before, Comment);
    }

    [Fact]
    public async Task A_machine_with_a_new_name_knows_its_branches_by_the_old_one()
    {
        await OnAsync(a, "opened");
        a.Branches[0] = a.Branches[0] with { HostName = "runner-a" };
        a.HostName = "db-1.example";

        await CloseAsync(a);

        Assert.Contains("### 🧹 `shop/pr-42` is deleted\n", Comment, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_branch_that_failed_and_went_is_no_reason_to_forget_another_machines()
    {
        await OnAsync(a, "opened");
        b.UpFailure = new(ExitCode.NoRoom, "There is no free port");
        await Assert.ThrowsAsync<PgdException>(() => OnAsync(b, "synchronize"));

        Assert.Equal([new("runner-a", "pr-42")], Marker.Read(Comment)!.Homes);
        Assert.Contains("> 📍", Comment, StringComparison.Ordinal);

        await CloseAsync(a);
        Assert.DoesNotContain("📍", Comment, StringComparison.Ordinal);
    }

    private Task<StoryResult> OnAsync(FakeEngine machine, string action)
    {
        stage.Engine = machine;
        stage.Event = StoryStage.OnPullRequest(action);
        return stage.PlayAsync();
    }

    private Task<StoryResult> CloseAsync(FakeEngine machine)
    {
        stage.Host.Close(42);
        return OnAsync(machine, "closed");
    }
}
