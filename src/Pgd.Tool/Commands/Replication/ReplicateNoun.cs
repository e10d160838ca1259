using System.CommandLine;
using Pgd.Replication;
using Pgd.Tool.CommandLine;

namespace Pgd.Tool.Commands.Replication;

internal static class ReplicateNoun
{
    public static Command Command(Surface surface) =>
        new Noun(surface, "replicate", "Bring databases of one server to another, keep them in sync, and prove that they are the same. Options may stand in a file, one on each line: @FILE.",
            ReplicateValidate.Command(surface), ReplicateInit.Command(surface), ReplicateSync.Command(surface), ReplicateStatus.Command(surface), ReplicateVerify.Command(surface), ReplicateCutover.Command(surface), ReplicateCleanup.Command(surface));

    /// <summary>The two servers of a run.</summary>
    public static LogicalReplication Of(Run run, ReplicationServers servers) => Of(run, servers, servers.Filter(run));

    /// <summary>The same with what was chosen of them.</summary>
    public static LogicalReplication Of(Run run, ReplicationServers servers, ReplicationFilter filter) => new(servers.Source(run), servers.Target(run), filter, run.Reporter);

    /// <summary>What is meant of them, after asking, if that was asked for.</summary>
    /// <exception cref="PgdException">Nobody can be asked, or the answer was not yes.</exception>
    public static async Task<ReplicationFilter> FilterAsync(Run run, ReplicationServers servers, string command, CancellationToken cancellationToken)
    {
        if (!servers.IsInteractive(run))
            return servers.Filter(run);
        using var dialog = ReplicationDialog.Open(run);
        var filter = await dialog.ChooseAsync(servers, command, unasked: null, cancellationToken);
        return await dialog.ConfirmAsync(cancellationToken) ? filter : throw new PgdException(ExitCode.Failed, "nothing was done: the answer was not yes");
    }
}
