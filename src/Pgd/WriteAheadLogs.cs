using Pgd.Linux;
using Pgd.Postgres;
using Pgd.Recovery;
using Pgd.State;

namespace Pgd;

/// <summary>Write-ahead logs: what leads from one snapshot of a branch to the next, and to each moment between. The first branch of a project can have its own archived.</summary>
public sealed class WriteAheadLogs
{
    private readonly Workspace _workspace;

    internal WriteAheadLogs(Workspace workspace) => _workspace = workspace;

    /// <summary>What there is of a branch's log, which moments it reaches, and which snapshots need what; without a name, of the first branch of each project.</summary>
    /// <exception cref="PgdException">There is no such branch (<see cref="ExitCode.NotFound"/>), or its data is missing (<see cref="ExitCode.Failed"/>).</exception>
    public Task<IReadOnlyList<WriteAheadLogInfo>> InfoAsync(BranchName? branch, CancellationToken cancellationToken)
    {
        Workspace.RequireLinux();
        if (branch is not null)
            _workspace.State.RequireBranch(branch);
        IEnumerable<BranchName> names = branch is not null ? [branch] : _workspace.State.ProjectNames().Select(p => BranchName.Of(p, BranchName.Main)).Where(name => _workspace.State.FindBranch(name) is { Phase: BranchPhase.Ready });
        return Task.Run<IReadOnlyList<WriteAheadLogInfo>>(() => [.. names.Select(name => Look(name, cancellationToken))], cancellationToken);
    }

    /// <summary>Reads all of a branch's archive, and looks for damage, for what does not belong there, and for gaps.</summary>
    /// <exception cref="PgdException">There is no such branch, or it has no archive (<see cref="ExitCode.NotFound"/>), or zstd is missing (<see cref="ExitCode.MachineLacks"/>).</exception>
    public Task<WriteAheadLogVerified> VerifyAsync(BranchName branch, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(branch);
        return _workspace.Audit.RecordAsync("wal verify", branch.ToString(), null, async () =>
        {
            // Shared: nothing is removed meanwhile.
            using var held = await LockAsync(branch, exclusive: false, cancellationToken).ConfigureAwait(false);
            return await Task.Run(() => Verify(RequireArchive(branch), branch, cancellationToken), cancellationToken).ConfigureAwait(false);
        });
    }

    /// <summary>
    /// Removes what is older than it is to be and that no snapshot needs to go on from. With <see cref="WriteAheadLogCleanup.Force"/> also what is needed, and the answer says which
    /// snapshots lose what. Histories of timelines stay, and what the present itself needs.
    /// </summary>
    /// <exception cref="PgdException">There is no such branch, or it has no archive (<see cref="ExitCode.NotFound"/>); the data of a snapshot is missing, so that its need cannot be told (<see cref="ExitCode.Failed"/>).</exception>
    public Task<WriteAheadLogCleaned> CleanupAsync(WriteAheadLogCleanup request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        return request.DryRun ? CleanAsync() : _workspace.Audit.RecordAsync("wal cleanup", request.Branch.ToString(), null, CleanAsync);

        async Task<WriteAheadLogCleaned> CleanAsync()
        {
            // Exclusive: nobody takes a snapshot meanwhile, whose need we would not know.
            using var held = await LockAsync(request.Branch, exclusive: true, cancellationToken).ConfigureAwait(false);
            var history = RequireArchive(request.Branch);
            var needs = history.Needs();
            return Clean(history, request.Branch, DateTimeOffset.UtcNow - request.OlderThan, needs, request.Force ? ulong.MaxValue : FirstNeeded(needs), request.DryRun, cancellationToken);
        }
    }

    /// <summary>
    /// Removes what is not needed to reach back as far as the project's log is to reach: from the newest snapshot that is older than that on, everything stays. For the timer;
    /// where nothing is archived, nothing is done.
    /// </summary>
    internal async Task<WriteAheadLogCleaned?> TrimAsync(string project, CancellationToken cancellationToken)
    {
        var main = BranchName.Of(project, BranchName.Main);
        using var held = await LockAsync(main, exclusive: true, cancellationToken).ConfigureAwait(false);
        if (_workspace.State.RequireProject(project).PointInTime is not { } window || !new WalArchive(_workspace.Layout.Archive(main)).Exists)
            return null;
        var history = RequireArchive(main);
        var (since, needs) = (DateTimeOffset.UtcNow - window, history.Needs());
        var enough = needs.Where(n => (n.Snapshot.CompleteAt ?? n.Snapshot.CreatedAt) <= since).TakeLast(1).ToList();
        return Clean(history, main, since, needs, FirstNeeded(enough.Count > 0 ? enough : needs), dryRun: false, cancellationToken);
    }

    private static ulong FirstNeeded(IReadOnlyList<(SnapshotRecord Snapshot, ulong First)> needs) => needs.Count == 0 ? ulong.MaxValue : needs.Min(n => n.First);

    private static WriteAheadLogCleaned Clean(
        ArchivedHistory history, BranchName branch, DateTimeOffset before, IReadOnlyList<(SnapshotRecord Snapshot, ulong First)> needs, ulong firstNeeded, bool dryRun, CancellationToken cancellationToken)
    {
        var (log, files) = (history.Log, history.Log.Archive.Files());
        // A snapshot that is taken now begins there.
        var present = log.Control.Redo / log.SegmentSize;
        var removable = ArchiveChain.Removable(files, log.SegmentSize, Math.Min(firstNeeded, present), before);
        var gone = log.NumbersOf(removable.Where(f => f.Kind == ArchivedKind.Segment).Select(f => f.Name)).Except(log.Live()).ToHashSet();
        var heldBack = ArchiveChain.Removable(files, log.SegmentSize, present, before).Except(removable).Where(f => f.Kind == ArchivedKind.Segment).ToList();
        var lost = gone.Count == 0 ? [] : LostBy(history, needs, gone);
        long bytes = 0;
        foreach (var file in removable)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (!dryRun)
                File.Delete(file.Path);
            bytes += file.Bytes;
            Fault.Here("wal-cleanup:file");
        }

        return new(branch, dryRun, [.. removable.Select(f => f.Name)], bytes, heldBack.Count,
            heldBack.Count == 0 ? [] : [.. needs.Where(n => heldBack.Any(f => LogSegment.Parse(f.Name, log.SegmentSize).Number >= n.First)).Select(n => new SnapshotNeed(n.Snapshot.FullName, log.NameOf(n.First)))], lost);
    }

    private static List<ReachablePeriod> LostBy(ArchivedHistory history, IReadOnlyList<(SnapshotRecord Snapshot, ulong First)> needs, HashSet<ulong> gone)
    {
        var lost = new List<ReachablePeriod>();
        var (log, windows) = (history.Log, history.Windows());
        foreach (var (snapshot, first) in needs)
        {
            if (!Lsn.TryParse(snapshot.Lsn, out var begin) || windows.FirstOrDefault(w => w.Begin <= begin && begin <= w.To) is not { } window
                || !gone.Any(n => n >= first && n * log.SegmentSize < window.To))
                continue;
            // Up to the next snapshot that is still gone on from: what follows is reached from that one.
            var next = needs.Where(n => n.First > gone.Max() && Lsn.TryParse(n.Snapshot.Lsn, out var at) && at <= window.To).Select(n => n.Snapshot).FirstOrDefault();
            lost.Add(new(snapshot.FullName, snapshot.Lsn, snapshot.DataAsOf ?? snapshot.CreatedAt, next?.Lsn ?? Lsn.Format(window.To),
                next is null ? window.ToTime : next.DataAsOf ?? next.CreatedAt, next is null && window.IsOpen, log.NameOf(gone.Where(n => n >= first).Min())));
        }

        return lost;
    }

    private WriteAheadLogInfo Look(BranchName name, CancellationToken cancellationToken)
    {
        var (project, branch) = (_workspace.State.RequireProject(name.Project), _workspace.Branches.RequireReady(name));
        var (history, archiving) = (new ArchivedHistory(_workspace, project, branch), new Archiving(_workspace.Layout, project, branch));
        var (log, files) = (history.Log, history.Log.Archive.Files());
        var segments = files.Where(f => f.Kind == ArchivedKind.Segment).ToList();
        return new()
        {
            Branch = name,
            PointInTime = archiving.IsOn ? project.PointInTime : null,
            Directory = log.Archive.Exists ? log.Archive.Folder : null,
            Files = files.Count,
            Bytes = files.Sum(f => f.Bytes),
            Oldest = segments.Count == 0 ? null : new(segments[0].Name, segments[0].At),
            Newest = segments.Count == 0 ? null : new(segments[^1].Name, segments[^1].At),
            Gaps = GapsOf(log, files),
            Archiver = archiving.IsOn ? ArchiverOf(new(_workspace, project, branch, branch.Generation), cancellationToken) : null,
            Windows = [.. history.Windows().Select(w => Period(log, w))],
            Needs = [.. history.Needs().Select(n => new SnapshotNeed(n.Snapshot.FullName, log.NameOf(n.First)))],
        };
    }

    /// <summary>What is missing between the first part in the archive and what the server has itself.</summary>
    internal static IReadOnlyList<WriteAheadLogGap> GapsOf(BranchLog log, IReadOnlyList<ArchivedFile> files)
    {
        var archived = log.NumbersOf(files.Where(f => f.Kind == ArchivedKind.Segment).Select(f => f.Name));
        var givenUp = log.NumbersOf(files.Where(f => f.Kind == ArchivedKind.GivenUp).Select(f => f.Segment!));
        if (archived.Count == 0 && givenUp.Count == 0)
            return [];
        var first = archived.Concat(givenUp).Min();
        // The server makes files for later parts in advance; none of them is before the one that it writes to.
        var present = archived.Concat(log.Live().Where(n => n >= first)).ToHashSet();
        // One that was given up may be the first of all.
        return [.. ArchiveChain.Gaps(present.Append(first == 0 ? 0 : first - 1)).Select(g => new WriteAheadLogGap(log.NameOf(g.First), log.NameOf(g.Last), (long)(g.Last - g.First + 1), givenUp.Count(n => n >= g.First && n <= g.Last)))];
    }

    /// <summary>What a running server says of its handing over; null if it does not run.</summary>
    internal static ArchiverState? ArchiverOf(BranchServer server, CancellationToken cancellationToken)
    {
        if (!server.IsRunning())
            return null;
        using var connection = server.Connect(cancellationToken);
        const string state =
            """
            select archived_count::text, last_archived_wal, extract(epoch from last_archived_time)::text, failed_count::text, last_failed_wal, extract(epoch from last_failed_time)::text,
                   w.count::text, extract(epoch from w.since)::text
              from pg_stat_archiver, (select count(*), min(modification) as since from pg_ls_archive_statusdir() where name like '%.ready') w
            """;
        return connection.Query(state, cancellationToken)[0] is [var archived, var lastArchived, var archivedAt, var failed, var lastFailed, var failedAt, var waiting, var since]
            ? new(Number(archived), lastArchived, Time(archivedAt), Number(failed), lastFailed, Time(failedAt), Number(waiting), Time(since)) : null;

        static long Number(string? text) => long.Parse(text!, System.Globalization.CultureInfo.InvariantCulture);

        static DateTimeOffset? Time(string? epoch) => epoch is null ? null : DateTimeOffset.UnixEpoch + TimeSpan.FromSeconds(double.Parse(epoch, System.Globalization.CultureInfo.InvariantCulture));
    }

    private WriteAheadLogVerified Verify(ArchivedHistory history, BranchName name, CancellationToken cancellationToken)
    {
        var (log, files, problems) = (history.Log, history.Log.Archive.Files(), new List<string>());
        var scratch = Path.Combine(_workspace.Layout.Volumes, $"{PointInTime.FolderPrefix}{Environment.ProcessId}-{Guid.NewGuid():N}");
        Directory.CreateDirectory(scratch, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        try
        {
            var (done, total) = (0L, files.Sum(f => f.Bytes));
            foreach (var file in files.Where(f => f.Kind != ArchivedKind.GivenUp))
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (WalArchive.Damage(file, Path.Combine(scratch, "part"), log.SegmentSize, log.Control.SystemIdentifier) is { } damage)
                    problems.Add($"{file.Name}: {damage}");
                _workspace.Reporter.Progress($"reading the archive of {name}", done += file.Bytes, total);
            }
        }
        finally
        {
            Directory.Delete(scratch, recursive: true);
        }

        problems.AddRange(GapsOf(log, files).Select(g => g.ToString()));
        return new(name, files.Count, problems);
    }

    private ArchivedHistory RequireArchive(BranchName name)
    {
        var (project, branch) = (_workspace.State.RequireProject(name.Project), _workspace.Branches.RequireReady(name));
        return new WalArchive(_workspace.Layout.Archive(name)).Exists ? new(_workspace, project, branch)
            : throw new PgdException(ExitCode.NotFound, $"the write-ahead log of {name} is not archived",
                branch.IsAdopted || !name.IsMain ? $"That of a project's own first branch can be: dotnet pgd project set {name.Project} --pitr 7d" : $"Have it archived: dotnet pgd project set {name.Project} --pitr 7d");
    }

    private Task<HeldLocks> LockAsync(BranchName name, bool exclusive, CancellationToken cancellationToken)
    {
        Workspace.RequireLinux();
        _workspace.State.RequireBranch(name);
        return _workspace.Locks.AcquireAsync(cancellationToken, LockRequest.Project(name.Project, exclusive: false), LockRequest.Branch(name, exclusive));
    }

    private static ReachablePeriod Period(BranchLog log, ReachableWindow window) =>
        new(window.From.FullName, Lsn.Format(window.Begin), window.BeginTime, Lsn.Format(window.To), window.ToTime, window.IsOpen, window.Missing is { } missing ? log.NameOf(missing) : null);
}

/// <summary>What there is of a branch's write-ahead log.</summary>
public sealed record WriteAheadLogInfo
{
    /// <summary>The branch.</summary>
    public required BranchName Branch { get; init; }

    /// <summary>How far back the archive is to reach; null if the branch's log is not archived now.</summary>
    public TimeSpan? PointInTime { get; init; }

    /// <summary>The archive's folder; null if there is none.</summary>
    public string? Directory { get; init; }

    /// <summary>How many files are in it.</summary>
    public required int Files { get; init; }

    /// <summary>How many bytes they have.</summary>
    public required long Bytes { get; init; }

    /// <summary>The oldest part in it.</summary>
    public ArchivedPart? Oldest { get; init; }

    /// <summary>The newest part in it.</summary>
    public ArchivedPart? Newest { get; init; }

    /// <summary>What is missing since the oldest part.</summary>
    public required IReadOnlyList<WriteAheadLogGap> Gaps { get; init; }

    /// <summary>What the branch's server says of its handing over; null if it does not run, or hands nothing over.</summary>
    public ArchiverState? Archiver { get; init; }

    /// <summary>The times to each moment of which the branch can be brought back, by the archive and by what its server has itself.</summary>
    public required IReadOnlyList<ReachablePeriod> Windows { get; init; }

    /// <summary>From where on each snapshot needs the log to be gone on from.</summary>
    public required IReadOnlyList<SnapshotNeed> Needs { get; init; }
}

/// <summary>A part in an archive.</summary>
/// <param name="Name">Its name, as PostgreSQL gives it.</param>
/// <param name="At">When it was put there.</param>
public sealed record ArchivedPart(string Name, DateTimeOffset At);

/// <summary>A stretch of a log that is missing.</summary>
/// <param name="First">The first part that is.</param>
/// <param name="Last">The last one.</param>
/// <param name="Count">How many.</param>
/// <param name="GivenUp">How many of them were given up, so that the server had room to go on.</param>
public sealed record WriteAheadLogGap(string First, string Last, long Count, int GivenUp)
{
    /// <summary>As people read it.</summary>
    public override string ToString() => (Count == 1 ? $"{First} is missing" : $"{First} to {Last} are missing, {Count} parts") + (GivenUp == 0 ? "" : Count == 1 ? ": it was given up" : $": {GivenUp} of them were given up");
}

/// <summary>What a server says of the handing over of its log.</summary>
/// <param name="Archived">How many files it has handed over.</param>
/// <param name="LastArchived">The last one.</param>
/// <param name="LastArchivedAt">When that was.</param>
/// <param name="Failed">How many attempts have failed.</param>
/// <param name="LastFailed">The last one that failed.</param>
/// <param name="LastFailedAt">When that was.</param>
/// <param name="Waiting">How many files wait to be handed over.</param>
/// <param name="WaitingSince">Since when the first of them does.</param>
public sealed record ArchiverState(long Archived, string? LastArchived, DateTimeOffset? LastArchivedAt, long Failed, string? LastFailed, DateTimeOffset? LastFailedAt, long Waiting, DateTimeOffset? WaitingSince)
{
    /// <summary>Whether the last attempt failed.</summary>
    public bool IsFailing => LastFailedAt is { } failed && !(LastArchivedAt > failed);
}

/// <summary>A time to each moment of which a branch can be brought back.</summary>
/// <param name="Snapshot">The snapshot that it begins with.</param>
/// <param name="From">The position at which it begins.</param>
/// <param name="FromTime">When that was.</param>
/// <param name="To">The position at which it ends.</param>
/// <param name="ToTime">The last transaction before that; null if it is not known.</param>
/// <param name="ToPresent">Whether it goes on to the present.</param>
/// <param name="Missing">The part of the log for want of which it ends; null if none is.</param>
public sealed record ReachablePeriod(string Snapshot, string From, DateTimeOffset FromTime, string To, DateTimeOffset? ToTime, bool ToPresent, string? Missing);

/// <summary>What a snapshot needs.</summary>
/// <param name="Snapshot">The snapshot.</param>
/// <param name="FirstPart">The part of the log from which on it needs all.</param>
public sealed record SnapshotNeed(string Snapshot, string FirstPart);

/// <summary>What was read of an archive, and what is wrong.</summary>
/// <param name="Branch">The branch.</param>
/// <param name="Files">How many files.</param>
/// <param name="Problems">What is damaged, does not belong there, or is missing; empty if nothing is.</param>
public sealed record WriteAheadLogVerified(BranchName Branch, int Files, IReadOnlyList<string> Problems);

/// <summary>What to remove of an archive.</summary>
public sealed record WriteAheadLogCleanup
{
    /// <summary>The branch.</summary>
    public required BranchName Branch { get; init; }

    /// <summary>What is younger stays.</summary>
    public required TimeSpan OlderThan { get; init; }

    /// <summary>Whether only to tell.</summary>
    public bool DryRun { get; init; }

    /// <summary>Whether also what snapshots need may go.</summary>
    public bool Force { get; init; }
}

/// <summary>What was removed of an archive.</summary>
/// <param name="Branch">The branch.</param>
/// <param name="DryRun">Whether it only would be.</param>
/// <param name="Removed">The files.</param>
/// <param name="Bytes">What they took.</param>
/// <param name="HeldBack">How many parts are old enough, and stay because snapshots need them.</param>
/// <param name="NeededBy">Those snapshots.</param>
/// <param name="Lost">What can no longer be reached: from each snapshot the time that it no longer leads to.</param>
public sealed record WriteAheadLogCleaned(
    BranchName Branch, bool DryRun, IReadOnlyList<string> Removed, long Bytes, int HeldBack, IReadOnlyList<SnapshotNeed> NeededBy, IReadOnlyList<ReachablePeriod> Lost);
