using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Replication;

internal static class ReplicateValidate
{
    public static Command Command(Surface surface)
    {
        var servers = new ReplicationServers();
        return new Verb(surface, "validate", "Look for what keeps databases from being replicated, with what to type, and for what will not come along. Nothing is changed.",
            "replicate validate --source postgresql://replicator@db.example.com/shop --target postgresql://postgres@localhost/shop",
            "replicate validate --source postgresql://replicator@db.example.com/shop --target postgresql://postgres@localhost/shop --exclude-tables shop.events --json")
            .With(servers.SymbolsWithQuestions)
            .Does(async (run, cancellationToken) =>
            {
                var filter = await ReplicateNoun.FilterAsync(run, servers, "replicate validate", cancellationToken);
                var all = await ReplicateNoun.Of(run, servers, filter).ValidateAsync(cancellationToken);
                run.Show(all, () => JsonShapes.All.IReadOnlyListValidatedDatabase, ReplicationText.Validated);
                return all.All(database => database.IsReady) ? (int)ExitCode.Done : (int)ExitCode.Unsafe;
            });
    }
}
