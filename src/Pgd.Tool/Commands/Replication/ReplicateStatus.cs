using System.CommandLine;
using Pgd.Configuration;
using Pgd.Replication;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Replication;

internal static class ReplicateStatus
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2), Interval = TimeSpan.FromSeconds(2);

    public static Command Command(Surface surface)
    {
        var servers = new ReplicationServers();
        var watch = new Option<bool>("--watch", "-w") { Description = "Go on, until Ctrl-C" };
        var failAbove = new Option<string?>("--fail-above") { HelpName = "DURATION", Description = "Fail (9) if a change takes longer to get to a copy, such as 30s, or if one does not follow" };
        return new Verb(surface, "status", "Show how far behind copies are, and what keeps them from following.",
            "replicate status --source postgresql://replicator@db.example.com/shop --target postgresql://postgres@localhost/shop",
            "replicate status --source postgresql://replicator@db.example.com/shop --target postgresql://postgres@localhost/shop --fail-above 30s --json")
            .With([.. servers.Symbols, watch, failAbove])
            .Does(async (run, cancellationToken) =>
            {
                var limit = run[failAbove] is { } text ? Duration.Parse(text) : (TimeSpan?)null;
                var replication = ReplicateNoun.Of(run, servers);
                while (true)
                {
                    var all = await replication.GetStatusAsync(limit ?? Patience, cancellationToken);
                    run.Show(all, () => JsonShapes.All.IReadOnlyListReplicationStatus, ReplicationText.Status);
                    if (limit is not null && all.FirstOrDefault(status => status is not { State: ReplicationState.Following, LagSeconds: { } lag } || lag > limit.Value.TotalSeconds) is { } behind)
                        throw new PgdException(ExitCode.BudgetExceeded, behind.State == ReplicationState.Following ? $"{behind.Target} is more than {Duration.Format(limit.Value)} behind" : $"{behind.Target} does not follow: {string.Join("; ", behind.Problems)}");
                    if (!run[watch])
                        return;
                    await Task.Delay(Interval, cancellationToken);
                }
            });
    }
}
