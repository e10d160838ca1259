using Pgd.Backups;
using Pgd.Recovery;
using Pgd.State;

namespace Pgd.Postgres;

/// <summary>Where a branch's data comes from: its parent as that is, a snapshot, or a moment that was reached from one.</summary>
/// <param name="Parent">The branch.</param>
/// <param name="Snapshot">The snapshot; null for the branch as it is.</param>
/// <param name="Plan">How to go on from the snapshot; null to stay there. It goes with this.</param>
internal sealed record Origin(BranchName Parent, SnapshotRecord? Snapshot, RecoveryPlan? Plan = null) : IDisposable
{
    /// <summary>The backup that it is in, after those that it builds on; null for what is on this machine.</summary>
    public (BackupRepository Repository, IReadOnlyList<StoredBackup> Chain)? Backup { get; init; }

    /// <summary>What it is called.</summary>
    public string Name => Backup is { } backup ? $"the backup {backup.Chain[^1].Backup.Id}{(Plan is null ? "" : $" at {Plan.Target}")}" : Plan is not null ? $"{Parent} at {Plan.Target}" : Snapshot?.FullName ?? Parent.ToString();

    /// <summary>What must stay as it is while it is copied.</summary>
    public IEnumerable<LockRequest> Locks =>
        Snapshot is null ? [LockRequest.Branch(Parent, exclusive: false)] : [LockRequest.Branch(Parent, exclusive: false), LockRequest.Snapshot(Snapshot.BranchName, Snapshot.Id, exclusive: false)];

    /// <summary>Finds it, and for a moment in the past the way there.</summary>
    /// <exception cref="PgdException">
    /// There is no such branch or snapshot, the moment cannot be reached (<see cref="ExitCode.NotFound"/>), or two things are asked for at once (<see cref="ExitCode.Misuse"/>).
    /// </exception>
    public static Origin Find(Workspace workspace, ProjectRecord project, BranchName parent, string? snapshot, RecoveryTarget? target, CancellationToken cancellationToken)
    {
        if (snapshot is not null && target is not null)
            throw new PgdException(ExitCode.Misuse, $"both a snapshot ({parent}@{snapshot}) and a moment ({target}) say where the data comes from", "Leave out one of them.");
        if (target is null)
            return new(parent, snapshot is null ? null : workspace.Snapshots.Require(new(parent, snapshot)));
        workspace.Reporter.Step($"looking for {target} in the log of {parent}");
        var branch = workspace.Branches.RequireReady(parent);
        var plan = new PointInTime(workspace, project, branch, new(workspace, project, branch)).Plan(target, cancellationToken);
        return new(parent, plan.Base, plan);
    }

    /// <summary>The copying, under its locks.</summary>
    /// <exception cref="PgdException">The snapshot has gone meanwhile (<see cref="ExitCode.NotFound"/>).</exception>
    public ICloning Begin(Workspace workspace, ProjectRecord project, BranchRecord parent, bool fast, Consistency consistency, CancellationToken cancellationToken)
    {
        if (Backup is { } backup)
        {
            var sibling = workspace.State.RequireBranch(BranchName.Of(project.Name, BranchName.Main));
            var restored = new RestoredClone(workspace.Storages.Named(project.Storage), new BranchServer(workspace, project, sibling, sibling.Generation).RequireVolume(), backup.Repository, backup.Chain, workspace.Reporter);
            return Plan is null ? restored : new RecoveredClone(restored, Plan);
        }

        if (Snapshot is null)
            return ConsistentClone.Begin(workspace, project, parent, fast, consistency, cancellationToken);
        if (workspace.State.FindSnapshot(Snapshot.BranchName, Snapshot.Id) is not { Phase: BranchPhase.Ready })
            throw new PgdException(ExitCode.NotFound, $"there is no snapshot {Snapshot.FullName} any more", $"See which there are: dotnet pgd snapshot list {Snapshot.BranchName}");
        var storage = workspace.Storages.Named(project.Storage);
        var cloned = new SnapshotClone(storage, Snapshot, workspace.Reporter);
        return Plan is null ? cloned : new RecoveredClone(cloned, Plan);
    }

    /// <summary>Removes what was gathered and not used.</summary>
    public void Dispose() => Plan?.Dispose();
}
