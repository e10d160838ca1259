using System.Globalization;
using Pgd.Postgres;
using Pgd.State;

namespace Pgd;

/// <summary>How long branches live: their expiry, what protects them from it, and the removal of those whose time is up.</summary>
public sealed class Lifetimes
{
    /// <summary>How many branches one collection deletes unless told otherwise: a wrong clock shall not take them all.</summary>
    public const int DefaultLimit = 20;

    // A sweep tells the pull request first, and has this long to do so.
    private static readonly TimeSpan GraceForPreviews = TimeSpan.FromDays(1);

    private readonly Workspace _workspace;

    internal Lifetimes(Workspace workspace) => _workspace = workspace;

    /// <summary>Gives a branch more time, from now. What it has already is never made shorter.</summary>
    /// <param name="name">The branch.</param>
    /// <param name="timeToLive">How long; zero for ever.</param>
    /// <param name="cancellationToken">Ends the wait for the branch's lock.</param>
    /// <exception cref="PgdException">There is none of that name (<see cref="ExitCode.NotFound"/>).</exception>
    public Task<Branch> ExtendAsync(BranchName name, TimeSpan timeToLive, CancellationToken cancellationToken) => ChangeAsync("branch extend", name, branch =>
        branch.ExpiresAt is { } now && Branches.Expiry(timeToLive) is var later && (later is null || later > now) ? branch with { ExpiresAt = later } : branch, cancellationToken);

    /// <summary>Keeps a branch from being deleted and its data from being replaced, by whoever and for whatever reason. An earlier protection is replaced.</summary>
    /// <param name="name">The branch.</param>
    /// <param name="time">How long, from now; zero for as long as nobody lifts it.</param>
    /// <param name="reason">What others are told when they are refused.</param>
    /// <param name="cancellationToken">Ends the wait for the branch's lock.</param>
    /// <exception cref="PgdException">There is none of that name (<see cref="ExitCode.NotFound"/>).</exception>
    public Task<Branch> ProtectAsync(BranchName name, TimeSpan time, string? reason, CancellationToken cancellationToken) =>
        ChangeAsync("branch protect", name, branch => branch with { ProtectedUntil = Branches.Expiry(time) ?? DateTimeOffset.MaxValue, ProtectedFor = reason }, cancellationToken);

    /// <summary>Lifts a protection; without one nothing happens.</summary>
    /// <exception cref="PgdException">There is none of that name (<see cref="ExitCode.NotFound"/>).</exception>
    public Task<Branch> UnprotectAsync(BranchName name, CancellationToken cancellationToken) =>
        ChangeAsync("branch unprotect", name, branch => branch with { ProtectedUntil = null, ProtectedFor = null }, cancellationToken);

    /// <summary>
    /// Deletes branches whose time is up, those first that have waited longest. What is protected, or has branches that were made from it, stays. A
    /// preview gets a day more: its repository's sweep tells the pull request. Then stops those that nobody has connected to for a time; they start again by
    /// <c>start</c>, or when they are asked for.
    /// </summary>
    /// <param name="dryRun">Only tells what would be deleted and stopped.</param>
    /// <param name="limit">How many at most are deleted.</param>
    /// <param name="stopIdle">After how long without a session a branch is stopped; null for never. It counts from the first collection that sees it.</param>
    /// <param name="cancellationToken">Ends it between two branches.</param>
    public async Task<Collected> CollectAsync(bool dryRun, int limit, TimeSpan? stopIdle, CancellationToken cancellationToken)
    {
        var now = DateTimeOffset.UtcNow;
        var (deleted, left) = (new List<BranchName>(), new List<LeftBranch>());
        if (dryRun)
        {
            deleted.AddRange(_workspace.Leases.Left().Select(b => b.FullName));
        }
        else
        {
            var (swept, stuck) = await _workspace.Leases.SweepAsync(cancellationToken).ConfigureAwait(false);
            deleted.AddRange(swept);
            left.AddRange(stuck);
        }

        // What was made from a branch goes before it.
        var expired = _workspace.State.AllBranches().Where(b => b.Parent is not null && b.ExpiresAt <= now && !_workspace.Leases.IsClaimed(b.Lease) && !deleted.Contains(b.FullName)).OrderByDescending(Depth).ThenBy(b => b.ExpiresAt).ToList();
        foreach (var branch in expired)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (Protection.Until(branch) is not null)
                left.Add(new(branch.FullName, $"it is protected{Protection.Words(branch)}"));
            else if (branch.PullRequest is { } key && branch.ExpiresAt + GraceForPreviews > now)
                left.Add(new(branch.FullName, string.Create(CultureInfo.InvariantCulture, $"the sweep of {key.Repository} has until {branch.ExpiresAt + GraceForPreviews:yyyy-MM-dd HH:mm} UTC to tell pull request {key.Number}")));
            else if (deleted.Count >= limit)
                left.Add(new(branch.FullName, $"the limit of {limit} is reached; the next collection takes it"));
            else if (Children(branch).Except(dryRun ? deleted : []).ToList() is { Count: > 0 } children)
                left.Add(new(branch.FullName, $"{string.Join(", ", children)} {(children.Count == 1 ? "was" : "were")} made from it"));
            else if (dryRun || await DeleteAsync(branch.FullName, left, cancellationToken).ConfigureAwait(false))
                deleted.Add(branch.FullName);
        }

        return new(deleted, left, stopIdle is { Ticks: > 0 } idle ? await StopIdleAsync(dryRun, idle, left, cancellationToken).ConfigureAwait(false) : []);
    }

    private async Task<IReadOnlyList<BranchName>> StopIdleAsync(bool dryRun, TimeSpan longest, List<LeftBranch> left, CancellationToken cancellationToken)
    {
        var stopped = new List<BranchName>();
        // Whoever protects a branch needs it, and main is others' source.
        foreach (var name in _workspace.State.AllBranches().Where(b => b is { Parent: not null, ShouldRun: true, Phase: BranchPhase.Ready } && Protection.Until(b) is null && !_workspace.Leases.IsClaimed(b.Lease)).Select(b => b.FullName).ToList())
        {
            cancellationToken.ThrowIfCancellationRequested();
            try
            {
                using var held = await _workspace.Branches.LockAsync(name, cancellationToken).ConfigureAwait(false);
                var (project, branch) = (_workspace.State.RequireProject(name.Project), _workspace.Branches.RequireReady(name));
                var server = new BranchServer(_workspace, project, branch, branch.Generation);
                if (project.PostgresMajor < Activity.OldestCounting || !branch.ShouldRun || !server.IsRunning())
                    continue;
                var activity = Activity.Of(server, cancellationToken);
                var since = activity.Connected > 0 ? null : branch.Idle is { } known && known.Sessions == activity.Sessions ? known : new Idleness(DateTimeOffset.UtcNow, activity.Sessions);
                var longEnough = since?.Since <= DateTimeOffset.UtcNow - longest;
                if (longEnough)
                    stopped.Add(name);
                if (dryRun)
                    continue;
                if (longEnough)
                    await _workspace.Audit.RecordAsync("branch stop", name.ToString(), null, async () =>
                    {
                        _workspace.State.Write(branch with { ShouldRun = false, Idle = since });
                        await server.StopAsync(Runtime.StopMode.Fast, cancellationToken).ConfigureAwait(false);
                        return true;
                    }).ConfigureAwait(false);
                else if (since != branch.Idle)
                    _workspace.State.Write(branch with { Idle = since });
            }
            catch (PgdException e) when (e.ExitCode == ExitCode.NotFound)
            {
                // Deleted meanwhile.
            }
            catch (Exception e) when (e is PgdException or Npgsql.NpgsqlException)
            {
                left.Add(new(name, $"whether it is used could not be asked: {e.Message}"));
            }
        }

        return stopped;
    }

    internal int Depth(BranchRecord branch)
    {
        var depth = 0;
        for (var current = branch; current?.ParentName is { } parent && depth < 1000; current = _workspace.State.FindBranch(parent))
            depth++;
        return depth;
    }

    private IEnumerable<BranchName> Children(BranchRecord branch) => _workspace.State.Branches(branch.Project).Where(b => b.Parent == branch.Name).Select(b => b.FullName);

    private async Task<bool> DeleteAsync(BranchName name, List<LeftBranch> left, CancellationToken cancellationToken)
    {
        try
        {
            return await _workspace.Branches.DeleteAsync(name, ifExists: true, withSnapshots: true, branch => branch.ExpiresAt <= DateTimeOffset.UtcNow, cancellationToken).ConfigureAwait(false);
        }
        catch (PgdException e)
        {
            // Somebody at work on one branch does not keep the others.
            left.Add(new(name, e.Message));
            return false;
        }
    }

    private Task<Branch> ChangeAsync(string operation, BranchName name, Func<BranchRecord, BranchRecord> change, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(name);
        return _workspace.Audit.RecordAsync(operation, name.ToString(), null, async () =>
        {
            using var held = await _workspace.Branches.LockAsync(name, cancellationToken).ConfigureAwait(false);
            var changed = change(_workspace.Branches.RequireReady(name));
            _workspace.State.Write(changed);
            return _workspace.Branches.View(_workspace.State.RequireProject(name.Project), changed);
        });
    }
}

/// <summary>What a collection did, or would do.</summary>
/// <param name="Deleted">The branches that are gone.</param>
/// <param name="Left">Those whose time is up and that are still there, and those that could not be asked.</param>
/// <param name="Stopped">The branches that nobody had used, and that are stopped.</param>
public sealed record Collected(IReadOnlyList<BranchName> Deleted, IReadOnlyList<LeftBranch> Left, IReadOnlyList<BranchName> Stopped);

/// <summary>A branch that stayed although its time is up.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Reason">Why.</param>
public sealed record LeftBranch(BranchName Name, string Reason);
