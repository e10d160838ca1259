using Pgd.Libpq;

namespace Pgd;

/// <summary>Branches: complete, isolated PostgreSQL instances that share their parent's storage.</summary>
public sealed class Branches
{
    internal Branches(Workspace workspace) => _ = workspace;

    /// <summary>Makes a branch, proves it by a login with its own credentials, and only then returns it.</summary>
    public Task<BranchCreated> CreateAsync(BranchCreate request, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Replaces the branch's data by its parent's present state; port, password and identity stay. The old data serves until the new is proved.</summary>
    public Task<Branch> ResetAsync(BranchReset request, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>The branches of a project or of all projects, by name.</summary>
    public Task<IReadOnlyList<Branch>> ListAsync(string? project, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>One branch.</summary>
    public Task<Branch> GetAsync(BranchName name, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Deletes a branch with server and data. A missing branch is an error (<see cref="ExitCode.NotFound"/>) unless <paramref name="ifExists"/>; false says that there was none.</summary>
    public Task<bool> DeleteAsync(BranchName name, bool ifExists, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Starts a stopped branch; a running one is left alone.</summary>
    public Task<Branch> StartAsync(BranchName name, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Stops a running branch; a stopped one is left alone.</summary>
    public Task<Branch> StopAsync(BranchName name, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Stops and starts a branch.</summary>
    public Task<Branch> RestartAsync(BranchName name, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>
    /// Where to connect, with the password. Proved by a query over that very connection before it is returned.
    /// Default: the only database that is no template (<c>postgres</c> does not count beside another one) and its owner.
    /// </summary>
    public Task<ConnectionUrl> ConnectAsync(BranchName name, string? database, string? role, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>The last lines of the server's log.</summary>
    public Task<IReadOnlyList<string>> LogAsync(BranchName name, int lines, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Follows the server's log from now on, until cancelled.</summary>
    public IAsyncEnumerable<string> FollowLogAsync(BranchName name, CancellationToken cancellationToken) => throw new NotImplementedException();
}

/// <summary>How to reset a branch.</summary>
public sealed record BranchReset
{
    /// <summary>The full name.</summary>
    public required BranchName Name { get; init; }

    /// <summary>Never issue a checkpoint on the source first.</summary>
    public bool Fast { get; init; }

    /// <summary>How the copy of a running source is made consistent.</summary>
    public Consistency Consistency { get; init; }

    /// <summary>What to run before anyone can connect.</summary>
    public Anonymization? Anonymization { get; init; }

    /// <summary>A new time to live, from now; null leaves the expiry as it is.</summary>
    public TimeSpan? TimeToLive { get; init; }

    /// <summary>The pull request's new head, if the branch is a preview.</summary>
    public PullRequestKey? PullRequest { get; init; }
}
