using Pgd.Action.GitHub;
using Pgd.Action.Reports;
using Xunit;

namespace Pgd.Tests.Action;

public sealed class StickyCommentTests
{
    private readonly FakePullRequests host = new();
    private readonly BranchName branch = BranchName.Parse("shop/pr-42");

    private async Task<string?> PutAsync(string text) => (await new StickyComment(host).PutAsync(42, "shop", branch, ["here"], text, default)).Url;

    private static string Signed(string text, int number = 42, string project = "shop") => new Marker(project, number, "pr-42").Sign(text);

    [Fact]
    public async Task The_first_report_makes_the_comment_and_the_next_ones_update_it()
    {
        await PutAsync("one");
        await PutAsync("two");

        Assert.Equal(["create", "update 101"], host.Writes);
        Assert.EndsWith("\ntwo", Assert.Single(host.Comments).Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_same_report_again_costs_no_call()
    {
        var url = await PutAsync("one");
        // GitHub may give back other line ends than it got.
        host.Comments[0] = host.Comments[0] with { Body = host.Comments[0].Body.ReplaceLineEndings("\r\n") };

        Assert.Equal(url, await PutAsync("one"));

        Assert.Equal(["create"], host.Writes);
    }

    [Fact]
    public async Task A_foreign_comment_with_our_marker_is_never_touched()
    {
        host.Post("mallory", Signed("fake"));

        await PutAsync("one");

        Assert.Equal(["create"], host.Writes);
        Assert.EndsWith("fake", host.Comments[0].Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nobody_asks_whose_the_token_is_while_no_comment_could_be_ours()
    {
        host.Post("octocat", "Nice work");

        await PutAsync("one");

        Assert.Equal((0, 1), (host.LoginsAsked, host.Writes.Count));
    }

    [Fact]
    public async Task A_quotation_of_our_comment_is_not_our_comment()
    {
        host.Post(GitHubPullRequests.WorkflowLogin, "> " + Signed("one"));

        await PutAsync("one");

        Assert.Equal(["create"], host.Writes);
    }

    [Fact]
    public async Task Duplicates_go_and_the_oldest_stays()
    {
        var first = host.Post(GitHubPullRequests.WorkflowLogin, Signed("a"));
        var second = host.Post(GitHubPullRequests.WorkflowLogin, Signed("b"));

        Assert.Equal(first.Url, await PutAsync("c"));

        Assert.Equal([$"delete {second.Id}", $"update {first.Id}"], host.Writes);
    }

    [Fact]
    public async Task Comments_of_other_projects_and_pull_requests_stay()
    {
        host.Post(GitHubPullRequests.WorkflowLogin, Signed("a", project: "blog"));
        host.Post(GitHubPullRequests.WorkflowLogin, Signed("b", number: 41));

        await PutAsync("c");

        Assert.Equal(["create"], host.Writes);
    }

    [Fact]
    public async Task An_app_whose_token_cannot_say_its_name_keeps_one_comment_too()
    {
        host.Author = "my-app[bot]";
        var first = await PutAsync("one");

        Assert.Equal(first, await PutAsync("two"));

        Assert.EndsWith("\ntwo", Assert.Single(host.Comments).Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_comment_that_somebody_deletes_meanwhile_is_made_anew()
    {
        var gone = new VanishingComments(host);
        host.Post(GitHubPullRequests.WorkflowLogin, Signed("a"));

        await new StickyComment(gone).PutAsync(42, "shop", branch, ["here"], "b", default);

        Assert.EndsWith("\nb", Assert.Single(host.Comments).Body, StringComparison.Ordinal);
    }

    private sealed class VanishingComments(FakePullRequests host) : Pgd.Action.IPullRequests
    {
        public Task<Pgd.Action.PullRequest?> GetAsync(int number, CancellationToken cancellationToken) => host.GetAsync(number, cancellationToken);

        public Task<IReadOnlyList<Pgd.Action.ChangedFile>> ListFilesAsync(int number, CancellationToken cancellationToken) => host.ListFilesAsync(number, cancellationToken);

        public async Task<IReadOnlyList<Pgd.Action.PullRequestComment>> ListCommentsAsync(int number, CancellationToken cancellationToken)
        {
            var comments = await host.ListCommentsAsync(number, cancellationToken);
            host.Comments.Clear();
            return comments;
        }

        public Task<Pgd.Action.PullRequestComment> CreateCommentAsync(int number, string body, CancellationToken cancellationToken) => host.CreateCommentAsync(number, body, cancellationToken);

        public Task<Pgd.Action.PullRequestComment?> UpdateCommentAsync(long id, string body, CancellationToken cancellationToken) => host.UpdateCommentAsync(id, body, cancellationToken);

        public Task DeleteCommentAsync(long id, CancellationToken cancellationToken) => host.DeleteCommentAsync(id, cancellationToken);

        public Task SetStatusAsync(string sha, Pgd.Action.CommitStatus status, CancellationToken cancellationToken) => host.SetStatusAsync(sha, status, cancellationToken);

        public Task<string> GetLoginAsync(CancellationToken cancellationToken) => host.GetLoginAsync(cancellationToken);
    }
}
