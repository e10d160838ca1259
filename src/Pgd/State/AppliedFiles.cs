using Pgd.Migrations;

namespace Pgd.State;

/// <summary>Which migration files ran on a branch, kept in its record: a reset empties the list together with the data.</summary>
internal sealed class AppliedFiles(Workspace workspace) : IAppliedFiles
{
    public Task<IReadOnlyList<AppliedMigration>> ReadAsync(BranchName branch, CancellationToken cancellationToken) =>
        Task.FromResult(workspace.State.RequireBranch(branch).Applied);

    public async Task AppendAsync(BranchName branch, AppliedMigration file, CancellationToken cancellationToken)
    {
        using var held = await workspace.Locks.AcquireAsync(cancellationToken, LockRequest.Branch(branch, exclusive: true)).ConfigureAwait(false);
        var record = workspace.State.RequireBranch(branch);
        workspace.State.Write(record with { Applied = [.. record.Applied, file] });
    }
}
