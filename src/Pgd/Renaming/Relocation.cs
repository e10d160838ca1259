using Pgd.Linux;
using Pgd.Postgres;
using Pgd.Processes;
using Pgd.Runtime;
using Pgd.State;
using Pgd.Storage;

namespace Pgd.Renaming;

/// <summary>A branch as its record is under the old name, and as it will be under the new one.</summary>
internal sealed record RenamedBranch(BranchRecord Old, BranchRecord New);

/// <summary>
/// Branches on their way to other names, with their volumes, snapshots and servers. Their old records say where they go; then servers stop, volumes move, servers start there
/// behind a closed door. All of that is taken back if anything fails. Then one record is put in place, which says where it came from: from that moment on the new names are true, and what is left under
/// the old ones goes. So whoever finds it half done can tell from the records alone which way it has to go on. The caller holds the projects' locks.
/// </summary>
internal sealed class Relocation
{
    private static readonly IReadOnlyDictionary<string, string> NoSettings = new Dictionary<string, string>();

    private readonly Workspace _workspace;
    private readonly ProjectRecord _from;
    private readonly ProjectRecord _to;
    private readonly IReadOnlyList<RenamedBranch> _branches;
    private readonly bool _isWhole;
    private readonly IStorage _storage;
    private readonly IRuntime _runtime;

    private Relocation(Workspace workspace, ProjectRecord from, ProjectRecord to, IReadOnlyList<RenamedBranch> branches, bool isWhole)
    {
        (_workspace, _from, _to, _isWhole) = (workspace, from, to, isWhole);
        // Main last: on ZFS what is deleted hands its blocks to what was made from it.
        _branches = [.. branches.OrderBy(b => b.Old.FullName.IsMain)];
        _storage = workspace.Storages.Named(from.Storage);
        _runtime = workspace.Runtimes.Named(from.Runtime);
    }

    private StateStore State => _workspace.State;

    // Inside a project the branch's own record is the one that decides, elsewhere that of the new project.
    private bool IsInside => _from.Name == _to.Name;

    private string Source => _isWhole ? _from.Name : _branches[0].Old.FullName.ToString();

    private string Target => _isWhole ? _to.Name : _branches[0].New.FullName.ToString();

    /// <summary>Whether the new names are true.</summary>
    public bool IsCommitted => Source == (IsInside ? State.FindBranch(_branches[0].New.FullName)?.RenamedFrom : State.FindProject(_to.Name)?.RenamedFrom);

    /// <summary>One branch, inside its project or as the first of another one.</summary>
    public static Relocation Of(Workspace workspace, ProjectRecord from, ProjectRecord to, BranchRecord before, BranchRecord after) => new(workspace, from, to, [new(before, after)], isWhole: false);

    /// <summary>All branches of a project.</summary>
    public static Relocation Of(Workspace workspace, ProjectRecord from, ProjectRecord to)
    {
        var whole = new Relocation(workspace, from, to, [], isWhole: true);
        return new(workspace, from, to, whole.IsCommitted
            ? [.. workspace.State.Branches(to.Name).Select(after => new RenamedBranch(after with { Project = from.Name }, after))]
            : [.. workspace.State.Branches(from.Name).Select(before => new RenamedBranch(before, Under(before, BranchName.Of(to.Name, before.Name))))], isWhole: true);
    }

    /// <summary>A branch's record under another name, with the passwords that it has.</summary>
    public static BranchRecord Under(BranchRecord branch, BranchName name) => branch with
    {
        Project = name.Project,
        Name = name.Branch,
        PasswordsOf = (branch.PasswordsOf ?? branch.Project) is var derived && derived == name.Project ? null : derived,
        // Its own snapshots go with it.
        Snapshot = branch.Snapshot is { } key && key.StartsWith($"{branch.Name}@", StringComparison.Ordinal) ? $"{name.Branch}{key[branch.Name.Length..]}" : branch.Snapshot,
        RenamingTo = null,
        RenamedFrom = null,
    };

    /// <summary>Renames, or leaves everything as it was.</summary>
    /// <param name="prepare">What is done to a server before it stops; one that does not run is started for it. Null for nothing.</param>
    /// <param name="check">What a server that has just been started under its new name has to answer.</param>
    /// <param name="cancellationToken">Ends it, and takes it back, as long as the old names are true.</param>
    public async Task RunAsync(Action<BranchServer, AdminConnection>? prepare, Action<AdminConnection>? check, CancellationToken cancellationToken)
    {
        var undo = new Undo(_workspace.Reporter);
        await using var _ = undo.ConfigureAwait(false);
        var running = new Dictionary<string, IReadOnlyDictionary<string, string>>();
        undo.Push($"take back the renaming of {Source}", () => TakeBackAsync(running));
        Mark(Target);
        Fault.Here("rename:record");

        foreach (var branch in _branches.Where(b => !b.Old.IsAdopted))
        {
            var server = OldServer(branch);
            if (!server.IsRunning() && prepare is null)
                continue;
            using (var connection = server.IsRunning() ? server.Connect(cancellationToken) : await server.StartAsync(open: false, listen: false, NoSettings, cancellationToken).ConfigureAwait(false))
            {
                running[branch.Old.Id] = SettingsInUse(connection, cancellationToken);
                prepare?.Invoke(server, connection);
            }

            _workspace.Reporter.Step($"stopping {branch.Old.FullName}");
            await server.StopAsync(StopMode.Fast, cancellationToken).ConfigureAwait(false);
        }

        Fault.Here("rename:stopped");
        foreach (var (from, to) in Volumes())
        {
            await _storage.MoveAsync(from, to, _workspace.Reporter, cancellationToken).ConfigureAwait(false);
            Fault.Here("rename:moved");
        }

        foreach (var branch in _branches)
            MoveArchive(branch.Old.FullName, branch.New.FullName);
        if (_isWhole && _from.Subnet is { } subnet)
            _runtime.RenameNetwork(_from.Name, _to.Name, subnet);
        foreach (var snapshot in OldSnapshots())
            State.Write(Under(snapshot));
        foreach (var branch in IsInside ? [] : _branches)
            State.Write(branch.New);
        Fault.Here("rename:records");

        foreach (var branch in _branches.Where(b => running.ContainsKey(b.Old.Id)))
        {
            _workspace.Reporter.Step($"starting {branch.New.FullName}");
            using var connection = await NewServer(branch.New).StartAsync(open: false, listen: true, NoSettings, cancellationToken).ConfigureAwait(false);
            check?.Invoke(connection);
            Fault.Here("rename:started");
        }

        if (IsInside)
            State.Write(_branches[0].New with { RenamedFrom = Source });
        else
            State.Write(_to with { RenamedFrom = Source });
        undo.Keep();
        Fault.Here("rename:committed");
        await FinishAsync().ConfigureAwait(false);
    }

    /// <summary>Goes on to where a killed operation would have come: to the new names if they are true, and else back to the old ones.</summary>
    public Task ResolveAsync() => IsCommitted ? FinishAsync() : TakeBackAsync(null);

    /// <summary>Back to the old names, from wherever it came to.</summary>
    /// <param name="running">Those whose servers are to run, with what they ran with; null for those that should.</param>
    private async Task TakeBackAsync(Dictionary<string, IReadOnlyDictionary<string, string>>? running)
    {
        foreach (var server in _branches.Where(b => !b.New.IsAdopted).Select(b => NewServer(b.New)).Where(s => s.FindVolume() is not null))
            await server.StopAsync(StopMode.Fast, CancellationToken.None).ConfigureAwait(false);
        Fault.Here("takeback:stopped");
        foreach (var (from, to) in Volumes().Reverse())
            _storage.MoveBack(from, to);
        Fault.Here("takeback:moved");
        foreach (var branch in _branches)
            MoveArchive(branch.New.FullName, branch.Old.FullName);

        // Of a project that somebody else has made under that name meanwhile nothing is ours.
        foreach (var snapshot in OldSnapshots().Select(Under).Where(s => State.FindSnapshot(s.BranchName, s.Id) is not null))
            State.Delete(snapshot);
        foreach (var branch in IsInside ? [] : _branches.Where(b => State.FindBranch(b.New.FullName)?.Id == b.New.Id))
            State.Delete(branch.New.FullName);
        if (!IsInside && State.FindProject(_to.Name) is null)
        {
            if (_isWhole && _from.Subnet is { } subnet)
                _runtime.RenameNetwork(_to.Name, _from.Name, subnet);
            else
                _runtime.RemoveNetwork(_to.Name);
            State.DeleteProject(_to.Name);
        }

        foreach (var branch in _branches)
            AutoConfiguration.TakeBack(OldServer(branch));
        Mark(null);
        Fault.Here("takeback:record");
        foreach (var branch in _branches.Where(b => !b.Old.IsAdopted))
            await ServeAgainAsync(branch.Old, running).ConfigureAwait(false);
    }

    private async Task ServeAgainAsync(BranchRecord branch, Dictionary<string, IReadOnlyDictionary<string, string>>? running)
    {
        var server = new BranchServer(_workspace, _from, branch, branch.Generation);
        try
        {
            // One that was stopped may have been started to be looked at.
            if (!branch.ShouldRun)
            {
                await server.StopAsync(StopMode.Fast, CancellationToken.None).ConfigureAwait(false);
                return;
            }

            if (running is null || running.ContainsKey(branch.Id))
                await Branches.StartAgainAsync(server, running?[branch.Id]).ConfigureAwait(false);
        }
        catch (PgdException e)
        {
            // The others are to serve again nevertheless.
            _workspace.Reporter.Warn($"{branch.FullName} could not be started again: {e.Message}");
        }
    }

    /// <summary>The new names are true: opens the servers' doors, and removes what is left under the old names.</summary>
    private async Task FinishAsync()
    {
        foreach (var branch in _branches.Where(b => !b.New.IsAdopted).Select(b => State.FindBranch(b.New.FullName)).OfType<BranchRecord>())
            await OpenAsync(branch).ConfigureAwait(false);
        Fault.Here("rename:open");

        if (IsInside)
            Refer();
        foreach (var branch in _branches)
        {
            foreach (var snapshot in State.Snapshots(_from.Name, branch.Old.Name).Where(s => s.BranchId == branch.Old.Id))
            {
                _storage.Delete(snapshot.VolumeKey);
                State.Delete(snapshot);
                Fault.Here("rename:snapshot");
            }

            // Not all of the new project's may have been of the old one.
            if (State.FindBranch(branch.Old.FullName)?.Id != branch.Old.Id)
                continue;
            _storage.Delete(KeyOf(branch.Old));
            Fault.Here("rename:volume");
            State.Delete(branch.Old.FullName);
            Fault.Here("rename:unrecorded");
        }

        if (_isWhole)
            State.DeleteProject(_from.Name);
        if (IsInside && State.FindBranch(_branches[0].New.FullName) is { } renamed)
            State.Write(renamed with { RenamedFrom = null });
        else if (!IsInside && State.FindProject(_to.Name) is { } project)
            State.Write(project with { RenamedFrom = null });
        Fault.Here("rename:done");
    }

    private async Task OpenAsync(BranchRecord branch)
    {
        var server = NewServer(branch);
        AutoConfiguration.Forget(server);
        if (branch is { IsGolden: true, Parent: null })
            branch = Settle(branch, server);
        if (!server.IsRunning())
            return;
        using var connection = server.Connect(CancellationToken.None);
        server.OpenDoor(connection, CancellationToken.None);
        try
        {
            await _workspace.Branches.ProveAsync(_to, branch, server, connection, CancellationToken.None).ConfigureAwait(false);
        }
        catch (PgdException e)
        {
            // Who answers was proved by the administrator's own socket, and there is no way back.
            _workspace.Reporter.Warn(e.Message);
        }
    }

    /// <summary>A golden branch's roles have no passwords, for nobody was to come in.</summary>
    private BranchRecord Settle(BranchRecord golden, BranchServer server)
    {
        var settled = golden with { IsGolden = false, ShouldRun = true };
        if (server.IsRunning())
        {
            using var connection = server.Connect(CancellationToken.None);
            new Settlement(_workspace, server, settled).VoidPasswords(connection, CancellationToken.None);
        }

        Fault.Here("rename:settled");
        State.Write(settled);
        return settled;
    }

    /// <summary>What was made from it, or from its snapshots, says so by the new name.</summary>
    private void Refer()
    {
        var (before, after) = (_branches[0].Old.Name, _branches[0].New.Name);
        foreach (var other in State.Branches(_from.Name).Where(b => b.Name != before))
        {
            var renamed = other with
            {
                Parent = other.Parent == before ? after : other.Parent,
                Snapshot = other.Snapshot is { } key && key.StartsWith($"{before}@", StringComparison.Ordinal) ? $"{after}{key[before.Length..]}" : other.Snapshot,
            };
            if (renamed != other)
                State.Write(renamed);
            Fault.Here("rename:reference");
        }
    }

    private void Mark(string? target)
    {
        if (_isWhole)
            State.Write(_from with { RenamingTo = target });
        else
            State.Write(_branches[0].Old with { RenamingTo = target });
    }

    private IEnumerable<(VolumeKey From, VolumeKey To)> Volumes() =>
        [.. _branches.Select(b => (KeyOf(b.Old), KeyOf(b.New))), .. OldSnapshots().Select(s => (s.VolumeKey, Under(s).VolumeKey))];

    private List<SnapshotRecord> OldSnapshots() => [.. _branches.SelectMany(b => State.Snapshots(_from.Name, b.Old.Name).Where(s => s.BranchId == b.Old.Id))];

    private SnapshotRecord Under(SnapshotRecord snapshot) => snapshot with { Project = _to.Name, Branch = _branches.First(b => b.Old.Id == snapshot.BranchId).New.Name };

    private static VolumeKey KeyOf(BranchRecord branch) => new(branch.Project, branch.Name, branch.Id, branch.Generation);

    private BranchServer OldServer(RenamedBranch branch) => new(_workspace, _from, branch.Old, branch.Old.Generation);

    private BranchServer NewServer(BranchRecord branch) => new(_workspace, _to, branch, branch.Generation);

    /// <summary>What the files say by now takes effect at the next start, and may keep the server from it: then the old one goes on with what it ran with.</summary>
    private static Dictionary<string, string> SettingsInUse(AdminConnection connection, CancellationToken cancellationToken) =>
        // Where it listens is up to each start, and what could hold a password must not come onto a command line.
        connection.Query("select name::text, current_setting(name) from pg_settings where context = 'postmaster' and name <> 'listen_addresses' and name in (select name from pg_file_settings where not applied)", cancellationToken)
            .ToDictionary(row => row[0]!, row => row[1]!);

    private void MoveArchive(BranchName from, BranchName to)
    {
        var (old, target) = (_workspace.Layout.Archive(from), _workspace.Layout.Archive(to));
        if (!Directory.Exists(old) || Directory.Exists(target))
            return;
        var (oldParent, parent) = (Path.GetDirectoryName(old)!, Path.GetDirectoryName(target)!);
        if (!Directory.Exists(parent))
        {
            Directory.CreateDirectory(parent);
            File.SetUnixFileMode(parent, File.GetUnixFileMode(oldParent));
        }

        Directory.Move(old, target);
        Fault.Here("rename:archive");
        if (!Directory.EnumerateFileSystemEntries(oldParent).Any())
            Directory.Delete(oldParent);
    }
}
