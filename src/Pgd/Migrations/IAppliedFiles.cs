using Pgd.State;

namespace Pgd.Migrations;

/// <summary>What a branch's record keeps of the files that ran on its present generation.</summary>
internal interface IAppliedFiles
{
    Task<IReadOnlyList<AppliedMigration>> ReadAsync(BranchName branch, CancellationToken cancellationToken);

    Task AppendAsync(BranchName branch, AppliedMigration file, CancellationToken cancellationToken);
}
