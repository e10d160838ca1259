using Pgd.Backups;
using Pgd.Libpq;
using Pgd.Linux;
using Pgd.Postgres;
using Pgd.Processes;
using Pgd.Recovery;
using Pgd.Replication;
using Pgd.State;

namespace Pgd.Following;

/// <summary>Makes the data of a project's first branch anew from where it came from, as a generation beside the one that serves, which then goes.</summary>
internal sealed class MainRefresh(Workspace workspace, ProjectRefresh request)
{
    private static readonly IReadOnlyDictionary<string, string> NoSettings = new Dictionary<string, string>();

    /// <exception cref="PgdException">As for <see cref="Projects.RefreshAsync"/>.</exception>
    public async Task<Project> RunAsync(CancellationToken cancellationToken)
    {
        Workspace.RequireLinux();
        _ = workspace.State.RequireProject(request.Name);
        // Copying may take hours, and others are to make branches meanwhile: the branch is ours alone at the beginning, when what a killed operation left is removed, and at the end, for the switch.
        using var held = await workspace.Locks.AcquireAsync(cancellationToken, LockRequest.Project(request.Name, exclusive: false), LockRequest.Refreshing(request.Name)).ConfigureAwait(false);
        var project = workspace.State.RequireProject(request.Name);
        if (project.Source is null)
            throw new PgdException(ExitCode.Misuse, $"the data of {project.Name} comes from no other server, so there is none to bring it up to date with", "Make one whose does: dotnet pgd project create NAME --from URL");
        if (project.Subscription is not null)
            throw new PgdException(ExitCode.Misuse, $"{project.Name} follows {project.Source} by a subscription, and has what is committed there", $"See how new it is: dotnet pgd project status {project.Name}. If it cannot go on: delete the project, and create it again.");
        BranchRecord main;
        using (await workspace.Locks.AcquireAsync(cancellationToken, LockRequest.Branch(Name, exclusive: true)).ConfigureAwait(false))
        {
            main = await workspace.Branches.FindReadyAsync(project, Name).ConfigureAwait(false) ?? throw new PgdException(ExitCode.NotFound, $"there is no branch {Name}", $"dotnet pgd project delete {project.Name}");
            Protection.Refuse(main, "refreshed");
        }

        if (project.PointInTime is not null)
        {
            throw new PgdException(ExitCode.Unsafe, $"the log of {Name} is archived, and that of its new data would not continue it", $"Give that up first: dotnet pgd project set {project.Name} --pitr off; turn it on again afterwards.");
        }

        var url = Url(project, main);
        var switched = project.IsFollower ? await FollowAsync(project, main, url, cancellationToken).ConfigureAwait(false) : await CopyAsync(project, main, url, cancellationToken).ConfigureAwait(false);
        return workspace.Projects.View(switched, workspace.State.BranchNames(project.Name).Count);
    }

    private BranchName Name { get; } = BranchName.Of(request.Name, BranchName.Main);

    private ConnectionUrl Url(ProjectRecord project, BranchRecord main)
    {
        var url = ConnectionUrl.Parse(project.Source!, LibpqEnvironment.Current);
        var volume = new BranchServer(workspace, project, main, main.Generation).FindVolume();
        return url with { Password = request.Password ?? url.Password ?? (project.IsFollower && volume is not null ? Primary.PasswordOf(volume, url) : null) };
    }

    private async Task<ProjectRecord> FollowAsync(ProjectRecord project, BranchRecord main, ConnectionUrl url, CancellationToken cancellationToken)
    {
        var source = await Projects.OpenPrimaryAsync(url, workspace.Runtimes.Named(project.Runtime), cancellationToken).ConfigureAwait(false);
        await using var _ = source.ConfigureAwait(false);
        if (source.Major != project.PostgresMajor)
            throw OtherMajor(project, url, source.Major);
        var undo = new Undo(workspace.Reporter);
        await using var __ = undo.ConfigureAwait(false);
        using var shared = await workspace.Locks.AcquireAsync(cancellationToken, LockRequest.Branch(Name, exclusive: false)).ConfigureAwait(false);
        var server = Begin(project, main, undo);
        var asOf = await new StandbyGeneration(workspace, project, main, server.Key.Generation).MakeAsync(source, cancellationToken).ConfigureAwait(false);
        shared.Dispose();
        using var own = await OwnAsync(cancellationToken).ConfigureAwait(false);
        return await SwitchAsync(project, server, asOf, undo).ConfigureAwait(false);
    }

    private async Task<ProjectRecord> CopyAsync(ProjectRecord project, BranchRecord main, ConnectionUrl url, CancellationToken cancellationToken)
    {
        var copy = await InitialCopy.OpenAsync(url, cancellationToken).ConfigureAwait(false);
        await using var _ = copy.ConfigureAwait(false);
        if (copy.Major > project.PostgresMajor)
            throw OtherMajor(project, url, copy.Major);
        var undo = new Undo(workspace.Reporter);
        await using var __ = undo.ConfigureAwait(false);
        using var shared = await workspace.Locks.AcquireAsync(cancellationToken, LockRequest.Branch(Name, exclusive: false)).ConfigureAwait(false);
        var server = Begin(project, main, undo);
        DiskFull.RefuseWithout(0, workspace.Root);
        var volume = workspace.Storages.Named(project.Storage).Create(server.Key);
        Fault.Here("refresh:volume");
        await workspace.Runtimes.Named(project.Runtime).InitializeAsync(volume, project, cancellationToken).ConfigureAwait(false);
        // Without an address to listen on: the old generation has the port, and serves.
        using (var connection = await server.StartAsync(open: false, listen: false, NoSettings, cancellationToken).ConfigureAwait(false))
        {
            await workspace.Projects.CopyAsync(copy, project, server, connection, cancellationToken).ConfigureAwait(false);
            new Settlement(workspace, server, main).Rotate(connection, cancellationToken);
        }

        Fault.Here("refresh:copied");
        shared.Dispose();
        using var own = await OwnAsync(cancellationToken).ConfigureAwait(false);
        await workspace.Branches.SwapAsync(project, main, server, undo, cancellationToken).ConfigureAwait(false);
        return await SwitchAsync(project, server, copy.DataAsOf, undo).ConfigureAwait(false);
    }

    /// <summary>Writes down that there will be another generation.</summary>
    private BranchServer Begin(ProjectRecord project, BranchRecord main, Undo undo)
    {
        var next = main.Generation + 1;
        var server = new BranchServer(workspace, project, main, next);
        undo.Push($"take back the record of {Name}", () => Change(record => record with { PendingGeneration = null }));
        Change(record => record with { PendingGeneration = next });
        Fault.Here("refresh:record");
        undo.Push($"destroy the new data of {Name}", server.TakeBackAsync);
        return server;
    }

    /// <summary>Waits until nobody uses the branch, as long as it takes: what was copied would have to be copied again.</summary>
    private async Task<HeldLocks> OwnAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                return await workspace.Locks.AcquireAsync(cancellationToken, LockRequest.Branch(Name, exclusive: true)).ConfigureAwait(false);
            }
            catch (PgdException e) when (e.ExitCode == ExitCode.Locked)
            {
                workspace.Reporter.Step($"{e.Message}; its new data is ready and waits for that");
            }
        }
    }

    private async Task<ProjectRecord> SwitchAsync(ProjectRecord project, BranchServer server, DateTimeOffset? asOf, Undo undo)
    {
        var switched = Change(record => record with { Generation = server.Key.Generation, PendingGeneration = null, IsRotating = false, ShouldRun = true, DataAsOf = asOf, Applied = [] });
        undo.Keep();
        Fault.Here("refresh:switched");
        // A new archive would find the old one's parts in its places.
        if (new Archiving(workspace.Layout, project, switched) is { IsThere: true } archive)
            archive.Remove();
        await workspace.Branches.DestroyOthersAsync(project, switched, "refreshed").ConfigureAwait(false);
        return project;
    }

    private BranchRecord Change(Func<BranchRecord, BranchRecord> change)
    {
        var changed = change(workspace.State.RequireBranch(Name));
        workspace.State.Write(changed);
        return changed;
    }

    private static PgdException OtherMajor(ProjectRecord project, ConnectionUrl url, int major) =>
        new(ExitCode.Misuse, $"{url} is PostgreSQL {major} by now, and {project.Name} is of {project.PostgresMajor}", $"Make a project of the new version beside it: dotnet pgd project create NAME --from {url}{(project.IsFollower ? " --follow physical" : "")}");
}
