using Pgd.State;

namespace Pgd.Migrations;

/// <summary>What a branch's record keeps of the files that ran on its present generation.</summary>
internal interface IAppliedFiles
{
    Task<Applied> ReadAsync(BranchName branch, CancellationToken cancellationToken);

    /// <exception cref="PgdException">The branch was reset or made anew since: the file ran on other data (<see cref="ExitCode.Failed"/>).</exception>
    Task AppendAsync(BranchName branch, Applied since, AppliedMigration file, CancellationToken cancellationToken);
}

/// <summary>The files that ran on a branch, and the very data that they ran on.</summary>
internal sealed record Applied(string BranchId, int Generation, IReadOnlyList<AppliedMigration> Files);
