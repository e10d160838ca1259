using Pgd.Migrations;

namespace Pgd.State;

/// <summary>Which migration files ran on a branch, kept in its record: a reset empties the list together with the data.</summary>
internal sealed class AppliedFiles(Workspace workspace) : IAppliedFiles
{
    public Task<Applied> ReadAsync(BranchName branch, CancellationToken cancellationToken)
    {
        var record = workspace.State.RequireBranch(branch);
        return Task.FromResult(new Applied(record.Id, record.Generation, record.Applied));
    }

    public async Task AppendAsync(BranchName branch, Applied since, AppliedMigration file, CancellationToken cancellationToken)
    {
        using var held = await workspace.Locks.AcquireAsync(cancellationToken, LockRequest.Branch(branch, exclusive: true)).ConfigureAwait(false);
        var record = workspace.State.RequireBranch(branch);
        // The new data does not have the file, or has it without those before it.
        if (record.Id != since.BranchId || record.Generation != since.Generation)
            throw new PgdException(ExitCode.Failed, $"{branch} was reset while {file.Path} ran on it", $"Renew its data, and run the migrations again: dotnet pgd branch reset {branch}");
        workspace.State.Write(record with { Applied = [.. record.Applied, file] });
    }
}
