using Pgd.State;

namespace Pgd.Renaming;

/// <summary>What records say of a renaming that is going on, or was killed.</summary>
/// <param name="From">The old name: of a project, or the full one of a branch.</param>
/// <param name="To">The new one.</param>
internal sealed record HalfRenamed(string From, string To)
{
    /// <summary>All of them.</summary>
    public static IReadOnlyList<HalfRenamed> All(Workspace workspace)
    {
        var found = new List<HalfRenamed>();
        foreach (var folder in workspace.State.ProjectFolders())
        {
            var project = workspace.State.FindProject(folder);
            if (project?.RenamingTo is { } to)
                found.Add(new(folder, to));
            if (project?.RenamedFrom is { } from)
                found.Add(new(from, from.Contains('/', StringComparison.Ordinal) ? $"{folder}/{BranchName.Main}" : folder));
            foreach (var branch in workspace.State.Branches(folder))
            {
                if (branch.RenamingTo is { } target)
                    found.Add(new(branch.FullName.ToString(), target));
                if (branch.RenamedFrom is { } source)
                    found.Add(new(source, branch.FullName.ToString()));
            }
        }

        // Both records tell of it.
        return [.. found.Distinct()];
    }

    /// <summary>The identities of the branches and snapshots that are on their way.</summary>
    public static IReadOnlySet<string> Identities(Workspace workspace)
    {
        var identities = new HashSet<string>(StringComparer.Ordinal);
        foreach (var half in All(workspace))
        {
            foreach (var branch in half.Ends.SelectMany(end => end.Split('/') is [var project, var name] ? workspace.State.Branches(project).Where(b => b.Name == name) : workspace.State.Branches(end)))
            {
                identities.Add(branch.Id);
                identities.UnionWith(workspace.State.Snapshots(branch.Project, branch.Name).Select(s => s.Id));
            }
        }

        return identities;
    }

    /// <summary>The renaming between two names as it stands; null if there is none. The caller holds its locks.</summary>
    public static Relocation? Find(Workspace workspace, string from, string to)
    {
        var state = workspace.State;
        if (!from.Contains('/', StringComparison.Ordinal))
        {
            var (before, after) = (state.FindProject(from), state.FindProject(to));
            return before?.RenamingTo == to ? Relocation.Of(workspace, before, Known(before, to))
                : after?.RenamedFrom == from ? Relocation.Of(workspace, before ?? after with { Name = from }, after)
                : null;
        }

        var (source, target) = (BranchName.Parse(from), BranchName.Parse(to));
        if (state.FindProject(source.Project) is var project && state.FindBranch(source) is { } old && old.RenamingTo == to)
            return project is null ? null : Relocation.Of(workspace, project, Known(project, target.Project), old, Relocation.Under(old, target) with { Parent = target.IsMain ? null : old.Parent });
        if (state.FindBranch(target) is not { } renamed || state.FindProject(target.Project) is not { } there || (target.Project == source.Project ? renamed.RenamedFrom : there.RenamedFrom) != from)
            return null;
        return Relocation.Of(workspace, project ?? there with { Name = source.Project }, there, renamed with { Project = source.Project, Name = source.Branch }, renamed);

        // What is not there yet has of the old one what matters to the way back.
        ProjectRecord Known(ProjectRecord before, string name) => name == before.Name ? before
            : state.FindProject(name) is { } after && after.RenamedFrom == from ? after : before with { Name = name, RenamingTo = null };
    }

    /// <summary>Locks what it changes; null if somebody is at it.</summary>
    public HeldLocks? TryLock(Workspace workspace)
    {
        var held = new HeldLocks();
        foreach (var project in Ends.Select(end => end.Split('/')[0]).Distinct().Order(StringComparer.Ordinal))
        {
            if (workspace.Locks.TryAcquire(LockRequest.Project(project, exclusive: true)) is not { } one)
            {
                held.Dispose();
                return null;
            }

            held.Add(one);
        }

        return held;
    }

    private string[] Ends => [From, To];
}
