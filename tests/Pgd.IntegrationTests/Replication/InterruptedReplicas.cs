using System.Globalization;
using Pgd.IntegrationTests.Branches;
using Xunit;

namespace Pgd.IntegrationTests.Replication;

/// <summary>Copies whose making, following and taking over is interrupted: by kill -9 at each step and at any moment, and by connections that are cut.</summary>
public sealed class InterruptedReplicas
{
    private static readonly string[] InitSteps =
    [
        "init:record", "init:publication", "init:slot", "init:roles", "copy:definitions", "copy:table", "copy:table#5", "copy:rows", "copy:large-objects", "copy:built", "init:database", "init:complete", "sync:made",
    ];

    private static readonly string[] CutoverSteps =
    [
        "cutover:noted", "cutover:frozen", "cutover:arrived", "cutover:sequences", "cutover:switched", "cutover:unsubscribed", "cutover:slot", "cutover:publication", "cutover:analyzed",
    ];

    [Fact]
    public async Task A_copy_that_is_killed_at_any_step_goes_on_and_has_each_change_once()
    {
        using var servers = await TwoServers.FilledAsync();
        foreach (var step in InitSteps)
        {
            await using var traffic = Traffic.On(servers, seed: step.Length, workers: 1);
            if (step == "sync:made")
                Succeed(servers, "init");
            Assert.Equal(137, Tool(servers, step, step == "sync:made" ? "sync" : "init").Status);
            Succeed(servers, "init");
            Succeed(servers, "sync");
            await ArrivedAsync(servers, traffic, step);
            Succeed(servers, "cleanup");
            await servers.CleanAsync();
            await servers.Target.AskAsync("drop database shop");
        }
    }

    [Fact]
    public async Task A_cutover_that_is_killed_at_any_step_goes_on_or_is_taken_back()
    {
        using var servers = await TwoServers.FilledAsync();
        foreach (var step in CutoverSteps)
        {
            await using (var traffic = Traffic.On(servers, seed: step.Length, workers: 1))
            {
                Succeed(servers, "init");
                Succeed(servers, "sync");
                Assert.Equal(137, Tool(servers, step, "cutover", "--max-pause", "60s").Status);
                if (step is "cutover:frozen" or "cutover:sequences")
                {
                    Succeed(servers, "cutover", "--undo");
                    await servers.AskSourceAsync("insert into emptied values (-5, 'as before') on conflict do nothing");
                }

                Succeed(servers, "cutover", "--max-pause", "60s");
                Assert.Equal("on", await servers.AskSourceAsync("show default_transaction_read_only"));
            }

            servers.Equal();
            await servers.CleanAsync();
            await servers.Source.AskAsync("alter database shop reset default_transaction_read_only");
            await servers.Target.AskAsync("drop database shop");
        }
    }

    [Fact]
    public async Task A_cleanup_that_is_killed_at_any_step_leaves_nothing_after_the_next()
    {
        using var servers = await TwoServers.FilledAsync();
        foreach (var step in (string[])["cleanup:subscription", "cleanup:slot", "cleanup:publication"])
        {
            Succeed(servers, "init");
            Succeed(servers, "sync");
            Assert.Equal(137, Tool(servers, step, "cleanup").Status);
            Succeed(servers, "cleanup");
            Succeed(servers, "cleanup");
            await servers.CleanAsync();
            await servers.Target.AskAsync("drop database shop");
        }
    }

    [Theory]
    [InlineData(15)]
    [InlineData(17)]
    public async Task Whatever_is_killed_and_cut_at_whatever_moment_no_change_is_lost_and_none_comes_twice(int target)
    {
        using var servers = await TwoServers.FilledAsync(target);
        var random = new Random(target);
        for (var round = 0; round < (Soak.IsOn ? 50 : 5); round++)
        {
            await using var traffic = Traffic.On(servers, seed: round, workers: 2);
            for (var attempt = 0; attempt < 3; attempt++)
            {
                using var run = servers.Root.Start([], ["replicate", "init", .. servers.Addresses]);
                await Task.Delay(random.Next(200, 2500));
                // Some lose their process, and some their connections.
                if (random.Next(2) == 0)
                    run.Signal(ToolRoot.Sigkill);
                else
                    await servers.Source.AskAsync("select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name like 'pgd%'");
                run.Wait();
            }

            await Eventually.TrueAsync(async () => await servers.Source.AskAsync("select count(*) from pg_stat_activity where application_name like 'pgd%'") == "0");
            Succeed(servers, "init");
            Succeed(servers, "sync");
            for (var cut = 0; cut < 3; cut++)
            {
                await Task.Delay(random.Next(300));
                await servers.Source.AskAsync("select count(pg_terminate_backend(pid)) from pg_stat_replication");
                await servers.Target.AskAsync("select count(pg_terminate_backend(pid)) from pg_stat_subscription where pid is not null");
            }

            await ArrivedAsync(servers, traffic, $"round {round}");
            Succeed(servers, "cleanup");
            await servers.CleanAsync();
            await servers.Target.AskAsync("drop database shop");
        }
    }

    private static ToolResult Tool(TwoServers servers, string step, string verb, params string[] arguments) =>
        servers.Root.ToolWith(new() { ["PGD_KILL_AT"] = step }, ["replicate", verb, .. servers.Addresses, .. arguments]);

    private static void Succeed(TwoServers servers, string verb, params string[] arguments) => servers.Root.Succeed(["replicate", verb, .. servers.Addresses, .. arguments]);

    private static async Task ArrivedAsync(TwoServers servers, Traffic traffic, string when)
    {
        Assert.True(await traffic.EndAsync() > 0);
        Succeed(servers, "status", "--fail-above", "1m");
        Assert.True(await LogicalReplicas.DigestAsync(servers.AskSourceAsync) == await LogicalReplicas.DigestAsync(servers.AskTargetAsync), string.Create(CultureInfo.InvariantCulture, $"the copy is not what the source is ({when})"));
    }
}
