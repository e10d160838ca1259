using Npgsql;
using Pgd.Backups;
using Pgd.Following;
using Pgd.Libpq;
using Pgd.Linux;
using Pgd.Postgres;
using Pgd.Processes;
using Pgd.Recovery;
using Pgd.Replication;
using Pgd.Runtime;
using Pgd.State;
using Pgd.Storage;

namespace Pgd;

/// <summary>Projects: PostgreSQL lineages.</summary>
public sealed class Projects
{
    private const string DefaultSuperuser = "postgres";
    private readonly Workspace _workspace;

    internal Projects(Workspace workspace) => _workspace = workspace;

    /// <summary>Makes a project and its first branch, <c>main</c>, with a database and an owner of the project's name.</summary>
    /// <exception cref="PgdException">
    /// It exists already (<see cref="ExitCode.Exists"/>), the machine lacks server binaries or a storage (<see cref="ExitCode.MachineLacks"/>),
    /// the dump cannot be read or needs a newer server (<see cref="ExitCode.Misuse"/>). Nothing is left of it then.
    /// </exception>
    public Task<Project> CreateAsync(ProjectCreate request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        return _workspace.Audit.RecordAsync("project create", request.Name, null, () => MakeAsync(request, cancellationToken));
    }

    private async Task<Project> MakeAsync(ProjectCreate request, CancellationToken cancellationToken)
    {
        Workspace.RequireLinux();
        var name = BranchName.Of(request.Name, BranchName.Main);
        using var held = await _workspace.Locks.AcquireAsync(cancellationToken, LockRequest.Project(name.Project, exclusive: true), LockRequest.Branch(name, exclusive: true)).ConfigureAwait(false);
        await RefuseExistingAsync(name).ConfigureAwait(false);
        if (request.Follow is not null && request.From is null)
            throw new PgdException(ExitCode.Misuse, $"{name} would follow a server that is not named", "Add --from URL.");
        if (request.From is null)
            return await MakeAsync(request, name, copy: null, primary: null, cancellationToken).ConfigureAwait(false);
        if (request.FromDump is not null || request.Adopt is not null)
            throw new PgdException(ExitCode.Misuse, "a project is copied from a server, filled from a dump, or adopted", "Give one of --from, --from-dump and --adopt.");
        if (request.Follow == FollowMode.Physical)
        {
            if (request.PointInTime is { } window && window != TimeSpan.Zero)
                throw Follower.LogIsNotOurs(name, Primary.Address(request.From));
            var primary = await OpenPrimaryAsync(request.From, _workspace.Runtimes.Choose(request.Runtime ?? _workspace.Configuration.Runtime, request.Image), cancellationToken).ConfigureAwait(false);
            await using var __ = primary.ConfigureAwait(false);
            return await MakeAsync(request, name, copy: null, primary, cancellationToken).ConfigureAwait(false);
        }

        if (request.Follow == FollowMode.Logical)
        {
            Primary.Refuse(request.From);
            if (!_workspace.Runtimes.Choose(request.Runtime ?? _workspace.Configuration.Runtime, request.Image).SeesClients && (Addresses.IsLoopback(request.From.Host) || request.From.Hosts[0].IsSocket))
                throw new PgdException(ExitCode.Misuse, $"the subscriber of {Primary.Address(request.From)} would be in a container, for which {request.From.Host} is itself", "Name an address of that server that containers reach, or choose --runtime native.");
            // What would not go on is told before anything is made.
            var major = await InitialCopy.MajorAsync(request.From, cancellationToken).ConfigureAwait(false);
            return await MakeAsync(request with { PostgresMajor = request.PostgresMajor ?? major }, name, copy: null, primary: null, cancellationToken).ConfigureAwait(false);
        }

        var copy = await InitialCopy.OpenAsync(request.From, cancellationToken).ConfigureAwait(false);
        await using var _ = copy.ConfigureAwait(false);
        return await MakeAsync(request, name, copy, primary: null, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>A server that is to be followed: until it is closed, it keeps the log that its standby will ask for first.</summary>
    internal static async Task<PhysicalSource> OpenPrimaryAsync(ConnectionUrl url, IRuntime runtime, CancellationToken cancellationToken)
    {
        Primary.Refuse(url);
        if (!runtime.SeesClients && (Addresses.IsLoopback(url.Host) || url.Hosts[0].IsSocket))
            throw new PgdException(ExitCode.Misuse, $"the standby of {Primary.Address(url)} would be in a container, for which {url.Host} is itself", "Name an address of that server that containers reach, or choose --runtime native.");
        var clients = await DumpClients.FindAsync(cancellationToken).ConfigureAwait(false);
        // An image has its own, if this machine has none.
        var primary = await PhysicalSource.OpenAsync(url, major => runtime.FindProgram("pg_basebackup", major) ?? (runtime.Name == "docker" ? clients.FindBaseBackup(major) : clients.BaseBackupOf(major)), cancellationToken).ConfigureAwait(false);
        try
        {
            return await primary.WaitsForAnyAsync(cancellationToken).ConfigureAwait(false) is not { } names ? primary
                : throw new PgdException(ExitCode.Unsafe, $"commits on {url} wait for any standby that there is (synchronous_standby_names = '{names}'), and would wait for this one", "Name those there that they are to wait for: ALTER SYSTEM SET synchronous_standby_names = 'NAME, …'; SELECT pg_reload_conf();");
        }
        catch
        {
            await primary.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private async Task<Project> MakeAsync(ProjectCreate request, BranchName name, InitialCopy? copy, PhysicalSource? primary, CancellationToken cancellationToken)
    {
        var adopted = request.Adopt is { } place ? Adoptable(request, place) : null;
        var pointInTime = request.PointInTime is { } asked && asked != TimeSpan.Zero ? asked : (TimeSpan?)null;
        if (adopted is not null && pointInTime is not null)
            throw ArchiveSwitch.NotOurs(name);
        var runtime = _workspace.Runtimes.Choose(request.Runtime ?? _workspace.Configuration.Runtime, request.Image);
        var ports = request.Ports ?? _workspace.Configuration.PortRange ?? PortRange.Default;
        if (primary is not null && request.PostgresMajor is { } asMajor && asMajor != primary.Major)
            throw new PgdException(ExitCode.Misuse, $"{request.From} is PostgreSQL {primary.Major}, and a standby of it cannot be of {asMajor}", "Leave out --pg-version. What a newer version makes of the data is seen in a copy: leave out --follow.");
        // Its text is sorted by the C library that its indexes were built with.
        var image = request.Image ?? (primary is { Libc: "glibc" } && runtime.Name == "docker" ? $"postgres:{primary.Major}" : null);
        var programs = await runtime.ChooseAsync(adopted?.Major ?? request.PostgresMajor ?? copy?.Major ?? primary?.Major, image, _workspace.Reporter, cancellationToken).ConfigureAwait(false);

        var project = new ProjectRecord
        {
            Name = name.Project,
            Storage = (adopted is null ? _workspace.Storages.Choose(request.Storage ?? _workspace.Configuration.Storage, request.Pool) : StorageFor(adopted, request)).Name,
            Runtime = runtime.Name,
            PostgresMajor = programs.Major,
            Image = programs.Image,
            Superuser = primary?.Superuser ?? request.Superuser ?? DefaultSuperuser,
            FirstPort = ports.First,
            LastPort = ports.Last,
            CreatedAt = DateTimeOffset.UtcNow,
            Source = request.From is { } from ? Primary.Address(from) : null,
            IsFollower = primary is not null,
            Subscription = request.Follow == FollowMode.Logical ? Subscriber.NameFor(_workspace, name.Project, request.From!) : null,
        };
        if (primary?.Libc is { } libc && libc != Collations.LibcOf(project))
            throw new PgdException(ExitCode.Unsafe, $"{request.From} sorts text by {libc}, and {Collations.ServerOf(project)} by {Collations.LibcOf(project)}: its indexes would be wrong here", "Choose an image with the same C library: --runtime docker --image IMAGE");
        if (copy is not null && programs.Major < copy.Major)
            throw new PgdException(ExitCode.Misuse, $"{request.From} is PostgreSQL {copy.Major}, and the project would be of {programs.Major}", $"Leave out --pg-version, or name {copy.Major} or a newer one.");
        using var dump = await OpenDumpAsync(request, programs.Major, cancellationToken).ConfigureAwait(false);

        var undo = new Undo(_workspace.Reporter);
        await using var _ = undo.ConfigureAwait(false);
        undo.Push($"remove the project {project.Name}", () => _workspace.State.DeleteProject(project.Name));
        _workspace.State.Write(project);
        Fault.Here("project:record");
        if ((request.Network ?? _workspace.Configuration.Network) == Runtime.Docker.Internal)
        {
            undo.Push($"remove the network of {project.Name}", () => runtime.RemoveNetwork(project.Name));
            project = project with { Subnet = runtime.MakeNetwork(project.Name) };
            Fault.Here("project:network");
            _workspace.State.Write(project);
        }

        if (adopted is not null)
        {
            Adopt(project, name, adopted, undo);
            undo.Keep();
            return View(project, branches: 1);
        }

        var main = await Ports.WithFreePortAsync(_workspace.Reporter, refused =>
            DiskFull.TellAsync(_workspace.Root, () => MakeMainAsync(project, name, dump, copy, primary, request.From, refused, cancellationToken))).ConfigureAwait(false);
        if (pointInTime is not null)
        {
            undo.Push($"destroy {name}", () => _workspace.Branches.DestroyAsync(project, main));
            // Not before: nobody goes back into the middle of a dump.
            project = await new ArchiveSwitch(_workspace, project).TurnAsync(pointInTime, cancellationToken).ConfigureAwait(false);
        }

        undo.Keep();
        return View(project, branches: 1);
    }

    /// <summary>
    /// Changes a project. To turn the archiving of its first branch's write-ahead log on or off, that branch's server is restarted if it runs, and proved again. What was
    /// archived stays.
    /// </summary>
    /// <exception cref="PgdException">
    /// There is none of that name (<see cref="ExitCode.NotFound"/>), its first branch was adopted, archives already by itself, or writes too little log for that
    /// (<see cref="ExitCode.Unsafe"/>), or does not start (<see cref="ExitCode.Failed"/>). The project is then as it was.
    /// </exception>
    public Task<Project> SetAsync(ProjectSet request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        return _workspace.Audit.RecordAsync("project set", request.Name, null, () => ChangeAsync(request.Name, async project =>
        {
            if (request.Password is { } password)
                await SetPasswordAsync(project, password, cancellationToken).ConfigureAwait(false);
            return request.PointInTime is { } window ? await new ArchiveSwitch(_workspace, project).TurnAsync(window == TimeSpan.Zero ? null : window, cancellationToken).ConfigureAwait(false) : project;
        }, cancellationToken));
    }

    /// <summary>The server reads it whenever it connects, so it goes on.</summary>
    private async Task SetPasswordAsync(ProjectRecord project, string password, CancellationToken cancellationToken)
    {
        if (!project.IsFollower && project.Subscription is null)
            throw new PgdException(ExitCode.Misuse, $"{project.Name} follows no other server, so it keeps no password of one", $"Passwords of its own are renewed by: dotnet pgd branch rotate {project.Name}/{BranchName.Main}");
        var url = ConnectionUrl.Parse(project.Source!, LibpqEnvironment.None) with { Password = password };
        Primary.Refuse(url);
        await (await ScriptConnection.OpenAsync(url, "pgd", null, cancellationToken).ConfigureAwait(false)).DisposeAsync().ConfigureAwait(false);
        var main = _workspace.Branches.RequireReady(BranchName.Of(project.Name, BranchName.Main));
        Primary.Write(new BranchServer(_workspace, project, main, main.Generation).RequireVolume(), url);
    }

    /// <summary>Sees to it that the log of a project's first branch is archived; one that is already stays as it is. The caller holds no lock of the project.</summary>
    /// <exception cref="PgdException">As for <see cref="SetAsync"/>.</exception>
    internal Task<Project> EnsureArchivingAsync(string project, TimeSpan window, CancellationToken cancellationToken) =>
        ChangeAsync(project, found => found is { PointInTime: not null, IsSwitchingArchive: false } ? Task.FromResult(found) : new ArchiveSwitch(_workspace, found).TurnAsync(found.PointInTime ?? window, cancellationToken), cancellationToken);

    private async Task<Project> ChangeAsync(string name, Func<ProjectRecord, Task<ProjectRecord>> change, CancellationToken cancellationToken)
    {
        Workspace.RequireLinux();
        _workspace.State.RequireProject(name);
        using var held = await _workspace.Locks.AcquireAsync(cancellationToken, LockRequest.Project(name, exclusive: true)).ConfigureAwait(false);
        var changed = await change(_workspace.State.RequireProject(name)).ConfigureAwait(false);
        return View(changed, _workspace.State.BranchNames(name).Count);
    }

    /// <summary>All projects, by name.</summary>
    public Task<IReadOnlyList<Project>> ListAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return Task.FromResult<IReadOnlyList<Project>>([.. _workspace.State.ProjectNames().Select(_workspace.State.FindProject).OfType<ProjectRecord>().Select(p => View(p, _workspace.State.BranchNames(p.Name).Count))]);
    }

    /// <summary>One project.</summary>
    /// <exception cref="PgdException">There is none of that name (<see cref="ExitCode.NotFound"/>).</exception>
    public Task<Project> GetAsync(string name, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return Task.FromResult(View(_workspace.State.RequireProject(name), _workspace.State.BranchNames(name).Count));
    }

    /// <summary>How new a project's data is. A source is asked only where its standby does not stream.</summary>
    /// <exception cref="PgdException">There is none of that name (<see cref="ExitCode.NotFound"/>).</exception>
    public Task<Freshness> GetFreshnessAsync(string name, CancellationToken cancellationToken)
    {
        var project = _workspace.State.RequireProject(name);
        return Task.Run(() => new FreshnessQuestion(_workspace, project).Ask(cancellationToken), cancellationToken);
    }

    /// <summary>The same of all projects, by name.</summary>
    public async Task<IReadOnlyList<Freshness>> ListFreshnessAsync(CancellationToken cancellationToken) =>
        await Task.WhenAll(_workspace.State.ProjectNames().Select(_workspace.State.FindProject).OfType<ProjectRecord>().Select(p => Task.Run(() => new FreshnessQuestion(_workspace, p).Ask(cancellationToken), cancellationToken))).ConfigureAwait(false);

    /// <summary>
    /// Brings a project's first branch up to date with where its data comes from: its data is made anew beside the old one, proved, and takes its place. What was written to it here is gone then;
    /// branches and snapshots that were made before stay as they are.
    /// </summary>
    /// <exception cref="PgdException">
    /// There is none of that name (<see cref="ExitCode.NotFound"/>), its data comes from no other server (<see cref="ExitCode.Misuse"/>), or as for making it. The old data then serves on.
    /// </exception>
    public Task<Project> RefreshAsync(ProjectRefresh request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        return _workspace.Audit.RecordAsync("project refresh", request.Name, null, () => DiskFull.TellAsync(_workspace.Root, () => new MainRefresh(_workspace, request).RunAsync(cancellationToken)));
    }

    /// <summary>Deletes a project with all of its data. Without <paramref name="force"/> it is refused while it has branches beside <c>main</c>.</summary>
    /// <exception cref="PgdException">There is none of that name (<see cref="ExitCode.NotFound"/>), or it has branches (<see cref="ExitCode.Unsafe"/>).</exception>
    public Task DeleteAsync(string name, bool force, CancellationToken cancellationToken) => _workspace.Audit.RecordAsync("project delete", name, null, async () =>
    {
        await RemoveAsync(name, force, cancellationToken).ConfigureAwait(false);
        return true;
    });

    /// <summary>
    /// Gives a project another name. Addresses, passwords and snapshots stay, and so do the names of databases and roles; its servers are restarted.
    /// </summary>
    /// <exception cref="PgdException">
    /// There is none of that name (<see cref="ExitCode.NotFound"/>), or one of the new name (<see cref="ExitCode.Exists"/>). If one of its servers does not start under the new name, all of them
    /// serve under the old one.
    /// </exception>
    public Task<Project> RenameAsync(string name, string newName, CancellationToken cancellationToken) => _workspace.Audit.RecordAsync("project rename", name, null,
        () => new Renaming.Renames(_workspace).ProjectAsync(BranchName.CheckProject(name), BranchName.CheckProject(newName), cancellationToken));

    private async Task RemoveAsync(string name, bool force, CancellationToken cancellationToken)
    {
        using var held = await _workspace.Locks.AcquireAsync(cancellationToken, LockRequest.Project(BranchName.CheckProject(name), exclusive: true)).ConfigureAwait(false);
        var project = _workspace.State.RequireProject(name);
        var branches = _workspace.State.BranchNames(name);
        if (!force && branches.Any(b => b != BranchName.Main))
        {
            throw new PgdException(ExitCode.Unsafe, $"the project {name} has branches: {string.Join(", ", branches.Where(b => b != BranchName.Main))}",
                $"Delete them first, or everything at once: dotnet pgd project delete {name} --force");
        }

        if (!force && _workspace.State.Snapshots(name) is { Count: > 0 } kept)
        {
            throw new PgdException(ExitCode.Unsafe, $"the project {name} has {Severed.Count(kept.Count, "snapshot")}: {string.Join(", ", kept.TakeLast(5).Select(s => s.FullName))}{(kept.Count > 5 ? ", …" : "")}",
                $"Delete them first, or everything at once: dotnet pgd project delete {name} --force");
        }

        // The project's exclusive lock keeps out every operation on its branches.
        // All of the records are read before the first branch goes: one that is damaged must not be noticed half-way.
        var records = branches.OrderBy(b => b == BranchName.Main).Select(b => _workspace.State.RequireBranch(BranchName.Of(name, b))).ToList();
        records.ForEach(Branches.RefuseHalfRenamed);
        records.ForEach(branch => Protection.Refuse(branch, "deleted"));
        foreach (var snapshot in _workspace.State.Snapshots(name))
            Protection.Refuse(snapshot, "deleted");
        if (project.Subscription is not null && records.Find(branch => branch.Parent is null) is { } main)
            await new Subscriber(_workspace, project, new BranchServer(_workspace, project, main, main.Generation)).LeaveAsync(force, cancellationToken).ConfigureAwait(false);
        foreach (var branch in records)
        {
            cancellationToken.ThrowIfCancellationRequested();
            await _workspace.Branches.DestroyAsync(project, branch).ConfigureAwait(false);
        }

        _workspace.Runtimes.Named(project.Runtime).RemoveNetwork(name);
        Fault.Here("project:unnetworked");
        _workspace.State.DeleteProject(name);
        _workspace.Locks.Sweep();
    }

    private static AdoptedCluster Adoptable(ProjectCreate request, string place)
    {
        if (request.FromDump is not null)
            throw new PgdException(ExitCode.Misuse, "a project is either adopted or filled from a dump", "Leave out --adopt or --from-dump.");
        var cluster = AdoptedCluster.Find(place);
        return request.PostgresMajor is { } major && major != cluster.Major
            ? throw new PgdException(ExitCode.Misuse, $"the cluster in {cluster.Data} is of PostgreSQL {cluster.Major}, not {major}", "Leave out --pg-version.")
            : cluster;
    }

    /// <summary>Branches come from where the cluster is: only what holds its files can share them.</summary>
    private IStorage StorageFor(AdoptedCluster cluster, ProjectCreate request)
    {
        var storages = _workspace.Storages;
        var (table, name) = (MountTable.Read(), request.Storage ?? _workspace.Configuration.Storage);
        var (holder, own) = (table.Of(cluster.Data), table.Of(_workspace.Root));
        if (holder is { Type: "zfs" } && name is null or "auto" or "zfs")
        {
            storages.Zfs.PrepareFor(holder!.Source, request.Pool);
            return storages.Zfs;
        }

        if (name is not (null or "auto") || request.Pool is not null)
            return storages.Choose(name, request.Pool);
        return holder?.Source != own?.Source ? storages.Named("copy")
            : holder?.Type == "btrfs" && Btrfs.IsSubvolume(cluster.Data) ? storages.Choose("btrfs")
            : storages.Named("reflink") is { } reflink && reflink.Unavailable() is null ? reflink
            : storages.Named("copy");
    }

    /// <summary>Writes down where it is. Nothing of it is touched, and it is not asked.</summary>
    private void Adopt(ProjectRecord project, BranchName name, AdoptedCluster cluster, Undo undo)
    {
        var main = new BranchRecord
        {
            Id = Branches.NewId(),
            Project = project.Name,
            Name = name.Branch,
            Phase = BranchPhase.Creating,
            Generation = 1,
            Port = AdoptedCluster.PortOf(cluster.Data) ?? 0,
            Host = "127.0.0.1",
            HostName = _workspace.HostName,
            IsAdopted = true,
            CreatedAt = DateTimeOffset.UtcNow,
        };
        undo.Push($"remove {name}", () => _workspace.State.Delete(name));
        _workspace.State.Write(main);
        Fault.Here("adopt:record");
        var server = new BranchServer(_workspace, project, main, main.Generation);
        undo.Push($"forget {cluster.Data}", server.TakeBackAsync);
        _workspace.Storages.Folders.Make(new Volume(server.Key, _workspace.Storages.Folders.Folder(server.Key)) { Data = cluster.Data, IsAdopted = true });
        Fault.Here("adopt:volume");
        _workspace.State.Write(main with { Phase = BranchPhase.Ready });
        _workspace.Reporter.Step($"adopted {cluster.Data}, PostgreSQL {cluster.Major}, {(AdoptedCluster.MayRun(cluster.Data) ? "running" : "stopped")}, on {project.Storage}");
    }

    private async Task RefuseExistingAsync(BranchName name)
    {
        if (_workspace.State.FindProject(name.Project) is not { } existing)
            return;
        var main = _workspace.State.FindBranch(name);
        if (main is { Phase: BranchPhase.Ready } || _workspace.State.BranchNames(name.Project).Any(b => b != BranchName.Main))
            throw new PgdException(ExitCode.Exists, $"the project {name.Project} exists already", $"Look at it: dotnet pgd project get {name.Project}");
        // We hold its lock, so the one who was making it is dead.
        if (main is not null)
            await _workspace.Branches.DestroyAsync(existing, main).ConfigureAwait(false);
        _workspace.Runtimes.Named(existing.Runtime).RemoveNetwork(existing.Name);
        _workspace.State.DeleteProject(name.Project);
    }

    private async Task<DumpFile?> OpenDumpAsync(ProjectCreate request, int major, CancellationToken cancellationToken)
    {
        if (request.FromDump is null)
            return null;
        _workspace.Layout.Ensure();
        var clients = await DumpClients.FindAsync(cancellationToken).ConfigureAwait(false);
        var dump = await DumpFile.OpenAsync(request.FromDump, request.Input, _workspace.Root, clients, cancellationToken).ConfigureAwait(false);
        try
        {
            // Said before anything is made.
            dump.CheckTarget(major);
            return dump;
        }
        catch
        {
            dump.Dispose();
            throw;
        }
    }

    private async Task RestoreAsync(DumpFile dump, ProjectRecord project, BranchServer server, AdminConnection connection, string database, CancellationToken cancellationToken)
    {
        if (!dump.IsCluster)
        {
            // Owners and grantees, so that ownership, grants and row security are what they are in production. No one can log in as them.
            var existing = (connection.Query("select rolname::text from pg_roles", cancellationToken)).Select(r => r[0]!).ToHashSet(StringComparer.Ordinal);
            foreach (var role in dump.Roles.Where(r => !existing.Contains(r)))
                connection.Execute($"create role {AdminConnection.QuoteIdentifier(role)} nologin", cancellationToken);
        }

        var target = new ConnectionUrl { Host = server.Address.SocketFolder, Port = server.Address.Port, Database = database, User = project.Superuser };
        var clients = await DumpClients.FindAsync(cancellationToken).ConfigureAwait(false);
        await dump.RestoreAsync(target, project.PostgresMajor, clients, _workspace.Reporter, cancellationToken).ConfigureAwait(false);
        if (database == project.Name)
            HandOver(project, server, connection, cancellationToken);
    }

    internal async Task CopyAsync(InitialCopy copy, ProjectRecord project, BranchServer server, AdminConnection connection, CancellationToken cancellationToken)
    {
        // Owners and grantees, so that ownership, grants and row security are what they are in production. No one can log in as them, but whom the database belongs to.
        var existing = connection.Query("select rolname::text from pg_roles", cancellationToken).Select(r => r[0]!).ToHashSet(StringComparer.Ordinal);
        foreach (var role in copy.Roles.Where(role => !existing.Contains(role)))
            connection.Execute($"create role {AdminConnection.QuoteIdentifier(role)} {(role == copy.Owner ? "login" : "nologin")}", cancellationToken);
        if (copy.Database != "postgres")
            Create(copy, project.PostgresMajor, connection, cancellationToken);
        await copy.RunAsync(new ConnectionUrl { Host = server.Address.SocketFolder, Port = server.Address.Port, Database = copy.Database, User = project.Superuser }, _workspace.Reporter, cancellationToken).ConfigureAwait(false);
    }

    private void Create(InitialCopy copy, int major, AdminConnection connection, CancellationToken cancellationToken)
    {
        try
        {
            connection.Execute(copy.Locale.Definition(copy.Database, copy.Owner, major), cancellationToken);
        }
        catch (PostgresException e) when (DatabaseLocale.IsMissing(e))
        {
            _workspace.Reporter.Warn(copy.Locale.SortedOtherwise(copy.Database));
            connection.Execute(copy.Locale.DefinitionWithoutLocale(copy.Database, copy.Owner), cancellationToken);
        }
    }

    /// <summary>A dump does not say whose the database was: it goes to the role that owns most of what is in it, so that the default connection can use it.</summary>
    private static void HandOver(ProjectRecord project, BranchServer server, AdminConnection connection, CancellationToken cancellationToken)
    {
        string? owner;
        using (var inside = server.Connect(cancellationToken, project.Name))
        {
            owner = inside.Scalar(
                """
                select r.rolname::text from pg_class c join pg_roles r on r.oid = c.relowner join pg_namespace n on n.oid = c.relnamespace
                 where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and c.relkind in ('r', 'p', 'v', 'm', 'S', 'f')
                 group by 1 order by count(*) desc, 1 limit 1
                """, cancellationToken);
        }

        if (owner is null || owner == project.Name)
            return;
        var quoted = AdminConnection.QuoteIdentifier(owner);
        connection.Execute($"alter role {quoted} login", cancellationToken);
        connection.Execute($"alter database {AdminConnection.QuoteIdentifier(project.Name)} owner to {quoted}", cancellationToken);
        connection.Execute($"drop role {AdminConnection.QuoteIdentifier(project.Name)}", cancellationToken);
    }

    private async Task<BranchRecord> MakeMainAsync(ProjectRecord project, BranchName name, DumpFile? dump, InitialCopy? copy, PhysicalSource? primary, ConnectionUrl? from, HashSet<int> refused, CancellationToken cancellationToken)
    {
        var id = Branches.NewId();
        var undo = new Undo(_workspace.Reporter);
        await using var _ = undo.ConfigureAwait(false);
        undo.Push($"remove {name}", () => _workspace.State.Delete(name));
        var branch = await _workspace.Ports.ReserveAsync(project, refused, port => new()
        {
            Id = id,
            Project = project.Name,
            Name = name.Branch,
            Phase = BranchPhase.Creating,
            Generation = 1,
            Port = port,
            Host = _workspace.Runtimes.Named(project.Runtime).HostOf(project, name.Branch, port, _workspace.Configuration.Host),
            HostName = _workspace.HostName,
            Tls = _workspace.Configuration.Tls ?? false,
            CreatedAt = DateTimeOffset.UtcNow,
        }, cancellationToken).ConfigureAwait(false);
        Fault.Here("project:port");

        var server = new BranchServer(_workspace, project, branch, branch.Generation);
        undo.Push($"destroy the data of {name}", server.TakeBackAsync);
        if (primary is not null)
        {
            var follows = branch with { Phase = BranchPhase.Ready, DataAsOf = await new StandbyGeneration(_workspace, project, branch, branch.Generation).MakeAsync(primary, cancellationToken).ConfigureAwait(false) };
            _workspace.State.Write(follows);
            undo.Keep();
            return follows;
        }

        DiskFull.RefuseWithout(0, _workspace.Root);
        var volume = _workspace.Storages.Named(project.Storage).Create(server.Key);
        Fault.Here("project:volume");
        _workspace.Reporter.Step($"initdb, PostgreSQL {project.PostgresMajor}, on {project.Storage}");
        await _workspace.Runtimes.Named(project.Runtime).InitializeAsync(volume, project, cancellationToken).ConfigureAwait(false);
        Fault.Here("project:initdb");

        using var connection = await server.StartAsync(open: false, listen: true, new Dictionary<string, string>(), cancellationToken).ConfigureAwait(false);
        // A dump of a whole cluster, or one made with --create, brings databases of its own.
        var fill = copy is null && project.Subscription is null && dump is null or { Databases.Count: 0 };
        if (fill)
        {
            var owner = AdminConnection.QuoteIdentifier(project.Name);
            connection.Execute($"create role {owner} login", cancellationToken);
            connection.Execute($"create database {owner} owner {owner}", cancellationToken);
        }

        var dataAsOf = copy?.DataAsOf;
        if (copy is not null)
            await CopyAsync(copy, project, server, connection, cancellationToken).ConfigureAwait(false);
        if (project.Subscription is not null)
        {
            var subscriber = new Subscriber(_workspace, project, server);
            undo.Push($"remove what was made for {name} at {project.Source}", () => subscriber.LeaveAsync(force: true, CancellationToken.None));
            dataAsOf = await subscriber.MakeAsync(from!, cancellationToken).ConfigureAwait(false);
        }

        if (dump is not null)
            await RestoreAsync(dump, project, server, connection, fill ? project.Name : "postgres", cancellationToken).ConfigureAwait(false);
        new Settlement(_workspace, server, branch).Rotate(connection, cancellationToken);
        server.OpenDoor(connection, cancellationToken);
        await server.ProveAsync(server.Url("postgres", project.Superuser), cancellationToken).ConfigureAwait(false);
        Fault.Here("project:proved");
        var ready = branch with { Phase = BranchPhase.Ready, DataAsOf = dataAsOf };
        _workspace.State.Write(ready);
        undo.Keep();
        return ready;
    }

    internal Project View(ProjectRecord record, int branches) => new()
    {
        Name = record.Name,
        Storage = record.Storage,
        Runtime = record.Runtime,
        PostgresMajor = record.PostgresMajor,
        PointInTime = record.PointInTime,
        From = record.Source,
        Follow = record.IsFollower ? FollowMode.Physical : record.Subscription is not null ? FollowMode.Logical : null,
        Network = record.Subnet is not null ? Runtime.Docker.Internal : null,
        Ports = new(record.FirstPort, record.LastPort),
        CreatedAt = record.CreatedAt,
        Branches = branches,
        Settings = _workspace.Configuration.SettingsOf(record.Name).ToDictionary(s => s.Key, s => s.Value.Value),
    };
}
