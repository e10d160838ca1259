using Pgd.Postgres;
using Pgd.State;

namespace Pgd.Renaming;

/// <summary>Other names: for a branch, for a project, and for a branch that becomes a project.</summary>
internal sealed class Renames(Workspace workspace)
{
    public async Task<Branch> BranchAsync(BranchName name, BranchName newName, CancellationToken cancellationToken)
    {
        Workspace.RequireLinux();
        if (name.IsMain)
            throw new PgdException(ExitCode.Misuse, $"{name} is the first branch of its project, which is always called {BranchName.Main}", $"Rename the project: dotnet pgd project rename {name.Project} NEW");
        if (newName.IsMain)
            throw new PgdException(ExitCode.Misuse, $"only the first branch of a project is called {BranchName.Main}", $"Make a project of it: dotnet pgd branch promote {name} NEW");
        if (newName == name)
            throw new PgdException(ExitCode.Misuse, $"{name} is called so already");
        using var held = await workspace.Locks.AcquireAsync(cancellationToken, LockRequest.Project(name.Project, exclusive: true), LockRequest.Branch(name, exclusive: true), LockRequest.Branch(newName, exclusive: true)).ConfigureAwait(false);
        var project = workspace.State.RequireProject(name.Project);
        if (await ResolveAsync(name.ToString(), newName.ToString()).ConfigureAwait(false))
            return View(newName);
        await ResolveAsync([name, newName]).ConfigureAwait(false);
        var branch = await workspace.Branches.FindReadyAsync(project, name).ConfigureAwait(false) ?? workspace.State.RequireBranch(name);
        RefusePreview(branch, $"dotnet pgd branch create {newName} --from {name.Branch}");
        if (workspace.State.FindBranch(newName) is not null)
            throw new PgdException(ExitCode.Exists, $"the branch {newName} exists already", $"Choose another name, or delete it first: dotnet pgd branch delete {newName}");
        RemoveHalfSnapshots(project, branch);
        await Relocation.Of(workspace, project, project, branch, Relocation.Under(branch, newName)).RunAsync(null, null, cancellationToken).ConfigureAwait(false);
        return View(newName);
    }

    public async Task<Project> ProjectAsync(string name, string newName, CancellationToken cancellationToken)
    {
        Workspace.RequireLinux();
        if (name == newName)
            throw new PgdException(ExitCode.Misuse, $"{name} is called so already");
        using var held = await workspace.Locks.AcquireAsync(cancellationToken, LockRequest.Project(name, exclusive: true), LockRequest.Project(newName, exclusive: true)).ConfigureAwait(false);
        if (await ResolveAsync(name, newName).ConfigureAwait(false))
            return ViewProject(newName);
        foreach (var half in HalfRenamed.All(workspace).Where(h => h.From.Split('/')[0] == name || h.To.Split('/')[0] == name))
            await ResolveAsync(half).ConfigureAwait(false);
        var project = workspace.State.RequireProject(name);
        RefuseExisting(newName);
        // Who writes to a branch's record alone has its lock alone.
        using var branchesHeld = await workspace.Locks.AcquireAsync(cancellationToken, workspace.State.BranchNames(name).Select(b => LockRequest.Branch(BranchName.Of(name, b), exclusive: true))).ConfigureAwait(false);
        foreach (var branch in workspace.State.BranchNames(name))
        {
            if (await workspace.Branches.FindReadyAsync(project, BranchName.Of(name, branch)).ConfigureAwait(false) is { } ready)
                RemoveHalfSnapshots(project, ready);
        }

        await Relocation.Of(workspace, project, project with { Name = newName }).RunAsync(null, null, cancellationToken).ConfigureAwait(false);
        if (workspace.State.Branches(newName).Count(b => b.PullRequest is not null) is > 0 and var previews)
            workspace.Reporter.Warn($"{Severed.Count(previews, "pull request")} {(previews == 1 ? "has a branch" : "have branches")} in {newName}, and the workflows and comments of {(previews == 1 ? "it" : "them")} say {name}: change the project's name there as well");
        return ViewProject(newName);
    }

    public async Task<Promoted> PromoteAsync(BranchName name, BranchName main, CancellationToken cancellationToken)
    {
        Workspace.RequireLinux();
        if (name.IsMain)
            throw new PgdException(ExitCode.Misuse, $"{name} is the first branch of a project already", $"Rename that, or make a branch of it and a project of the branch: dotnet pgd project rename {name.Project} {main.Project}; dotnet pgd branch create {name.Project}/NAME");
        if (main.Project == name.Project)
            throw new PgdException(ExitCode.Misuse, $"{name} becomes the first branch of another project than {name.Project}", $"Choose a name that no project has: dotnet pgd branch promote {name} NEW");
        using var held = await workspace.Locks.AcquireAsync(cancellationToken, LockRequest.Project(name.Project, exclusive: true), LockRequest.Project(main.Project, exclusive: true),
            LockRequest.Branch(name, exclusive: true), LockRequest.Branch(main, exclusive: true)).ConfigureAwait(false);
        if (await ResolveAsync(name.ToString(), main.ToString()).ConfigureAwait(false))
            return new(name, ViewProject(main.Project), View(main), []);
        await ResolveAsync([name]).ConfigureAwait(false);
        var project = workspace.State.RequireProject(name.Project);
        var branch = await workspace.Branches.FindReadyAsync(project, name).ConfigureAwait(false) ?? workspace.State.RequireBranch(name);
        RefusePreview(branch, $"dotnet pgd branch create {name.Project}/NAME --from {name.Branch}; dotnet pgd branch promote {name.Project}/NAME {main.Project}");
        if (workspace.State.Branches(name.Project).Where(b => b.Parent == name.Branch).Select(b => b.FullName).ToList() is { Count: > 0 } children)
        {
            throw new PgdException(ExitCode.Unsafe, $"{string.Join(", ", children)} {(children.Count == 1 ? "was" : "were")} made from {name}, and a branch and its parent belong to one project",
                $"Delete them first, or give them another parent: dotnet pgd branch reset {children[0]} --from {branch.Parent}");
        }

        RefuseExisting(main.Project);
        RemoveHalfSnapshots(project, branch);
        var quarantine = new Quarantine(project.PostgresMajor, cancellationToken);
        var runtime = workspace.Runtimes.Named(project.Runtime);
        var undo = new Processes.Undo(workspace.Reporter);
        await using var _ = undo.ConfigureAwait(false);
        // Nothing of what the old project does beside its branches, such as archiving, is the new one's.
        var target = new ProjectRecord
        {
            Name = main.Project,
            Storage = project.Storage,
            Runtime = project.Runtime,
            PostgresMajor = project.PostgresMajor,
            Image = project.Image,
            Superuser = project.Superuser,
            FirstPort = project.FirstPort,
            LastPort = project.LastPort,
            CreatedAt = DateTimeOffset.UtcNow,
        };
        if (project.Subnet is not null)
        {
            undo.Push($"remove the network of {target.Name}", () => runtime.RemoveNetwork(target.Name));
            target = target with { Subnet = runtime.MakeNetwork(target.Name) };
        }

        var first = Relocation.Under(branch, main);
        first = first with
        {
            Parent = null,
            Lease = null,
            IsVolatile = false,
            Snapshot = first.Snapshot?.StartsWith($"{main.Branch}@", StringComparison.Ordinal) == true && branch.Snapshot!.StartsWith($"{branch.Name}@", StringComparison.Ordinal) ? first.Snapshot : null,
            Target = null,
            Severed = [],
            // It had that from what it was made from, which is in another project now.
            AnonymizationDigest = DigestOf(branch),
            Host = project.Subnet is null ? branch.Host : runtime.HostOf(target, main.Branch, branch.Port, workspace.Configuration.Host),
            ShouldRun = !branch.IsGolden,
            ExpiresAt = null,
            Idle = null,
        };
        IReadOnlyList<Finding> catalogs = [];
        await Relocation.Of(workspace, project, target, branch, first).RunAsync((server, connection) =>
        {
            quarantine.WriteOff(server, connection);
            catalogs = SourceInspection.Catalogs(connection, database => server.Connect(cancellationToken, database), project.PostgresMajor, cancellationToken);
        }, connection => quarantine.Lift(main, connection), cancellationToken).ConfigureAwait(false);
        undo.Keep();
        quarantine.TellOfRest(branch.Severed, catalogs, project.Image is null ? null : workspace.BranchMemory);
        return new(name, ViewProject(main.Project), View(main), quarantine.Items);
    }

    private void RefuseExisting(string project)
    {
        if (workspace.State.FindProject(project) is not null || workspace.State.BranchNames(project).Count > 0)
            throw new PgdException(ExitCode.Exists, $"the project {project} exists already", $"Choose another name, or look at it: dotnet pgd project get {project}");
    }

    // Its comment and the jobs of its workflow know it by its name, and the next run would not find it by another.
    private static void RefusePreview(BranchRecord branch, string instead)
    {
        if (branch.PullRequest is { } key)
            throw new PgdException(ExitCode.Unsafe, $"{branch.FullName} belongs to pull request {key.Number} of {key.Repository}, whose comment and runs know it by that name", $"Make a branch of it: {instead}");
    }

    /// <summary>We hold the project's lock, so whoever was at them is dead.</summary>
    private void RemoveHalfSnapshots(ProjectRecord project, BranchRecord branch)
    {
        foreach (var half in workspace.State.Snapshots(branch.Project, branch.Name).Where(s => s.Phase != BranchPhase.Ready))
            workspace.Snapshots.Destroy(project, half);
    }

    private string? DigestOf(BranchRecord? branch) => branch is null || !workspace.Branches.IsAnonymized(branch) ? null
        : branch.AnonymizationDigest ?? workspace.State.FindSnapshot(branch.Project, branch.Snapshot)?.AnonymizationDigest ?? (branch.ParentName is { } parent ? DigestOf(workspace.State.FindBranch(parent)) : null) ?? "inherited";

    private async Task ResolveAsync(IReadOnlyList<BranchName> names)
    {
        foreach (var half in HalfRenamed.All(workspace).Where(h => names.Any(n => h.From == n.ToString() || h.To == n.ToString())))
            await ResolveAsync(half).ConfigureAwait(false);
    }

    // What leads to another project needs that project's lock as well, which we may not have.
    private Task<bool> ResolveAsync(HalfRenamed half) => half.From.Split('/')[0] == half.To.Split('/')[0] && half.To.Contains('/', StringComparison.Ordinal)
        ? ResolveAsync(half.From, half.To) : throw StateStore.HalfRenamed(half.From, half.To);

    /// <summary>What a killed renaming to that very name left; true if it had come so far that only the rest had to be removed.</summary>
    private async Task<bool> ResolveAsync(string from, string to)
    {
        if (HalfRenamed.Find(workspace, from, to) is not { } half)
            return false;
        var committed = half.IsCommitted;
        await half.ResolveAsync().ConfigureAwait(false);
        return committed;
    }

    private Branch View(BranchName name) => workspace.Branches.View(workspace.State.RequireProject(name.Project), workspace.State.RequireBranch(name));

    private Project ViewProject(string name) => workspace.Projects.View(workspace.State.RequireProject(name), workspace.State.BranchNames(name).Count);
}
