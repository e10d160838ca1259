namespace Pgd;

/// <summary>Branches that belong to pull requests. A preview is only ever touched on behalf of its own repository.</summary>
public sealed class Previews
{
    internal Previews(Workspace workspace) => _ = workspace;

    /// <summary>
    /// Makes the pull request's branch, or resets or keeps the one that it has. Its name is <see cref="PreviewUp.Name"/>, else <c>pr-N</c>,
    /// else, when another repository has that name, <c>pr-N-</c> and eight digits of a hash of the repository.
    /// </summary>
    /// <exception cref="PgdException">An explicit name belongs to something else (<see cref="ExitCode.Unsafe"/>), and all of <see cref="Branches.CreateAsync"/>.</exception>
    public Task<Preview> UpAsync(PreviewUp request, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Deletes the pull request's branch, in whatever project it is. Returns the names of what was deleted; empty if there was none.</summary>
    public Task<IReadOnlyList<BranchName>> DownAsync(long repositoryId, int pullRequest, string? project, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>The previews of a repository.</summary>
    public Task<IReadOnlyList<Branch>> ListAsync(long repositoryId, string? project, CancellationToken cancellationToken) => throw new NotImplementedException();
}

/// <summary>What a pull request's branch should be.</summary>
public sealed record PreviewUp
{
    /// <summary>The project.</summary>
    public required string Project { get; init; }

    /// <summary>The pull request.</summary>
    public required PullRequestKey PullRequest { get; init; }

    /// <summary>The branch's name inside the project; null for <c>pr-N</c>.</summary>
    public string? Name { get; init; }

    /// <summary>The parent's name inside the project; null for <c>main</c>.</summary>
    public string? Parent { get; init; }

    /// <summary>Whether an existing branch keeps its data; otherwise it is reset to its parent's present state.</summary>
    public bool Keep { get; init; }

    /// <summary>How long it lives from now; null for what the configuration says.</summary>
    public TimeSpan? TimeToLive { get; init; }

    /// <summary>What to run before anyone can connect.</summary>
    public Anonymization? Anonymization { get; init; }

    /// <summary>The address to publish it on; null for what the configuration says.</summary>
    public string? Host { get; init; }
}

/// <summary>A pull request's branch, and what was done to have it.</summary>
/// <param name="Branch">The branch.</param>
/// <param name="Created">False if it was there already.</param>
/// <param name="Reset">True if its data was replaced by the parent's present state.</param>
public sealed record Preview(Branch Branch, bool Created, bool Reset);
