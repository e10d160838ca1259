using Pgd.Libpq;
using Pgd.Migrations;

namespace Pgd.Action;

/// <summary>What the story needs of the engine, so that the story can be tested without one.</summary>
internal interface IPreviewEngine
{
    /// <summary>What this machine is called.</summary>
    string HostName { get; }

    /// <summary>Holds the pull request until disposed: its runs go one after another.</summary>
    Task<IDisposable> HoldAsync(long repositoryId, int pullRequest, CancellationToken cancellationToken);

    Task<Preview> UpAsync(PreviewUp request, CancellationToken cancellationToken);

    Task<ConnectionUrl> ConnectAsync(BranchName name, string? database, string? role, CancellationToken cancellationToken);

    Task<MigrationReport> RehearseAsync(Rehearsal rehearsal, CancellationToken cancellationToken);

    Task<PreviewDown> DownAsync(long repositoryId, int pullRequest, string? project, DateTimeOffset? closedAt, CancellationToken cancellationToken);

    /// <summary>When the pull request was last closed, as far as this machine heard.</summary>
    DateTimeOffset? ClosedAt(long repositoryId, int pullRequest);

    /// <summary>The latest time at which the pull request is known to have been open, if it has a branch.</summary>
    DateTimeOffset? OpenAt(long repositoryId, int pullRequest);

    Task<IReadOnlyList<Branch>> ListAsync(long repositoryId, string? project, CancellationToken cancellationToken);

    /// <summary>Deletes one branch; one that is gone already is fine.</summary>
    Task DeleteAsync(BranchName name, CancellationToken cancellationToken);
}
