using Xunit;

namespace Pgd.IntegrationTests.GitHub;

/// <summary>A GitHub that takes the connection and says nothing. In a class of its own: the tool's patience is this test's duration.</summary>
public sealed class SilentGitHubTests(StoryFixture lab) : IClassFixture<StoryFixture>
{
    [Fact]
    public async Task A_GitHub_that_never_answers_is_given_up_and_nothing_is_made()
    {
        var job = new PullRequestJob(lab) { Api = lab.GitHub.Fake.Address };
        lab.GitHub.Fake.Fail(Fault.Silence(), job.Concerns);

        var result = await job.OpenedAsync().WaitAsync(TimeSpan.FromMinutes(5));

        Assert.Equal((int)ExitCode.Failed, result.ExitCode);
        Assert.Contains("did not answer", result.Log.Text, StringComparison.Ordinal);
        Assert.False(lab.Exists("shop/pr-42"));
    }

    [Fact]
    public async Task A_job_that_waits_for_GitHub_can_be_cancelled()
    {
        var job = new PullRequestJob(lab, 43) { Api = lab.GitHub.Fake.Address };
        var asked = new TaskCompletionSource();
        lab.GitHub.Fake.Fail(Fault.Silence(), request =>
        {
            var ours = job.Concerns(request);
            if (ours)
                asked.TrySetResult();
            return ours;
        });
        var running = job.StartOpened();
        await asked.Task.WaitAsync(TimeSpan.FromMinutes(2));

        var result = await running.CancelAsync();

        Assert.Equal((int)ExitCode.Interrupted, result.ExitCode);
    }
}
