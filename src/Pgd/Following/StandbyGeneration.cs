using System.Diagnostics;
using Pgd.Backups;
using Pgd.Linux;
using Pgd.Postgres;
using Pgd.State;
using Pgd.Storage;

namespace Pgd.Following;

/// <summary>The making of a generation of a project's first branch that follows another server: its files by <c>pg_basebackup</c>, and then its write-ahead log as it is written there.</summary>
/// <param name="workspace">The root.</param>
/// <param name="project">The project.</param>
/// <param name="branch">Its first branch.</param>
/// <param name="generation">Which generation.</param>
internal sealed class StandbyGeneration(Workspace workspace, ProjectRecord project, BranchRecord branch, int generation)
{
    private static readonly TimeSpan LongestConnecting = TimeSpan.FromSeconds(30), Pause = TimeSpan.FromMilliseconds(50);

    /// <summary>Makes it, and returns only when it streams. Whoever calls this takes back what is half made.</summary>
    /// <param name="source">The server, whose log of this time must not be recycled before the standby streams.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>From when its data is.</returns>
    /// <exception cref="PgdException">The source ends in the middle or does not let the standby in (<see cref="ExitCode.Failed"/>), there is no room (<see cref="ExitCode.NoRoom"/>), …</exception>
    public async Task<DateTimeOffset?> MakeAsync(PhysicalSource source, CancellationToken cancellationToken)
    {
        var (server, runtime) = (new BranchServer(workspace, project, branch, generation), workspace.Runtimes.Named(project.Runtime));
        var bytes = await source.BytesAsync(cancellationToken).ConfigureAwait(false);
        DiskFull.RefuseWithout(bytes, workspace.Root);
        var volume = workspace.Storages.Named(project.Storage).Create(server.Key);
        Fault.Here("follow:volume");
        runtime.GiveAway(volume, project);
        workspace.Reporter.Step($"copying the files of {source.Url}, PostgreSQL {source.Major}, to {project.Storage}");
        Primary.Write(volume, source.Url);
        Fault.Here("follow:password");
        var files = new SentFolder(volume, bytes, workspace.Reporter);
        IReadOnlyList<string> folders = [];
        if (source.IsReadable)
            (_, folders, _) = await source.ReadAsync(null, sent => files.WriteAsync(sent, cancellationToken), cancellationToken).ConfigureAwait(false);
        else
            await source.CopyAsync(() => runtime.CopyServerAsync(volume, project, Primary.Conninfo(volume, source.Url), cancellationToken), cancellationToken).ConfigureAwait(false);
        files.Complete(folders);
        Fault.Here("follow:files");
        // Before its first start: a server that has once come up without it is nobody's standby any more.
        DataDirectory.Write(volume, Path.Combine(volume.Data, "standby.signal"), "");
        Libc.SyncFileSystem(volume.Data);
        Fault.Here("follow:signal");
        workspace.Reporter.Step($"starting {branch.FullName}, which follows {source.Url}");
        using var connection = await server.StartAsync(open: false, listen: false, new Dictionary<string, string>(), cancellationToken).ConfigureAwait(false);
        Fault.Here("follow:started");
        await ProveAsync(connection, volume, source, cancellationToken).ConfigureAwait(false);
        Fault.Here("follow:streams");
        return source.DataAsOf;
    }

    private async Task ProveAsync(AdminConnection connection, Volume volume, PhysicalSource source, CancellationToken cancellationToken)
    {
        for (var clock = Stopwatch.StartNew(); ; await Task.Delay(Pause, cancellationToken).ConfigureAwait(false))
        {
            if (Replay.Of(connection, cancellationToken).IsStreaming)
                return;
            if (clock.Elapsed < LongestConnecting)
                continue;
            throw new PgdException(ExitCode.Failed, $"the files of {source.Url} were copied, and the server of {branch.FullName} could not stream from there within {LongestConnecting.TotalSeconds} s: {ServerLog.LastComplaint(volume.Log) ?? "it does not say why"}",
                "Have it let in from where it runs, as the role that copied the files, and try again.");
        }
    }
}
