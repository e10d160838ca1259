using System.Globalization;
using Pgd.Postgres;
using Pgd.State;

namespace Pgd;

/// <summary>Branches that belong to pull requests. A preview is only ever touched on behalf of its own repository.</summary>
public sealed class Previews
{
    private readonly Workspace _workspace;

    internal Previews(Workspace workspace) => _workspace = workspace;

    /// <summary>
    /// Makes the pull request's branch, or resets or keeps the one that it has. Its name is <see cref="PreviewUp.Name"/>, else <c>pr-N</c>,
    /// else, when another repository has that name, <c>pr-N-</c> and eight digits of a hash of the repository.
    /// </summary>
    /// <exception cref="PgdException">An explicit name belongs to something else (<see cref="ExitCode.Unsafe"/>), and all of <see cref="Branches.CreateAsync"/>.</exception>
    public async Task<Preview> UpAsync(PreviewUp request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        var key = request.PullRequest;
        _workspace.State.RequireProject(request.Project);
        // Two jobs of one pull request may run at once: the name is settled under a lock of the pull request's own.
        using var held = await _workspace.Locks.AcquireAsync(cancellationToken, Lock(request.Project, key)).ConfigureAwait(false);
        var existing = Find(request.Project, key);
        // Events may come in another order than they happened in.
        if (existing?.PullRequest?.OpenAt is { } known && !(key.OpenAt > known))
            key = key with { OpenAt = known };
        var name = existing?.FullName ?? FreeName(request, key);
        if (existing is not null && request.Name is not null && request.Name != existing.Name)
        {
            throw new PgdException(ExitCode.Unsafe, $"pull request {key.Number} of {key.Repository} has the branch {name} already, and not {request.Project}/{request.Name}",
                $"Keep the name as it was, or delete it first: dotnet pgd branch delete {name}");
        }

        // Kept data went through the anonymization as it was: what that does now can only be had by renewing it.
        var renews = existing is { Phase: BranchPhase.Ready } && request.Anonymization is { } anonymization && Settlement.Digest(anonymization) != existing.AnonymizationDigest;
        if (renews && request.Keep)
            _workspace.Reporter.Warn($"the anonymization has changed, so the data of {name} is renewed");
        if (existing is { Phase: BranchPhase.Ready } && (!request.Keep || renews))
        {
            var reset = await _workspace.Branches.ResetAsync(new() { Name = name, Anonymization = request.Anonymization, TimeToLive = request.TimeToLive, PullRequest = key, Roles = request.Roles }, cancellationToken).ConfigureAwait(false);
            return new(reset, Created: false, Reset: true);
        }

        var ensured = await _workspace.Branches.CreateAsync(new()
        {
            Name = name,
            From = request.Parent,
            Ensure = true,
            TimeToLive = request.TimeToLive,
            PullRequest = key,
            Anonymization = request.Anonymization,
            Host = request.Host,
            Roles = request.Roles,
        }, cancellationToken).ConfigureAwait(false);
        return new(ensured.Branch, ensured.Created, Reset: false);
    }

    /// <summary>
    /// Holds the pull request until the result is disposed: its runs go one after another, so that none resets or deletes the branch that
    /// another one is migrating.
    /// </summary>
    /// <exception cref="PgdException">Another run holds it for longer than the configured wait (<see cref="ExitCode.Locked"/>).</exception>
    public async Task<IDisposable> HoldAsync(long repositoryId, int pullRequest, CancellationToken cancellationToken) => await _workspace.Locks.AcquireAsync(
        cancellationToken, new LockRequest(string.Create(CultureInfo.InvariantCulture, $"~pull-requests/{repositoryId}-{pullRequest}"), Exclusive: true)).ConfigureAwait(false);

    /// <summary>Deletes the pull request's branch, in whatever project it is. One that is protected stays until that ends; the next sweep takes it.</summary>
    /// <exception cref="PgdException">A branch was made from it (<see cref="ExitCode.Unsafe"/>).</exception>
    /// <param name="repositoryId">The code host's number for the repository.</param>
    /// <param name="pullRequest">The pull request's number.</param>
    /// <param name="project">Only in this project; null for all.</param>
    /// <param name="closedAt">When it was closed, by the code host's clock: an event from before that makes no branch any more. Null for now.</param>
    /// <param name="cancellationToken">Ends the wait for a lock.</param>
    public async Task<PreviewDown> DownAsync(long repositoryId, int pullRequest, string? project, DateTimeOffset? closedAt, CancellationToken cancellationToken)
    {
        // First: what comes late may come while we delete.
        _workspace.Tombstones.Write(repositoryId, pullRequest, closedAt ?? DateTimeOffset.UtcNow);
        var (deleted, left) = (new List<BranchName>(), new List<LeftBranch>());
        foreach (var folder in project is null ? _workspace.State.ProjectNames() : [project])
        {
            if (_workspace.State.FindProject(folder) is null)
                continue;
            var key = new PullRequestKey { RepositoryId = repositoryId, Repository = "", Number = pullRequest };
            using var held = await _workspace.Locks.AcquireAsync(cancellationToken, Lock(folder, key)).ConfigureAwait(false);
            while (Find(folder, key) is { } branch)
            {
                if (Protection.Until(branch) is not null)
                {
                    left.Add(new(branch.FullName, $"it is protected{Protection.Words(branch)}"));
                    break;
                }

                if (_workspace.State.Snapshots(folder, branch.Name).FirstOrDefault(s => Protection.Until(s.ProtectedUntil) is not null) is { } kept)
                {
                    left.Add(new(branch.FullName, $"its snapshot {kept.FullName} is protected"));
                    break;
                }

                if (!await _workspace.Branches.DeleteAsync(branch.FullName, ifExists: true, withSnapshots: true, cancellationToken).ConfigureAwait(false))
                    break;
                deleted.Add(branch.FullName);
            }
        }

        return new(deleted, left);
    }

    /// <summary>When a pull request was last closed, as far as its closing reached this root in the last month; null if it did not.</summary>
    public DateTimeOffset? ClosedAt(long repositoryId, int pullRequest) => _workspace.Tombstones.ClosedAt(repositoryId, pullRequest);

    /// <summary>The latest time at which a pull request that has a branch is known to have been open; null if nobody said.</summary>
    public DateTimeOffset? OpenAt(long repositoryId, int pullRequest) =>
        _workspace.State.AllBranches().Select(b => b.PullRequest).Where(p => p?.RepositoryId == repositoryId && p.Number == pullRequest).Max(p => p!.OpenAt);

    /// <summary>The previews of a repository.</summary>
    public Task<IReadOnlyList<Branch>> ListAsync(long repositoryId, string? project, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        IEnumerable<string> projects = project is null ? _workspace.State.ProjectNames() : [_workspace.State.RequireProject(project).Name];
        return Task.FromResult<IReadOnlyList<Branch>>([.. from name in projects
                                                          let record = _workspace.State.FindProject(name)
                                                          where record is not null
                                                          from branch in _workspace.State.Branches(name)
                                                          where branch.PullRequest?.RepositoryId == repositoryId
                                                          select _workspace.Branches.View(record, branch)]);
    }

    private BranchRecord? Find(string project, PullRequestKey key) => _workspace.State.Branches(project)
        .FirstOrDefault(b => b.PullRequest is { } owner && owner.RepositoryId == key.RepositoryId && owner.Number == key.Number);

    private BranchName FreeName(PreviewUp request, PullRequestKey key)
    {
        if (request.Name is not null)
        {
            var chosen = BranchName.Of(request.Project, request.Name);
            return _workspace.State.FindBranch(chosen) is null ? chosen : throw new PgdException(ExitCode.Unsafe,
                $"the branch {chosen} exists and does not belong to pull request {key.Number} of {key.Repository}", "Choose another name for the previews, or leave it out.");
        }

        var plain = BranchName.Of(request.Project, string.Create(CultureInfo.InvariantCulture, $"pr-{key.Number}"));
        return _workspace.State.FindBranch(plain) is null
            ? plain
            : BranchName.Of(request.Project, $"{plain.Branch}-{Layout.ShortHash(key.RepositoryId.ToString(CultureInfo.InvariantCulture))}");
    }

    private static LockRequest Lock(string project, PullRequestKey key) => new(string.Create(CultureInfo.InvariantCulture, $"{project}~pull-requests/{key.RepositoryId}-{key.Number}"), Exclusive: true);
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

    /// <summary>Whether an existing branch keeps its data; otherwise, or when the anonymization has changed, it is reset to its parent's present state.</summary>
    public bool Keep { get; init; }

    /// <summary>How long it lives from now; null for what the configuration says.</summary>
    public TimeSpan? TimeToLive { get; init; }

    /// <summary>What to run before anyone can connect.</summary>
    public Anonymization? Anonymization { get; init; }

    /// <summary>The address to publish it on; null for what the configuration says.</summary>
    public string? Host { get; init; }

    /// <summary>The source's roles that may log in, beside the bootstrap superuser and the owners of databases.</summary>
    public IReadOnlyList<string> Roles { get; init; } = [];
}

/// <summary>What became of a closed pull request's branch.</summary>
/// <param name="Deleted">What was deleted; empty if there was none.</param>
/// <param name="Left">What is protected, and stays for now.</param>
public sealed record PreviewDown(IReadOnlyList<BranchName> Deleted, IReadOnlyList<LeftBranch> Left);

/// <summary>A pull request's branch, and what was done to have it.</summary>
/// <param name="Branch">The branch.</param>
/// <param name="Created">False if it was there already.</param>
/// <param name="Reset">True if its data was replaced by the parent's present state.</param>
public sealed record Preview(Branch Branch, bool Created, bool Reset);
