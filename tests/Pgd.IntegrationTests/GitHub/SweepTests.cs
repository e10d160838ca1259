using Xunit;

namespace Pgd.IntegrationTests.GitHub;

/// <summary>The sweep: what the teardown missed goes, and nothing else.</summary>
public sealed class SweepTests(StoryFixture lab) : IClassFixture<StoryFixture>
{
    [Fact]
    public async Task A_sweep_removes_the_branches_of_closed_pull_requests_and_no_others()
    {
        var missed = new PullRequestJob(lab, 1);
        var open = new PullRequestJob(lab, 2, missed.Repository);
        await missed.OpenedAsync();
        await open.OpenedAsync();
        lab.Run("branch", "create", "shop/by-hand");
        missed.Pull.Closed = true;

        var result = await missed.SweepAsync();

        Assert.True(result.ExitCode == 0, result.Log.Text);
        Assert.False(lab.Exists("shop/pr-1"));
        Assert.True(lab.Exists("shop/pr-2"));
        Assert.True(lab.Exists("shop/by-hand"));
        Assert.Contains("shop/pr-1", result.Summary, StringComparison.Ordinal);
        Assert.Contains("deleted", Assert.Single(missed.Pull.Comments).Body, StringComparison.Ordinal);
        Assert.DoesNotContain("deleted", Assert.Single(open.Pull.Comments).Body, StringComparison.Ordinal);
        Assert.Empty(await lab.GitHub.Prism.ViolationsAsync());
    }

    [Fact]
    public async Task The_button_sweeps_as_the_timer_does()
    {
        var job = new PullRequestJob(lab, 3);
        await job.OpenedAsync();
        job.Pull.Closed = true;

        var result = await job.DeliverAsync("workflow_dispatch", Payloads.WorkflowDispatch(job.Repository, lab.GitHub.Fake.Api));

        Assert.True(result.ExitCode == 0, result.Log.Text);
        Assert.False(lab.Exists("shop/pr-3"));
    }

    [Fact]
    public async Task A_branch_whose_time_is_up_goes_although_its_pull_request_is_open()
    {
        var job = new PullRequestJob(lab, 4);
        job.With["ttl"] = "1s";
        var opened = await job.OpenedAsync();
        var expiry = DateTimeOffset.Parse(opened.Outputs["expires-at"], System.Globalization.CultureInfo.InvariantCulture);

        // The output has no fractions of a second.
        await StoryFixture.UntilAsync(() => DateTimeOffset.UtcNow > expiry.AddSeconds(1));
        var result = await job.SweepAsync();

        Assert.Equal(0, result.ExitCode);
        Assert.False(lab.Exists("shop/pr-4"));
    }

    [Fact]
    public async Task Nothing_is_removed_when_GitHub_does_not_say_what_is_open()
    {
        var job = new PullRequestJob(lab, 5);
        await job.OpenedAsync();
        job.Pull.Closed = true;
        lab.GitHub.Fake.Fail(Fault.RateLimit(3600), job.Concerns);

        var result = await job.SweepAsync();

        Assert.Equal((int)ExitCode.Partial, result.ExitCode);
        Assert.True(lab.Exists("shop/pr-5"));
        Assert.Contains("shop/pr-5", result.Log.Text, StringComparison.Ordinal);
        Assert.Contains(result.Log.Annotations, annotation => annotation.Level == "warning");
    }

    [Fact]
    public async Task A_pull_request_that_the_token_may_not_see_keeps_its_branch()
    {
        var job = new PullRequestJob(lab, 6);
        await job.OpenedAsync();
        lab.GitHub.Fake.Fail(Fault.NotFound(), job.Concerns);

        await job.SweepAsync();

        Assert.True(lab.Exists("shop/pr-6"));
    }

    [Fact]
    public async Task One_sweep_removes_no_more_than_it_may()
    {
        var first = new PullRequestJob(lab, 7);
        var second = new PullRequestJob(lab, 8, first.Repository);
        await first.OpenedAsync();
        await second.OpenedAsync();
        (first.Pull.Closed, second.Pull.Closed) = (true, true);
        first.With["sweep-limit"] = "1";

        var result = await first.SweepAsync();

        Assert.Equal(0, result.ExitCode);
        Assert.False(lab.Exists("shop/pr-7"));
        Assert.True(lab.Exists("shop/pr-8"));
        Assert.Contains("sweep-limit", result.Log.Text, StringComparison.Ordinal);
        await first.SweepAsync();
        Assert.False(lab.Exists("shop/pr-8"));
    }

    [Fact]
    public async Task A_sweep_needs_no_project_and_no_checkout()
    {
        var job = new PullRequestJob(lab, 9);
        await job.OpenedAsync();
        job.Pull.Closed = true;
        job.With.Clear();

        var result = await job.SweepAsync();

        Assert.True(result.ExitCode == 0, result.Log.Text);
        Assert.False(lab.Exists("shop/pr-9"));
    }
}
