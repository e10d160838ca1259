using Pgd.Linux;
using Pgd.Postgres;
using Pgd.Processes;
using Pgd.Provisioning;
using Pgd.Runtime;
using Pgd.State;

namespace Pgd.Recovery;

/// <summary>Turns the archiving of a project's log on or off, for which the server of its first branch has to be started anew. The caller holds the project's lock exclusively.</summary>
internal sealed class ArchiveSwitch(Workspace workspace, ProjectRecord project)
{
    /// <summary>A cluster that was adopted has a server of its own.</summary>
    public static PgdException NotOurs(BranchName main) =>
        new(ExitCode.Unsafe, $"{main} was adopted: its server is not pgd's, and neither is what it archives", $"Its past can be had from its snapshots: dotnet pgd snapshot create {main}");

    /// <summary>Turns it on, or off with null, and proves the server if it runs. Returns the record that was written.</summary>
    /// <exception cref="PgdException">It must not be turned on (<see cref="ExitCode.Unsafe"/>), or the server fails (<see cref="ExitCode.Failed"/>). Everything is then as it was.</exception>
    public async Task<ProjectRecord> TurnAsync(TimeSpan? window, CancellationToken cancellationToken)
    {
        if (window <= TimeSpan.Zero)
            throw new PgdException(ExitCode.Misuse, $"the log of {project.Name} cannot reach back by {window}", "Name a time, for example 7d.");
        var main = workspace.Branches.RequireReady(BranchName.Of(project.Name, BranchName.Main));
        if (main.IsAdopted)
            throw NotOurs(main.FullName);
        if (project.IsFollower && window is not null)
            throw Following.Follower.LogIsNotOurs(main.FullName, project.Source!);
        var wanted = project with { PointInTime = window, IsPointInTimeOff = window is null, IsSwitchingArchive = false };
        if (!project.IsSwitchingArchive && project.PointInTime is null == window is null)
        {
            if (wanted != project)
                workspace.State.Write(wanted);
            return wanted;
        }

        var (before, after) = (new BranchServer(workspace, project, main, main.Generation), new BranchServer(workspace, wanted, main, main.Generation));
        var volume = before.Attach();
        var archiving = new Archiving(workspace.Layout, wanted, main);
        if (archiving.IsOn)
            Refuse(main.FullName, ServerConfiguration.Read(volume.Data));

        var undo = new Undo(workspace.Reporter);
        await using var _ = undo.ConfigureAwait(false);
        undo.Push($"take back the record of {project.Name}", () => workspace.State.Write(project));
        if (archiving.IsOn)
        {
            if (!archiving.IsThere)
                undo.Push($"remove {archiving.Folder}", archiving.Remove);
            archiving.Make(volume);
        }

        workspace.State.Write(wanted with { IsSwitchingArchive = true });
        Fault.Here("archiving:record");
        var runs = before.IsRunning();
        // One that a killed switch has stopped is wanted as well.
        if (runs ? !Knows(after, archiving, volume, cancellationToken) : project.IsSwitchingArchive && main.ShouldRun)
        {
            workspace.Reporter.Step($"restarting {main.FullName}, with archiving {(archiving.IsOn ? "on" : "off")}");
            undo.Push($"start {main.FullName} as it was", async () =>
            {
                await after.StopAsync(StopMode.Fast, CancellationToken.None).ConfigureAwait(false);
                await Branches.StartAgainAsync(before).ConfigureAwait(false);
            });
            // One that was launched by a killed switch may not have got as far as to be found.
            await before.StopAsync(runs ? StopMode.Fast : StopMode.Immediate, cancellationToken).ConfigureAwait(false);
            Fault.Here("archiving:stopped");
            using var connection = await after.StartAsync(open: true, listen: true, new Dictionary<string, string>(), cancellationToken).ConfigureAwait(false);
            Fault.Here("archiving:started");
            await workspace.Branches.ProveAsync(wanted, main, after, connection, cancellationToken).ConfigureAwait(false);
        }

        workspace.State.Write(wanted);
        undo.Keep();
        Fault.Here("archiving:done");
        if (archiving.IsOn && SystemPrograms.Find(WalArchive.Zstd) is null)
        {
            workspace.Reporter.Warn(project.Runtime == workspace.Runtimes.Native.Name
                ? $"the program zstd is missing, so each part of the log of {main.FullName} is stored as it is, 16 MB a minute while something is written: apt-get install zstd"
                : "the program zstd is missing on this machine, and what the server's image compresses by it cannot be read: apt-get install zstd");
        }

        return wanted;
    }

    // A switch that was killed may have got as far as that, or somebody has started the server since.
    private static bool Knows(BranchServer server, Archiving archiving, Storage.Volume volume, CancellationToken cancellationToken)
    {
        try
        {
            using var connection = server.Connect(cancellationToken);
            var isOn = connection.Scalar("select (current_setting('archive_mode') <> 'off')::text", cancellationToken) == "true" && connection.Scalar("show archive_command", cancellationToken) == archiving.Command(volume);
            return isOn == archiving.IsOn;
        }
        catch (Npgsql.NpgsqlException)
        {
            // It is just stopping, or starting: a restart waits for that.
            return false;
        }
    }

    private static void Refuse(BranchName main, ServerConfiguration configuration)
    {
        if (string.Equals(configuration.Find("wal_level"), "minimal", StringComparison.OrdinalIgnoreCase))
            throw new PgdException(ExitCode.Unsafe, $"{main} has wal_level = minimal, and writes too little log to be brought back by it", "On it: alter system reset wal_level; then try again.");
        if (configuration.IsOn("archive_mode", otherwise: false))
        {
            throw new PgdException(ExitCode.Unsafe, $"{main} archives its log already, by settings of its own, and would stop doing so",
                "If that can go, on it: alter system reset archive_mode; alter system reset archive_command; then try again.");
        }
    }
}
