using System.Text.Json.Nodes;
using Xunit;

namespace Pgd.IntegrationTests.GitHub;

/// <summary>What the action refuses, and how it bears a GitHub that has a bad day: with the right exit code, and with nothing changed.</summary>
public sealed class PullRequestRefusalTests(StoryFixture lab) : IClassFixture<StoryFixture>
{
    private FakeGitHub Fake => lab.GitHub.Fake;

    [Fact]
    public async Task A_pull_request_from_a_fork_is_refused_with_a_notice_and_nobody_is_asked()
    {
        var job = NewJob(1);
        job.Pull.Fork = "mallory/shop";
        job.With["migrate"] = "touch run-by-mallory";

        var result = await job.OpenedAsync();

        Assert.Equal(0, result.ExitCode);
        Assert.Equal("fork", result.Outputs["skipped"]);
        Assert.Equal("", result.Outputs["branch"]);
        Assert.Contains("fork", Assert.Single(result.Log.Annotations, annotation => annotation.Level == "notice").Message, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(job.Runner.Workspace, "run-by-mallory")));
        Assert.False(lab.Exists("shop/pr-1"));
        Assert.Empty(job.Requests);
    }

    [Fact]
    public async Task A_fork_is_served_when_the_workflow_allows_it_but_never_with_the_bases_secrets()
    {
        var job = NewJob(2);
        job.Pull.Fork = "mallory/shop";
        job.With["fork-policy"] = "allow";

        var target = await job.DeliverAsync("pull_request_target", job.Payload("opened"));
        Assert.Equal("", target.Outputs["branch"]);
        Assert.False(lab.Exists("shop/pr-2"));

        // A fork's token is read-only.
        job.Token = Fake.WorkflowToken(mayComment: false);
        var allowed = await job.OpenedAsync();
        Assert.True(allowed.ExitCode == 0, allowed.Log.Text);
        Assert.Equal("shop/pr-2", allowed.Outputs["branch"]);
        Assert.Empty(job.Pull.Comments);
        // Its branch goes with it, also by the event that has the base's rights.
        job.Token = Fake.WorkflowToken();
        Assert.Equal(0, (await job.ClosedAsync()).ExitCode);
        Assert.False(lab.Exists("shop/pr-2"));
    }

    [Theory]
    [InlineData("this is not JSON", "not JSON")]
    [InlineData("", "not JSON")]
    [InlineData("[]", "not JSON")]
    [InlineData("{\"action\":\"opened\",\"number\":3}", "has no pull_request")]
    public async Task A_payload_that_is_not_one_is_refused(string payload, string message)
    {
        var job = NewJob(3);

        var result = await job.DeliverAsync("pull_request", payload);

        Assert.Equal((int)ExitCode.Misuse, result.ExitCode);
        Assert.Contains(message, result.Log.Text, StringComparison.Ordinal);
        Assert.False(lab.Exists("shop/pr-3"));
        Assert.Empty(job.Requests);
    }

    [Fact]
    public async Task Another_event_is_refused_with_a_list_of_those_that_fit()
    {
        var job = NewJob(4);

        var result = await job.DeliverAsync("push", Payloads.Push(job.Repository, Fake.Api));

        Assert.Equal((int)ExitCode.Misuse, result.ExitCode);
        Assert.Contains("nothing to do on the event push", result.Log.Text, StringComparison.Ordinal);
        Assert.Contains("pull_request", result.Log.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_action_of_a_pull_request_that_does_not_matter_is_skipped()
    {
        var job = NewJob(5);

        var result = await job.PullRequestAsync("assigned");

        Assert.Equal(0, result.ExitCode);
        Assert.Equal("event", result.Outputs["skipped"]);
    }

    [Theory]
    [InlineData("on-push", "sometimes")]
    [InlineData("ttl", "soon")]
    [InlineData("project", "../etc")]
    [InlineData("branch", "main")]
    [InlineData("drafts", "perhaps")]
    public async Task An_input_that_makes_no_sense_is_refused_by_name(string input, string value)
    {
        var job = NewJob(6);
        job.With[input] = value;

        var result = await job.OpenedAsync();

        Assert.Equal((int)ExitCode.Misuse, result.ExitCode);
        Assert.Contains(value, result.Log.Text, StringComparison.Ordinal);
        Assert.Empty(job.Requests);
    }

    [Fact]
    public async Task A_project_that_does_not_exist_is_not_made()
    {
        var job = NewJob(7);
        job.With["project"] = "elsewhere";

        var result = await job.OpenedAsync();

        Assert.Equal((int)ExitCode.NotFound, result.ExitCode);
        Assert.Contains("there is no project elsewhere", Assert.Single(result.Log.Annotations, annotation => annotation.Level == "error").Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_token_that_GitHub_refuses_is_said_so_and_nothing_is_made()
    {
        var job = NewJob(8);
        job.Token = new("ghs_expired0000000000000000000000000000", FakeUser.ActionsBot);

        var result = await job.OpenedAsync();

        Assert.Equal((int)ExitCode.Failed, result.ExitCode);
        Assert.Contains("refused the token", result.Log.Text, StringComparison.Ordinal);
        Assert.False(lab.Exists("shop/pr-8"));
    }

    [Fact]
    public async Task A_server_error_is_tried_again_a_few_times_and_then_nothing_is_made()
    {
        var job = NewJob(9);
        Fake.Fail(Fault.ServerError(), job.Concerns);

        var result = await job.OpenedAsync();

        Assert.Equal((int)ExitCode.Failed, result.ExitCode);
        Assert.Contains("GitHub answered 502", result.Log.Text, StringComparison.Ordinal);
        Assert.InRange(job.Requests.Count, 2, 10);
        Assert.False(lab.Exists("shop/pr-9"));
    }

    [Fact]
    public async Task A_passing_failure_of_every_kind_is_survived()
    {
        var job = NewJob(10);
        // Where the connection itself fails, nothing may stand in between.
        job.Api = Fake.Address;
        Fake.Fail(Fault.RateLimit(1), job.Concerns, times: 1);
        Fake.Fail(Fault.Dropped(), job.Concerns, times: 1);
        Fake.Fail(Fault.ServerError(503), job.Concerns, times: 1);
        Fake.Fail(Fault.RateLimit(1), request => job.Concerns(request) && request.IsWrite, times: 1);
        Fake.Fail(Fault.Conflict(), request => job.Concerns(request) && request.IsWrite, times: 1);

        var result = await job.OpenedAsync();

        Assert.True(result.ExitCode == 0, result.Log.Text);
        Assert.Equal("shop/pr-10", result.Outputs["branch"]);
        Assert.Single(job.Pull.Comments);
        var (limited, next) = (job.Requests[0], job.Requests[1]);
        Assert.Equal(403, limited.Status);
        Assert.True(next.ArrivedAt - limited.ArrivedAt >= TimeSpan.FromSeconds(1), "It did not wait as long as it was told to.");
    }

    [Fact]
    public async Task A_rate_limit_of_an_hour_is_not_sat_out()
    {
        var job = NewJob(11);
        Fake.Fail(Fault.RateLimit(3600), job.Concerns);

        var result = await job.OpenedAsync();

        Assert.Equal((int)ExitCode.Failed, result.ExitCode);
        Assert.Contains("rate limit", result.Log.Text, StringComparison.Ordinal);
        Assert.Single(job.Requests);
        Assert.False(lab.Exists("shop/pr-11"));
    }

    [Fact]
    public async Task Without_the_right_to_comment_the_summary_has_the_report_and_the_branch_is_there()
    {
        var job = NewJob(12);
        job.Token = Fake.WorkflowToken(mayComment: false);

        var result = await job.OpenedAsync();

        Assert.Equal(0, result.ExitCode);
        Assert.Equal("1000", await lab.QueryAsync("shop/pr-12", "select count(*) from customers"));
        Assert.Contains("shop/pr-12", result.Summary, StringComparison.Ordinal);
        var warning = Assert.Single(result.Log.Annotations, annotation => annotation.Level == "warning");
        Assert.Contains("pull-requests: write", warning.Message, StringComparison.Ordinal);
        Assert.Equal("", result.Outputs["comment-url"]);
    }

    [Fact]
    public async Task A_pull_request_that_the_token_may_not_see_is_an_error()
    {
        var job = NewJob(13);
        Fake.Fail(Fault.NotFound(), job.Concerns);

        var result = await job.OpenedAsync();

        Assert.Equal((int)ExitCode.NotFound, result.ExitCode);
        Assert.False(lab.Exists("shop/pr-13"));
    }

    [Fact]
    public async Task A_close_does_its_work_while_GitHub_does_not()
    {
        var job = NewJob(14);
        await job.OpenedAsync();
        Fake.Fail(Fault.NotFound(), job.Concerns);

        var result = await job.ClosedAsync();

        Assert.Equal(0, result.ExitCode);
        Assert.False(lab.Exists("shop/pr-14"));
    }

    [Fact]
    public async Task GitHub_Enterprise_is_asked_where_it_says()
    {
        var job = NewJob(15);
        job.Api = new(Fake.Address, "api/v3");

        var result = await job.OpenedAsync();

        Assert.True(result.ExitCode == 0, result.Log.Text);
        Assert.Single(job.Pull.Comments);
    }

    [Fact]
    public async Task A_command_says_what_to_do_whatever_the_event_is()
    {
        var job = NewJob(16);
        await job.OpenedAsync();
        job.With["command"] = "down";

        // An up by its event.
        var result = await job.OpenedAsync();

        Assert.Equal(0, result.ExitCode);
        Assert.False(lab.Exists("shop/pr-16"));
    }

    [Fact]
    public async Task A_branch_of_that_name_that_is_somebody_elses_is_left_alone()
    {
        lab.Run("branch", "create", "shop/mine");
        await lab.ExecuteAsync("shop/mine", "create table precious ()");
        var job = NewJob(17);
        job.With["branch"] = "mine";

        var result = await job.OpenedAsync();

        Assert.Equal((int)ExitCode.Unsafe, result.ExitCode);
        Assert.Equal("1", await lab.QueryAsync("shop/mine", "select count(*) from pg_class where relname = 'precious'"));
    }

    private PullRequestJob NewJob(int number) => new(lab, number);
}
