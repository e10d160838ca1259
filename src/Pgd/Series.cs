using Pgd.Linux;
using Pgd.Processes;
using Pgd.State;

namespace Pgd;

/// <summary>Several branches of the same data, made together: all of them or none, also if that is killed.</summary>
internal sealed class Series(Workspace workspace)
{
    // Each needs a server and a port; more than that is a slip of the keyboard.
    private const int Longest = 1000, MostAtOnce = 8;

    public async Task<IReadOnlyList<BranchCreated>> MakeAsync(BranchCreate request, int count, CancellationToken cancellationToken)
    {
        if (count is < 1 or > Longest)
            throw new PgdException(ExitCode.Misuse, $"{count} branches cannot be made at once", $"Choose a number from 1 to {Longest}.");
        if (request.Target is not null)
            throw new PgdException(ExitCode.Misuse, "several branches are made from a snapshot, and not from a moment in the past", $"Make one of that moment, and the others from it: dotnet pgd branch create {request.Name.Project}/NAME --from BRANCH --count {count}");
        if (request.Golden)
            throw new PgdException(ExitCode.Misuse, "one golden branch is enough: each serves any number of others", $"Make that, and these from it: dotnet pgd branch create {request.Name} --from GOLDEN --count {count}");
        List<BranchName> names = [.. Enumerable.Range(1, count).Select(number => BranchName.Of(request.Name.Project, $"{request.Name.Branch}-{number}"))];
        // Whoever makes the same one has begun before us: his are all there then, or none.
        using var one = await workspace.Locks.AcquireAsync(cancellationToken, LockRequest.Preparing(request.Name.Project, $"series {request.Name.Branch}")).ConfigureAwait(false);
        // What a killed one left, of this series or another.
        await workspace.Leases.SweepAsync(cancellationToken).ConfigureAwait(false);
        workspace.State.RequireProject(request.Name.Project);
        var there = names.Where(name => workspace.State.FindBranch(name) is not null).ToList();
        if (there.Count == count && request.Ensure)
            return await EachAsync(names, name => workspace.Branches.CreateAsync(request with { Name = name }, cancellationToken), cancellationToken).ConfigureAwait(false);
        if (there.Count > 0)
        {
            throw new PgdException(ExitCode.Exists, $"{string.Join(", ", there.Take(5))}{(there.Count > 5 ? ", …" : "")} {(there.Count == 1 ? "exists" : "exist")} already, and the data of a series is of one moment",
                there.Count == count ? "Use them as they are, with --ensure; or delete them first." : "Delete them first, or choose another name.");
        }

        var undo = new Undo(workspace.Reporter);
        await using var _ = undo.ConfigureAwait(false);
        using var lease = workspace.Leases.Take();
        undo.Push($"delete what there is of {names[0]} to {names[^1]}", () => workspace.Leases.EndAsync(lease));
        var parent = BranchName.Of(request.Name.Project, request.From ?? BranchName.Main);
        var snapshot = request.Snapshot ?? await SnapshotAsync().ConfigureAwait(false);
        Fault.Here("series:snapshot");
        // An existing one that appears meanwhile is somebody else's.
        var made = await EachAsync(names, name => workspace.Branches.CreateAsync(request with { Name = name, Snapshot = snapshot, Ensure = false, Lease = lease }, cancellationToken), cancellationToken).ConfigureAwait(false);
        Fault.Here("series:made");
        lease.Keep();
        undo.Keep();
        Fault.Here("series:kept");
        return made;

        async Task<string> SnapshotAsync()
        {
            var taken = await workspace.Snapshots.CreateAsync(new() { Branch = parent, Fast = request.Fast, Consistency = request.Consistency, UntilUnused = lease }, cancellationToken).ConfigureAwait(false);
            return taken.Id;
        }
    }

    private static async Task<IReadOnlyList<BranchCreated>> EachAsync(List<BranchName> names, Func<BranchName, Task<BranchCreated>> make, CancellationToken cancellationToken)
    {
        var made = new BranchCreated[names.Count];
        await Parallel.ForEachAsync(Enumerable.Range(0, names.Count), new ParallelOptions { MaxDegreeOfParallelism = Math.Min(Environment.ProcessorCount, MostAtOnce), CancellationToken = cancellationToken },
            async (index, _) => made[index] = await make(names[index]).ConfigureAwait(false)).ConfigureAwait(false);
        return made;
    }
}
