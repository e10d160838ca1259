using Pgd.IntegrationTests.Branches;
using Xunit;

namespace Pgd.IntegrationTests;

/// <summary>Servers that were asked to stop by an operation that was killed before they had.</summary>
public sealed class StoppingServers
{
    private const int Sigint = 2, Sigcont = 18, Sigstop = 19;

    [Fact]
    public async Task A_reset_that_was_killed_while_its_old_server_stops_has_that_serve_again()
    {
        await using var shop = await Shop.OpenAsync("reflink", "xfs");
        var dev = await shop.CreateAsync("dev");
        var record = shop.Workspace.State.FindBranch(dev.Name)!;
        var server = await shop.ServerAsync("dev");
        // It ends by a checkpoint, which does not get on.
        var checkpointer = LabProcess.All().Single(p => p.ParentId == server.Id && p.CommandLine.EndsWith("checkpointer", StringComparison.Ordinal));
        checkpointer.Signal(Sigstop);
        shop.Workspace.State.Write(record with { PendingGeneration = record.Generation + 1 });
        server.Signal(Sigint);
        await Eventually.TrueAsync(() => Refuses(dev), "the server is on its way down");

        var fixing = shop.Workspace.Doctor.FixAsync(dryRun: false, default);
        // The record first: then it looks at the server.
        await Eventually.TrueAsync(() => fixing.IsCompleted || shop.Workspace.State.FindBranch(dev.Name)!.PendingGeneration is null, "the doctor has taken the reset back");
        checkpointer.Signal(Sigcont);
        Assert.All(await fixing, repair => Assert.True(repair.Done, repair.Text));

        await Eventually.TrueAsync(() => LabProcess.All().All(p => p.Id != server.Id), "the old server has ended");
        Assert.Equal(BranchStatus.Running, (await shop.GetAsync("dev")).Status);
        Assert.Equal(await shop.SumAsync("main"), await shop.SumAsync("dev"));

        async Task<bool> Refuses(Branch branch) => await Record.ExceptionAsync(() => Sql.AskAsync(branch.Host, branch.Port, "shop", "shop", "x", "select 1")) is Npgsql.PostgresException { SqlState: Npgsql.PostgresErrorCodes.CannotConnectNow };
    }
}
