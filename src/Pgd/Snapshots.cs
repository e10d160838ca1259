using Pgd.Linux;
using Pgd.Postgres;
using Pgd.Processes;
using Pgd.State;
using Pgd.Storage;

namespace Pgd;

/// <summary>Snapshots: read-only points of branches, which cost what the branch has changed since.</summary>
public sealed class Snapshots
{
    private const int ShortestBeginning = 4;
    private readonly Workspace _workspace;

    internal Snapshots(Workspace workspace) => _workspace = workspace;

    /// <summary>Takes a snapshot of a branch, running or stopped, adopted or not. Its server goes on.</summary>
    /// <exception cref="PgdException">
    /// There is no such branch (<see cref="ExitCode.NotFound"/>), it has a snapshot of that label (<see cref="ExitCode.Exists"/>), there is no room
    /// (<see cref="ExitCode.NoRoom"/>), or it is unsafe to copy (<see cref="ExitCode.Unsafe"/>). Nothing is left of it then.
    /// </exception>
    public Task<Snapshot> CreateAsync(SnapshotCreate request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (request.Label is not null)
            SnapshotName.CheckLabel(request.Label);
        return _workspace.Audit.RecordAsync("snapshot create", request.Label is null ? request.Branch.ToString() : $"{request.Branch}@{request.Label}", null,
            () => DiskFull.TellAsync(_workspace.Root, () => TakeAsync(request, cancellationToken)));
    }

    /// <summary>The snapshots of a branch, of a project, or of all projects, in the order in which they were taken.</summary>
    /// <exception cref="PgdException">There is no such project or branch (<see cref="ExitCode.NotFound"/>).</exception>
    public Task<IReadOnlyList<Snapshot>> ListAsync(string? project, BranchName? branch, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (branch is not null)
            _workspace.State.RequireBranch(branch);
        IEnumerable<string> projects = branch is not null ? [branch.Project] : project is not null ? [_workspace.State.RequireProject(project).Name] : _workspace.State.ProjectNames();
        return Task.FromResult<IReadOnlyList<Snapshot>>([.. projects.SelectMany(p => UsersIn(p) is var users ? _workspace.State.Snapshots(p, branch?.Branch).Select(s => View(s, users)) : [])]);
    }

    /// <summary>One snapshot.</summary>
    /// <exception cref="PgdException">There is none of that name (<see cref="ExitCode.NotFound"/>), or several (<see cref="ExitCode.Misuse"/>).</exception>
    public Task<Snapshot> GetAsync(SnapshotName name, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return Task.FromResult(View(Find(name)));
    }

    /// <summary>Deletes a snapshot. Returns false if there was none and <paramref name="ifExists"/> says that this is fine.</summary>
    /// <exception cref="PgdException">There is none (<see cref="ExitCode.NotFound"/>), it is protected, or a branch's data was made from it (<see cref="ExitCode.Unsafe"/>).</exception>
    public Task<bool> DeleteAsync(SnapshotName name, bool ifExists, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(name);
        return _workspace.Audit.RecordAsync("snapshot delete", name.ToString(), null, async () =>
        {
            if (ifExists && (_workspace.State.FindProject(name.Branch.Project) is null || _workspace.State.FindBranch(name.Branch) is null || Matching(name).Count == 0))
                return false;
            return await RemoveAsync(Find(name), cancellationToken).ConfigureAwait(false) || (ifExists ? false : throw Missing(name));
        });
    }

    /// <summary>Deletes the snapshots that the rules keep no longer. What is protected, half made, or in use stays, and also the one that a point-in-time recovery has to begin with.</summary>
    /// <exception cref="PgdException">There is no such project or branch (<see cref="ExitCode.NotFound"/>). What cannot be deleted is told by the result.</exception>
    public Task<SnapshotsCleanedUp> CleanUpAsync(SnapshotCleanup request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        return new SnapshotUpkeep(_workspace, TimeProvider.System).CleanUpAsync(request, cancellationToken);
    }

    /// <summary>
    /// What the timer runs: takes a scheduled snapshot of each of these branches, and deletes earlier scheduled ones that the configured rules keep no longer.
    /// </summary>
    /// <param name="branches">The branches; none for those of the configuration, or else the first of each project.</param>
    /// <param name="cancellationToken">Ends it between two snapshots, or undoes the one that is being taken.</param>
    /// <exception cref="PgdException">There is no such branch (<see cref="ExitCode.NotFound"/>). What fails later is told by the result.</exception>
    public Task<SnapshotsScheduled> RunScheduleAsync(IReadOnlyList<BranchName> branches, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(branches);
        return new SnapshotUpkeep(_workspace, TimeProvider.System).RunAsync(branches, cancellationToken);
    }

    /// <summary>Deletes that very snapshot, whatever else its label or its identity may mean. False if it is gone.</summary>
    internal Task<bool> DeleteAsync(SnapshotRecord snapshot, CancellationToken cancellationToken) =>
        _workspace.Audit.RecordAsync("snapshot delete", snapshot.FullName, null, () => RemoveAsync(snapshot, cancellationToken));

    private async Task<bool> RemoveAsync(SnapshotRecord found, CancellationToken cancellationToken)
    {
        using var held = await LockAsync(found, cancellationToken).ConfigureAwait(false);
        if (_workspace.State.FindSnapshot(found.BranchName, found.Id) is not { } snapshot)
            return false;
        if (UsersIn(snapshot.Project)[snapshot.Key].ToList() is { Count: > 0 } users)
        {
            throw new PgdException(ExitCode.Unsafe, $"the data of {string.Join(", ", users)} was made from {snapshot.FullName}",
                $"It goes once they are deleted, or reset to something else: dotnet pgd branch reset {users[0]}");
        }

        Protection.Refuse(snapshot, "deleted");
        Destroy(_workspace.State.RequireProject(snapshot.Project), snapshot);
        return true;
    }

    /// <summary>Keeps a snapshot from being deleted, by whoever and for whatever reason. An earlier protection is replaced.</summary>
    /// <param name="name">The snapshot.</param>
    /// <param name="time">How long, from now; zero for as long as nobody lifts it.</param>
    /// <param name="reason">What others are told when they are refused.</param>
    /// <param name="cancellationToken">Ends the wait for the snapshot's lock.</param>
    /// <exception cref="PgdException">There is none of that name (<see cref="ExitCode.NotFound"/>).</exception>
    public Task<Snapshot> ProtectAsync(SnapshotName name, TimeSpan time, string? reason, CancellationToken cancellationToken) =>
        ChangeAsync("snapshot protect", name, snapshot => snapshot with { ProtectedUntil = Branches.Expiry(time) ?? DateTimeOffset.MaxValue, ProtectedFor = reason }, cancellationToken);

    /// <summary>Lifts a protection; without one nothing happens.</summary>
    /// <exception cref="PgdException">There is none of that name (<see cref="ExitCode.NotFound"/>).</exception>
    public Task<Snapshot> UnprotectAsync(SnapshotName name, CancellationToken cancellationToken) =>
        ChangeAsync("snapshot unprotect", name, snapshot => snapshot with { ProtectedUntil = null, ProtectedFor = null }, cancellationToken);

    /// <summary>The whole snapshot of that name.</summary>
    /// <exception cref="PgdException">There is none of that name (<see cref="ExitCode.NotFound"/>), several (<see cref="ExitCode.Misuse"/>), or it is half made (<see cref="ExitCode.Failed"/>).</exception>
    internal SnapshotRecord Require(SnapshotName name) => Find(name) is { Phase: BranchPhase.Ready } ready ? ready
        : throw new PgdException(ExitCode.Failed, $"{name} is half made, or half deleted", "If no other operation is at it, clean up: dotnet pgd doctor --fix");

    /// <summary>A snapshot's volume, with its files reachable.</summary>
    /// <exception cref="PgdException">It is missing (<see cref="ExitCode.Failed"/>).</exception>
    internal static Volume Attach(IStorage storage, SnapshotRecord snapshot)
    {
        var volume = storage.Find(snapshot.VolumeKey)
            ?? throw new PgdException(ExitCode.Failed, $"the data of {snapshot.FullName} is missing from the storage {storage.Name}", "See what is there: dotnet pgd doctor");
        storage.Attach(volume);
        return volume;
    }

    /// <summary>The full name of the snapshot that a branch's data was made from; null if it was from none.</summary>
    internal string? NameOf(BranchRecord branch) => branch.Snapshot is null ? null : _workspace.State.FindSnapshot(branch.Project, branch.Snapshot)?.FullName ?? $"{branch.Project}/{branch.Snapshot}";

    /// <summary>Removes everything of a snapshot. The caller holds its lock.</summary>
    internal void Destroy(ProjectRecord project, SnapshotRecord snapshot)
    {
        try
        {
            if (snapshot.Phase != BranchPhase.Deleting)
                _workspace.State.Write(snapshot with { Phase = BranchPhase.Deleting });
        }
        catch (PgdException e) when (e.ExitCode == ExitCode.NoRoom)
        {
            // To delete is the way out of that.
        }

        Fault.Here("snapshot-delete:record");
        _workspace.Storages.Named(project.Storage).Delete(snapshot.VolumeKey);
        Fault.Here("snapshot-delete:data");
        _workspace.State.Delete(snapshot);
    }

    /// <summary>
    /// Removes the snapshots of a project that go with the last of their users, where there is none any more and nobody is about to make one. What cannot be removed now is told, and goes with the next
    /// attempt.
    /// </summary>
    internal void RemoveUnused(string project)
    {
        try
        {
            if (Unused(project).Count == 0)
                return;
            // Whoever renames or promotes has the project; until he has changed all records, some of them name snapshots as they were.
            using var held = _workspace.Locks.TryAcquire(LockRequest.Project(project, exclusive: false));
            if (held is null || _workspace.State.FindProject(project) is not { } record)
                return;
            foreach (var snapshot in Unused(project))
                RemoveUnused(record, snapshot);
        }
        catch (Exception e) when (e is PgdException or IOException or UnauthorizedAccessException)
        {
            _workspace.Reporter.Warn($"whether {project} has snapshots that nobody needs could not be told: {e.Message}");
        }
    }

    private void RemoveUnused(ProjectRecord project, SnapshotRecord snapshot)
    {
        try
        {
            // Whoever has it makes something from it, or removes it.
            using var held = _workspace.Locks.TryAcquire(LockRequest.Snapshot(snapshot.BranchName, snapshot.Id, exclusive: true));
            if (held is null || Unused(project.Name).FirstOrDefault(s => s.Key == snapshot.Key) is not { } still)
                return;
            // Moments in the past may be reached from it alone: so it goes by the rules for such.
            if (project.PointInTime is not null && still.BranchName.IsMain)
                _workspace.State.Write(still with { IsUntilUnused = false, IsScheduled = true });
            else
                Destroy(project, still);
        }
        catch (Exception e) when (e is PgdException or IOException or UnauthorizedAccessException)
        {
            _workspace.Reporter.Warn($"{snapshot.FullName} is not needed any more, and could not be removed: {e.Message}; dotnet pgd doctor --fix will");
        }
    }

    /// <summary>Those; none while something is being renamed, or was until it was killed.</summary>
    internal IReadOnlyList<SnapshotRecord> Unused(string project)
    {
        var goers = _workspace.State.Snapshots(project).Where(s => s.IsUntilUnused && Protection.Until(s.ProtectedUntil) is null && !_workspace.Leases.IsClaimed(s.Lease)).ToList();
        if (goers.Count == 0 || _workspace.State.FindProject(project) is not { RenamingTo: null, RenamedFrom: null } || _workspace.State.Branches(project).Any(b => b.RenamingTo is not null || b.RenamedFrom is not null))
            return [];
        var users = UsersIn(project);
        return [.. goers.Where(s => !users[s.Key].Any())];
    }

    private async Task<Snapshot> TakeAsync(SnapshotCreate request, CancellationToken cancellationToken)
    {
        Workspace.RequireLinux();
        var name = request.Branch;
        _workspace.State.RequireBranch(name);
        var id = Branches.NewId();
        using var held = await _workspace.Locks.AcquireAsync(cancellationToken, LockRequest.Project(name.Project, exclusive: false),
            LockRequest.Branch(name, exclusive: false), LockRequest.Snapshot(name, id, exclusive: true)).ConfigureAwait(false);
        var (project, branch) = (_workspace.State.RequireProject(name.Project), _workspace.Branches.RequireReady(name));

        var undo = new Undo(_workspace.Reporter);
        await using var _ = undo.ConfigureAwait(false);
        using var cloning = ConsistentClone.Begin(_workspace, project, branch, request.Fast, request.Consistency, cancellationToken);
        var snapshot = new SnapshotRecord
        {
            Id = id,
            Project = name.Project,
            Branch = name.Branch,
            BranchId = branch.Id,
            Generation = branch.Generation,
            Label = request.Label,
            Phase = BranchPhase.Creating,
            CreatedAt = DateTimeOffset.UtcNow,
            IsScheduled = request.Scheduled,
            IsUntilUnused = request.UntilUnused is not null,
            Lease = request.UntilUnused?.Id,
            IsAnonymized = _workspace.Branches.IsAnonymized(branch),
            AnonymizationDigest = branch.AnonymizationDigest,
            Applied = branch.Applied,
        };
        undo.Push($"remove the record of {snapshot.FullName}", () => _workspace.State.Delete(snapshot));
        await ReserveAsync(snapshot, cancellationToken).ConfigureAwait(false);
        Fault.Here("snapshot:record");

        var storage = _workspace.Storages.Named(project.Storage);
        undo.Push($"destroy the data of {snapshot.FullName}", () => storage.Delete(snapshot.VolumeKey));
        _workspace.Reporter.Step($"taking a snapshot of {name} on {project.Storage}");
        var clone = await cloning.MakeAsync(snapshot.VolumeKey, cancellationToken).ConfigureAwait(false);
        var complete = DateTimeOffset.UtcNow;
        Fault.Here("snapshot:cloned");
        var ready = snapshot with
        {
            Phase = BranchPhase.Ready,
            DataAsOf = clone.DataAsOf ?? (branch.IsGolden ? branch.DataAsOf : null),
            CompleteAt = complete,
            Lsn = WriteAheadLog.EndOf(clone.Volume.Data) is { } end ? Lsn.Format(end) : null,
            IsRecovering = clone.Recovering,
            Slots = clone.Slots,
            IsAdopted = clone.Adopted,
        };
        _workspace.State.Write(ready);
        undo.Keep();
        Fault.Here("snapshot:ready");
        return View(ready);
    }

    private async Task ReserveAsync(SnapshotRecord snapshot, CancellationToken cancellationToken)
    {
        using var held = await _workspace.Locks.AcquireAsync(cancellationToken, LockRequest.Labels(snapshot.BranchName)).ConfigureAwait(false);
        if (snapshot.Label is not null && _workspace.State.Snapshots(snapshot.Project, snapshot.Branch).FirstOrDefault(s => s.Label == snapshot.Label) is { } other)
            throw new PgdException(ExitCode.Exists, $"there is a snapshot {other.FullName} already", $"Choose another label, or delete it first: dotnet pgd snapshot delete {other.FullName}");
        _workspace.State.Write(snapshot);
    }

    private SnapshotRecord Find(SnapshotName name)
    {
        ArgumentNullException.ThrowIfNull(name);
        _workspace.State.RequireBranch(name.Branch);
        return Matching(name) switch
        {
            [] => throw Missing(name),
            [var only] => only,
            var several => throw new PgdException(ExitCode.Misuse, $"{name} may be {string.Join(" or ", several.Select(s => s.Id))}", "Write more of the identity."),
        };
    }

    // A label is what somebody chose: it wins over an identity that begins with the same letters.
    private List<SnapshotRecord> Matching(SnapshotName name)
    {
        var all = _workspace.State.Snapshots(name.Branch.Project, name.Branch.Branch);
        return all.FirstOrDefault(s => s.Label == name.Reference) is { } labelled ? [labelled]
            : name.Reference.Length < ShortestBeginning ? [] : [.. all.Where(s => s.Id.StartsWith(name.Reference, StringComparison.Ordinal))];
    }

    private PgdException Missing(SnapshotName name) => new(ExitCode.NotFound, $"there is no snapshot {name}",
        _workspace.State.Snapshots(name.Branch.Project, name.Branch.Branch) is { Count: > 0 } others
            ? $"There {(others.Count == 1 ? "is" : "are")} {string.Join(", ", others.TakeLast(20).Select(s => s.FullName))}"
            : $"Take one: dotnet pgd snapshot create {name.Branch} --label {name.Reference}");

    private Task<Snapshot> ChangeAsync(string operation, SnapshotName name, Func<SnapshotRecord, SnapshotRecord> change, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(name);
        return _workspace.Audit.RecordAsync(operation, name.ToString(), null, async () =>
        {
            var found = Find(name);
            using var held = await LockAsync(found, cancellationToken).ConfigureAwait(false);
            var changed = change(_workspace.State.FindSnapshot(found.BranchName, found.Id) ?? throw Missing(name));
            _workspace.State.Write(changed);
            return View(changed);
        });
    }

    private Task<HeldLocks> LockAsync(SnapshotRecord snapshot, CancellationToken cancellationToken) => _workspace.Locks.AcquireAsync(cancellationToken,
        LockRequest.Project(snapshot.Project, exclusive: false), LockRequest.Snapshot(snapshot.BranchName, snapshot.Id, exclusive: true));

    /// <summary>Who uses which snapshot of a project, by the key of its record.</summary>
    internal ILookup<string, BranchName> UsersIn(string project) => _workspace.State.Branches(project).Where(b => b.Snapshot is not null).ToLookup(b => b.Snapshot!, b => b.FullName, StringComparer.Ordinal);

    private Snapshot View(SnapshotRecord snapshot, ILookup<string, BranchName>? users = null) => new()
    {
        Name = snapshot.FullName,
        Branch = snapshot.BranchName,
        Id = snapshot.Id,
        Label = snapshot.Label,
        Status = snapshot.Phase switch { BranchPhase.Creating => SnapshotStatus.Creating, BranchPhase.Deleting => SnapshotStatus.Deleting, _ => SnapshotStatus.Ready },
        CreatedAt = snapshot.CreatedAt,
        DataAsOf = snapshot.DataAsOf,
        Lsn = snapshot.Lsn,
        Generation = snapshot.Generation,
        Scheduled = snapshot.IsScheduled,
        Anonymized = snapshot.IsAnonymized,
        ProtectedUntil = Protection.Until(snapshot.ProtectedUntil),
        ProtectedFor = Protection.Until(snapshot.ProtectedUntil) is null ? null : snapshot.ProtectedFor,
        UsedBy = [.. (users ?? UsersIn(snapshot.Project))[snapshot.Key]],
        Directory = _workspace.Storages.Folders.Folder(snapshot.VolumeKey),
    };
}
