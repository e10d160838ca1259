using System.CommandLine;
using Pgd.Libpq;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Commands.Queries;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Replication;

internal static class ReplicateSync
{
    public static Command Command(Surface surface)
    {
        var servers = new ReplicationServers();
        var publisher = new Option<string?>("--publisher") { HelpName = "URL", Description = "How the target's server reaches the source, if not by --source (its password comes from --source as well)" };
        return new Verb(surface, "sync", "Have copies follow their sources, from the very moment of the copy on.",
            "replicate sync --source postgresql://replicator@db.example.com/shop --target postgresql://postgres@localhost/shop",
            "# The target is in another network than this machine",
            "replicate sync --source postgresql://replicator@localhost:6432/shop --target postgresql://postgres@localhost/shop --publisher postgresql://replicator@db.internal/shop")
            .With([.. servers.SymbolsWithQuestions, publisher])
            .Does(async (run, cancellationToken) =>
            {
                var replication = ReplicateNoun.Of(run, servers, await ReplicateNoun.FilterAsync(run, servers, "replicate sync", cancellationToken));
                ConnectionUrl? reached = null;
                if (run[publisher] is { } text)
                {
                    var parsed = ConnectionUrl.Parse(text, QueryTarget.EnvironmentOf(run.Session));
                    reached = parsed with { Password = parsed.Password ?? servers.Source(run).Password };
                }

                run.Show(await replication.SyncAsync(reached, cancellationToken), () => JsonShapes.All.IReadOnlyListSyncedDatabase, ReplicationText.Synced);
            });
    }
}
