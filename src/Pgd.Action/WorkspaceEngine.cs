using Pgd.Action.Inputs;
using Pgd.Libpq;
using Pgd.Migrations;

namespace Pgd.Action;

/// <summary>The engine itself.</summary>
internal sealed class WorkspaceEngine(Workspace workspace) : IPreviewEngine
{
    public string HostName => workspace.HostName;

    public Task<IDisposable> HoldAsync(long repositoryId, int pullRequest, CancellationToken cancellationToken) =>
        workspace.Previews.HoldAsync(repositoryId, pullRequest, cancellationToken);

    public Task<Preview> UpAsync(PreviewUp request, CancellationToken cancellationToken) => workspace.Previews.UpAsync(request, cancellationToken);

    public Task<ConnectionUrl> ConnectAsync(BranchName name, string? database, string? role, CancellationToken cancellationToken) =>
        workspace.Branches.ConnectAsync(name, database, role, cancellationToken);

    public async Task<MigrationReport> RehearseAsync(Rehearsal rehearsal, CancellationToken cancellationToken)
    {
        // The command is the pull request's code and inherits our environment; the token in there is ours alone. A build asks us again later.
        var variable = InputReader.VariableOf("github-token");
        var token = Environment.GetEnvironmentVariable(variable);
        Environment.SetEnvironmentVariable(variable, null);
        try
        {
            return await workspace.Migrations.RehearseAsync(rehearsal, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            Environment.SetEnvironmentVariable(variable, token);
        }
    }

    public Task<PreviewDown> DownAsync(long repositoryId, int pullRequest, string? project, DateTimeOffset? closedAt, CancellationToken cancellationToken) =>
        workspace.Previews.DownAsync(repositoryId, pullRequest, project, closedAt, cancellationToken);

    public DateTimeOffset? ClosedAt(long repositoryId, int pullRequest) => workspace.Previews.ClosedAt(repositoryId, pullRequest);

    public DateTimeOffset? OpenAt(long repositoryId, int pullRequest) => workspace.Previews.OpenAt(repositoryId, pullRequest);

    public Task<IReadOnlyList<Branch>> ListAsync(long repositoryId, string? project, CancellationToken cancellationToken) =>
        workspace.Previews.ListAsync(repositoryId, project, cancellationToken);

    public Task DeleteAsync(BranchName name, CancellationToken cancellationToken) => workspace.Branches.DeleteAsync(name, ifExists: true, withSnapshots: true, cancellationToken);
}
