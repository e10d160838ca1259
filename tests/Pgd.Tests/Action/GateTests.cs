using Pgd.Action;
using Pgd.Action.Inputs;
using Xunit;

namespace Pgd.Tests.Action;

public sealed class GateTests : IDisposable
{
    private readonly StoryStage stage = new();

    public void Dispose() => stage.Dispose();

    private async Task<StoryResult> SkippedAsync(string reason)
    {
        var result = await stage.PlayAsync();
        Assert.Equal((StoryOutcome.Skipped, ExitCode.Done, reason), (result.Outcome, result.ExitCode, result.Skipped));
        Assert.Equal(reason, stage.Outputs()["skipped"]);
        Assert.Contains("::notice::", stage.Log, StringComparison.Ordinal);
        Assert.Empty(stage.Engine.Ups);
        Assert.Empty(stage.Host.Writes);
        return result;
    }

    [Fact]
    public async Task A_pull_request_that_was_closed_meanwhile_gets_no_branch()
    {
        stage.Host.Close(42);
        await SkippedAsync("closed");
    }

    [Fact]
    public async Task A_run_for_an_older_commit_leaves_the_branch_to_the_run_for_the_newer()
    {
        stage.Host.Open(42, "1111111111111111111111111111111111111111");
        Assert.Contains("1111111", (await SkippedAsync("stale")).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_fork_is_refused_before_anybody_is_asked_anything()
    {
        stage.Event = stage.Event with { PullRequest = stage.Event.PullRequest! with { HeadRepositoryId = 7 } };
        await SkippedAsync("fork");
        Assert.Empty(stage.Host.Asked);
    }

    [Fact]
    public async Task A_fork_that_was_deleted_is_a_fork()
    {
        stage.Event = stage.Event with { PullRequest = stage.Event.PullRequest! with { HeadRepositoryId = null } };
        await SkippedAsync("fork");
    }

    [Fact]
    public async Task A_fork_gets_a_branch_when_that_is_allowed()
    {
        stage.Event = stage.Event with { PullRequest = stage.Event.PullRequest! with { HeadRepositoryId = 7 } };
        stage.Inputs = stage.Inputs with { ForkPolicy = ForkPolicy.Allow };
        Assert.Equal(StoryOutcome.Created, (await stage.PlayAsync()).Outcome);
    }

    [Fact]
    public async Task A_fork_gets_no_branch_with_the_bases_rights_even_if_forks_are_allowed()
    {
        stage.Event = StoryStage.OnPullRequest("opened", "pull_request_target") with { PullRequest = stage.Event.PullRequest! with { HeadRepositoryId = 7 } };
        stage.Inputs = stage.Inputs with { ForkPolicy = ForkPolicy.Allow, Command = StoryCommand.Up };
        await SkippedAsync("fork");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_draft_gets_a_branch_only_when_drafts_do(bool drafts)
    {
        stage.Host.Pulls[42] = stage.Host.Pulls[42] with { IsDraft = true };
        stage.Inputs = stage.Inputs with { Drafts = drafts };
        if (drafts)
            Assert.Equal(StoryOutcome.Created, (await stage.PlayAsync()).Outcome);
        else
            await SkippedAsync("draft");
    }

    [Fact]
    public async Task With_a_label_only_pull_requests_that_carry_it_get_a_branch()
    {
        stage.Inputs = stage.Inputs with { Label = "database" };
        await SkippedAsync("label");

        stage.Host.Open(42, StoryStage.Sha, "Database");
        Assert.Equal(StoryOutcome.Created, (await stage.PlayAsync()).Outcome);
    }

    [Theory]
    [InlineData("labeled", "database")]
    [InlineData("labeled", null)]
    [InlineData("edited", null)]
    [InlineData("assigned", null)]
    public async Task Events_that_change_nothing_are_let_pass(string action, string? label)
    {
        stage.Event = StoryStage.OnPullRequest(action) with { Label = label };
        await SkippedAsync("event");
    }

    [Fact]
    public async Task The_label_brings_the_branch_up()
    {
        stage.Event = StoryStage.OnPullRequest("labeled") with { Label = "database" };
        stage.Inputs = stage.Inputs with { Label = "database" };
        stage.Host.Open(42, StoryStage.Sha, "database");
        Assert.Equal(StoryOutcome.Created, (await stage.PlayAsync()).Outcome);
    }

    [Fact]
    public async Task An_opened_pull_request_with_the_bases_rights_is_let_pass()
    {
        stage.Event = StoryStage.OnPullRequest("opened", "pull_request_target");
        await SkippedAsync("event");
    }

    [Fact]
    public async Task A_pull_request_that_the_host_does_not_know_is_an_error()
    {
        stage.Host.Pulls.Clear();
        Assert.Equal(ExitCode.NotFound, (await Assert.ThrowsAsync<PgdException>(() => stage.PlayAsync())).ExitCode);
        Assert.Empty(stage.Engine.Ups);
    }

    [Fact]
    public async Task When_the_host_cannot_be_asked_no_branch_is_made()
    {
        stage.Host.ReadFailure = new(ExitCode.Failed, "GitHub refused the token");
        await Assert.ThrowsAsync<PgdException>(() => stage.PlayAsync());
        Assert.Empty(stage.Engine.Ups);
    }

    [Fact]
    public async Task By_hand_nobody_is_asked_and_that_is_no_surprise()
    {
        stage.Event = new() { RepositoryId = StoryStage.RepositoryId, Repository = "octo/shop", PullRequest = new() { Number = 42 } };
        stage.HasToken = false;

        var result = await stage.Story().UpAsync(default);

        Assert.Equal((StoryOutcome.Created, null), (result.Outcome, result.CommentUrl));
        Assert.DoesNotContain("github-token", stage.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task On_an_event_without_a_token_a_branch_is_made_with_a_warning()
    {
        stage.HasToken = false;

        Assert.Equal(StoryOutcome.Created, (await stage.PlayAsync()).Outcome);
        Assert.Contains("::warning::There is no github-token", stage.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Up_on_a_schedule_is_an_error_that_names_the_sweep()
    {
        stage.Event = StoryStage.OnSchedule();
        Assert.Contains("command: sweep", (await Assert.ThrowsAsync<PgdException>(() => stage.Story().UpAsync(default))).Hint, StringComparison.Ordinal);
    }
}
