using System.Net;
using System.Net.Http.Json;
using Pgd.Action.Reports;

namespace Pgd.Action.GitHub;

/// <summary>Pull requests on github.com or GitHub Enterprise.</summary>
public sealed class GitHubPullRequests : IPullRequests, IDisposable
{
    /// <summary>Who comments when a workflow's own token does.</summary>
    public const string WorkflowLogin = "github-actions[bot]";

    // GitHub lists this many files of a pull request and then stops without a word.
    private const int ListedFiles = 3000;

    // A longer one is refused.
    private const int DescriptionLimit = 140;

    private readonly GitHubApi api;
    private readonly string repository;

    /// <summary>Opens the pull requests of a repository; nothing is sent yet.</summary>
    /// <param name="apiUrl">For example <c>https://api.github.com</c>, or a GitHub Enterprise's <c>https://host/api/v3</c>.</param>
    /// <param name="repository">The repository as <c>owner/name</c>.</param>
    /// <param name="token">What the API is asked with.</param>
    public GitHubPullRequests(string apiUrl, string repository, string token)
        : this(GitHubApi.DefaultHandler(), apiUrl, repository, token, TimeProvider.System)
    {
    }

    internal GitHubPullRequests(HttpMessageHandler handler, string apiUrl, string repository, string token, TimeProvider time)
    {
        api = new GitHubApi(handler, apiUrl, token, time);
        var parts = repository.Split('/');
        if (parts.Length != 2 || parts.Any(p => p.Length == 0))
            throw new PgdException(ExitCode.Misuse, "the repository is not of the form owner/name", "Check GITHUB_REPOSITORY.");
        this.repository = $"repos/{Uri.EscapeDataString(parts[0])}/{Uri.EscapeDataString(parts[1])}";
    }

    public async Task<PullRequest?> GetAsync(int number, CancellationToken cancellationToken)
    {
        var what = $"reading pull request {number}";
        using var response = await api.GuardAsync(() => api.SendAsync(HttpMethod.Get, $"{repository}/pulls/{number}", null, cancellationToken), what);
        if (response.StatusCode == HttpStatusCode.NotFound)
            return null;
        await api.ThrowIfFailedAsync(response, what, cancellationToken);
        var pull = await GitHubApi.ReadAsync(response, GitHubJson.Default.PullRequestResource, what, cancellationToken);
        return new()
        {
            Number = pull.Number,
            IsOpen = pull.State == "open",
            IsDraft = pull.Draft ?? false,
            HeadSha = pull.Head.Sha,
            Labels = [.. (pull.Labels ?? []).Select(l => l.Name).OfType<string>()],
        };
    }

    public async Task<IReadOnlyList<ChangedFile>> ListFilesAsync(int number, CancellationToken cancellationToken)
    {
        var files = await api.ListAsync($"{repository}/pulls/{number}/files", GitHubJson.Default.ListFileResource, $"listing the files of pull request {number}", cancellationToken);
        if (files.Count >= ListedFiles)
            throw new PgdException(ExitCode.Failed, $"pull request {number} changes {ListedFiles} files or more, and GitHub lists no more than that",
                "Give migrate-ledger: schema.table, so that the database says which migrations ran.");
        return [.. files.Where(f => f.Status != "unchanged").Select(f => new ChangedFile(f.Filename, ChangeOf(f.Status), f.PreviousFilename))];
    }

    public async Task<IReadOnlyList<PullRequestComment>> ListCommentsAsync(int number, CancellationToken cancellationToken)
    {
        var comments = await api.ListAsync($"{repository}/issues/{number}/comments", GitHubJson.Default.ListCommentResource, $"listing the comments of pull request {number}", cancellationToken);
        return [.. comments.OrderBy(c => c.Id).Select(CommentOf)];
    }

    public async Task<PullRequestComment> CreateCommentAsync(int number, string body, CancellationToken cancellationToken)
    {
        if (await PostCommentAsync(number, body, isLast: false, cancellationToken) is { } created)
            return created;
        // Did it arrive? Only the list tells; a comment too many would notify everybody twice.
        var arrived = (await ListCommentsAsync(number, cancellationToken)).FirstOrDefault(c => SameText(c.Body, body));
        return arrived ?? (await PostCommentAsync(number, body, isLast: true, cancellationToken))!;
    }

    public async Task<PullRequestComment?> UpdateCommentAsync(long id, string body, CancellationToken cancellationToken)
    {
        var what = $"updating comment {id}";
        using var response = await api.GuardAsync(() => api.SendAsync(HttpMethod.Patch, $"{repository}/issues/comments/{id}", Content(body), cancellationToken), what);
        if (response.StatusCode == HttpStatusCode.NotFound)
            return null;
        await api.ThrowIfFailedAsync(response, what, cancellationToken);
        return CommentOf(await GitHubApi.ReadAsync(response, GitHubJson.Default.CommentResource, what, cancellationToken));
    }

    public async Task DeleteCommentAsync(long id, CancellationToken cancellationToken)
    {
        var what = $"deleting comment {id}";
        using var response = await api.GuardAsync(() => api.SendAsync(HttpMethod.Delete, $"{repository}/issues/comments/{id}", null, cancellationToken), what);
        if (response.StatusCode != HttpStatusCode.NotFound)
            await api.ThrowIfFailedAsync(response, what, cancellationToken);
    }

    public async Task SetStatusAsync(string sha, CommitStatus status, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(status);
        var what = $"setting the commit status {status.Context}";
        var request = new StatusRequest(status.Succeeded ? "success" : "failure", status.Context, PlainText.Line(status.Description, DescriptionLimit), status.Url);
        if (await FindStatusAsync(sha, status.Context, what, cancellationToken) is { } known && known.State == request.State && known.Description == request.Description && known.TargetUrl == request.TargetUrl)
            return;
        using var response = await api.GuardAsync(() => api.SendAsync(HttpMethod.Post, $"{repository}/statuses/{Uri.EscapeDataString(sha)}", JsonContent.Create(request, GitHubJson.Default.StatusRequest), cancellationToken), what);
        await api.ThrowIfFailedAsync(response, what, cancellationToken, "statuses: write");
    }

    public async Task<string> GetLoginAsync(CancellationToken cancellationToken)
    {
        const string what = "asking whose token this is";
        using var response = await api.GuardAsync(() => api.SendAsync(HttpMethod.Get, "user", null, cancellationToken), what);
        // A token of an app installation is nobody's, and GITHUB_TOKEN is one.
        if (response.StatusCode is HttpStatusCode.Forbidden or HttpStatusCode.NotFound && !GitHubRetry.IsRateLimit(response))
            return WorkflowLogin;
        await api.ThrowIfFailedAsync(response, what, cancellationToken);
        return (await GitHubApi.ReadAsync(response, GitHubJson.Default.UserResource, what, cancellationToken)).Login;
    }

    public void Dispose() => api.Dispose();

    // The newest come first, and there is one for each run of a commit.
    private async Task<StatusResource?> FindStatusAsync(string sha, string context, string what, CancellationToken cancellationToken)
    {
        using var response = await api.GuardAsync(() => api.SendAsync(HttpMethod.Get, $"{repository}/commits/{Uri.EscapeDataString(sha)}/statuses?per_page=100", null, cancellationToken), what);
        await api.ThrowIfFailedAsync(response, what, cancellationToken, "statuses: write");
        return (await GitHubApi.ReadAsync(response, GitHubJson.Default.ListStatusResource, what, cancellationToken)).FirstOrDefault(s => s.Context == context);
    }

    /// <summary>Posts a comment; null, unless it is the last attempt, when nobody knows whether it arrived.</summary>
    private async Task<PullRequestComment?> PostCommentAsync(int number, string body, bool isLast, CancellationToken cancellationToken)
    {
        var what = $"commenting on pull request {number}";
        using var response = await api.GuardAsync(PostAsync, what);
        if (response is null || ((int)response.StatusCode >= 500 && !isLast))
            return null;
        await api.ThrowIfFailedAsync(response, what, cancellationToken);
        return CommentOf(await GitHubApi.ReadAsync(response, GitHubJson.Default.CommentResource, what, cancellationToken));

        async Task<HttpResponseMessage?> PostAsync()
        {
            try
            {
                return await api.SendOnceAsync(HttpMethod.Post, $"{repository}/issues/{number}/comments", Content(body), cancellationToken);
            }
            catch (Exception e) when (!isLast && GitHubRetry.IsUncertain(e))
            {
                return null;
            }
        }
    }

    private static JsonContent Content(string body) => JsonContent.Create(new CommentRequest(body), GitHubJson.Default.CommentRequest);

    private static PullRequestComment CommentOf(CommentResource comment) =>
        new(comment.Id, comment.User?.Login ?? "", comment.Body ?? "", comment.HtmlUrl ?? "");

    // GitHub may answer with other line ends than it was sent.
    private static bool SameText(string one, string other) => one.ReplaceLineEndings("\n").Trim() == other.ReplaceLineEndings("\n").Trim();

    private static FileChange ChangeOf(string status) => status switch
    {
        "added" or "copied" => FileChange.Added,
        "removed" => FileChange.Removed,
        "renamed" => FileChange.Renamed,
        _ => FileChange.Modified,
    };
}
