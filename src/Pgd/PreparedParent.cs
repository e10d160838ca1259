using Pgd.Linux;
using Pgd.State;

namespace Pgd;

/// <summary>A branch that is made once for a key, and branched many times.</summary>
internal sealed class PreparedParent(Workspace workspace, BranchPrepare request)
{
    private const string Label = "pgd.prepared";

    public async Task<Branch> EnsureAsync(Func<Branch, CancellationToken, Task> prepare, CancellationToken cancellationToken)
    {
        await workspace.Leases.SweepAsync(cancellationToken).ConfigureAwait(false);
        var project = workspace.State.RequireProject(request.Project);
        using var held = await workspace.Locks.AcquireAsync(cancellationToken, LockRequest.Preparing(request.Project, request.Key)).ConfigureAwait(false);
        foreach (var known in workspace.State.Branches(request.Project).Where(b => b.Phase == BranchPhase.Ready && b.Labels.GetValueOrDefault(Label) == request.Key && !workspace.Leases.IsClaimed(b.Lease)).ToList())
        {
            if (known.CreatedAt > DateTimeOffset.UtcNow - request.Age)
                return workspace.Branches.View(project, known);
            await DeleteAsync(known.FullName, cancellationToken).ConfigureAwait(false);
        }

        // Those of other keys, whose time is up: each build of the tests may have one.
        foreach (var old in workspace.State.Branches(request.Project).Where(b => b.Phase == BranchPhase.Ready && b.Labels.ContainsKey(Label) && b.ExpiresAt < DateTimeOffset.UtcNow && !workspace.Leases.IsClaimed(b.Lease)).ToList())
            await DeleteAsync(old.FullName, cancellationToken).ConfigureAwait(false);

        using var lease = workspace.Leases.Take();
        var name = BranchName.Of(request.Project, $"{request.Name}-{Branches.NewId()[..8]}");
        try
        {
            var made = await workspace.Branches.CreateAsync(new()
            {
                Name = name,
                From = request.From,
                Snapshot = request.Snapshot,
                Anonymization = request.Anonymization,
                Roles = request.Roles,
                TimeToLive = request.Age,
                Labels = new Dictionary<string, string> { [Label] = request.Key },
                Lease = lease,
            }, cancellationToken).ConfigureAwait(false);
            Fault.Here("prepare:made");
            await prepare(made.Branch, cancellationToken).ConfigureAwait(false);
            Fault.Here("prepare:prepared");
            var stopped = await workspace.Branches.StopAsync(name, cancellationToken).ConfigureAwait(false);
            lease.Keep();
            Fault.Here("prepare:kept");
            return stopped;
        }
        catch
        {
            await workspace.Leases.EndAsync(lease).ConfigureAwait(false);
            throw;
        }
    }

    private async Task DeleteAsync(BranchName old, CancellationToken cancellationToken)
    {
        try
        {
            await workspace.Branches.DeleteAsync(old, ifExists: true, withSnapshots: true, cancellationToken).ConfigureAwait(false);
        }
        catch (PgdException e) when (e.ExitCode is ExitCode.Unsafe or ExitCode.Locked)
        {
            // Somebody still works with what was made from it; its own time ends it.
        }
    }
}
