using Npgsql;
using Pgd.Following;
using Pgd.Linux;
using Pgd.State;
using Pgd.Storage;

namespace Pgd.Postgres;

/// <summary>Clones a source's data so that recovery can make it consistent, with every transaction that was acknowledged before.</summary>
internal sealed class ConsistentClone : ICloning
{
    // What follows a checkpoint on an idle server is less than this. More means pages and files that the end of a recovery writes and
    // synchronizes, in each branch again, where a checkpoint does it once.
    private const ulong CheckpointWorthwhile = 256 << 10;

    private readonly Workspace _workspace;
    private readonly ProjectRecord _project;
    private readonly BranchRecord _source;
    private readonly bool _fast;
    private readonly Consistency _consistency;
    private readonly IStorage _storage;
    private readonly BranchServer _server;
    private readonly CancellationTokenSource _abandoned;
    private readonly Task _refusingLinks;
    private readonly Task<RunningSource?> _connecting;
    private RunningSource? _later;

    private ConsistentClone(Workspace workspace, ProjectRecord project, BranchRecord source, bool fast, Consistency consistency, CancellationToken cancellationToken)
    {
        (_fast, _consistency) = (fast, consistency);
        _workspace = workspace;
        _project = project;
        _source = source;
        _storage = workspace.Storages.Named(project.Storage);
        _server = new(workspace, project, source, source.Generation);
        _abandoned = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        _refusingLinks = Task.Run(() => DataDirectory.RefuseLinks(_server.Attach().Data, source.FullName, _storage.Follows), cancellationToken);
        _connecting = Task.Run(() => !source.IsAdopted && _server.IsRunning() ? Connect() : null, cancellationToken);
    }

    /// <summary>
    /// Begins to look at the source and to connect to it, while the caller prepares the rest. Even a snapshot that needs no answer is made sooner by that: the first
    /// connection of a process compiles the driver, which takes longer than the copy, and goes on beside it.
    /// </summary>
    /// <param name="workspace">The root.</param>
    /// <param name="project">The source's project.</param>
    /// <param name="source">The source.</param>
    /// <param name="fast">Never to ask it for a checkpoint.</param>
    /// <param name="consistency">How the copy is made consistent while it runs.</param>
    /// <param name="cancellationToken">Ends what was begun.</param>
    public static ConsistentClone Begin(Workspace workspace, ProjectRecord project, BranchRecord source, bool fast, Consistency consistency, CancellationToken cancellationToken) =>
        new(workspace, project, source, fast, consistency, cancellationToken);

    public void Dispose()
    {
        _abandoned.Cancel();
        LeaveSource();
        _abandoned.Dispose();
    }

    public async Task<Clone> MakeAsync(VolumeKey target, CancellationToken cancellationToken)
    {
        try
        {
            // Before the copy: some storages leave them out.
            var slots = DataDirectory.Slots(_server.RequireVolume().Data);
            var clone = await CloneAsync(target, cancellationToken).ConfigureAwait(false);
            RefuseNewTablespaces(clone.Volume.Data);
            return clone with { Slots = slots };
        }
        finally
        {
            // Nobody shall wait for a source's session longer than the copy takes.
            LeaveSource();
        }
    }

    private async Task<Clone> CloneAsync(VolumeKey target, CancellationToken cancellationToken)
    {
        var from = _server.RequireVolume();
        await _refusingLinks.ConfigureAwait(false);
        DiskFull.RefuseWithout(0, from.Data);
        if (_source.IsAdopted)
            return await CloneAdoptedAsync(from, target, cancellationToken).ConfigureAwait(false);
        // Asked again: somebody may have started or killed it by hand since.
        if (!_server.IsRunning())
        {
            // Nothing changes these files: our shared lock keeps everyone of us from starting the server.
            var still = await _storage.CloneAsync(from, target, running: false, _workspace.Reporter, cancellationToken).ConfigureAwait(false);
            return new(still, AsOf(null), DataDirectory.Sanitize(still)) { Adopted = _server.IsFollower };
        }

        if (_consistency == Consistency.Backup || (_consistency == Consistency.Auto && !_storage.IsAtomic))
            return await BracketAsync(await AskAsync().ConfigureAwait(false), from, target, cancellationToken).ConfigureAwait(false);
        if (!_storage.IsAtomic)
        {
            throw new PgdException(ExitCode.Unsafe, $"{_source.FullName} is running, and a copy on the storage {_storage.Name} without a backup bracket would be corrupt",
                $"Leave out --consistency none, or stop it first: dotnet pgd stop {_source.FullName}");
        }

        if (!_fast && _consistency == Consistency.Auto && !DataDirectory.IsStandby(from.Data) && MuchToReplay(from.Data))
            await CheckpointAsync(cancellationToken).ConfigureAwait(false);

        // A snapshot needs no answer of the source: one that has no connection left to give can be branched as well.
        var at = AsOf(_server.Follows ? await AskAsync().ConfigureAwait(false) : null) ?? DateTimeOffset.UtcNow;
        var volume = await _storage.CloneAsync(from, target, running: false, _workspace.Reporter, cancellationToken).ConfigureAwait(false);
        return new(volume, at, DataDirectory.Sanitize(volume)) { Adopted = _server.IsFollower };
    }

    /// <summary>From when the data is that comes from another server, which is not when it is copied here: of a standby the last that it has of that one; null for what is written here alone.</summary>
    private DateTimeOffset? AsOf(RunningSource? asked) => _project.Source is null ? null : Follower.Later(_source.DataAsOf, asked is null ? null : _server.IsFollower ? Replay.Of(asked.Connection, _abandoned.Token).DataAsOf : _server.IsSubscriber ? Subscriber.DataAsOf(asked.Connection, _abandoned.Token) : null);

    // Where recovery begins is said by the label of a backup, if there is one.
    private void RefuseNewTablespaces(string data)
    {
        if (WriteAheadLog.StartOf(data) is { } from && WriteAheadLog.TablespaceMadeSince(Path.Combine(data, "pg_wal"), from) is { } location)
        {
            throw new PgdException(ExitCode.Unsafe, $"{_source.FullName} has made a tablespace in {location} since its last checkpoint, and recovery would follow it there, out of the branch",
                "Run the statement CHECKPOINT on it, and try again.");
        }
    }

    /// <summary>
    /// A cluster that is not ours is only ever read, and never asked: a snapshot needs no answer, and a copy of files is made of a stopped one alone.
    /// Whoever runs it holds no lock of ours, so what was copied counts only if nobody has started it meanwhile.
    /// </summary>
    private async Task<Clone> CloneAdoptedAsync(Volume from, VolumeKey target, CancellationToken cancellationToken)
    {
        if (_consistency == Consistency.Backup)
            throw new PgdException(ExitCode.Unsafe, $"{_source.FullName} was adopted: pgd has no connection to it, and so makes no backup bracket", "Leave out --consistency backup.");
        var at = DateTimeOffset.UtcNow;
        var runs = AdoptedCluster.MayRun(from.Data);
        if (runs && !_storage.IsAtomic)
            throw Running();
        var before = ControlData.Bytes(from.Data);
        var volume = await _storage.CloneAsync(from, target, running: false, _workspace.Reporter, cancellationToken).ConfigureAwait(false);
        if (!_storage.IsAtomic && (AdoptedCluster.MayRun(from.Data) || !before.AsSpan().SequenceEqual(ControlData.Bytes(from.Data))))
            throw Running();
        return new(volume, runs ? at : null, DataDirectory.Sanitize(volume)) { Adopted = true };

        PgdException Running() => new(ExitCode.Unsafe, $"{_source.FullName} runs in {from.Data}, and a copy on the storage {_storage.Name} of a running cluster that pgd does not run itself would be corrupt",
            "Stop it for the time of the copy, or keep it on ZFS or btrfs.");
    }

    /// <summary>Whether the source has written much since its last checkpoint, by its files.</summary>
    private static bool MuchToReplay(string data) =>
        ControlData.TryRead(data) is { } control && WriteAheadLog.Reaches(Path.Combine(data, "pg_wal"), control.Redo + CheckpointWorthwhile);

    private async Task CheckpointAsync(CancellationToken cancellationToken)
    {
        RunningSource asked;
        try
        {
            asked = await ConnectedAsync().ConfigureAwait(false);
        }
        catch (NpgsqlException)
        {
            // It only saves time.
            return;
        }

        _workspace.Reporter.Step($"checkpoint on {_source.FullName}");
        await asked.Connection.ExecuteAsync("checkpoint", cancellationToken).ConfigureAwait(false);
    }

    // The connection may not have been needed, and may not be there yet.
    private void LeaveSource()
    {
        _later?.Connection.Dispose();
        _connecting.ContinueWith(static connecting =>
        {
            if (connecting.IsCompletedSuccessfully)
                connecting.Result?.Connection.Dispose();
            else
                _ = connecting.Exception;
        }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    private RunningSource Connect()
    {
        var abandoned = _abandoned.Token;
        var connection = _server.Connect(abandoned);
        return new(connection, connection.Scalar("select pg_is_in_recovery()::text", abandoned) == "true");
    }

    // It may have been started since we began.
    private async Task<RunningSource> ConnectedAsync() => await _connecting.ConfigureAwait(false) ?? (_later ??= Connect());

    private async Task<RunningSource> AskAsync()
    {
        try
        {
            return await ConnectedAsync().ConfigureAwait(false);
        }
        catch (NpgsqlException e)
        {
            throw new PgdException(ExitCode.Failed, $"the source {_source.FullName} runs but cannot be asked: {e.Message}", $"Look at its log: dotnet pgd branch logs {_source.FullName}", e);
        }
    }

    private async Task<Clone> BracketAsync(RunningSource asked, Volume from, VolumeKey target, CancellationToken cancellationToken)
    {
        using var copying = await _workspace.Locks.AcquireAsync(cancellationToken, LockRequest.Copying(_source.FullName)).ConfigureAwait(false);
        _workspace.Reporter.Step($"backup bracket on {_source.FullName}");
        var asOf = AsOf(asked);
        var bracket = await BackupBracket.StartAsync(asked.Connection, _project.PostgresMajor, _source.FullName, $"pgd {target.BranchId}", cancellationToken).ConfigureAwait(false);
        Fault.Here("clone:bracket");
        var volume = await _storage.CloneAsync(from, target, running: !_storage.IsAtomic, _workspace.Reporter, cancellationToken).ConfigureAwait(false);
        Fault.Here("clone:copied");
        await CopyControlFileAsync(from, volume, cancellationToken).ConfigureAwait(false);
        Fault.Here("clone:control");
        var end = await bracket.StopAsync(cancellationToken).ConfigureAwait(false);

        Fault.Here("clone:stopped");
        DataDirectory.Sanitize(volume);
        Fault.Here("clone:sanitized");
        CopyWal(from, volume, end.Segments);
        bracket.Release(cancellationToken);
        Fault.Here("clone:wal");
        DataDirectory.Write(volume, Path.Combine(volume.Data, "backup_label"), end.Label);
        if (end.TablespaceMap is not null)
            DataDirectory.Write(volume, Path.Combine(volume.Data, "tablespace_map"), end.TablespaceMap);
        return new(volume, asOf ?? end.At, asked.InRecovery) { Adopted = _server.IsFollower };
    }

    // Written in one piece by the server, and yet a reader may see half of it.
    private async Task CopyControlFileAsync(Volume from, Volume to, CancellationToken cancellationToken)
    {
        for (var attempt = 0; ; attempt++)
        {
            _storage.CopyFile(ControlData.FileIn(from.Data), ControlData.FileIn(to.Data));
            if (ControlData.TryRead(to.Data) is not null)
                return;
            if (attempt == 100)
                throw new PgdException(ExitCode.Failed, $"the control file of {_source.FullName} has a wrong checksum", $"Check the source: pg_controldata {from.Data}");
            await Task.Delay(10, cancellationToken).ConfigureAwait(false);
        }
    }

    private void CopyWal(Volume from, Volume to, IReadOnlyList<string> segments)
    {
        var (source, target) = (Path.Combine(from.Data, "pg_wal"), Path.Combine(to.Data, "pg_wal"));
        foreach (var file in Directory.EnumerateFiles(target, "*", SearchOption.AllDirectories))
            File.Delete(file);
        try
        {
            foreach (var file in segments.Concat(Directory.EnumerateFiles(source, "*.history").Select(f => Path.GetFileName(f)!)))
                _storage.CopyFile(Path.Combine(source, file), Path.Combine(target, file));
        }
        catch (IOException e) when (DiskFull.Is(e))
        {
            throw DiskFull.Error(target, e);
        }
    }
}

/// <summary>A cloned volume, and the moment that it shows.</summary>
/// <param name="Volume">The volume.</param>
/// <param name="DataAsOf">When; null if the source's server did not run.</param>
/// <param name="Recovering">Whether the source was a standby, so that the clone has to be promoted.</param>
internal sealed record Clone(Volume Volume, DateTimeOffset? DataAsOf, bool Recovering)
{
    /// <summary>How many replication slots its source has.</summary>
    public int Slots { get; init; }

    /// <summary>The last transaction in it, where it was looked for.</summary>
    public DateTimeOffset? LastTransactionAt { get; init; }

    /// <summary>How it gets to the moment that it is to show; null if it shows that as it is.</summary>
    public Recovery.Recovery? Recovery { get; init; }

    /// <summary>Whether its source's server is not ours, and may have libraries that ours lack.</summary>
    public bool Adopted { get; init; }
}

/// <summary>The source's server, once it has answered.</summary>
internal sealed record RunningSource(AdminConnection Connection, bool InRecovery);
