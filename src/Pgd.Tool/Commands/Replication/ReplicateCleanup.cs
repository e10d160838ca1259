using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Replication;

internal static class ReplicateCleanup
{
    public static Command Command(Surface surface)
    {
        var servers = new ReplicationServers();
        return new Verb(surface, "cleanup", "Cut copies off from their sources, and remove slots, publications and subscriptions that were made for them. The copies stay.",
            "replicate cleanup --source postgresql://replicator@db.example.com/shop --target postgresql://postgres@localhost/shop")
            .With(servers.Symbols)
            .Does(async (run, cancellationToken) =>
                run.Show(await ReplicateNoun.Of(run, servers).CleanUpAsync(cancellationToken), () => JsonShapes.All.IReadOnlyListCleanedUp, ReplicationText.CleanedUp));
    }
}
