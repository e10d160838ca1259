using System.Runtime.CompilerServices;
using Pgd.Following;
using Pgd.Libpq;
using Pgd.Linux;
using Pgd.Migrations;
using Pgd.Postgres;
using Pgd.Processes;
using Pgd.Recovery;
using Pgd.Runtime;
using Pgd.Schema;
using Pgd.State;

namespace Pgd;

/// <summary>Branches: complete, isolated PostgreSQL instances that share their parent's storage.</summary>
public sealed class Branches
{
    private static readonly IReadOnlyDictionary<string, string> NoSettings = new Dictionary<string, string>();
    private readonly Workspace _workspace;

    internal Branches(Workspace workspace) => _workspace = workspace;

    /// <summary>Makes a branch, proves it by a login with its own credentials, and only then returns it.</summary>
    /// <exception cref="PgdException">
    /// It exists already (<see cref="ExitCode.Exists"/>), the parent does not (<see cref="ExitCode.NotFound"/>), there is no room
    /// (<see cref="ExitCode.NoRoom"/>), the source is unsafe to copy (<see cref="ExitCode.Unsafe"/>), … Nothing is left of it then.
    /// </exception>
    public Task<BranchCreated> CreateAsync(BranchCreate request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        return _workspace.Audit.RecordAsync("branch create", request.Name.ToString(), request.PullRequest, () => MakeOrEnsureAsync(request, cancellationToken));
    }

    /// <summary>
    /// Makes several branches of the same data, named <c>NAME-1</c> to <c>NAME-N</c>: all of them or none, also if that is killed. They come from one snapshot, which goes with the last of them.
    /// </summary>
    /// <param name="request">What each of them should be. With <see cref="BranchCreate.Ensure"/>, all of them or none may be there already.</param>
    /// <param name="count">How many.</param>
    /// <param name="cancellationToken">Ends it, and takes it back.</param>
    /// <exception cref="PgdException">As for one; the request is for a moment in the past, or for a golden branch (<see cref="ExitCode.Misuse"/>).</exception>
    public Task<IReadOnlyList<BranchCreated>> CreateSeriesAsync(BranchCreate request, int count, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        return new Series(_workspace).MakeAsync(request, count, cancellationToken);
    }

    /// <summary>
    /// Makes a branch once for a key, has the caller prepare it, for example by migrations, and stops it cleanly, so that what is made from it starts without a recovery. Whoever asks for the same
    /// key gets the same one, and waits for it while it is made; one that was not prepared to its end is nobody's.
    /// </summary>
    /// <param name="request">What it is made from, and its key.</param>
    /// <param name="prepare">What is done with it, once. Its connections have to be closed at the end.</param>
    /// <param name="cancellationToken">Ends it, and takes it back.</param>
    /// <exception cref="PgdException">As for making a branch; what <paramref name="prepare"/> throws is thrown on, and nothing is left.</exception>
    public Task<Branch> PrepareAsync(BranchPrepare request, Func<Branch, CancellationToken, Task> prepare, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(prepare);
        return new PreparedParent(_workspace, request).EnsureAsync(prepare, cancellationToken);
    }

    private async Task<BranchCreated> MakeOrEnsureAsync(BranchCreate request, CancellationToken cancellationToken)
    {
        Workspace.RequireLinux();
        var name = request.Name;
        if (name.IsMain)
            throw new PgdException(ExitCode.Misuse, $"{name} is the first branch of its project, made with it", $"Make the project: dotnet pgd project create {name.Project}");
        var parentName = BranchName.Of(name.Project, request.From ?? BranchName.Main);
        if (parentName == name)
            throw new PgdException(ExitCode.Misuse, $"{name} cannot be made from itself");
        var found = Origin.Find(_workspace, _workspace.State.RequireProject(name.Project), parentName, request.Snapshot, request.Target, cancellationToken);
        using var origin = request.Backup is null ? found : found with { Backup = request.Backup, Plan = request.Plan };
        using var held = await _workspace.Locks.AcquireAsync(cancellationToken, [LockRequest.Project(name.Project, exclusive: false), LockRequest.Branch(name, exclusive: true), .. origin.Locks]).ConfigureAwait(false);

        var project = _workspace.State.RequireProject(name.Project);
        if (await FindReadyAsync(project, name).ConfigureAwait(false) is { } existing)
        {
            if (_workspace.Leases.IsClaimed(existing.Lease) && existing.Lease != request.Lease?.Id)
                throw new PgdException(ExitCode.Locked, $"the branch {name} is a running process's, which makes it together with others, or takes it away when it ends", "Try again later, or choose another name.");
            if (!request.Ensure)
                throw new PgdException(ExitCode.Exists, $"the branch {name} exists already", $"Use it as it is: dotnet pgd branch create {name} --ensure. Or renew its data: dotnet pgd branch reset {name}");
            return new(await EnsureAsync(project, existing, request, origin, cancellationToken).ConfigureAwait(false), Created: false);
        }

        var parent = RequireReady(parentName);
        var digest = request.Anonymization is null ? null : Settlement.Digest(request.Anonymization);
        var made = await Ports.WithFreePortAsync(_workspace.Reporter, refused =>
            DiskFull.TellAsync(_workspace.Root, () => MakeAsync(project, parent, origin, request, digest, refused, cancellationToken))).ConfigureAwait(false);
        return new(View(project, made), Created: true);
    }

    /// <summary>
    /// Replaces the branch's data by its parent's present state; port, password and identity stay. The old data serves until the new has been
    /// made and settled; if the new server cannot be proved, the old one serves on.
    /// </summary>
    /// <exception cref="PgdException">As for <see cref="CreateAsync"/>; the branch is then as it was.</exception>
    public Task<Branch> ResetAsync(BranchReset request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        return _workspace.Audit.RecordAsync("branch reset", request.Name.ToString(), request.PullRequest, () => DiskFull.TellAsync(_workspace.Root, () => MakeAnewAsync(request, cancellationToken)));
    }

    /// <summary>The branches of a project or of all projects, by name.</summary>
    /// <exception cref="PgdException">There is no such project (<see cref="ExitCode.NotFound"/>).</exception>
    public Task<IReadOnlyList<Branch>> ListAsync(string? project, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        IEnumerable<ProjectRecord> projects = project is not null ? [_workspace.State.RequireProject(project)] : _workspace.State.ProjectNames().Select(_workspace.State.FindProject).OfType<ProjectRecord>();
        return Task.FromResult<IReadOnlyList<Branch>>([.. projects.SelectMany(p => Space(p) is var space ? _workspace.State.Branches(p.Name).Select(b => View(p, b, space)) : [])]);
    }

    /// <summary>One branch.</summary>
    /// <exception cref="PgdException">There is none of that name (<see cref="ExitCode.NotFound"/>).</exception>
    public Task<Branch> GetAsync(BranchName name, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(name);
        cancellationToken.ThrowIfCancellationRequested();
        var project = _workspace.State.RequireProject(name.Project);
        return Task.FromResult(View(project, _workspace.State.RequireBranch(name), Space(project)));
    }

    /// <summary>
    /// Deletes a branch with server and data. Returns false if there was none and <paramref name="ifExists"/> says that this is fine.
    /// </summary>
    /// <exception cref="PgdException">
    /// There is none (<see cref="ExitCode.NotFound"/>), it is protected, it has snapshots, or others were made from it (<see cref="ExitCode.Unsafe"/>).
    /// </exception>
    public Task<bool> DeleteAsync(BranchName name, bool ifExists, CancellationToken cancellationToken) => DeleteAsync(name, ifExists, withSnapshots: false, cancellationToken);

    /// <summary>The same, and its snapshots with it if <paramref name="withSnapshots"/> says so.</summary>
    /// <exception cref="PgdException">As there; one of its snapshots is protected, or it has some that are to stay (<see cref="ExitCode.Unsafe"/>).</exception>
    public Task<bool> DeleteAsync(BranchName name, bool ifExists, bool withSnapshots, CancellationToken cancellationToken) => DeleteAsync(name, ifExists, withSnapshots, static _ => true, cancellationToken);

    /// <summary>The same, if it is still what it was deleted for: that is asked under its lock.</summary>
    internal Task<bool> DeleteAsync(BranchName name, bool ifExists, bool withSnapshots, Func<BranchRecord, bool> still, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(name);
        return _workspace.Audit.RecordAsync("branch delete", name.ToString(), null, () => RemoveAsync(name, ifExists, withSnapshots, still, cancellationToken));
    }

    private async Task<bool> RemoveAsync(BranchName name, bool ifExists, bool withSnapshots, Func<BranchRecord, bool> still, CancellationToken cancellationToken)
    {
        if (name.IsMain)
            throw new PgdException(ExitCode.Unsafe, $"{name} is what the project's other branches come from", $"Delete the whole project: dotnet pgd project delete {name.Project}");
        if (ifExists && _workspace.State.FindProject(name.Project) is null)
            return false;
        var project = _workspace.State.RequireProject(name.Project);
        using var held = await _workspace.Locks.AcquireAsync(cancellationToken, LockRequest.Project(name.Project, exclusive: false), LockRequest.Branch(name, exclusive: true)).ConfigureAwait(false);
        if (ifExists && _workspace.State.FindBranch(name) is null)
            return false;
        var branch = _workspace.State.RequireBranch(name);
        if (!still(branch))
            return false;
        RefuseHalfRenamed(branch);
        var left = SecondBranch.LeftOf(_workspace, name).ToList();
        if (_workspace.State.Branches(name.Project).Where(b => b.Parent == name.Branch).Select(b => b.FullName).Except(left).ToList() is { Count: > 0 } children)
            throw new PgdException(ExitCode.Unsafe, $"{string.Join(", ", children)} {(children.Count == 1 ? "was" : "were")} made from {name}", "Delete them first.");
        Protection.Refuse(branch, "deleted");
        // Nobody takes one meanwhile: that needs the branch's lock.
        var snapshots = _workspace.State.Snapshots(name.Project, name.Branch);
        if (snapshots.Count > 0 && !withSnapshots)
        {
            throw new PgdException(ExitCode.Unsafe, $"{name} has {Severed.Count(snapshots.Count, "snapshot")}: {string.Join(", ", snapshots.TakeLast(5).Select(s => s.FullName))}{(snapshots.Count > 5 ? ", …" : "")}",
                $"Delete them with it: dotnet pgd branch delete {name} --with-snapshots");
        }

        foreach (var snapshot in snapshots)
            Protection.Refuse(snapshot, "deleted");
        // What a rehearsal was killed in the middle of is in nobody's way.
        foreach (var second in left)
            await RemoveAsync(second, ifExists: true, withSnapshots: true, static _ => true, cancellationToken).ConfigureAwait(false);
        using var snapshotsHeld = await _workspace.Locks.AcquireAsync(cancellationToken, snapshots.Select(s => LockRequest.Snapshot(name, s.Id, exclusive: true))).ConfigureAwait(false);
        await DestroyAsync(project, branch).ConfigureAwait(false);
        if (branch.Snapshot is not null)
            _workspace.Snapshots.RemoveUnused(project.Name);
        return true;
    }

    /// <summary>Gives a branch another name inside its project. Its address, its passwords, its snapshots and what was made from it stay with it; its server is restarted.</summary>
    /// <param name="name">The branch.</param>
    /// <param name="newName">The new name, without the project's.</param>
    /// <param name="cancellationToken">Ends it, and takes it back.</param>
    /// <exception cref="PgdException">
    /// There is no such branch (<see cref="ExitCode.NotFound"/>), there is one of the new name (<see cref="ExitCode.Exists"/>), it is a project's first (<see cref="ExitCode.Misuse"/>),
    /// or it belongs to a pull request (<see cref="ExitCode.Unsafe"/>). If its server does not start under the new name, it serves under the old one.
    /// </exception>
    public Task<Branch> RenameAsync(BranchName name, string newName, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(name);
        return _workspace.Audit.RecordAsync("branch rename", name.ToString(), null, () => new Renaming.Renames(_workspace).BranchAsync(name, BranchName.Of(name.Project, newName), cancellationToken));
    }

    /// <summary>
    /// Makes a project of a branch, whose first it becomes. It is no longer kept from what a first branch may do, except from what would touch others: that is written off in its
    /// configuration. Its address, its passwords and its snapshots stay with it.
    /// </summary>
    /// <param name="name">The branch.</param>
    /// <param name="project">The new project's name.</param>
    /// <param name="cancellationToken">Ends it, and takes it back.</param>
    /// <exception cref="PgdException">
    /// There is no such branch (<see cref="ExitCode.NotFound"/>), there is a project of that name (<see cref="ExitCode.Exists"/>), it is a project's first (<see cref="ExitCode.Misuse"/>), it
    /// belongs to a pull request, or others were made from it (<see cref="ExitCode.Unsafe"/>). If its server does not start as a first branch's, it serves as it did.
    /// </exception>
    public Task<Promoted> PromoteAsync(BranchName name, string project, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(name);
        return _workspace.Audit.RecordAsync("branch promote", name.ToString(), null, () => new Renaming.Renames(_workspace).PromoteAsync(name, BranchName.Of(project, BranchName.Main), cancellationToken));
    }

    /// <summary>Starts a stopped branch; a running one is left alone.</summary>
    /// <exception cref="PgdException">Its port is taken, its server dies, … (<see cref="ExitCode.Failed"/>).</exception>
    public Task<Branch> StartAsync(BranchName name, CancellationToken cancellationToken) => OnOwnAsync("branch start", name, async (project, branch) =>
    {
        await StartAsync(project, branch, cancellationToken).ConfigureAwait(false);
        return View(project, branch with { ShouldRun = true });
    }, cancellationToken);

    /// <summary>
    /// Brings everything back after a boot: mounts volumes, removes what killed operations left, and starts every branch that was not stopped on
    /// purpose. What cannot be started is told and does not keep the others.
    /// </summary>
    public async Task<Resumed> ResumeAsync(CancellationToken cancellationToken)
    {
        Workspace.RequireLinux();
        var problems = new List<string>();
        // First: what is not mounted looks as if it were gone.
        var mounted = Attach(problems);
        var repairs = problems.Count > 0 ? [] : await _workspace.Doctor.FixAsync(dryRun: false, cancellationToken).ConfigureAwait(false);
        problems.AddRange(repairs.Where(r => !r.Done).Select(r => $"{r.Kind} {r.Subject}: {r.Text}"));
        List<BranchName> started = [], running = [], stopped = [];
        foreach (var name in _workspace.State.ProjectNames().SelectMany(p => _workspace.State.BranchNames(p).Select(b => BranchName.Of(p, b))).ToList())
        {
            cancellationToken.ThrowIfCancellationRequested();
            try
            {
                using var held = await LockAsync(name, cancellationToken).ConfigureAwait(false);
                var (project, branch) = (_workspace.State.RequireProject(name.Project), RequireReady(name));
                if (branch.IsAdopted)
                    continue;
                var list = !branch.ShouldRun ? stopped : new BranchServer(_workspace, project, branch, branch.Generation).IsRunning() ? running : started;
                if (list == started)
                    await StartAsync(project, branch, cancellationToken).ConfigureAwait(false);
                list.Add(name);
            }
            catch (PgdException e) when (e.ExitCode == ExitCode.NotFound)
            {
                // Deleted meanwhile.
            }
            catch (Exception e) when (e is PgdException or IOException or UnauthorizedAccessException or Npgsql.NpgsqlException)
            {
                problems.Add($"{name}: {e.Message}");
            }
        }

        return new(mounted, [.. repairs.Where(r => r.Done)], started, running, stopped, problems);
    }

    /// <summary>Stops a running branch; a stopped one is left alone.</summary>
    /// <exception cref="PgdException">It does not stop (<see cref="ExitCode.Failed"/>).</exception>
    public Task<Branch> StopAsync(BranchName name, CancellationToken cancellationToken) => OnOwnAsync("branch stop", name, async (project, branch) =>
    {
        var server = new BranchServer(_workspace, project, branch, branch.Generation);
        // Nobody can be asked for that afterwards.
        var stopped = branch with { ShouldRun = false, DataAsOf = server.Follows ? Follower.Later(branch.DataAsOf, Follower.DataAsOf(server, cancellationToken)) : branch.DataAsOf };
        _workspace.State.Write(stopped);
        await server.StopAsync(StopMode.Fast, cancellationToken).ConfigureAwait(false);
        return View(project, stopped);
    }, cancellationToken);

    /// <summary>Stops and starts a branch.</summary>
    /// <exception cref="PgdException">As for <see cref="StartAsync(BranchName, CancellationToken)"/>.</exception>
    public Task<Branch> RestartAsync(BranchName name, CancellationToken cancellationToken) => OnOwnAsync("branch restart", name, async (project, branch) =>
    {
        await new BranchServer(_workspace, project, branch, branch.Generation).StopAsync(StopMode.Fast, cancellationToken).ConfigureAwait(false);
        await StartAsync(project, branch, cancellationToken).ConfigureAwait(false);
        return View(project, branch with { ShouldRun = true });
    }, cancellationToken);

    /// <summary>
    /// Gives every login role of a running branch a new password, and ends the sessions that were opened with the old ones. Returns how many those were.
    /// </summary>
    /// <exception cref="PgdException">The branch is stopped (<see cref="ExitCode.Failed"/>), or adopted (<see cref="ExitCode.Unsafe"/>).</exception>
    public Task<int> RotateAsync(BranchName name, CancellationToken cancellationToken) =>
        // One that was killed is finished, with the passwords that it had begun to give.
        OnOwnAsync("branch rotate", name, (project, branch) => RotateAsync(project, branch.IsRotating ? branch : branch with { Rotation = branch.Rotation + 1, IsRotating = true }, branch, cancellationToken), cancellationToken);

    /// <summary>Finishes a rotation that was killed. The caller holds the branch's lock.</summary>
    internal Task<int> FinishRotationAsync(ProjectRecord project, BranchRecord branch, CancellationToken cancellationToken) => RotateAsync(project, branch, branch, cancellationToken);

    private async Task<int> RotateAsync(ProjectRecord project, BranchRecord rotating, BranchRecord before, CancellationToken cancellationToken)
    {
        var server = RequireRunning(project, rotating);
        if (server.IsFollower)
            throw Follower.ReadOnly(rotating.FullName, project.Source!);
        using var connection = server.Connect(cancellationToken);
        try
        {
            // The record goes first by a moment: no password stays valid that a rotation was to end, even if it is killed in between.
            new Settlement(_workspace, server, rotating).Rotate(connection, cancellationToken, () =>
            {
                _workspace.State.Write(rotating);
                Fault.Here("rotate:record");
            });
        }
        catch
        {
            _workspace.State.Write(before);
            throw;
        }

        Fault.Here("rotate:committed");
        var ended = connection.Scalar("select count(pg_terminate_backend(pid))::text from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()", cancellationToken);
        await ProveAsync(project, rotating, server, connection, cancellationToken).ConfigureAwait(false);
        _workspace.State.Write(rotating with { IsRotating = false });
        Fault.Here("rotate:done");
        return int.Parse(ended!, System.Globalization.CultureInfo.InvariantCulture);
    }

    /// <summary>
    /// Reads all of a running branch and looks for damage: checksums, tables, B-trees, and rows that an index lacks. Nothing changes. Pages that its server has in memory are not
    /// read from the disk again.
    /// </summary>
    /// <exception cref="PgdException">The branch is stopped (<see cref="ExitCode.Failed"/>), or its server lacks the extension amcheck (<see cref="ExitCode.MachineLacks"/>).</exception>
    public Task<Verified> VerifyAsync(BranchName name, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(name);
        return _workspace.Audit.RecordAsync("branch verify", name.ToString(), null, async () =>
        {
            // A reset would take the data away from under it; others may work on the branch.
            using var held = await _workspace.Locks.AcquireAsync(cancellationToken, LockRequest.Project(name.Project, exclusive: false), LockRequest.Branch(name, exclusive: false)).ConfigureAwait(false);
            var (project, branch) = (_workspace.State.RequireProject(name.Project), RequireOwn(name));
            var server = RequireRunning(project, branch);
            return await Task.Run(() =>
            {
                using var connection = server.Connect(cancellationToken);
                return new Verification(server, project, name, _workspace.Reporter, cancellationToken).Run(connection);
            }, cancellationToken).ConfigureAwait(false);
        });
    }

    /// <summary>
    /// Compares the schema of a running branch with its parent's or another one's, from the catalogs of both. Nothing of either changes. What belongs to extensions is not told,
    /// no value of a user mapping is read, and of options that look like secrets only the names are compared.
    /// </summary>
    /// <exception cref="PgdException">
    /// One of them is stopped (<see cref="ExitCode.Failed"/>), golden or adopted (<see cref="ExitCode.Unsafe"/>), or has no such database (<see cref="ExitCode.NotFound"/>); there is nothing
    /// to compare with, or their major versions differ (<see cref="ExitCode.Misuse"/>).
    /// </exception>
    public Task<SchemaDiff> DiffAsync(BranchDiff request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        return _workspace.Audit.RecordAsync("branch diff", request.Name.ToString(), null, () => CompareAsync(request, cancellationToken));
    }

    private async Task<SchemaDiff> CompareAsync(BranchDiff request, CancellationToken cancellationToken)
    {
        var name = request.Name;
        var other = request.Base ?? _workspace.State.RequireBranch(name).ParentName
            ?? throw new PgdException(ExitCode.Misuse, $"{name} has no parent to be compared with", $"Say with what: dotnet pgd branch diff {name} {name.Project}/NAME");
        if (other == name)
            throw new PgdException(ExitCode.Misuse, $"{name} cannot be compared with itself", $"Choose another branch: dotnet pgd branch list {name.Project}");
        // A reset would take the data away from under it; others may work on the branches.
        using var held = await _workspace.Locks.AcquireAsync(cancellationToken, new[] { name, other }.SelectMany(n => new[] { LockRequest.Project(n.Project, exclusive: false), LockRequest.Branch(n, exclusive: false) })).ConfigureAwait(false);
        var (project, otherProject) = (_workspace.State.RequireProject(name.Project), _workspace.State.RequireProject(other.Project));
        if (project.PostgresMajor != otherProject.PostgresMajor)
            throw new PgdException(ExitCode.Misuse, $"{name} is of PostgreSQL {project.PostgresMajor} and {other} of {otherProject.PostgresMajor}: they write the same definition differently", "Choose a branch of the same version.");
        var (server, otherServer) = (RequireComparable(project, name, name), RequireComparable(otherProject, other, name));
        using var connection = server.Connect(cancellationToken);
        using var otherConnection = otherServer.Connect(cancellationToken);
        var database = DatabaseList.List(connection, cancellationToken).Choose(name, request.Database).Name;
        _ = DatabaseList.List(otherConnection, cancellationToken).Choose(other, database);
        var read = await Task.WhenAll(Task.Run(() => Read(server, name), cancellationToken), Task.Run(() => Read(otherServer, other), cancellationToken)).ConfigureAwait(false);
        return SchemaDiff.Of(name, other, database, old: read[1], @new: read[0]);

        IReadOnlyList<SchemaObject> Read(BranchServer from, BranchName branch)
        {
            using var inside = from.Connect(cancellationToken, database);
            return SchemaReader.Read(inside, branch, project.PostgresMajor, request.Privileges, cancellationToken);
        }
    }

    /// <summary>The server of one side of a comparison; what can never be asked has branches that can.</summary>
    private BranchServer RequireComparable(ProjectRecord project, BranchName name, BranchName asked)
    {
        var branch = RequireReady(name);
        if (!branch.IsAdopted && !branch.IsGolden)
            return RequireRunning(project, branch);
        var stand = name.IsMain ? "base" : $"{name.Branch}-base";
        throw new PgdException(ExitCode.Unsafe, $"{name} {(branch.IsAdopted ? "was adopted, and pgd never connects to it" : "is golden, and stays stopped")}: its schema cannot be asked for",
            $"Compare {(asked == name ? "" : "with ")}a branch of it: dotnet pgd branch create {name.Project}/{stand}{(name.IsMain ? "" : $" --from {name.Branch}")}{(asked == name ? "" : $"; dotnet pgd branch diff {asked} {name.Project}/{stand}")}");
    }

    /// <summary>What a branch is doing and what it takes, asked of its server as well.</summary>
    /// <exception cref="PgdException">There is none of that name (<see cref="ExitCode.NotFound"/>).</exception>
    public async Task<BranchActivity> GetActivityAsync(BranchName name, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(name);
        var project = _workspace.State.RequireProject(name.Project);
        var branch = _workspace.State.RequireBranch(name);
        return await Task.Run(() => Activity(project, branch, Space(project), cancellationToken), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The same of all branches of a project, by name.</summary>
    /// <exception cref="PgdException">There is no such project (<see cref="ExitCode.NotFound"/>).</exception>
    public async Task<IReadOnlyList<BranchActivity>> ListActivityAsync(string project, CancellationToken cancellationToken)
    {
        var record = _workspace.State.RequireProject(project);
        var space = Space(record);
        return await Task.WhenAll(_workspace.State.Branches(project).Select(b => Task.Run(() => Activity(record, b, space, cancellationToken), cancellationToken))).ConfigureAwait(false);
    }

    private BranchActivity Activity(ProjectRecord project, BranchRecord branch, IReadOnlyDictionary<(string Branch, int Generation), BranchSpace> space, CancellationToken cancellationToken)
    {
        var (use, unknown) = ((ServerUse?)null, (string?)null);
        var view = View(project, branch, space);
        if (view is { Status: BranchStatus.Running, Adopted: false })
        {
            try
            {
                use = ServerUse.Of(new BranchServer(_workspace, project, branch, branch.Generation), cancellationToken);
            }
            catch (Exception e) when (e is Npgsql.NpgsqlException or IOException)
            {
                // One that is just being stopped does not keep the others.
                unknown = e.Message;
            }
        }

        return new()
        {
            Branch = view,
            StartedAt = use?.StartedAt,
            Connections = use?.Connections,
            DatabaseBytes = use?.DatabaseBytes,
            Snapshots = _workspace.State.Snapshots(branch.Project, branch.Name).Count,
            Unknown = unknown,
        };
    }

    /// <summary>
    /// Where to connect, with the password. Proved by a query over that very connection before it is returned.
    /// Default: the only database that is no template (<c>postgres</c> does not count beside another one) and its owner.
    /// </summary>
    /// <exception cref="PgdException">
    /// The branch is stopped (<see cref="ExitCode.Failed"/>), the choice is not clear (<see cref="ExitCode.Misuse"/>), there is no such database or
    /// role (<see cref="ExitCode.NotFound"/>), or another server answers (<see cref="ExitCode.Unsafe"/>).
    /// </exception>
    public Task<ConnectionUrl> ConnectAsync(BranchName name, string? database, string? role, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(name);
        return _workspace.Audit.RecordAsync("branch url", name.ToString(), null, () => FindUrlAsync(name, database, role, cancellationToken));
    }

    private async Task<ConnectionUrl> FindUrlAsync(BranchName name, string? database, string? role, CancellationToken cancellationToken)
    {
        var (project, branch) = (_workspace.State.RequireProject(name.Project), RequireOwn(name));
        var server = RequireRunning(project, branch);
        if (server.IsFollower)
            throw Follower.NoLogin(name, project.Source!);
        if (branch.IsRotating)
            throw new PgdException(ExitCode.Failed, $"{name} is being given new passwords, or that was killed", $"If nobody is at it, finish it: dotnet pgd branch rotate {name}");
        using var connection = server.Connect(cancellationToken);
        var databases = DatabaseList.List(connection, cancellationToken);
        var chosen = databases.Choose(name, database);
        var url = server.Url(chosen.Name, databases.ChooseRole(name, chosen, role));
        await server.ProveAsync(url, cancellationToken).ConfigureAwait(false);
        return url;
    }

    /// <summary>The last lines of the server's log.</summary>
    /// <exception cref="PgdException">There is no such branch (<see cref="ExitCode.NotFound"/>).</exception>
    public Task<IReadOnlyList<string>> LogAsync(BranchName name, int lines, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(name);
        cancellationToken.ThrowIfCancellationRequested();
        var log = LogFile(name);
        return Task.FromResult<IReadOnlyList<string>>(File.Exists(log) ? [.. File.ReadLines(log).TakeLast(lines)] : []);
    }

    /// <summary>Follows the server's log from now on, until cancelled; also over a reset.</summary>
    /// <exception cref="PgdException">There is no such branch (<see cref="ExitCode.NotFound"/>).</exception>
    public async IAsyncEnumerable<string> FollowLogAsync(BranchName name, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(name);
        var (log, position) = (LogFile(name), File.Exists(LogFile(name)) ? new FileInfo(LogFile(name)).Length : 0L);
        while (true)
        {
            if (File.Exists(log))
            {
                using var file = new FileStream(log, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
                file.Position = position;
                using var reader = new StreamReader(file);
                while (await reader.ReadLineAsync(cancellationToken).ConfigureAwait(false) is { } line)
                    yield return line;
                position = file.Position;
            }

            await Task.Delay(200, cancellationToken).ConfigureAwait(false);
            if (LogFile(name) is var now && now != log)
                (log, position) = (now, 0);
        }
    }

    private List<string> Attach(List<string> problems)
    {
        var mounted = new List<string>();
        foreach (var volume in _workspace.Storages.Folders.List().Where(v => v.Mounts.Count > 0))
        {
            try
            {
                var table = MountTable.Read();
                var missing = volume.Mounts.Where(m => table.At(m.Folder) is null).Select(m => m.Dataset).ToList();
                _workspace.Storages.Zfs.Attach(volume);
                mounted.AddRange(missing);
            }
            catch (Exception e) when (e is PgdException or IOException or UnauthorizedAccessException)
            {
                problems.Add($"{volume.Key}: {e.Message}");
            }
        }

        return mounted;
    }

    // The first 48 bits of a random one are all random.
    internal static string NewId() => Guid.NewGuid().ToString("N")[..12];

    /// <summary>Removes everything of a branch, in an order in which a second try finds what a killed first one left.</summary>
    internal async Task DestroyAsync(ProjectRecord project, BranchRecord branch)
    {
        try
        {
            if (branch.Phase != BranchPhase.Deleting)
                _workspace.State.Write(branch with { Phase = BranchPhase.Deleting });
        }
        catch (PgdException e) when (e.ExitCode == ExitCode.NoRoom)
        {
            // To delete is the way out of that.
        }

        Fault.Here("delete:record");
        foreach (var snapshot in _workspace.State.Snapshots(branch.Project, branch.Name).Where(s => s.BranchId == branch.Id))
            _workspace.Snapshots.Destroy(project, snapshot);
        foreach (var generation in Generations(project, branch))
            await new BranchServer(_workspace, project, branch, generation).DestroyAsync().ConfigureAwait(false);
        Fault.Here("delete:data");
        new Archiving(_workspace.Layout, project, branch).Remove();
        _workspace.State.Delete(branch.FullName);
    }

    /// <summary>Every generation of which there may be data: those recorded, and those that the storage has.</summary>
    internal IReadOnlySet<int> Generations(ProjectRecord project, BranchRecord branch) =>
        _workspace.Storages.Named(project.Storage).List(branch.FullName).Where(v => v.Key.BranchId == branch.Id).Select(v => v.Key.Generation)
            .Append(branch.Generation).Concat(branch.PendingGeneration is { } pending ? [pending] : []).ToHashSet();

    /// <summary>Takes back a reset that was killed. The caller holds the branch's lock.</summary>
    internal async Task<BranchRecord> TakeBackResetAsync(ProjectRecord project, BranchRecord branch)
    {
        foreach (var generation in Generations(project, branch).Where(g => g != branch.Generation))
            await new BranchServer(_workspace, project, branch, generation).DestroyAsync().ConfigureAwait(false);
        var settled = branch with { PendingGeneration = null };
        _workspace.State.Write(settled);
        var server = new BranchServer(_workspace, project, settled, settled.Generation);
        if (settled.ShouldRun)
            await StartAgainAsync(server).ConfigureAwait(false);
        return settled;
    }

    private IReadOnlyDictionary<(string Branch, int Generation), BranchSpace> Space(ProjectRecord project) => _workspace.Storages.Named(project.Storage).Space(project.Name);

    internal Branch View(ProjectRecord project, BranchRecord branch, IReadOnlyDictionary<(string Branch, int Generation), BranchSpace>? space = null)
    {
        var server = new BranchServer(_workspace, project, branch, branch.Generation);
        return new()
        {
            Name = branch.FullName,
            Id = branch.Id,
            Parent = branch.ParentName,
            Status = branch.Phase switch
            {
                BranchPhase.Creating => BranchStatus.Creating,
                BranchPhase.Deleting => BranchStatus.Deleting,
                _ => server.IsRunning() ? BranchStatus.Running : BranchStatus.Stopped,
            },
            Host = branch.Host,
            HostName = branch.HostName ?? _workspace.HostName,
            Port = branch.Port,
            Tls = branch.Tls,
            Generation = branch.Generation,
            Storage = project.Storage,
            Runtime = project.Runtime,
            PostgresMajor = project.PostgresMajor,
            CreatedAt = branch.CreatedAt,
            DataAsOf = server.Follows ? Follower.Later(branch.DataAsOf, Follower.DataAsOf(server, CancellationToken.None)) : branch.DataAsOf,
            Follows = server.Follows ? project.Source : null,
            DataLsn = branch.DataLsn,
            Snapshot = _workspace.Snapshots.NameOf(branch),
            RecoveredTo = branch.Target?.Text,
            LastTransactionAt = branch.LastTransactionAt,
            Severed = branch.Severed,
            Roles = branch.Roles,
            Golden = branch.IsGolden,
            Anonymized = IsAnonymized(branch),
            ExpiresAt = branch.ExpiresAt,
            IdleSince = branch.Idle?.Since,
            ProtectedUntil = Protection.Until(branch),
            ProtectedFor = Protection.Until(branch) is null ? null : branch.ProtectedFor,
            PullRequest = branch.PullRequest,
            Labels = branch.Labels,
            Directory = _workspace.Storages.Folders.Folder(server.Key),
            DataDirectory = server.FindVolume()?.Data ?? "",
            Space = space?.GetValueOrDefault((branch.Name, branch.Generation)),
            Adopted = branch.IsAdopted,
        };
    }

    // What is made from anonymized data is anonymized. Main never is, and is not read for it: most branches are made from that.
    internal bool IsAnonymized(BranchRecord? branch) => branch switch
    {
        null => false,
        { AnonymizationDigest: not null } => true,
        { Snapshot: { } snapshot } => _workspace.State.FindSnapshot(branch.Project, snapshot) is { IsAnonymized: true },
        _ => branch.ParentName is { IsMain: false } parent && IsAnonymized(_workspace.State.FindBranch(parent)),
    };

    /// <summary>What a branch is to be reset to.</summary>
    /// <exception cref="PgdException">
    /// It would come from what comes from it (<see cref="ExitCode.Misuse"/>), there is no such branch or snapshot (<see cref="ExitCode.NotFound"/>), or the state that it was
    /// made from was not kept (<see cref="ExitCode.Unsafe"/>).
    /// </exception>
    private Origin OriginOf(BranchReset request, BranchRecord branch, CancellationToken cancellationToken)
    {
        var name = branch.FullName;
        if (request.ToOrigin && branch.Target is { } target)
            return Origin.Find(_workspace, _workspace.State.RequireProject(name.Project), branch.ParentName!, null, target, cancellationToken);
        if (request.ToOrigin)
        {
            return _workspace.State.FindSnapshot(name.Project, branch.Snapshot) is { } snapshot ? new(snapshot.BranchName, snapshot) : throw new PgdException(ExitCode.Unsafe,
                $"{name} was made from {branch.ParentName} as that was, and that state was not kept", $"Take a snapshot, and make branches from that: dotnet pgd snapshot create {branch.ParentName} --label L; dotnet pgd branch create {name} --from {branch.Parent}@L");
        }

        var parent = request.From is { } from ? BranchName.Of(name.Project, from) : branch.ParentName!;
        if (parent == name && request.Snapshot is null)
            throw new PgdException(ExitCode.Misuse, $"{name} cannot be made from itself", $"Choose one of its snapshots: dotnet pgd snapshot list {name}");
        for (var above = parent == name ? null : _workspace.State.RequireBranch(parent); above is not null; above = above.ParentName is { } next ? _workspace.State.FindBranch(next) : null)
        {
            if (above.FullName == name)
                throw new PgdException(ExitCode.Misuse, $"{parent} comes from {name}, so {name} cannot come from {parent}", $"Make a branch of it instead: dotnet pgd branch create {name.Project}/NAME --from {parent.Branch}");
        }

        return Origin.Find(_workspace, _workspace.State.RequireProject(name.Project), parent, request.Snapshot, request.Target, cancellationToken);
    }

    private async Task<Branch> MakeAnewAsync(BranchReset request, CancellationToken cancellationToken)
    {
        var name = request.Name;
        if (name.IsMain)
            throw new PgdException(ExitCode.Misuse, $"{name} has no parent whose state it could take");
        // Whether it is whole is asked under the lock: another operation may be at it.
        using var origin = OriginOf(request, _workspace.State.RequireBranch(name), cancellationToken);
        using var held = await _workspace.Locks.AcquireAsync(cancellationToken, [LockRequest.Project(name.Project, exclusive: false), LockRequest.Branch(name, exclusive: true), .. origin.Locks]).ConfigureAwait(false);
        var project = _workspace.State.RequireProject(name.Project);
        var branch = await FindReadyAsync(project, name).ConfigureAwait(false) ?? throw new PgdException(ExitCode.NotFound, $"there is no branch {name}");
        Protection.Refuse(branch, "reset");
        var isOwn = origin.Parent == name;
        if (branch.AnonymizationDigest is not null && request.Anonymization is null && !(isOwn && origin.Snapshot!.IsAnonymized))
        {
            throw new PgdException(ExitCode.Unsafe, $"{name} was anonymized, and its new data would not be", $"Say again what to run: dotnet pgd branch reset {name} --anonymize FILE. To have the data as it is, delete the branch and make it anew.");
        }

        var parent = isOwn ? branch : RequireReady(origin.Parent);
        var digest = request.Anonymization is not null ? Settlement.Digest(request.Anonymization) : isOwn ? origin.Snapshot!.AnonymizationDigest : null;

        var undo = new Undo(_workspace.Reporter);
        await using var _ = undo.ConfigureAwait(false);
        var next = branch.Generation + 1;
        var remade = branch with { Roles = request.Roles ?? branch.Roles, Parent = isOwn ? branch.Parent : parent.Name, Snapshot = origin.Snapshot?.Key, Target = origin.Plan?.Target };
        var newServer = new BranchServer(_workspace, project, branch, next);
        using var cloning = origin.Begin(_workspace, project, parent, request.Fast, request.Consistency, cancellationToken);
        undo.Push($"take back the record of {name}", () => _workspace.State.Write(branch));
        _workspace.State.Write(branch with { PendingGeneration = next });
        Fault.Here("reset:record");

        undo.Push($"destroy the new data of {name}", newServer.TakeBackAsync);
        _workspace.Reporter.Step($"cloning {origin.Name} on {project.Storage}");
        var clone = await cloning.MakeAsync(newServer.Key, cancellationToken).ConfigureAwait(false);
        Fault.Here("reset:cloned");
        // Without an address to listen on: the old generation has the port, and serves.
        var (connection, lsn, severed, replayed) = await SettleAsync(project, remade, newServer, clone, request.Anonymization, listen: false, cancellationToken).ConfigureAwait(false);
        connection.Dispose();
        Fault.Here("reset:settled");
        await CloseOrSwapAsync().ConfigureAwait(false);

        var switched = remade with
        {
            Generation = next,
            PendingGeneration = null,
            // Settled with the newest passwords.
            IsRotating = false,
            ShouldRun = !branch.IsGolden,
            DataAsOf = DataAsOf(parent, clone, replayed),
            LastTransactionAt = clone.LastTransactionAt,
            DataLsn = lsn,
            Severed = severed,
            AnonymizationDigest = digest,
            Applied = isOwn ? origin.Snapshot!.Applied : [],
            ExpiresAt = request.TimeToLive is { } ttl ? Expiry(ttl) : branch.ExpiresAt,
            PullRequest = request.PullRequest ?? branch.PullRequest,
        };
        _workspace.State.Write(switched);
        undo.Keep();
        Fault.Here("reset:switched");
        await DestroyOthersAsync(project, switched, "reset").ConfigureAwait(false);
        if (branch.Snapshot != switched.Snapshot)
            _workspace.Snapshots.RemoveUnused(project.Name);

        return View(project, switched);

        // Not before the new data is settled: until then the old serves.
        Task CloseOrSwapAsync() => branch.IsGolden ? CloseAsync(branch, newServer, cancellationToken) : SwapAsync(project, branch, newServer, undo, cancellationToken);
    }

    /// <summary>Has another generation of a branch serve instead of the one that does.</summary>
    internal async Task SwapAsync(ProjectRecord project, BranchRecord branch, BranchServer newServer, Undo undo, CancellationToken cancellationToken)
    {
        var oldServer = new BranchServer(_workspace, project, branch, branch.Generation);
        undo.Push($"start the old server of {branch.FullName}", async () =>
        {
            // The new one may have got as far as having the port.
            await newServer.StopAsync(StopMode.Immediate, CancellationToken.None).ConfigureAwait(false);
            await StartAgainAsync(oldServer).ConfigureAwait(false);
        });
        Fault.Here("reset:stopping");
        // Both write what they have in memory, and wait for the same disk once.
        await Task.WhenAll(newServer.StopAsync(StopMode.Fast, cancellationToken), oldServer.StopAsync(StopMode.Fast, cancellationToken)).ConfigureAwait(false);
        Fault.Here("reset:switching");
        using var opened = await newServer.StartAsync(open: true, listen: true, NoSettings, cancellationToken).ConfigureAwait(false);
        await ProveAsync(project, branch, newServer, opened, cancellationToken).ConfigureAwait(false);
        Fault.Here("reset:proved");
    }

    /// <summary>Removes every generation but the one that serves: also those of an earlier change that was killed after its switch.</summary>
    internal async Task DestroyOthersAsync(ProjectRecord project, BranchRecord branch, string done)
    {
        try
        {
            foreach (var generation in Generations(project, branch).Where(g => g != branch.Generation))
                await new BranchServer(_workspace, project, branch, generation).DestroyAsync().ConfigureAwait(false);
        }
        catch (Exception e)
        {
            _workspace.Reporter.Warn($"{branch.FullName} is {done}, but its old data could not be removed: {e.Message}; dotnet pgd doctor --fix will");
        }
    }

    private async Task<BranchRecord> MakeAsync(ProjectRecord project, BranchRecord parent, Origin origin, BranchCreate request, string? digest, HashSet<int> refused, CancellationToken cancellationToken)
    {
        var name = request.Name;
        var id = NewId();
        var undo = new Undo(_workspace.Reporter);
        await using var _ = undo.ConfigureAwait(false);
        undo.Push($"remove {name}", () => _workspace.State.Delete(name));
        using var cloning = origin.Begin(_workspace, project, parent, request.Fast, request.Consistency, cancellationToken);
        var branch = await _workspace.Ports.ReserveAsync(project, refused, port => new()
        {
            Id = id,
            Project = project.Name,
            Name = name.Branch,
            Parent = parent.Name,
            Snapshot = origin.Snapshot?.Key,
            Target = origin.Plan?.Target,
            Phase = BranchPhase.Creating,
            Generation = 1,
            Port = port,
            Host = _workspace.Runtimes.Named(project.Runtime).HostOf(project, name.Branch, port, request.Host ?? _workspace.Configuration.Host),
            HostName = _workspace.HostName,
            Tls = request.Tls ?? _workspace.Configuration.Tls ?? false,
            CreatedAt = DateTimeOffset.UtcNow,
            ExpiresAt = Expiry(request.TimeToLive ?? (request.Golden ? null : _workspace.Configuration.DefaultTimeToLive) ?? TimeSpan.Zero),
            ShouldRun = !request.Golden,
            IsGolden = request.Golden,
            Roles = request.Roles ?? [],
            Labels = request.Labels,
            PullRequest = request.PullRequest,
            Lease = request.Lease?.Id,
            IsVolatile = request.Volatile,
            AnonymizationDigest = digest,
        }, cancellationToken, branches => Budget.Refuse(_workspace.Configuration, _workspace.Layout.Volumes, project.Name, request.PullRequest, branches)).ConfigureAwait(false);
        Fault.Here("create:record");

        var server = new BranchServer(_workspace, project, branch, branch.Generation);
        undo.Push($"destroy the data of {name}", server.TakeBackAsync);
        _workspace.Reporter.Step($"cloning {origin.Name} on {project.Storage}");
        var clone = await cloning.MakeAsync(server.Key, cancellationToken).ConfigureAwait(false);
        Fault.Here("create:cloned");
        var (connection, lsn, severed, replayed) = await SettleAsync(project, branch, server, clone, request.Anonymization, listen: !branch.IsGolden, cancellationToken).ConfigureAwait(false);
        using var __ = connection;
        if (branch.IsGolden)
        {
            await CloseAsync(branch, server, cancellationToken).ConfigureAwait(false);
        }
        else
        {
            server.OpenDoor(connection, cancellationToken);
            Fault.Here("create:opened");
            await ProveAsync(project, branch, server, connection, cancellationToken).ConfigureAwait(false);
        }

        var ready = branch with { Phase = BranchPhase.Ready, DataAsOf = DataAsOf(parent, clone, replayed), LastTransactionAt = clone.LastTransactionAt, DataLsn = lsn, Severed = severed };
        _workspace.State.Write(ready);
        undo.Keep();
        Fault.Here("create:ready");
        return ready;
    }

    // What is made from a golden branch shows the moment that it shows.
    private static DateTimeOffset? DataAsOf(BranchRecord parent, Clone clone, DateTimeOffset? replayed) => Follower.Later(clone.DataAsOf, replayed) ?? (parent.IsGolden ? parent.DataAsOf : null);

    /// <summary>Stops a golden branch, once for all. Only a clean end spares what is made from it the recovery.</summary>
    private static async Task CloseAsync(BranchRecord branch, BranchServer server, CancellationToken cancellationToken)
    {
        await server.StopAsync(StopMode.Fast, cancellationToken).ConfigureAwait(false);
        if (ControlData.TryRead(server.RequireVolume().Data) is not { State: ClusterState.ShutDown })
            throw server.Ended("before it had shut down cleanly", null);
        Fault.Here("golden:closed");
    }

    /// <summary>
    /// The first start of a clone, behind its closed door: quarantined, links to others cut, passwords rotated, anonymized. Tells also up to
    /// where the clone has the source's write-ahead log, and what was cut.
    /// </summary>
    private async Task<(AdminConnection Connection, string? Lsn, IReadOnlyList<string> Severed, DateTimeOffset? Replayed)> SettleAsync(ProjectRecord project, BranchRecord branch, BranchServer server, Clone clone, Anonymization? anonymization, bool listen, CancellationToken cancellationToken)
    {
        var settings = ServerSettings.FirstStart(project.PostgresMajor);
        if (clone.Recovering || clone.Recovery is not null)
        {
            DataDirectory.Write(clone.Volume, Path.Combine(clone.Volume.Data, "recovery.signal"), "");
            foreach (var (setting, value) in clone.Recovery?.Settings ?? ServerSettings.Promotion())
                settings[setting] = value;
        }

        var settlement = new Settlement(_workspace, server, branch);
        settlement.Begin(project.Superuser);
        settlement.Begin(project.Name);
        _workspace.Reporter.Step($"starting {branch.FullName}");
        var connection = await server.StartAsync(open: false, listen, settings, cancellationToken).ConfigureAwait(false);
        try
        {
            Fault.Here("settle:started");
            Collations.Check(connection, project, branch.FullName, _workspace.Reporter, cancellationToken);
            if (clone.Adopted)
                settlement.WarnOfMissingLibraries(connection, Collations.ServerOf(project), cancellationToken);
            // Without a recovery there was nothing to replay: the source was stopped.
            var lsn = connection.Scalar("select coalesce(pg_last_wal_replay_lsn(), pg_current_wal_insert_lsn())::text", cancellationToken);
            // A standby had received more of the log than it had replayed, and what comes from it has that as well.
            var replayed = project.IsFollower && clone.Recovering && clone.Recovery is null ? Replay.Of(connection, cancellationToken).LastTransactionAt : null;
            if (clone.Recovery is { } recovery)
            {
                if (!Lsn.TryParse(lsn, out var reached) || reached != Lsn.Aligned(recovery.End))
                    throw new PgdException(ExitCode.Failed, $"the recovery of {branch.FullName} stopped at {lsn} instead of {Lsn.Format(recovery.End)}", $"Look at its log: dotnet pgd branch logs {branch.FullName}");
                Directory.Delete(recovery.Folder, recursive: true);
                Fault.Here("recover:reached");
            }

            if (project.InspectedAt is null)
                Inspect(project, branch, server, connection, cancellationToken);
            var subscriptions = settlement.DropSubscriptions(connection, cancellationToken);
            settlement.VoidPasswords(connection, cancellationToken);
            Fault.Here("settle:rotated");
            if (anonymization is not null)
                await settlement.AnonymizeAsync(connection, anonymization, cancellationToken).ConfigureAwait(false);
            return (connection, lsn, Severed.Of(ServerConfiguration.Read(clone.Volume.Data), clone, subscriptions), replayed);
        }
        catch (Npgsql.NpgsqlException e) when (e is not Npgsql.PostgresException || e.SqlState is Npgsql.PostgresErrorCodes.AdminShutdown or Npgsql.PostgresErrorCodes.CrashShutdown)
        {
            // The connection broke: on this machine, only the server's end does that.
            connection.Dispose();
            throw server.Ended("while its data was settled", e);
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Tells once for each project what its branches do as their source does. Its first branch is asked, and not the source: that has the same catalogs, and may
    /// be somebody else's.
    /// </summary>
    private void Inspect(ProjectRecord project, BranchRecord branch, BranchServer server, AdminConnection connection, CancellationToken cancellationToken)
    {
        // Branches may be made at the same time, and a project's record is written by one at a time.
        using var held = _workspace.Locks.TryAcquire(LockRequest.Inspecting(project.Name));
        if (held is null || _workspace.State.RequireProject(project.Name) is not { InspectedAt: null } present)
            return;
        var source = _workspace.State.RequireBranch(branch.ParentName!);
        try
        {
            var data = new BranchServer(_workspace, project, source, source.Generation).RequireVolume().Data;
            var findings = SourceInspection.Files(source.FullName, data, _workspace.Storages.Named(project.Storage))
                .Concat(SourceInspection.Catalogs(connection, database => server.Connect(cancellationToken, database), project.PostgresMajor, cancellationToken));
            // Collations are told of each branch, with what mends them.
            foreach (var finding in findings.Where(f => f.Severity == Severity.Warning && f.Check != SourceInspection.CollationsCheck))
                _workspace.Reporter.Warn($"{finding.Check} of {source.FullName}: {finding.Text}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or Npgsql.PostgresException)
        {
            // It only tells: a running source changes under it, and a branch can be had nevertheless.
            _workspace.Reporter.Warn($"what branches of {source.FullName} do as it does could not be looked at: {e.Message}; see dotnet pgd doctor --source {source.FullName}");
            return;
        }

        _workspace.State.Write(present with { InspectedAt = DateTimeOffset.UtcNow });
    }

    /// <summary>Proves the connection that most will ask for, or the superuser's where that is not clear.</summary>
    internal async Task ProveAsync(ProjectRecord project, BranchRecord branch, BranchServer server, AdminConnection connection, CancellationToken cancellationToken)
    {
        // Nobody logs into it; its own socket is in a folder that only its server's account and we get into.
        if (server.IsFollower)
        {
            server.ProveAlone(connection, cancellationToken);
            return;
        }

        var databases = DatabaseList.List(connection, cancellationToken);
        if (databases.IsClear && databases.Choose(branch.FullName, null) is var only)
        {
            try
            {
                await server.ProveAsync(server.Url(only.Name, only.Owner), cancellationToken).ConfigureAwait(false);
                return;
            }
            catch (PgdException e) when (e.InnerException is Npgsql.PostgresException)
            {
                // A role may be kept out of its own database (a connection limit, a revoked privilege): that is for its users to see, and
                // says nothing of who answers. The superuser's login does, and a stranger would refuse that one as well.
                await server.ProveAsync(server.Url("template1", project.Superuser), cancellationToken).ConfigureAwait(false);
                _workspace.Reporter.Warn(e.Message);
                return;
            }
        }

        await server.ProveAsync(server.Url("template1", project.Superuser), cancellationToken).ConfigureAwait(false);
    }

    private async Task<Branch> EnsureAsync(ProjectRecord project, BranchRecord branch, BranchCreate request, Origin origin, CancellationToken cancellationToken)
    {
        if ((request.From is not null && branch.ParentName != origin.Parent) || (request.Snapshot is not null && branch.Snapshot != origin.Snapshot?.Key) || (request.Target is not null && request.Target != branch.Target))
            throw new PgdException(ExitCode.Exists, $"the branch {branch.FullName} exists already, made from {(branch.Target is { } target ? $"{branch.ParentName} at {target}" : _workspace.Snapshots.NameOf(branch) ?? branch.ParentName!.ToString())} and not from {origin.Name}", "Choose another name, or delete it first.");
        var digest = request.Anonymization is null ? branch.AnonymizationDigest : Settlement.Digest(request.Anonymization);
        if (digest != branch.AnonymizationDigest)
            throw new PgdException(ExitCode.Exists, $"the branch {branch.FullName} exists already, with another anonymization", $"Renew its data: dotnet pgd branch reset {branch.FullName} --anonymize FILE");
        if (request.Golden != branch.IsGolden)
            throw new PgdException(ExitCode.Exists, $"the branch {branch.FullName} exists already, and is {(branch.IsGolden ? "" : "not ")}golden", "Choose another name, or delete it first.");
        if (request.Roles is { } roles && !roles.SequenceEqual(branch.Roles))
            throw new PgdException(ExitCode.Exists, $"the branch {branch.FullName} exists already, with other roles", $"Renew its data: dotnet pgd branch reset {branch.FullName}{string.Concat(roles.Select(r => $" --role {r}"))}");
        if (request.Tls is { } tls && tls != branch.Tls)
            throw new PgdException(ExitCode.Exists, $"the branch {branch.FullName} exists already, {(tls ? "without" : "with")} TLS", "Choose another name, or delete it first.");
        var ensured = branch with
        {
            ExpiresAt = request.TimeToLive is { } ttl ? Expiry(ttl) : branch.ExpiresAt,
            Labels = request.Labels.Count == 0 ? branch.Labels : new Dictionary<string, string>(branch.Labels.Where(l => !request.Labels.ContainsKey(l.Key)).Concat(request.Labels)),
            PullRequest = request.PullRequest ?? branch.PullRequest,
        };
        _workspace.State.Write(ensured);
        if (branch.IsGolden)
            return View(project, ensured);
        await StartAsync(project, ensured, cancellationToken).ConfigureAwait(false);
        return View(project, ensured with { ShouldRun = true });
    }

    private async Task StartAsync(ProjectRecord project, BranchRecord branch, CancellationToken cancellationToken)
    {
        if (branch.IsGolden)
            throw Golden(branch);
        if (!branch.ShouldRun)
            _workspace.State.Write(branch with { ShouldRun = true });
        var server = new BranchServer(_workspace, project, branch, branch.Generation);
        if (server.IsRunning())
            return;
        if (!await Ports.IsFreeSoonAsync(branch.Port, cancellationToken).ConfigureAwait(false))
            throw PortTaken.Error(branch.FullName, branch.Port);
        _workspace.Reporter.Step($"starting {branch.FullName}");
        using var connection = await server.StartAsync(open: true, listen: true, NoSettings, cancellationToken).ConfigureAwait(false);
        if (branch.IsRotating)
            await FinishRotationAsync(project, branch with { ShouldRun = true }, cancellationToken).ConfigureAwait(false);
        else
            await ProveAsync(project, branch, server, connection, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Lets a server serve again that an operation has stopped, or had begun to.</summary>
    internal static async Task StartAgainAsync(BranchServer server, IReadOnlyDictionary<string, string>? settings = null)
    {
        if (server.FindVolume() is null || server.Answers())
            return;
        await server.StopAsync(StopMode.Fast, CancellationToken.None).ConfigureAwait(false);
        (await server.StartAsync(open: true, listen: true, settings ?? NoSettings, CancellationToken.None).ConfigureAwait(false)).Dispose();
    }

    /// <summary>The branch's record if it is whole. What a killed operation left of it is removed or taken back: we hold its lock, so no one is at it.</summary>
    internal async Task<BranchRecord?> FindReadyAsync(ProjectRecord project, BranchName name)
    {
        var record = _workspace.State.FindBranch(name);
        if (record is null)
            return null;
        RefuseHalfRenamed(record);
        if (record.Phase == BranchPhase.Ready)
            return record.PendingGeneration is null ? record : await TakeBackResetAsync(project, record).ConfigureAwait(false);
        _workspace.Reporter.Step($"removing what a killed operation left of {name}");
        await DestroyAsync(project, record).ConfigureAwait(false);
        return null;
    }

    internal BranchRecord RequireReady(BranchName name)
    {
        var record = _workspace.State.RequireBranch(name);
        RefuseHalfRenamed(record);
        return record.Phase == BranchPhase.Ready ? record : throw new PgdException(ExitCode.Failed,
            $"{name} is half {(record.Phase == BranchPhase.Creating ? "made" : "deleted")}", "If no other operation is at it, clean up: dotnet pgd doctor --fix");
    }

    internal static void RefuseHalfRenamed(BranchRecord branch)
    {
        if (branch.RenamingTo is not null || branch.RenamedFrom is not null)
            throw StateStore.HalfRenamed(branch.RenamedFrom ?? branch.FullName.ToString(), branch.RenamingTo ?? branch.FullName.ToString());
    }

    internal BranchRecord RequireOwn(BranchName name) => RequireReady(name) is { IsAdopted: false } own ? own : throw AdoptedCluster.NotOurs(name);

    internal BranchServer RequireRunning(ProjectRecord project, BranchRecord branch)
    {
        var server = new BranchServer(_workspace, project, branch, branch.Generation);
        return server.IsRunning() ? server
            : throw (branch.IsGolden ? Golden(branch) : new PgdException(ExitCode.Failed, $"{branch.FullName} is stopped", $"Start it: dotnet pgd start {branch.FullName}"));
    }

    private static PgdException Golden(BranchRecord branch) => new(ExitCode.Unsafe, $"{branch.FullName} is golden: it stays stopped, so that what is made from it needs no recovery",
        $"Make a branch from it: dotnet pgd branch create {branch.Project}/NAME --from {branch.Name}");

    /// <summary>Does something to a branch of ours, under its lock.</summary>
    private Task<T> OnOwnAsync<T>(string operation, BranchName name, Func<ProjectRecord, BranchRecord, Task<T>> work, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(name);
        return _workspace.Audit.RecordAsync(operation, name.ToString(), null, async () =>
        {
            using var held = await LockAsync(name, cancellationToken).ConfigureAwait(false);
            return await work(_workspace.State.RequireProject(name.Project), RequireOwn(name)).ConfigureAwait(false);
        });
    }

    internal Task<HeldLocks> LockAsync(BranchName name, CancellationToken cancellationToken)
    {
        _ = _workspace.State.RequireBranch(name);
        return _workspace.Locks.AcquireAsync(cancellationToken, LockRequest.Project(name.Project, exclusive: false), LockRequest.Branch(name, exclusive: true));
    }

    private string LogFile(BranchName name)
    {
        var (project, branch) = (_workspace.State.RequireProject(name.Project), _workspace.State.RequireBranch(name));
        return branch.IsAdopted ? throw AdoptedCluster.NotOurs(name) : new BranchServer(_workspace, project, branch, branch.Generation).RequireVolume().Log;
    }

    internal static DateTimeOffset? Expiry(TimeSpan timeToLive) => timeToLive == TimeSpan.Zero ? null : DateTimeOffset.UtcNow + timeToLive;
}

/// <summary>How to reset a branch.</summary>
public sealed record BranchReset
{
    /// <summary>The full name.</summary>
    public required BranchName Name { get; init; }

    /// <summary>Never issue a checkpoint on the source first.</summary>
    public bool Fast { get; init; }

    /// <summary>How the copy of a running source is made consistent.</summary>
    public Consistency Consistency { get; init; }

    /// <summary>The branch of the same project to take the data from, which becomes its parent; null for the one that it has. Itself for one of its own snapshots.</summary>
    public string? From { get; init; }

    /// <summary>A snapshot of <see cref="From"/>, by its label, its identity or the beginning of that; null for the branch as it is now.</summary>
    public string? Snapshot { get; init; }

    /// <summary>A moment in the past of <see cref="From"/>; null for now.</summary>
    public RecoveryTarget? Target { get; init; }

    /// <summary>Whether to go back to the snapshot that its present data was made from.</summary>
    public bool ToOrigin { get; init; }

    /// <summary>What to run before anyone can connect.</summary>
    public Anonymization? Anonymization { get; init; }

    /// <summary>A new time to live, from now; null leaves the expiry as it is.</summary>
    public TimeSpan? TimeToLive { get; init; }

    /// <summary>The pull request's new head, if the branch is a preview.</summary>
    public PullRequestKey? PullRequest { get; init; }

    /// <summary>The source's roles that may log in from now on; null leaves them as they are.</summary>
    public IReadOnlyList<string>? Roles { get; init; }
}

/// <summary>What was looked at in a branch, and what is wrong.</summary>
/// <param name="Databases">How many databases.</param>
/// <param name="Tables">How many tables, with their TOAST tables and materialized views.</param>
/// <param name="Indexes">How many B-trees.</param>
/// <param name="Unchecked">How many indexes of other kinds, which cannot be checked.</param>
/// <param name="Problems">What is damaged; empty if nothing is.</param>
public sealed record Verified(int Databases, int Tables, int Indexes, int Unchecked, IReadOnlyList<string> Problems);

/// <summary>What was brought back after a boot.</summary>
/// <param name="Mounted">Volumes that were not mounted, by their datasets.</param>
/// <param name="Repairs">What killed operations had left.</param>
/// <param name="Started">Branches whose servers did not run, and do now.</param>
/// <param name="Running">Branches whose servers ran already.</param>
/// <param name="Stopped">Branches that were stopped on purpose, and stay so.</param>
/// <param name="Problems">What could not be brought back, and why.</param>
public sealed record Resumed(
    IReadOnlyList<string> Mounted, IReadOnlyList<Repair> Repairs, IReadOnlyList<BranchName> Started, IReadOnlyList<BranchName> Running,
    IReadOnlyList<BranchName> Stopped, IReadOnlyList<string> Problems);
