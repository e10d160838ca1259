using Xunit;

namespace Pgd.IntegrationTests.Rehearsals;

/// <summary>A rehearsal whose tool is killed while its migration runs.</summary>
public sealed class KilledRehearsals
{
    [Fact]
    public async Task The_next_start_of_its_server_leaves_nothing_of_a_rehearsal_that_was_killed()
    {
        using var root = await ToolRoot.WithProjectAsync("reflink");
        var dev = await root.MakeAsync("dev");
        // What its first start is given alone is not given again.
        root.Succeed("restart", "shop/dev");
        var before = root.SteadyListing();

        var killed = root.ToolWith(new() { ["PGD_KILL_AT"] = "trace:begun" }, "migrate", "run", "shop/dev", "--", "true");
        Assert.True(killed.Status == 137, killed.ToString());
        // It serves, and is watched by nobody.
        Assert.Equal("1", await root.SqlAsync(dev.Name, "select count(*)::text from pg_namespace where nspname = 'pgd_trace'"));
        Assert.True(Directory.Exists(Path.Combine(dev.Directory, "trace")));

        root.Succeed("restart", "shop/dev");
        Assert.Equal("0", await root.SqlAsync(dev.Name, "select ((select count(*) from pg_namespace where nspname = 'pgd_trace') + (select count(*) from pg_event_trigger))::text"));
        Assert.False(Directory.Exists(Path.Combine(dev.Directory, "trace")));
        Assert.Equal(before, root.SteadyListing());
    }

    [Theory]
    [InlineData("copy")]
    [InlineData("btrfs")]
    public async Task A_branch_that_is_still_watched_is_deleted_like_any_other(string storage)
    {
        using var root = await ToolRoot.WithUsedProjectAsync(storage);
        var before = root.SteadyListing();
        await root.MakeAsync("dev");
        Assert.Equal(137, root.ToolWith(new() { ["PGD_KILL_AT"] = "trace:begun" }, "migrate", "run", "shop/dev", "--", "true").Status);

        root.Succeed("branch", "delete", "shop/dev");

        Assert.Equal(before, root.SteadyListing());
    }

    [Fact]
    public async Task What_the_way_back_was_tried_on_goes_with_its_branch_and_is_in_nobodys_way()
    {
        using var root = await ToolRoot.WithProjectAsync("reflink");
        var before = root.SteadyListing();
        await root.MakeAsync("dev");

        var killed = root.ToolWith(new() { ["PGD_KILL_AT"] = "rehearsal:second" }, "migrate", "run", "shop/dev", "--down", "true", "--", "true");
        Assert.True(killed.Status == 137, killed.ToString());
        Assert.Contains("shop/rehearsal-", root.Succeed("branch", "list"), StringComparison.Ordinal);
        // It does not live for ever either.
        Assert.Contains("expires", root.Succeed("branch", "list", "--json"), StringComparison.Ordinal);

        root.Succeed("migrate", "run", "shop/dev", "--down", "true", "--", "true");
        root.Succeed("branch", "delete", "shop/dev");
        Assert.Equal(before, root.SteadyListing());
    }
}
