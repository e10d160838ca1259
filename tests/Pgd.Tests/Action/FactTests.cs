using Pgd.Action.Events;
using Xunit;

namespace Pgd.Tests.Action;

public sealed class FactTests
{
    private static PullRequestFacts Read(params (string, string)[] environment) => PullRequestFacts.FromEnvironment(environment.ToDictionary(e => e.Item1, e => e.Item2));

    // As each system's documentation names and describes them.
    private static readonly (string, string)[] GitLab =
    [
        ("GITLAB_CI", "true"), ("CI_PROJECT_PATH", "me/shop-fork"), ("CI_MERGE_REQUEST_PROJECT_PATH", "octo/shop"), ("CI_MERGE_REQUEST_IID", "42"), ("CI_COMMIT_SHA", "merged"), ("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", ""),
        ("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", "2"), ("CI_MERGE_REQUEST_PROJECT_ID", "1"), ("CI_MERGE_REQUEST_LABELS", "bug,database"), ("CI_JOB_URL", "https://gitlab.example/octo/shop/-/jobs/7"),
    ];

    [Fact]
    public void A_GitLab_job_of_a_merge_request_says_what_it_is_about()
    {
        var facts = Read(GitLab);

        Assert.Equal(("octo/shop", 42, "merged", true, "https://gitlab.example/octo/shop/-/jobs/7"), (facts.Repository, facts.Number, facts.Sha, facts.IsFork, facts.RunUrl));
        Assert.Equal(["bug", "database"], facts.Labels);
        Assert.Equal("source", Read([.. GitLab.Where(v => v.Item1 != "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA"), ("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", "source")]).Sha);
        Assert.True(facts.ToEvent(needsNumber: true).IsFork);
    }

    [Fact]
    public void An_Azure_build_of_a_pull_request_says_what_it_is_about()
    {
        var facts = Read(("TF_BUILD", "True"), ("BUILD_REPOSITORY_NAME", "shop"), ("SYSTEM_PULLREQUEST_PULLREQUESTID", "42"), ("SYSTEM_PULLREQUEST_SOURCECOMMITID", "abc"), ("BUILD_SOURCEVERSION", "merge"),
            ("SYSTEM_PULLREQUEST_ISFORK", "False"), ("SYSTEM_COLLECTIONURI", "https://dev.azure.com/octo/"), ("SYSTEM_TEAMPROJECT", "Big Shop"), ("BUILD_BUILDID", "7"));

        Assert.Equal(("shop", 42, "abc", false, "https://dev.azure.com/octo/Big%20Shop/_build/results?buildId=7"), (facts.Repository, facts.Number, facts.Sha, facts.IsFork, facts.RunUrl));
    }

    [Theory]
    [InlineData("https://github.com/octo/shop/pull/42", "octo/shop")]
    [InlineData("https://gitlab.example/a/b/shop/-/merge_requests/42", "a/b/shop")]
    [InlineData("https://bitbucket.org/octo/shop/pull-requests/42", "octo/shop")]
    public void A_Jenkins_build_of_a_change_says_what_it_is_about(string url, string repository)
    {
        var facts = Read(("JENKINS_URL", "https://ci/"), ("CHANGE_ID", "42"), ("CHANGE_URL", url), ("GIT_COMMIT", "abc"), ("BUILD_URL", "https://ci/7"));

        Assert.Equal((repository, 42, "abc", false), (facts.Repository, facts.Number, facts.Sha, facts.IsFork));
    }

    [Fact]
    public void What_is_told_goes_before_what_the_environment_says_and_what_is_missing_is_named()
    {
        Assert.Equal(("mine", 42), (new PullRequestFacts { Repository = "mine" }.Over(Read(GitLab)).Repository, new PullRequestFacts { Repository = "mine" }.Over(Read(GitLab)).Number));
        Assert.Contains("--repository", Assert.Throws<PgdException>(() => Read().ToEvent(needsNumber: false)).Hint, StringComparison.Ordinal);
        Assert.Contains("--number", Assert.Throws<PgdException>(() => new PullRequestFacts { Repository = "x" }.ToEvent(needsNumber: true)).Hint, StringComparison.Ordinal);
    }

    [Fact]
    public void A_repository_has_the_same_number_each_time_and_no_other_has_it()
    {
        var one = new PullRequestFacts { Repository = "octo/shop" }.ToEvent(needsNumber: false).RepositoryId;

        Assert.Equal(one, new PullRequestFacts { Repository = "octo/shop" }.ToEvent(needsNumber: false).RepositoryId);
        Assert.NotEqual(one, new PullRequestFacts { Repository = "octo/shop2" }.ToEvent(needsNumber: false).RepositoryId);
        // GitHub's are far below.
        Assert.True(one > 1L << 60);
    }
}
