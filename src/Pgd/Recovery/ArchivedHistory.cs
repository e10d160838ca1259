using Pgd.Postgres;
using Pgd.State;

namespace Pgd.Recovery;

/// <summary>A branch's log with its archive, the snapshots that are gone on from by it, and what it reaches.</summary>
internal sealed class ArchivedHistory(Workspace workspace, ProjectRecord project, BranchRecord branch)
{
    public BranchLog Log { get; } = new(workspace, project, branch);

    /// <summary>The times that can be reached.</summary>
    public IReadOnlyList<ReachableWindow> Windows() => new PointInTime(workspace, project, branch, Log).Windows();

    /// <summary>From which part of the log on each snapshot of the present generation needs all, to be gone on from: that in which its own recovery begins. The oldest snapshot first.</summary>
    /// <exception cref="PgdException">The data of one is missing, so that it cannot be told (<see cref="ExitCode.Failed"/>).</exception>
    public IReadOnlyList<(SnapshotRecord Snapshot, ulong First)> Needs()
    {
        var storage = workspace.Storages.Named(project.Storage);
        var needs = new List<(SnapshotRecord, ulong)>();
        foreach (var snapshot in workspace.State.Snapshots(branch.Project, branch.Name).Where(s => s.IsContinuedBy(branch)))
        {
            if (Lsn.TryParse(snapshot.Lsn, out var end))
                needs.Add((snapshot, Math.Min(WriteAheadLog.StartOf(Snapshots.Attach(storage, snapshot).Data) ?? end, end) / Log.SegmentSize));
        }

        return needs;
    }
}
