using Pgd.State;

namespace Pgd;

/// <summary>Takes the snapshots that are due, and removes those that no rule keeps.</summary>
internal sealed class SnapshotUpkeep(Workspace workspace, TimeProvider clock)
{
    // A week, as most keep it: what went wrong on a Friday is looked for on a Monday.
    private static readonly TimeSpan DefaultWindow = TimeSpan.FromDays(7);

    private readonly List<string> _deleted = [];
    private readonly List<SnapshotReason> _kept = [], _left = [];

    public async Task<SnapshotsCleanedUp> CleanUpAsync(SnapshotCleanup request, CancellationToken cancellationToken)
    {
        Workspace.RequireLinux();
        if (request.Branch is { } branch)
            workspace.State.RequireBranch(branch);
        else if (request.Project is { } named)
            workspace.State.RequireProject(named);
        foreach (var project in request.Branch?.Project is { } one ? [one] : request.Project is { } only ? [only] : workspace.State.ProjectNames())
        {
            try
            {
                await CleanUpAsync(project, request.Branch?.Branch, request, cancellationToken).ConfigureAwait(false);
            }
            catch (PgdException e) when (request is { Project: null, Branch: null })
            {
                // One project whose records cannot be read does not keep the others.
                _left.Add(new(project, e.Message));
            }
        }

        return new(request.DryRun, _deleted, _kept, _left);
    }

    public async Task<SnapshotsScheduled> RunAsync(IReadOnlyList<BranchName> named, CancellationToken cancellationToken)
    {
        Workspace.RequireLinux();
        foreach (var name in named)
            workspace.State.RequireBranch(name);
        var rules = new SnapshotCleanup { Keep = workspace.Configuration.KeepSnapshots ?? Retention.Default, ScheduledOnly = true };
        var (taken, problems) = (new List<Snapshot>(), new List<SnapshotReason>());
        foreach (var name in named.Count > 0 ? named : workspace.Configuration.SnapshotBranches is { Count: > 0 } configured ? configured : workspace.State.ProjectNames().Select(p => BranchName.Of(p, BranchName.Main)))
        {
            // One branch that cannot be copied does not keep the others. Old snapshots go also where none could be taken: it may be room that is missing, and rules that count never run out.
            await TryAsync(name, problems, () => EnsureArchivingAsync(name, cancellationToken), cancellationToken).ConfigureAwait(false);
            await TryAsync(name, problems, async () => taken.Add(await workspace.Snapshots.CreateAsync(new() { Branch = name, Scheduled = true }, cancellationToken).ConfigureAwait(false)), cancellationToken).ConfigureAwait(false);
            await TryAsync(name, problems, () => CleanUpAsync(name.Project, name.Branch, rules, cancellationToken), cancellationToken).ConfigureAwait(false);
            if (name.IsMain)
                await TryAsync(name, problems, () => workspace.Wal.TrimAsync(name.Project, cancellationToken), cancellationToken).ConfigureAwait(false);
        }

        return new(taken, problems, new(DryRun: false, _deleted, _kept, _left));
    }

    private static async Task TryAsync(BranchName name, List<SnapshotReason> problems, Func<Task> work, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        try
        {
            await work().ConfigureAwait(false);
        }
        catch (Exception e) when (e is PgdException or IOException or UnauthorizedAccessException or Npgsql.NpgsqlException)
        {
            problems.Add(new(name.ToString(), e.Message));
        }
    }

    /// <summary>
    /// The first scheduled snapshot of a project's first branch has its write-ahead log kept from then on, so that what lies between two of them can be reached. Not for
    /// clusters that were adopted, which are only read, nor where it was said that no log is to be kept.
    /// </summary>
    private async Task EnsureArchivingAsync(BranchName name, CancellationToken cancellationToken)
    {
        if (!name.IsMain || workspace.State.RequireProject(name.Project) is { IsPointInTimeOff: true } or { IsFollower: true } or { PointInTime: not null, IsSwitchingArchive: false } || workspace.Branches.RequireReady(name).IsAdopted)
            return;
        await workspace.Projects.EnsureArchivingAsync(name.Project, DefaultWindow, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>How far back each moment of a branch is to be reachable; null where nobody said so.</summary>
    private TimeSpan? WindowOf(BranchName name) => name.IsMain ? workspace.State.FindProject(name.Project)?.PointInTime : null;

    private async Task CleanUpAsync(string project, string? branch, SnapshotCleanup request, CancellationToken cancellationToken)
    {
        var users = workspace.Snapshots.UsersIn(project);
        foreach (var ofBranch in workspace.State.Snapshots(project, branch).Where(s => s.IsScheduled || !request.ScheduledOnly).GroupBy(s => s.BranchName))
        {
            var record = workspace.State.FindBranch(ofBranch.Key);
            var snapshots = ofBranch.ToDictionary(s => s.Id, StringComparer.Ordinal);
            // The oldest first: whoever stops this midway has lost what matters least.
            foreach (var verdict in request.Keep.Decide(ofBranch.Select(s => Candidate(s, record, [.. users[s.Key]])), clock.GetUtcNow(), WindowOf(ofBranch.Key)).Reverse())
            {
                cancellationToken.ThrowIfCancellationRequested();
                var snapshot = snapshots[verdict.Snapshot.Id];
                if (verdict.Stays is { } reason)
                    _kept.Add(new(snapshot.FullName, reason));
                else if (request.DryRun)
                    _deleted.Add(snapshot.FullName);
                else
                    await DeleteAsync(snapshot, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private static RetentionCandidate Candidate(SnapshotRecord snapshot, BranchRecord? branch, IReadOnlyList<BranchName> users) => new()
    {
        Id = snapshot.Id,
        TakenAt = snapshot.CreatedAt,
        BaseAt = branch is null || !snapshot.IsContinuedBy(branch) ? null : snapshot.CompleteAt ?? snapshot.CreatedAt,
        Held = Protection.Until(snapshot.ProtectedUntil) is not null ? $"it is protected{Protection.Words(snapshot)}"
            : users.Count > 0 ? $"the data of {string.Join(", ", users)} was made from it" : null,
        IsHalfMade = snapshot.Phase != BranchPhase.Ready,
    };

    private async Task DeleteAsync(SnapshotRecord snapshot, CancellationToken cancellationToken)
    {
        try
        {
            if (await workspace.Snapshots.DeleteAsync(snapshot, cancellationToken).ConfigureAwait(false))
                _deleted.Add(snapshot.FullName);
        }
        catch (PgdException e) when (e.ExitCode == ExitCode.Unsafe)
        {
            // Somebody has protected it, or made a branch from it, since it was looked at.
            _kept.Add(new(snapshot.FullName, e.Message));
        }
        catch (Exception e) when (e is PgdException or IOException or UnauthorizedAccessException)
        {
            _left.Add(new(snapshot.FullName, e.Message));
        }
    }
}

/// <summary>Which snapshots to clean up, and by which rules. They are applied to each branch by itself.</summary>
public sealed record SnapshotCleanup
{
    /// <summary>Only those of this project; null for all.</summary>
    public string? Project { get; init; }

    /// <summary>Only those of this branch; null for all.</summary>
    public BranchName? Branch { get; init; }

    /// <summary>What stays.</summary>
    public required Retention Keep { get; init; }

    /// <summary>Only those that the timer took; others neither go nor count.</summary>
    public bool ScheduledOnly { get; init; }

    /// <summary>Only tell what would go.</summary>
    public bool DryRun { get; init; }
}

/// <summary>What a cleanup did, or would do.</summary>
/// <param name="DryRun">Whether nothing was done.</param>
/// <param name="Deleted">The snapshots that are gone, or would go, by their full names.</param>
/// <param name="Kept">Those that stay, and why.</param>
/// <param name="Left">Those that should have gone and could not: locked by another operation, or not to be deleted. A project that could not be read is among them.</param>
public sealed record SnapshotsCleanedUp(bool DryRun, IReadOnlyList<string> Deleted, IReadOnlyList<SnapshotReason> Kept, IReadOnlyList<SnapshotReason> Left);

/// <summary>Something about a snapshot, or about the branch or the project of one.</summary>
/// <param name="Name">The full name.</param>
/// <param name="Reason">Why.</param>
public sealed record SnapshotReason(string Name, string Reason);

/// <summary>What a run of the schedule did.</summary>
/// <param name="Taken">The snapshots that it took.</param>
/// <param name="Problems">The branches of which none could be taken or removed, and why.</param>
/// <param name="CleanedUp">What became of earlier ones that the schedule took.</param>
public sealed record SnapshotsScheduled(IReadOnlyList<Snapshot> Taken, IReadOnlyList<SnapshotReason> Problems, SnapshotsCleanedUp CleanedUp);
