using Pgd.Linux;
using Pgd.Postgres;
using Pgd.Processes;
using Pgd.State;

namespace Pgd.Recovery;

/// <summary>Looks for moments in the past of a branch: which can be reached, and how.</summary>
internal sealed class PointInTime
{
    /// <summary>How the names of folders begin in which a log is gathered; the number of the process that does it follows.</summary>
    public const string FolderPrefix = ".wal-";

    private readonly Workspace _workspace;
    private readonly ProjectRecord _project;
    private readonly BranchRecord _branch;
    private readonly BranchLog _log;
    private readonly IReadOnlyList<SnapshotRecord> _bases;
    private readonly TargetSearch _search;

    public PointInTime(Workspace workspace, ProjectRecord project, BranchRecord branch, BranchLog log)
    {
        (_workspace, _project, _branch, _log) = (workspace, project, branch, log);
        _search = new(branch.FullName.ToString(), workspace.Reporter);
        // The newest first.
        _bases = [.. workspace.State.Snapshots(branch.Project, branch.Name).Where(s => s.IsContinuedBy(branch)).Reverse()];
    }

    /// <summary>Finds the way to a moment, and gathers the log that it needs.</summary>
    /// <exception cref="PgdException">It cannot be reached (<see cref="ExitCode.NotFound"/>), or lies in the future (<see cref="ExitCode.Misuse"/>). Nothing is left then.</exception>
    public RecoveryPlan Plan(RecoveryTarget target, CancellationToken cancellationToken)
    {
        var now = DateTimeOffset.UtcNow;
        if (target.Time > now)
            throw new PgdException(ExitCode.Misuse, $"{target} is in the future", $"It is {RecoveryTarget.AtTime(now)} now. For the present: dotnet pgd branch create {_branch.Project}/NAME --from {_branch.Name}");
        if (_bases.Count == 0)
        {
            throw new PgdException(ExitCode.NotFound, $"{_branch.FullName} has no snapshot from which {target} could be reached",
                $"Its past can be had from its first snapshot on: dotnet pgd snapshot create {_branch.FullName}{Archiving()}");
        }

        var folder = NewFolder(_workspace.Layout);
        try
        {
            var plan = Find(target, folder, cancellationToken) ?? throw Unreachable(target);
            if (!plan.IsSnapshot)
                _log.FetchHistory(folder);
            return plan;
        }
        catch (Exception e)
        {
            Directory.Delete(folder, recursive: true);
            if (e is not PgdException && DiskFull.Is(e))
                throw DiskFull.Error(folder, e);
            throw;
        }
    }

    /// <summary>A folder to gather a log in. What a killed process leaves of it is found by its number, and taken away.</summary>
    public static string NewFolder(Layout layout)
    {
        var folder = Path.Combine(layout.Volumes, $"{FolderPrefix}{Environment.ProcessId}-{Guid.NewGuid():N}");
        Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return folder;
    }

    /// <summary>What can be reached, each from one snapshot on, the oldest first. Where the log goes on from one to the next, it is one.</summary>
    public IReadOnlyList<ReachableWindow> Windows()
    {
        var (end, lastCommit) = _log.End();
        var windows = new List<ReachableWindow>();
        foreach (var snapshot in _bases.Reverse())
        {
            var (begin, at) = (Position(snapshot), Complete(snapshot));
            if (windows is [.., { IsOpen: true }])
                break;
            var missing = FirstMissing(begin, end);
            if (windows is [.., var last] && last.To >= begin)
            {
                if (missing is null)
                    windows[^1] = last with { To = end, ToTime = lastCommit, IsOpen = true };
                continue;
            }

            windows.Add(missing is { } gap ? new(snapshot, begin, at, gap * _log.SegmentSize, null, IsOpen: false, Missing: gap) : new(snapshot, begin, at, end, lastCommit, IsOpen: true, Missing: null));
        }

        return windows;
    }

    private static DateTimeOffset Complete(SnapshotRecord snapshot) => snapshot.CompleteAt ?? snapshot.CreatedAt;

    private static ulong Position(SnapshotRecord snapshot) => Lsn.TryParse(snapshot.Lsn, out var position) ? position : 0;

    // What is behind the end of a snapshot's own log. The part that it ends in is whole only later.
    private ulong? FirstMissing(ulong from, ulong to)
    {
        for (var number = from / _log.SegmentSize; number <= (to - 1) / _log.SegmentSize; number++)
        {
            if (!_log.Has(number))
                return number;
        }

        return null;
    }

    private RecoveryPlan? Find(RecoveryTarget target, string folder, CancellationToken cancellationToken)
    {
        var (end, _) = _log.End();
        // The end of the part that was looked through already, from a newer snapshot on.
        var seen = ulong.MaxValue;
        foreach (var snapshot in _bases)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var consistent = Position(snapshot);
            if (target.Position < consistent)
                continue;
            var own = Snapshots.Attach(_workspace.Storages.Named(_project.Storage), snapshot).Data;
            var start = WriteAheadLog.StartOf(own) ?? consistent;
            var (plan, reached) = Scan(target, snapshot, own, start, folder, target.Time is null && target.Position is null ? seen : ulong.MaxValue, end, cancellationToken);
            if (plan is not null && plan.End >= consistent)
                return plan with { IsSnapshot = plan.End == consistent };
            // It was found where this snapshot is not yet consistent: an older one leads there.
            if (plan is null && target.Transaction is null && target.RestorePoint is null)
                throw Broken(target, snapshot, reached);
            seen = start;
        }

        return null;
    }

    private (RecoveryPlan? Plan, ulong Reached) Scan(RecoveryTarget target, SnapshotRecord snapshot, string own, ulong start, string folder, ulong until, ulong end, CancellationToken cancellationToken)
    {
        // A snapshot has its own log up to where it ends, and its server finds it there.
        var whole = Position(snapshot) / _log.SegmentSize;
        using var log = new WriteAheadLog(_log.SegmentSize, number => number < whole ? _log.Own(number, own) ?? _log.Fetch(number, folder) : _log.Fetch(number, folder) ?? _log.Own(number, own));
        var (found, reached) = _search.Run(log, target, start, until, end, Complete(snapshot), snapshot.IsRecovering, cancellationToken);
        return (found is null ? null : new()
        {
            Target = target,
            Base = snapshot,
            Folder = folder,
            Stop = found.Stop,
            Inclusive = found.Inclusive,
            End = found.End,
            LastCommit = found.LastCommit,
            Timeline = _log.Timelines.Current,
            IsSnapshot = false,
        }, reached);
    }

    private PgdException Unreachable(RecoveryTarget target) =>
        new(ExitCode.NotFound, $"{target} cannot be reached: {(target.Transaction is not null || target.RestorePoint is not null ? "it is not in the write-ahead log that there is" : "it is before what there is")}{Reachable()}{Abandoned()}",
            $"Take snapshots earlier and more often: dotnet pgd snapshot create {_branch.FullName}{Archiving()}");

    // From that snapshot on the log does not lead as far.
    private PgdException Broken(RecoveryTarget target, SnapshotRecord snapshot, ulong reached)
    {
        var (end, _) = _log.End();
        return FirstMissing(reached, end) is { } missing
            ? new(ExitCode.NotFound, $"{target} cannot be reached: of the write-ahead log after {snapshot.FullName} the part {new LogSegment(_log.Timelines.Of(missing, _log.SegmentSize).First(), missing).Name(_log.SegmentSize)} is missing{Reachable()}",
                IsArchived ? $"See what the archive lacks: dotnet pgd wal info {_branch.FullName}" : $"Its server has recycled it. Have it kept from now on: dotnet pgd project set {_branch.Project} --pitr 7d")
            : new(ExitCode.NotFound, $"{target} cannot be reached: the write-ahead log of {_branch.FullName} ends at {Lsn.Format(reached)}{Reachable()}", "Choose an earlier one.");
    }

    private string Reachable() => Windows() is { Count: > 0 } windows ? $". Reachable: {string.Join("; ", windows.Select(w => w.ToString()))}" : "";

    private string Abandoned() => _log.Timelines.Current > 1 ? $". What was written on a timeline that was left is no part of the past of {_branch.FullName}" : "";

    private bool IsArchived => new Archiving(_workspace.Layout, _project, _branch).IsOn;

    private string Archiving() => IsArchived || _branch.IsAdopted || _branch.Parent is not null ? "" : $". Its log is kept by: dotnet pgd project set {_branch.Project} --pitr 7d";
}

/// <summary>A stretch of time to each moment of which a branch can be brought back.</summary>
/// <param name="From">The snapshot that it begins with.</param>
/// <param name="Begin">Its position.</param>
/// <param name="BeginTime">When that was.</param>
/// <param name="To">The last position.</param>
/// <param name="ToTime">The last transaction since the last checkpoint; null if there was none, or it is not known.</param>
/// <param name="IsOpen">Whether it goes on to the present.</param>
/// <param name="Missing">The number of the part of the log that ends it; null if none does.</param>
internal sealed record ReachableWindow(SnapshotRecord From, ulong Begin, DateTimeOffset BeginTime, ulong To, DateTimeOffset? ToTime, bool IsOpen, ulong? Missing)
{
    public override string ToString() => $"from {RecoveryTarget.AtTime(BeginTime)} ({Lsn.Format(Begin)}, {From.FullName}) to {(IsOpen ? "now" : "the end of what is kept")} ({Lsn.Format(To)})";
}
