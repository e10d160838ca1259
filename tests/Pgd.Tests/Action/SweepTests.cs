using Pgd.Action;
using Xunit;

namespace Pgd.Tests.Action;

public sealed class SweepTests : IDisposable
{
    private readonly StoryStage stage = new() { Event = StoryStage.OnSchedule() };

    public void Dispose() => stage.Dispose();

    private void Branch(int number, bool isOpen, DateTimeOffset? expiresAt = null, long repositoryId = StoryStage.RepositoryId)
    {
        stage.Engine.Branches.Add(FakeEngine.BranchOf($"shop/pr-{number}", number, repositoryId, expiresAt));
        stage.Host.Pulls[number] = new() { Number = number, IsOpen = isOpen, HeadSha = StoryStage.Sha };
    }

    private string[] Left => [.. stage.Engine.Branches.Select(b => b.Name.Branch)];

    [Fact]
    public async Task Branches_of_closed_pull_requests_and_expired_ones_go_and_the_others_stay()
    {
        Branch(1, isOpen: true);
        Branch(2, isOpen: false);
        Branch(3, isOpen: true, expiresAt: FakeEngine.Now.AddSeconds(-1));
        Branch(4, isOpen: false, repositoryId: 7);

        var result = await stage.PlayAsync();

        Assert.Equal(["shop/pr-2", "shop/pr-3"], result.Deleted);
        Assert.Equal(["pr-1", "pr-4"], Left);
        Assert.Equal((StoryOutcome.Deleted, ExitCode.Done), (result.Outcome, result.ExitCode));
    }

    [Fact]
    public async Task A_protected_branch_stays_whatever_became_of_its_pull_request()
    {
        Branch(2, isOpen: false);
        Branch(3, isOpen: true, expiresAt: FakeEngine.Now.AddSeconds(-1));
        stage.Engine.Branches[0] = stage.Engine.Branches[0] with { ProtectedUntil = FakeEngine.Now.AddDays(2), ProtectedFor = "Ada needs it" };
        stage.Engine.Branches[1] = stage.Engine.Branches[1] with { ProtectedUntil = DateTimeOffset.MaxValue };

        var result = await stage.PlayAsync();

        Assert.Equal(["pr-2", "pr-3"], Left);
        Assert.Equal(["it is protected until 2026-03-03 12:00 UTC (Ada needs it)", "it is protected"], result.LeftOver.Select(l => l.Reason));
        Assert.Equal(ExitCode.Done, result.ExitCode);
    }

    [Fact]
    public async Task A_branch_whose_time_is_nearly_up_says_so_in_its_comment_once_and_until_there_is_more_time()
    {
        stage.Event = StoryStage.OnPullRequest("opened");
        await stage.PlayAsync();
        var before = Assert.Single(stage.Host.Comments).Body;
        stage.Engine.Branches[0] = stage.Engine.Branches[0] with { ExpiresAt = FakeEngine.Now.AddHours(30) };
        stage.Event = StoryStage.OnSchedule();
        stage.Host.Writes.Clear();

        await stage.PlayAsync();
        await stage.PlayAsync();

        var said = Assert.Single(stage.Host.Comments).Body;
        Assert.Single(stage.Host.Writes);
        var line = Assert.Single(said.Split('\n').Except(before.Split('\n')), l => !l.StartsWith("<!--", StringComparison.Ordinal));
        Assert.Equal("> ⏳ Its time is up at 2026-03-02 18:00 UTC, and then it is deleted. A push gives it more time, and so does, on the runner: `dotnet pgd branch extend shop/pr-42 --ttl 7d`", line);
        Assert.StartsWith("### ", said.Split('\n')[1], StringComparison.Ordinal);
        // Another time replaces it, and a push takes it away.
        stage.Engine.Branches[0] = stage.Engine.Branches[0] with { ExpiresAt = FakeEngine.Now.AddHours(31) };
        await stage.PlayAsync();
        Assert.Contains("2026-03-02 19:00 UTC", Assert.Single(stage.Host.Comments).Body, StringComparison.Ordinal);
        stage.Engine.Branches.Clear();
        stage.Event = StoryStage.OnPullRequest("synchronize");
        await stage.PlayAsync();
        Assert.DoesNotContain("⏳", Assert.Single(stage.Host.Comments).Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_host_that_cannot_be_asked_is_not_told_either()
    {
        stage.Event = StoryStage.OnPullRequest("opened");
        await stage.PlayAsync();
        stage.Engine.Branches[0] = stage.Engine.Branches[0] with { ExpiresAt = FakeEngine.Now.AddHours(30) };
        stage.Event = StoryStage.OnSchedule();
        stage.Host.Writes.Clear();
        stage.Host.ReadFailure = new(ExitCode.Failed, "GitHub answered 502");

        await stage.PlayAsync();

        Assert.Empty(stage.Host.Writes);
        Assert.Single(stage.Log.Split("GitHub answered 502").Skip(1));
    }

    [Fact]
    public async Task Only_pull_requests_that_have_a_branch_are_asked_for()
    {
        Branch(1, isOpen: true);
        await stage.PlayAsync();
        Assert.Equal([1], stage.Host.Asked);
    }

    [Fact]
    public async Task When_the_host_cannot_be_asked_nothing_of_unknown_pull_requests_goes_and_the_host_is_left_alone()
    {
        Branch(1, isOpen: false);
        Branch(2, isOpen: false);
        Branch(3, isOpen: true, expiresAt: FakeEngine.Now);
        stage.Host.ReadFailure = new(ExitCode.Failed, "GitHub answered 502");

        var result = await stage.PlayAsync();

        Assert.Equal(["pr-1", "pr-2"], Left);
        Assert.Equal(["shop/pr-3"], result.Deleted);
        Assert.Equal((ExitCode.Partial, 2), (result.ExitCode, result.LeftOver.Count));
        Assert.Equal([1], stage.Host.Asked);
    }

    [Fact]
    public async Task A_pull_request_that_the_host_does_not_know_may_be_one_that_the_token_cannot_see()
    {
        Branch(1, isOpen: true);
        stage.Host.Pulls.Clear();

        var result = await stage.PlayAsync();

        Assert.Equal(["pr-1"], Left);
        Assert.Equal("nobody could tell whether pull request 1 is open", Assert.Single(result.LeftOver).Reason);
    }

    [Fact]
    public async Task One_sweep_removes_no_more_than_its_limit_and_says_what_is_left()
    {
        for (var number = 1; number <= 5; number++)
            Branch(number, isOpen: false);
        stage.Inputs = stage.Inputs with { SweepLimit = 2 };

        var result = await stage.PlayAsync();

        Assert.Equal((2, 3, ExitCode.Done), (result.Deleted.Count, result.LeftOver.Count, result.ExitCode));
        Snapshot.Match(stage.Log + "\n" + stage.Summary);
    }

    [Fact]
    public async Task The_comment_of_a_swept_branch_says_that_it_is_gone()
    {
        stage.Event = StoryStage.OnPullRequest("opened");
        await stage.PlayAsync();
        stage.Host.Close(42);
        stage.Event = StoryStage.OnSchedule();

        await stage.PlayAsync();

        Assert.Contains("`shop/pr-42` is deleted", Assert.Single(stage.Host.Comments).Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_branch_that_somebody_works_on_is_left_to_the_next_sweep()
    {
        Branch(1, isOpen: false);
        stage.Engine.DeleteFailure = new(ExitCode.Locked, "shop/pr-1 is locked by another operation");

        var result = await stage.PlayAsync();

        Assert.Equal((ExitCode.Done, "shop/pr-1 is locked by another operation"), (result.ExitCode, Assert.Single(result.LeftOver).Reason));
    }

    [Fact]
    public async Task A_branch_whose_pull_request_was_reopened_while_its_run_was_waited_for_stays()
    {
        Branch(1, isOpen: false);
        stage.Engine.WhileWaiting = () => stage.Host.Open(1, StoryStage.Sha);

        var result = await stage.PlayAsync();

        Assert.Equal(["pr-1"], Left);
        Assert.Equal((StoryOutcome.Nothing, ExitCode.Done), (result.Outcome, result.ExitCode));
        Assert.Empty(result.LeftOver);
    }

    [Fact]
    public async Task A_branch_that_was_given_more_time_while_its_run_was_waited_for_stays()
    {
        Branch(1, isOpen: true, expiresAt: FakeEngine.Now);
        stage.Engine.WhileWaiting = () => stage.Engine.Branches[0] = stage.Engine.Branches[0] with { ExpiresAt = FakeEngine.Now.AddDays(7) };

        await stage.PlayAsync();

        Assert.Equal(["pr-1"], Left);
    }

    [Fact]
    public async Task Without_a_token_nothing_is_swept()
    {
        Branch(1, isOpen: false);
        stage.HasToken = false;

        Assert.Equal(ExitCode.Misuse, (await Assert.ThrowsAsync<PgdException>(() => stage.PlayAsync())).ExitCode);
        Assert.Single(stage.Engine.Branches);
    }
}
