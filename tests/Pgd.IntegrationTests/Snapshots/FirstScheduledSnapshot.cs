using Pgd.IntegrationTests.Branches;
using Xunit;

namespace Pgd.IntegrationTests.Snapshots;

/// <summary>Snapshots by the timer, and the log between them.</summary>
public sealed class FirstScheduledSnapshot
{
    [Fact]
    public async Task It_has_the_log_kept_from_then_on_unless_somebody_said_that_it_is_not_to_be()
    {
        await using var shop = await Shop.OpenAsync("reflink", "xfs");
        var url = await shop.ConnectAsync("main");
        Assert.Null((await shop.Workspace.Projects.GetAsync("shop", default)).PointInTime);

        var first = await shop.Workspace.Snapshots.RunScheduleAsync([], default);

        Assert.Empty(first.Problems);
        Assert.Equal(TimeSpan.FromDays(7), (await shop.Workspace.Projects.GetAsync("shop", default)).PointInTime);
        Assert.Equal(("on", url), (await shop.AskAsync("main", "show archive_mode"), await shop.ConnectAsync("main")));
        var started = await shop.AskAsync("main", "select pg_postmaster_start_time()::text");
        // The second finds it so, and disturbs nobody. The first is what the window begins with, and stays whatever the rules say.
        var second = await shop.Workspace.Snapshots.RunScheduleAsync([], default);
        Assert.Equal((0, 1, 0), (second.Problems.Count, second.Taken.Count, second.CleanedUp.Deleted.Count));
        Assert.Equal(started, await shop.AskAsync("main", "select pg_postmaster_start_time()::text"));

        await shop.Workspace.Projects.SetAsync(new() { Name = "shop", PointInTime = TimeSpan.Zero }, default);
        await shop.Workspace.Snapshots.RunScheduleAsync([], default);
        Assert.Null((await shop.Workspace.Projects.GetAsync("shop", default)).PointInTime);
        Assert.Equal("off", await shop.AskAsync("main", "show archive_mode"));
    }
}
