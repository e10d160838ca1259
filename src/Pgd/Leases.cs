using Microsoft.Win32.SafeHandles;
using Pgd.Linux;
using Pgd.State;

namespace Pgd;

/// <summary>
/// Claims of processes on what they make and mean to take away again. A lease is a file that its process holds a lock on, which ends with the process, however it ends; what was made under a lease
/// that nobody holds any more is deleted by the next sweep.
/// </summary>
public sealed class Leases
{
    private const string Prefix = "~lease-";
    private readonly Workspace _workspace;

    internal Leases(Workspace workspace) => _workspace = workspace;

    /// <summary>Takes one for this process.</summary>
    /// <exception cref="PgdException">The root cannot be written to (<see cref="ExitCode.MachineLacks"/>).</exception>
    public Lease Take()
    {
        Workspace.RequireLinux();
        var layout = _workspace.Layout;
        layout.Ensure();
        while (true)
        {
            var id = Branches.NewId();
            var path = PathOf(id);
            SafeFileHandle file;
            try
            {
                file = Libc.CreateNew(path, layout.FileMode);
                layout.GiveToGroup(file);
            }
            catch (Exception e) when (DiskFull.Is(e))
            {
                throw DiskFull.Error(path, e);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new PgdException(ExitCode.MachineLacks, $"the lease {path} cannot be had: {e.Message}", "Run as the user who owns the root, or choose another root with --root or PGD_ROOT.", e);
            }

            // A sweep may have seen the file before it was locked, and have taken it away.
            if (LockFile.TryLock(file, exclusive: true) && LockFile.IsStillAt(file, path))
                return new(id, path, file);
            file.Dispose();
        }
    }

    /// <summary>Deletes what was made under leases that nobody holds any more, and then those. What cannot be deleted keeps its lease, for the next sweep.</summary>
    /// <param name="cancellationToken">Ends it between two branches.</param>
    /// <returns>The branches that are gone, and those that are not.</returns>
    public Task<(IReadOnlyList<BranchName> Deleted, IReadOnlyList<LeftBranch> Left)> SweepAsync(CancellationToken cancellationToken) => SweepAsync(Abandoned(), cancellationToken);

    private async Task<(IReadOnlyList<BranchName> Deleted, IReadOnlyList<LeftBranch> Left)> SweepAsync(IReadOnlyList<string> leases, CancellationToken cancellationToken)
    {
        var (deleted, left) = (new List<BranchName>(), new List<LeftBranch>());
        foreach (var id in leases)
        {
            cancellationToken.ThrowIfCancellationRequested();
            using var file = TryHold(id);
            if (file is null)
                continue;
            var before = left.Count;
            // What was made from a branch goes before it.
            foreach (var branch in _workspace.State.AllBranches().Where(b => b.Lease == id).OrderByDescending(_workspace.Lifetimes.Depth).ToList())
            {
                try
                {
                    if (await _workspace.Branches.DeleteAsync(branch.FullName, ifExists: true, withSnapshots: true, b => b.Lease == id, cancellationToken).ConfigureAwait(false))
                        deleted.Add(branch.FullName);
                }
                catch (Exception e) when (e is PgdException or IOException or UnauthorizedAccessException or Npgsql.NpgsqlException)
                {
                    // One that is stuck does not keep the others.
                    left.Add(new(branch.FullName, e.Message));
                }
            }

            if (left.Count == before)
                File.Delete(PathOf(id));
        }

        foreach (var project in _workspace.State.ProjectNames())
            _workspace.Snapshots.RemoveUnused(project);
        return (deleted, left);
    }

    /// <summary>Ends a lease of this process and deletes what was made under it, and nobody else's. What cannot be deleted is told, and is the next sweep's.</summary>
    /// <param name="lease">The lease.</param>
    public async Task EndAsync(Lease lease)
    {
        ArgumentNullException.ThrowIfNull(lease);
        lease.Dispose();
        var (_, left) = await SweepAsync([lease.Id], CancellationToken.None).ConfigureAwait(false);
        foreach (var branch in left)
            _workspace.Reporter.Warn($"{branch.Name} is still there: {branch.Reason}; dotnet pgd doctor --fix will remove it");
    }

    /// <summary>The branches that a sweep would delete.</summary>
    internal IReadOnlyList<BranchRecord> Left()
    {
        var abandoned = Abandoned().ToHashSet(StringComparer.Ordinal);
        return abandoned.Count == 0 ? [] : [.. _workspace.State.AllBranches().Where(b => b.Lease is not null && abandoned.Contains(b.Lease))];
    }

    /// <summary>Whether something that was made under it is still claimed: by its process, or by the sweep that is to come.</summary>
    internal bool IsClaimed(string? id) => id is not null && File.Exists(PathOf(id));

    private List<string> Abandoned() => !Directory.Exists(_workspace.Layout.State) ? []
        : [.. Directory.EnumerateFiles(_workspace.Layout.State, Prefix + "*").Select(f => Path.GetFileName(f)[Prefix.Length..]).Where(id =>
        {
            using var file = TryHold(id);
            return file is not null;
        })];

    private SafeFileHandle? TryHold(string id)
    {
        var path = PathOf(id);
        try
        {
            var file = Libc.OpenForReading(path);
            if (LockFile.TryLock(file, exclusive: true) && LockFile.IsStillAt(file, path))
                return file;
            file.Dispose();
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Gone, or somebody else's.
            return null;
        }
    }

    private string PathOf(string id) => Path.Combine(_workspace.Layout.State, Prefix + id);
}

/// <summary>A claim on what a process makes: see <see cref="Leases"/>.</summary>
public sealed class Lease : IDisposable
{
    private readonly string _path;
    private readonly SafeFileHandle _file;

    internal Lease(string id, string path, SafeFileHandle file) => (Id, _path, _file) = (id, path, file);

    /// <summary>What records know it by, and nobody else has.</summary>
    public string Id { get; }

    /// <summary>Gives up the claim: what was made under it stays, all of it at once.</summary>
    public void Keep()
    {
        if (_file.IsClosed)
            return;
        File.Delete(_path);
        // Or a crash of the machine would bring it back, and a sweep would take what was to stay.
        Libc.SyncFolder(Path.GetDirectoryName(_path)!);
    }

    /// <summary>Lets go of it. Unless <see cref="Keep"/> was called, the next sweep deletes what was made under it.</summary>
    public void Dispose()
    {
        if (_file.IsClosed)
            return;
        // A program that is just being started may have the descriptor for a moment, and with it the lock.
        _ = Libc.Flock(_file, Libc.LOCK_UN);
        _file.Dispose();
    }
}
