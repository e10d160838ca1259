namespace Pgd.Action;

/// <summary>
/// The pull requests of one repository at its code host, and the comments on them. Failures are <see cref="PgdException"/>s, and none
/// of them holds the token. Lists are complete, however many pages the host cuts them into.
/// </summary>
public interface IPullRequests
{
    /// <summary>A pull request, or null when the host says that there is none. Null is no proof: hosts answer so when the token may not see it.</summary>
    Task<PullRequest?> GetAsync(int number, CancellationToken cancellationToken);

    /// <summary>The files that the pull request changes against its merge base.</summary>
    Task<IReadOnlyList<ChangedFile>> ListFilesAsync(int number, CancellationToken cancellationToken);

    /// <summary>All comments of the conversation, oldest first.</summary>
    Task<IReadOnlyList<PullRequestComment>> ListCommentsAsync(int number, CancellationToken cancellationToken);

    /// <summary>Adds a comment: exactly one, even if the first answer got lost.</summary>
    Task<PullRequestComment> CreateCommentAsync(int number, string body, CancellationToken cancellationToken);

    /// <summary>Replaces a comment's text; null when the comment is gone.</summary>
    Task<PullRequestComment?> UpdateCommentAsync(long id, string body, CancellationToken cancellationToken);

    /// <summary>Removes a comment; one that is gone already is fine.</summary>
    Task DeleteCommentAsync(long id, CancellationToken cancellationToken);

    /// <summary>Marks a commit, unless it is marked so already: what is shown at the end of the pull request, and may be required before it is merged.</summary>
    Task SetStatusAsync(string sha, CommitStatus status, CancellationToken cancellationToken);

    /// <summary>The login that our comments appear under.</summary>
    Task<string> GetLoginAsync(CancellationToken cancellationToken);
}

/// <summary>A pull request as it is now.</summary>
public sealed record PullRequest
{
    public required int Number { get; init; }

    public required bool IsOpen { get; init; }

    public required string HeadSha { get; init; }

    public bool IsDraft { get; init; }

    public IReadOnlyList<string> Labels { get; init; } = [];
}

/// <summary>A file that a pull request changes.</summary>
/// <param name="Path">From the repository's top.</param>
/// <param name="Change">What happened to it.</param>
/// <param name="PreviousPath">What it was called, if it was renamed.</param>
public sealed record ChangedFile(string Path, FileChange Change, string? PreviousPath = null);

public enum FileChange
{
    Added,
    Modified,
    Renamed,
    Removed,
}

/// <summary>What somebody says of a commit.</summary>
/// <param name="Context">What it is about; a later one of the same context takes its place.</param>
/// <param name="Succeeded">Whether it may go on.</param>
/// <param name="Description">Why, in a few words.</param>
/// <param name="Url">Where one reads more.</param>
public sealed record CommitStatus(string Context, bool Succeeded, string Description, string? Url);

/// <summary>A comment on a pull request.</summary>
public sealed record PullRequestComment(long Id, string Author, string Body, string Url);
