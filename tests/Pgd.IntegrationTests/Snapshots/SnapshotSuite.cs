using Pgd.IntegrationTests.Branches;
using Xunit;

namespace Pgd.IntegrationTests.Snapshots;

/// <summary>What snapshots are for, on every storage.</summary>
public abstract class SnapshotSuite(ShopFixture fixture)
{
    private readonly Shop _shop = fixture.Shop;

    private Pgd.Snapshots Snapshots => _shop.Workspace.Snapshots;

    [Fact]
    public async Task A_branch_of_a_snapshot_has_the_rows_of_then_and_a_reset_takes_a_branch_there_with_the_same_address()
    {
        var then = await _shop.SumAsync("main");
        var before = DateTimeOffset.UtcNow;
        var snapshot = await TakeAsync("main", "then");
        Assert.InRange(snapshot.DataAsOf!.Value, before.AddSeconds(-1), DateTimeOffset.UtcNow);
        Assert.Equal(("shop/main@then", SnapshotStatus.Ready, 1), (snapshot.Name, snapshot.Status, snapshot.Generation));
        await _shop.AddAsync("main", 5);

        var late = await CreateAsync("late", "main", "then");
        Assert.Equal((then, "shop/main@then", Shop.Main, snapshot.DataAsOf), (await _shop.SumAsync("late"), late.Snapshot, late.Parent, late.DataAsOf));
        var present = await _shop.CreateAsync("present");
        Assert.Equal(then + 5, await _shop.SumAsync("present"));

        var url = await _shop.ConnectAsync("present");
        var reset = await ResetAsync(r => r with { Name = Shop.Name("present"), Snapshot = "then" });
        Assert.Equal((url, then, "shop/main@then", 2, present.Id), (await _shop.ConnectAsync("present"), await _shop.SumAsync("present"), reset.Snapshot, reset.Generation, reset.Id));
        // And back, and there again without having to say where that is.
        await _shop.ResetAsync("present");
        Assert.Equal((then + 5, null), (await _shop.SumAsync("present"), (await _shop.GetAsync("present")).Snapshot));
        await _shop.AddAsync("late", 100);
        await ResetAsync(r => r with { Name = Shop.Name("late"), ToOrigin = true });
        Assert.Equal((then, url), (await _shop.SumAsync("late"), await _shop.ConnectAsync("present")));

        // What a branch was made from stays.
        var refused = await _shop.RefusedAsync(ExitCode.Unsafe, () => DeleteAsync("main", "then"));
        Assert.Contains("shop/late", refused.Message, StringComparison.Ordinal);
        Assert.Equal([Shop.Name("late")], (await Snapshots.GetAsync(new(Shop.Main, "then"), default)).UsedBy);
        await _shop.DeleteAsync("late", "present");
        await DeleteAsync("main", "then");
    }

    [Fact]
    public async Task A_branch_goes_back_to_a_snapshot_of_its_own_and_what_was_made_from_its_old_data_is_not_disturbed()
    {
        await _shop.CreateAsync("own");
        await _shop.AddAsync("own", 7);
        var clean = await _shop.SumAsync("own");
        await TakeAsync("own", "clean");
        await _shop.AddAsync("own", 70);
        await CreateAsync("child", "own", "clean");
        await _shop.AddAsync("child", 700);

        var reset = await ResetAsync(r => r with { Name = Shop.Name("own"), From = "own", Snapshot = "clean" });

        Assert.Equal((clean, "shop/own@clean", Shop.Main), (await _shop.SumAsync("own"), reset.Snapshot, reset.Parent));
        Assert.Equal(clean + 700, await _shop.SumAsync("child"));
        // A second one of the same, after the first was used.
        await _shop.AddAsync("own", 7000);
        await ResetAsync(r => r with { Name = Shop.Name("own"), ToOrigin = true });
        Assert.Equal(clean, await _shop.SumAsync("own"));

        await _shop.DeleteAsync("child");
        var refused = await _shop.RefusedAsync(ExitCode.Unsafe, () => _shop.DeleteAsync("own"));
        Assert.Equal("Delete them with it: dotnet pgd branch delete shop/own --with-snapshots", refused.Hint);
        await Snapshots.ProtectAsync(new(Shop.Name("own"), "clean"), TimeSpan.FromHours(1), "needed", default);
        await _shop.RefusedAsync(ExitCode.Unsafe, () => _shop.Workspace.Branches.DeleteAsync(Shop.Name("own"), ifExists: false, withSnapshots: true, default));
        await Snapshots.UnprotectAsync(new(Shop.Name("own"), "clean"), default);
        Assert.True(await _shop.Workspace.Branches.DeleteAsync(Shop.Name("own"), ifExists: false, withSnapshots: true, default));
    }

    [Fact]
    public async Task Taking_and_deleting_snapshots_leaves_nothing_and_the_server_goes_on()
    {
        var before = _shop.Take();
        var started = await _shop.AskAsync("main", "select pg_postmaster_start_time()::text");
        await TakeAsync("main", null);
        await TakeAsync("main", "labelled");
        var listed = await Snapshots.ListAsync("shop", Shop.Main, default);
        Assert.Equal(2, listed.Count);
        Assert.Equal(listed.OrderBy(s => s.CreatedAt).Select(s => s.Id), listed.Select(s => s.Id));

        // By its identity, by the beginning of that, and by its label.
        Assert.True(await Snapshots.DeleteAsync(new(Shop.Main, listed[0].Id[..6]), ifExists: false, default));
        await DeleteAsync("main", "labelled");

        Assert.Empty(_shop.Since(before));
        Assert.Equal(started, await _shop.AskAsync("main", "select pg_postmaster_start_time()::text"));
        Assert.False(await Snapshots.DeleteAsync(new(Shop.Main, "labelled"), ifExists: true, default));
        Assert.Equal(ExitCode.NotFound, (await _shop.RefusedAsync(ExitCode.NotFound, () => DeleteAsync("main", "labelled"))).ExitCode);
    }

    [Fact]
    public async Task Of_a_stopped_branch_and_of_many_taken_at_once_each_snapshot_is_whole()
    {
        await _shop.CreateAsync("busy");
        await _shop.StopAsync("busy");
        var still = await TakeAsync("busy", "still");
        Assert.Null(still.DataAsOf);
        await CreateAsync("of-still", "busy", "still");
        Assert.Equal(await _shop.SumAsync("main"), await _shop.SumAsync("of-still"));
        Assert.DoesNotContain("recovery in progress", await _shop.LogAsync("of-still"), StringComparison.Ordinal);
        await _shop.DeleteAsync("of-still");
        await _shop.StartAsync("busy");

        var taken = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => TakeAsync("busy", null)));
        var same = await Task.WhenAll(Enumerable.Range(0, 3).Select(async _ => await Record.ExceptionAsync(() => TakeAsync("busy", "one"))));
        Assert.Equal(2, same.OfType<PgdException>().Count(e => e.ExitCode == ExitCode.Exists));
        Assert.Equal(6, (await Snapshots.ListAsync(null, Shop.Name("busy"), default)).Count);
        Assert.All(taken, s => Assert.Equal(SnapshotStatus.Ready, s.Status));
        await _shop.Workspace.Branches.DeleteAsync(Shop.Name("busy"), ifExists: false, withSnapshots: true, default);
    }

    [Fact]
    public async Task What_cannot_be_is_refused_and_nothing_changes()
    {
        await _shop.CreateAsync("parent");
        await _shop.CreateAsync("child", from: "parent");
        await TakeAsync("main", "known");

        var unknown = await _shop.RefusedAsync(ExitCode.NotFound, () => CreateAsync("new", "main", "unknown"));
        Assert.Equal("There is shop/main@known", unknown.Hint);
        await _shop.RefusedAsync(ExitCode.NotFound, () => TakeAsync("nobody", "x"));
        await _shop.RefusedAsync(ExitCode.Exists, () => TakeAsync("main", "known"));
        await _shop.RefusedAsync(ExitCode.Misuse, () => TakeAsync("main", "not/one"));
        // A branch cannot come from what comes from it.
        Assert.Contains("shop/child comes from shop/parent", (await _shop.RefusedAsync(ExitCode.Misuse, () => ResetAsync(r => r with { Name = Shop.Name("parent"), From = "child" }))).Message, StringComparison.Ordinal);
        await _shop.RefusedAsync(ExitCode.Misuse, () => ResetAsync(r => r with { Name = Shop.Name("parent"), From = "parent" }));
        await _shop.RefusedAsync(ExitCode.Unsafe, () => ResetAsync(r => r with { Name = Shop.Name("parent"), ToOrigin = true }));
        Assert.Contains("made from shop/main and not from shop/main@known", (await _shop.RefusedAsync(ExitCode.Exists, () => _shop.CreateAsync("parent", with: c => c with { Ensure = true, Snapshot = "known" }))).Message, StringComparison.Ordinal);

        // To another parent is fine.
        var moved = await ResetAsync(r => r with { Name = Shop.Name("child"), From = "main" });
        Assert.Equal(Shop.Main, moved.Parent);
        await _shop.DeleteAsync("parent", "child");
        await DeleteAsync("main", "known");
    }

    private Task<Snapshot> TakeAsync(string branch, string? label) => Snapshots.CreateAsync(new() { Branch = Shop.Name(branch), Label = label }, default);

    private Task<bool> DeleteAsync(string branch, string reference) => Snapshots.DeleteAsync(new(Shop.Name(branch), reference), ifExists: false, default);

    private Task<Branch> CreateAsync(string branch, string from, string snapshot) => _shop.CreateAsync(branch, from, c => c with { Snapshot = snapshot });

    private Task<Branch> ResetAsync(Func<BranchReset, BranchReset> with) => _shop.Workspace.Branches.ResetAsync(with(new() { Name = Shop.Main }), default);
}

/// <inheritdoc/>
[Trait("Only", "soak")]
public sealed class SnapshotsOnBtrfs15(Btrfs15 fixture) : SnapshotSuite(fixture), IClassFixture<Btrfs15>;

/// <inheritdoc/>
public sealed class SnapshotsOnReflink18(Reflink18 fixture) : SnapshotSuite(fixture), IClassFixture<Reflink18>;

/// <inheritdoc/>
[Trait("Only", "soak")]
public sealed class SnapshotsOnCopy17(Copy17 fixture) : SnapshotSuite(fixture), IClassFixture<Copy17>;

/// <inheritdoc/>
[Trait("Only", "soak")]
public sealed class SnapshotsOnBtrfsInDocker17(BtrfsDocker17 fixture) : SnapshotSuite(fixture), IClassFixture<BtrfsDocker17>;

/// <inheritdoc/>
[Trait("Needs", "zfs")]
public sealed class SnapshotsOnZfs15(Zfs15 fixture) : SnapshotSuite(fixture), IClassFixture<Zfs15>;
