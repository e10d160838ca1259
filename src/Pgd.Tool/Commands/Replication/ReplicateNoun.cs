using System.CommandLine;
using Pgd.Replication;
using Pgd.Tool.CommandLine;

namespace Pgd.Tool.Commands.Replication;

internal static class ReplicateNoun
{
    public static Command Command(Surface surface) =>
        new Noun(surface, "replicate", "Bring databases of one server to another, keep them in sync, and prove that they are the same.",
            ReplicateValidate.Command(surface), ReplicateInit.Command(surface), ReplicateSync.Command(surface), ReplicateStatus.Command(surface), ReplicateVerify.Command(surface), ReplicateCutover.Command(surface), ReplicateCleanup.Command(surface));

    /// <summary>The two servers of a run.</summary>
    public static LogicalReplication Of(Run run, ReplicationServers servers) => new(servers.Source(run), servers.Target(run), servers.Filter(run), run.Reporter);
}
