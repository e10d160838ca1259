using Pgd.Action;
using Xunit;

namespace Pgd.Tests.Action;

public sealed class DownTests : IDisposable
{
    private readonly StoryStage stage = new();

    public void Dispose() => stage.Dispose();

    private async Task<StoryResult> CloseAsync(string name = "pull_request")
    {
        stage.Host.Close(42);
        stage.Event = StoryStage.OnPullRequest("closed", name);
        return await stage.PlayAsync();
    }

    [Theory]
    [InlineData("pull_request")]
    [InlineData("pull_request_target")]
    public async Task A_closed_pull_requests_branch_goes_and_its_comment_says_so(string name)
    {
        await stage.PlayAsync();

        var result = await CloseAsync(name);

        Assert.Equal((StoryOutcome.Deleted, "shop/pr-42"), (result.Outcome, Assert.Single(result.Deleted)));
        Assert.Empty(stage.Engine.Branches);
        var comment = Assert.Single(stage.Host.Comments);
        Assert.Contains("### 🧹 `shop/pr-42` is deleted", comment.Body, StringComparison.Ordinal);
        Assert.Equal(comment.Url, result.CommentUrl);
    }

    [Fact]
    public async Task Closing_again_changes_nothing_and_writes_nothing()
    {
        await stage.PlayAsync();
        await CloseAsync();
        stage.Host.Writes.Clear();

        var result = await stage.PlayAsync();

        Assert.Equal((StoryOutcome.Nothing, ExitCode.Done), (result.Outcome, result.ExitCode));
        Assert.Empty(stage.Host.Writes);
    }

    [Fact]
    public async Task A_protected_branch_stays_and_that_is_told()
    {
        await stage.PlayAsync();
        stage.Engine.Branches[0] = stage.Engine.Branches[0] with { ProtectedUntil = DateTimeOffset.MaxValue, ProtectedFor = "Ada needs it" };
        stage.Host.Writes.Clear();

        var result = await CloseAsync();

        Assert.Equal((StoryOutcome.Nothing, ExitCode.Done, "shop/pr-42 stays: it is protected (Ada needs it)"), (result.Outcome, result.ExitCode, result.Text));
        Assert.Equal(new("shop/pr-42", "it is protected (Ada needs it)"), Assert.Single(result.LeftOver));
        Assert.Empty(stage.Host.Writes);
    }

    [Fact]
    public async Task Where_there_never_was_a_comment_none_is_made()
    {
        await CloseAsync();

        Assert.Empty(stage.Host.Writes);
    }

    [Fact]
    public async Task A_comment_that_told_of_no_branch_stays_as_it_is()
    {
        stage.Engine.UpFailure = new(ExitCode.NoRoom, "There is no free port");
        await Assert.ThrowsAsync<PgdException>(() => stage.PlayAsync());
        stage.Host.Writes.Clear();

        await CloseAsync();

        Assert.Empty(stage.Host.Writes);
    }

    [Fact]
    public async Task A_comment_whose_branch_is_gone_already_is_brought_up_to_date()
    {
        await stage.PlayAsync();
        stage.Engine.Branches.Clear();

        Assert.Equal(StoryOutcome.Nothing, (await CloseAsync()).Outcome);

        Assert.Contains("is deleted", stage.Host.Comments[0].Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_late_closing_leaves_the_branch_of_a_pull_request_that_is_open_again()
    {
        await stage.PlayAsync();
        stage.Event = StoryStage.OnPullRequest("closed");

        var result = await stage.PlayAsync();

        Assert.Equal("reopened", result.Skipped);
        Assert.Single(stage.Engine.Branches);
    }

    [Fact]
    public async Task A_closing_that_waited_for_the_run_of_the_reopening_leaves_its_branch()
    {
        await stage.PlayAsync();
        stage.Host.Close(42);
        stage.Event = StoryStage.OnPullRequest("closed");
        stage.Engine.WhileWaiting = () => stage.Host.Open(42, StoryStage.Sha);

        var result = await stage.PlayAsync();

        Assert.Equal("reopened", result.Skipped);
        Assert.Single(stage.Engine.Branches);
    }

    [Theory]
    [InlineData("reopened", 0, false, true)]
    [InlineData("reopened", 5, true, true)]
    [InlineData("synchronize", 5, false, true)]
    [InlineData("synchronize", 0, false, false)]
    [InlineData("opened", -5, true, false)]
    public async Task Where_nobody_can_be_asked_a_closing_leaves_a_branch_that_was_made_for_a_later_event(string action, int seconds, bool hasToken, bool stays)
    {
        stage.Event = StoryStage.OnPullRequest(action, at: FakeEngine.Now.AddSeconds(seconds));
        await stage.PlayAsync();
        stage.HasToken = hasToken;
        stage.Host.ReadFailure = new(ExitCode.Failed, "GitHub answered 502");
        stage.Event = StoryStage.OnPullRequest("closed", at: FakeEngine.Now);

        var result = await stage.PlayAsync();

        Assert.Equal(stays ? "reopened" : null, result.Skipped);
        Assert.Equal(stays ? 1 : 0, stage.Engine.Branches.Count);
    }

    [Fact]
    public async Task By_command_the_branch_of_an_open_pull_request_goes_too()
    {
        await stage.PlayAsync();

        Assert.Equal(StoryOutcome.Deleted, (await stage.Story().DownAsync(default)).Outcome);
    }

    [Fact]
    public async Task When_the_host_cannot_be_asked_the_event_holds()
    {
        await stage.PlayAsync();
        stage.Host.ReadFailure = new(ExitCode.Failed, "GitHub answered 502");

        Assert.Equal(StoryOutcome.Deleted, (await CloseAsync()).Outcome);
    }

    [Fact]
    public async Task Another_repositorys_branch_of_the_same_number_stays()
    {
        stage.Engine.Branches.Add(FakeEngine.BranchOf("shop/pr-42", 42, repositoryId: 7));

        Assert.Equal(StoryOutcome.Nothing, (await CloseAsync()).Outcome);

        Assert.Single(stage.Engine.Branches);
    }
}
