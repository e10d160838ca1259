using Pgd.State;

namespace Pgd.Migrations;

/// <summary>The files that ran, in the branch's record: a reset begins a new list.</summary>
internal sealed class AppliedFiles(Workspace workspace) : IAppliedFiles
{
    public Task<IReadOnlyList<AppliedMigration>> ReadAsync(BranchName branch, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return Task.FromResult(workspace.State.RequireBranch(branch).Applied);
    }

    public async Task AppendAsync(BranchName branch, AppliedMigration file, CancellationToken cancellationToken)
    {
        using var held = await workspace.Locks.AcquireAsync(cancellationToken, LockRequest.Branch(branch, exclusive: true)).ConfigureAwait(false);
        var record = workspace.State.RequireBranch(branch);
        workspace.State.Write(record with { Applied = [.. record.Applied, file] });
    }
}
