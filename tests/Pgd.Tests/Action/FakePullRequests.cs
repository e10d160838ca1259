using Pgd.Action;
using Pgd.Action.GitHub;

namespace Pgd.Tests.Action;

/// <summary>A code host in memory, which counts what is written to it.</summary>
internal sealed class FakePullRequests : IPullRequests
{
    private long lastId = 100;

    public Dictionary<int, PullRequest> Pulls { get; } = [];

    public List<ChangedFile> Files { get; } = [];

    public List<PullRequestComment> Comments { get; } = [];

    public List<string> Writes { get; } = [];

    public int LoginsAsked { get; private set; }

    public List<int> Asked { get; } = [];

    public string Login { get; set; } = GitHubPullRequests.WorkflowLogin;

    /// <summary>Under which name comments appear; differs from <see cref="Login"/> for the token of an app.</summary>
    public string? Author { get; set; }

    public PgdException? ReadFailure { get; set; }

    public PgdException? CommentFailure { get; set; }

    public List<(string Sha, CommitStatus Status)> Statuses { get; } = [];

    public PgdException? StatusFailure { get; set; }

    public PgdException? FilesFailure { get; set; }

    public void Open(int number, string sha, params string[] labels) => Pulls[number] = new() { Number = number, IsOpen = true, HeadSha = sha, Labels = labels };

    public void Close(int number) => Pulls[number] = Pulls[number] with { IsOpen = false };

    public PullRequestComment Post(string author, string body)
    {
        var comment = new PullRequestComment(++lastId, author, body, $"https://github.example/comments/{lastId}");
        Comments.Add(comment);
        return comment;
    }

    public Task<PullRequest?> GetAsync(int number, CancellationToken cancellationToken)
    {
        Asked.Add(number);
        return ReadFailure is null ? Task.FromResult(Pulls.GetValueOrDefault(number)) : throw ReadFailure;
    }

    public Task<IReadOnlyList<ChangedFile>> ListFilesAsync(int number, CancellationToken cancellationToken) => FilesFailure is null ? Task.FromResult<IReadOnlyList<ChangedFile>>(Files) : throw FilesFailure;

    public Task<IReadOnlyList<PullRequestComment>> ListCommentsAsync(int number, CancellationToken cancellationToken) =>
        CommentFailure is null ? Task.FromResult<IReadOnlyList<PullRequestComment>>([.. Comments]) : throw CommentFailure;

    public Task<PullRequestComment> CreateCommentAsync(int number, string body, CancellationToken cancellationToken)
    {
        Writes.Add("create");
        return Task.FromResult(Post(Author ?? Login, body));
    }

    public Task<PullRequestComment?> UpdateCommentAsync(long id, string body, CancellationToken cancellationToken)
    {
        Writes.Add($"update {id}");
        var at = Comments.FindIndex(c => c.Id == id);
        return Task.FromResult(at < 0 ? null : Comments[at] = Comments[at] with { Body = body });
    }

    public Task DeleteCommentAsync(long id, CancellationToken cancellationToken)
    {
        Writes.Add($"delete {id}");
        Comments.RemoveAll(c => c.Id == id);
        return Task.CompletedTask;
    }

    public Task SetStatusAsync(string sha, CommitStatus status, CancellationToken cancellationToken)
    {
        if (StatusFailure is not null)
            throw StatusFailure;
        Statuses.Add((sha, status));
        return Task.CompletedTask;
    }

    public Task<string> GetLoginAsync(CancellationToken cancellationToken)
    {
        LoginsAsked++;
        return Task.FromResult(Login);
    }
}
