namespace Pgd.State;

/// <summary>How many branches there may be.</summary>
internal static class Budget
{
    /// <summary>Refuses one more branch where there are as many as the configuration allows.</summary>
    /// <exception cref="PgdException">There are (<see cref="ExitCode.NoRoom"/>); one that could go is named.</exception>
    public static void Refuse(Configuration.HostConfiguration configuration, string project, PullRequestKey? pullRequest, IReadOnlyList<BranchRecord> branches)
    {
        Refuse(configuration.MaximumBranches, "max-branches", $"the project {project} has", [.. branches.Where(b => b.Project == project && b.Parent is not null)]);
        if (pullRequest is not null)
            Refuse(configuration.MaximumPreviews, "max-previews", $"the repository {pullRequest.Repository} has", [.. branches.Where(b => b.PullRequest?.RepositoryId == pullRequest.RepositoryId)]);
    }

    private static void Refuse(int? most, string key, string who, List<BranchRecord> branches)
    {
        if (branches.Count < most || most is null)
            return;
        // The one that would go first, were it only a matter of time.
        var first = branches.Where(b => Protection.Until(b) is null && !branches.Exists(c => c.Project == b.Project && c.Parent == b.Name)).OrderBy(b => b.ExpiresAt ?? DateTimeOffset.MaxValue).ThenBy(b => b.CreatedAt).FirstOrDefault();
        throw new PgdException(ExitCode.NoRoom, $"{who} {branches.Count} {(branches.Count == 1 ? "branch" : "branches")} already, and {key} is {most}",
            $"Delete what is not needed{(first is null ? "" : $", for example: dotnet pgd branch delete {first.FullName}")}. What has expired goes by: dotnet pgd gc");
    }
}
