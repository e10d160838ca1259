using System.Globalization;
using Npgsql;
using Pgd.Linux;
using Pgd.State;
using Pgd.Storage;

namespace Pgd.Postgres;

/// <summary>Clones a source's data so that recovery can make it consistent, with every transaction that was acknowledged before.</summary>
internal sealed class ConsistentClone(Workspace workspace, ProjectRecord project, BranchRecord source)
{
    // Replaying less than this takes less time than a checkpoint would.
    private const long CheckpointWorthwhile = 64 << 20;

    private readonly IStorage _storage = workspace.Storages.Named(project.Storage);
    private readonly BranchServer _server = new(workspace, project, source, source.Generation);

    public async Task<Clone> MakeAsync(VolumeKey target, bool fast, Consistency consistency, CancellationToken cancellationToken)
    {
        var from = _server.RequireVolume();
        DataDirectory.RefuseLinks(from.Data, source.FullName);
        DiskFull.RefuseWithout(0, from.Data);
        if (!_server.IsRunning())
        {
            // Nothing changes these files: our shared lock keeps everyone of us from starting the server.
            var still = await _storage.CloneAsync(from, target, running: false, workspace.Reporter, cancellationToken).ConfigureAwait(false);
            return new(still, null, null, DataDirectory.Sanitize(still));
        }

        var connection = await ConnectAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        var now = (await connection.QueryAsync(
            """
            select pg_is_in_recovery()::text,
                   case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_insert_lsn() end::text,
                   extract(epoch from clock_timestamp())::text,
                   case when pg_is_in_recovery() then 0 else pg_current_wal_insert_lsn() - (select redo_lsn from pg_control_checkpoint()) end::text
            """, cancellationToken).ConfigureAwait(false))[0];
        var (inRecovery, lsn, at, distance) = (now[0] == "true", now[1], Time(now[2]!), long.Parse(now[3]!, CultureInfo.InvariantCulture));

        if (consistency == Consistency.Backup || (consistency == Consistency.Auto && !_storage.IsAtomic))
            return await BracketAsync(connection, from, target, inRecovery, cancellationToken).ConfigureAwait(false);
        if (!_storage.IsAtomic)
        {
            throw new PgdException(ExitCode.Unsafe, $"{source.FullName} is running, and a copy on the storage {_storage.Name} without a backup bracket would be corrupt",
                $"Leave out --consistency none, or stop it first: dotnet pgd stop {source.FullName}");
        }

        if (!fast && !inRecovery && consistency == Consistency.Auto && distance > CheckpointWorthwhile)
        {
            workspace.Reporter.Step($"checkpoint on {source.FullName}");
            await connection.ExecuteAsync("checkpoint", cancellationToken).ConfigureAwait(false);
        }

        var volume = await _storage.CloneAsync(from, target, running: false, workspace.Reporter, cancellationToken).ConfigureAwait(false);
        return new(volume, at, lsn, DataDirectory.Sanitize(volume));
    }

    private async Task<AdminConnection> ConnectAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await _server.ConnectAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (NpgsqlException e)
        {
            throw new PgdException(ExitCode.Failed, $"the source {source.FullName} runs but cannot be asked: {e.Message}", $"Look at its log: dotnet pgd branch logs {source.FullName}", e);
        }
    }

    private async Task<Clone> BracketAsync(AdminConnection connection, Volume from, VolumeKey target, bool inRecovery, CancellationToken cancellationToken)
    {
        if (inRecovery)
        {
            throw new PgdException(ExitCode.Unsafe, $"{source.FullName} is a standby; on the storage {_storage.Name} it can only be branched while it is stopped",
                $"Stop it first: dotnet pgd stop {source.FullName}");
        }

        using var copying = await workspace.Locks.AcquireAsync(cancellationToken, LockRequest.Copying(source.FullName)).ConfigureAwait(false);
        workspace.Reporter.Step($"backup bracket on {source.FullName}");
        var bracket = await BackupBracket.StartAsync(connection, project.PostgresMajor, source.FullName, $"pgd {target.BranchId}", cancellationToken).ConfigureAwait(false);
        Fault.Here("clone:bracket");
        var volume = await _storage.CloneAsync(from, target, running: !_storage.IsAtomic, workspace.Reporter, cancellationToken).ConfigureAwait(false);
        Fault.Here("clone:copied");
        await CopyControlFileAsync(from, volume, cancellationToken).ConfigureAwait(false);
        Fault.Here("clone:control");
        var end = await bracket.StopAsync(cancellationToken).ConfigureAwait(false);

        Fault.Here("clone:stopped");
        DataDirectory.Sanitize(volume);
        Fault.Here("clone:sanitized");
        CopyWal(from, volume, end.Segments);
        Fault.Here("clone:wal");
        DataDirectory.Write(volume, Path.Combine(volume.Data, "backup_label"), end.Label);
        if (end.TablespaceMap is not null)
            DataDirectory.Write(volume, Path.Combine(volume.Data, "tablespace_map"), end.TablespaceMap);
        var now = (await connection.QueryAsync("select pg_current_wal_lsn()::text, extract(epoch from clock_timestamp())::text", cancellationToken).ConfigureAwait(false))[0];
        return new(volume, Time(now[1]!), now[0], Recovering: false);
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
                throw new PgdException(ExitCode.Failed, $"the control file of {source.FullName} has a wrong checksum", $"Check the source: pg_controldata {from.Data}");
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

    private static DateTimeOffset Time(string epoch) => DateTimeOffset.UnixEpoch.AddSeconds(double.Parse(epoch, CultureInfo.InvariantCulture));
}

/// <summary>A cloned volume, and the moment that it shows.</summary>
/// <param name="Volume">The volume.</param>
/// <param name="DataAsOf">The source's clock; null if its server did not run.</param>
/// <param name="Lsn">The source's write-ahead log position.</param>
/// <param name="Recovering">Whether the source was a standby, so that the clone has to be promoted.</param>
internal sealed record Clone(Volume Volume, DateTimeOffset? DataAsOf, string? Lsn, bool Recovering);
