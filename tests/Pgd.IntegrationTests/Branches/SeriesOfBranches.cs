using System.Text.Json.Nodes;
using Npgsql;
using Xunit;

namespace Pgd.IntegrationTests;

/// <summary>Several branches by one command.</summary>
public abstract class SeriesOfBranches(string storage) : IAsyncLifetime
{
    private ToolRoot _root = null!;

    /// <summary>The root.</summary>
    private protected ToolRoot Root => _root;

    /// <inheritdoc/>
    public async ValueTask InitializeAsync()
    {
        _root = await ToolRoot.WithUsedProjectAsync(storage);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _root.Dispose();
        GC.SuppressFinalize(this);
        return ValueTask.CompletedTask;
    }

    [Fact]
    public void Their_snapshot_stays_while_it_is_protected_and_through_a_rename_of_what_it_was_taken_of()
    {
        _root.Succeed("branch", "create", "shop/dev");
        // As a rename leaves it: a first start has settings of its own.
        _root.Succeed("restart", "shop/dev");
        var before = _root.SteadyListing();
        _root.Succeed("branch", "create", "shop/shard", "--count", "2", "--from", "dev");
        var snapshot = $"{Assert.Single(JsonNode.Parse(_root.Succeed("snapshot", "list", "shop", "--json"))!.AsArray())!["name"]}";
        _root.Succeed("branch", "rename", "shop/dev", "dev2");
        _root.Succeed("doctor", "--fix");
        snapshot = snapshot.Replace("/dev@", "/dev2@", StringComparison.Ordinal);
        _root.Succeed("snapshot", "protect", snapshot);
        _root.Succeed("branch", "delete", "shop/shard-1");
        _root.Succeed("branch", "delete", "shop/shard-2");
        Assert.Contains(snapshot, _root.Succeed("snapshot", "list", "shop"), StringComparison.Ordinal);

        _root.Succeed("snapshot", "unprotect", snapshot);
        _root.Succeed("doctor", "--fix");

        Assert.DoesNotContain("@", _root.Succeed("snapshot", "list", "shop"), StringComparison.Ordinal);
        _root.Succeed("branch", "rename", "shop/dev2", "dev");
        Assert.Equal(before, _root.SteadyListing());
    }
}

/// <summary>Under load.</summary>
public abstract class SeriesUnderLoad(string storage) : SeriesOfBranches(storage)
{
    [Fact]
    public async Task All_have_the_data_of_one_moment_under_load_and_the_last_takes_their_snapshot_with_it()
    {
        var before = Root.SteadyListing();
        using var stop = new CancellationTokenSource();
        var writer = WriteAsync(stop.Token);

        var made = JsonNode.Parse(Root.Succeed("branch", "create", "shop/shard", "--count", "3", "--json"))!.AsArray();

        await stop.CancelAsync();
        await writer;
        Assert.Equal(["shop/shard-1", "shop/shard-2", "shop/shard-3"], made.Select(m => $"{m!["branch"]!["name"]}"));
        var data = new HashSet<string?>();
        foreach (var number in (int[])[1, 2, 3])
            data.Add(await Root.ChecksumAsync(ToolRoot.Branch($"shard-{number}")));
        Assert.Single(data);
        Assert.Equal(3, JsonNode.Parse(Root.Succeed("branch", "create", "shop/shard", "--count", "3", "--ensure", "--json"))!.AsArray().Count(m => !m!["created"]!.GetValue<bool>()));
        Assert.Contains("shard-1, shop/shard-2, shop/shard-3 exist already", Root.Tool("branch", "create", "shop/shard", "--count", "4").Error, StringComparison.Ordinal);

        // They are branches like all others; one that is reset to something else needs the snapshot no more.
        Root.Succeed("branch", "reset", "shop/shard-2");
        Root.Succeed("branch", "delete", "shop/shard-1");
        Root.Succeed("branch", "delete", "shop/shard-2");
        Assert.Single(JsonNode.Parse(Root.Succeed("snapshot", "list", "shop", "--json"))!.AsArray());
        Root.Succeed("branch", "delete", "shop/shard-3");
        await Root.SqlAsync(ToolRoot.Main, "delete from orders where id > 1000");
        Assert.Equal(before, Root.SteadyListing());
    }

    private async Task WriteAsync(CancellationToken cancellationToken)
    {
        await using var connection = await Root.OpenAsync(ToolRoot.Main);
        for (var id = 2000; !cancellationToken.IsCancellationRequested; id++)
        {
            await using var command = new NpgsqlCommand($"insert into orders values ({id}, 'busy')", connection);
            await command.ExecuteNonQueryAsync(CancellationToken.None);
        }
    }
}

/// <summary>And what does not depend on the storage.</summary>
public abstract class SeriesThatFail(string storage) : SeriesUnderLoad(storage)
{
    [Fact]
    public void Two_who_make_the_same_one_get_the_same_one()
    {
        var both = Enumerable.Range(1, 2).Select(_ => Root.Start([], "branch", "create", "shop/shard", "--count", "2", "--ensure", "--json")).ToList();

        var made = both.SelectMany(run => JsonNode.Parse(run.Wait() is { Status: 0 } ended ? ended.Output : throw new InvalidOperationException(run.Wait().ToString()))!.AsArray()).ToList();

        Assert.Equal(2, made.Count(m => m!["created"]!.GetValue<bool>()));
        both.ForEach(run => run.Dispose());
    }

    [Fact]
    public void If_one_cannot_be_made_none_is()
    {
        var before = Root.SteadyListing();

        // More than there are ports.
        var refused = Root.Tool("branch", "create", "shop/shard", "--count", "60", "--wait-lock", "2m");

        Assert.True(refused.Status is 6 or 1, refused.ToString());
        Assert.Contains("port", refused.Error, StringComparison.Ordinal);
        Assert.Equal(before, Root.SteadyListing());
        foreach (var (arguments, told) in ((string[], string)[])[(["--count", "0"], "0 branches cannot be made at once"), (["--count", "two"], "\"two\" is not a number"), (["--count", "2", "--at", "now"], "not from a moment"), (["--count", "2", "--golden"], "one golden branch is enough")])
        {
            var misused = Root.Tool(["branch", "create", "shop/shard", .. arguments]);
            Assert.Equal(2, misused.Status);
            Assert.Contains(told, misused.Error, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("snapshot:ready", 0)]
    [InlineData("series:snapshot", 0)]
    [InlineData("create:cloned#2", 0)]
    [InlineData("create:ready", 0)]
    [InlineData("series:made", 0)]
    [InlineData("series:kept", 2)]
    public void One_that_is_killed_leaves_all_or_none_behind(string place, int expected)
    {
        var before = Root.SteadyListing();

        Assert.Equal(137, Root.ToolWith(new() { ["PGD_KILL_AT"] = place }, "branch", "create", "shop/shard", "--count", "2").Status);

        Root.Succeed("doctor", "--fix");
        Assert.Equal(expected, JsonNode.Parse(Root.Succeed("branch", "list", "shop", "--json"))!.AsArray().Count - 1);
        if (expected == 0)
            Assert.Equal(before, Root.SteadyListing());
        // And whoever repeats it without the doctor gets them.
        if (expected == 0)
        {
            Assert.Equal(137, Root.ToolWith(new() { ["PGD_KILL_AT"] = place }, "branch", "create", "shop/shard", "--count", "2").Status);
            Root.Succeed("branch", "create", "shop/shard", "--count", "2");
        }

        Root.Succeed("branch", "delete", "shop/shard-1");
        Root.Succeed("branch", "delete", "shop/shard-2");
        Root.Succeed("doctor", "--fix");
        Assert.Equal(before, Root.SteadyListing());
    }
}

/// <summary>On reflink.</summary>
public sealed class SeriesOfBranchesOnReflink() : SeriesThatFail("reflink");

/// <summary>On btrfs.</summary>
public sealed class SeriesOfBranchesOnBtrfs() : SeriesUnderLoad("btrfs");

/// <summary>On ZFS, where a snapshot cannot go before what was made from it.</summary>
[Trait("Needs", "zfs")]
public sealed class SeriesOfBranchesOnZfs() : SeriesOfBranches("zfs");
