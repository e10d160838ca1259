using Pgd.Configuration;
using Pgd.Linux;

namespace Pgd.State;

/// <summary>How many branches there may be, and what has to be left for others.</summary>
internal static class Budget
{
    /// <summary>Refuses one more branch where there are as many as the configuration allows.</summary>
    /// <exception cref="PgdException">There are, or there is less disk or memory left than it says (<see cref="ExitCode.NoRoom"/>); one that could go is named.</exception>
    public static void Refuse(HostConfiguration configuration, string volumes, string project, PullRequestKey? pullRequest, IReadOnlyList<BranchRecord> branches)
    {
        if (configuration.MinimumFreeDisk is { } disk && Libc.FileSystem(volumes).Available is var available && available < disk)
            throw NoRoom($"the file system of {volumes} has {available >> 20} MB left, and min-free-disk is {disk >> 20} MB", [.. branches.Where(b => b.Parent is not null)]);
        if (configuration.MinimumFreeMemory is { } memory && MemorySize.Available() is var left && left < memory)
            throw NoRoom($"this machine has {left >> 20} MB of memory left, and min-free-memory is {memory >> 20} MB", [.. branches.Where(b => b.Parent is not null)]);

        Refuse(configuration.MaximumBranches, "max-branches", $"the project {project} has", [.. branches.Where(b => b.Project == project && b.Parent is not null)]);
        if (pullRequest is not null)
            Refuse(configuration.MaximumPreviews, "max-previews", $"the repository {pullRequest.Repository} has", [.. branches.Where(b => b.PullRequest?.RepositoryId == pullRequest.RepositoryId)]);
    }

    private static void Refuse(int? most, string key, string who, List<BranchRecord> branches)
    {
        if (branches.Count >= most)
            throw NoRoom($"{who} {branches.Count} {(branches.Count == 1 ? "branch" : "branches")} already, and {key} is {most}", branches);
    }

    private static PgdException NoRoom(string message, List<BranchRecord> branches)
    {
        // The one that would go first, were it only a matter of time.
        var first = branches.Where(b => Protection.Until(b) is null && !branches.Exists(c => c.Project == b.Project && c.Parent == b.Name)).OrderBy(b => b.ExpiresAt ?? DateTimeOffset.MaxValue).ThenBy(b => b.CreatedAt).FirstOrDefault();
        return new(ExitCode.NoRoom, message,
            $"Delete what is not needed{(first is null ? "" : $", for example: dotnet pgd branch delete {first.FullName}")}. What has expired goes by: dotnet pgd gc");
    }
}
