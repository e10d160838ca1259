using System.Globalization;
using Pgd.Configuration;
using Pgd.IntegrationTests.Branches;
using Pgd.State;
using Xunit;

namespace Pgd.IntegrationTests.Snapshots;

/// <summary>Retention and schedule, of real snapshots whose records say that they are older than they are.</summary>
public abstract class KeepingSnapshotsSuite(ShopFixture fixture)
{
    private readonly Shop _shop = fixture.Shop;

    private Pgd.Snapshots Snapshots => _shop.Workspace.Snapshots;

    [Fact]
    public async Task Rules_delete_what_they_do_not_keep_and_nothing_that_is_protected_used_or_half_made()
    {
        var before = _shop.Take();
        await _shop.CreateAsync("kept");
        var taken = new Dictionary<string, SnapshotRecord>();
        foreach (var (label, at) in ((string, string)[])[("protected", "05-01"), ("half", "05-10"), ("used", "05-20"), ("old", "06-01"), ("yesterday", "06-09"), ("early", "06-10 11:00"), ("late", "06-10 12:00")])
            taken[label] = await TakeAsync("kept", label, at);
        await Snapshots.ProtectAsync(new(Shop.Name("kept"), "protected"), TimeSpan.FromDays(1), "audit", default);
        _shop.Workspace.State.Write(taken["half"] with { Phase = BranchPhase.Creating });
        await _shop.CreateAsync("user", from: "kept", with: c => c with { Snapshot = "used" });
        var cleanup = new SnapshotCleanup { Branch = Shop.Name("kept"), Keep = Retention.Parse("last=1,daily=2") };
        var all = _shop.Take();

        var planned = await Snapshots.CleanUpAsync(cleanup with { DryRun = true }, default);
        Assert.Equal(["shop/kept@old", "shop/kept@early"], planned.Deleted);
        Assert.Empty(_shop.Since(all));

        var done = await Snapshots.CleanUpAsync(cleanup, default);
        Assert.Equal(planned.Deleted, done.Deleted);
        Assert.Empty(done.Left);
        Assert.Equal(
        [
            ("shop/kept@protected", true), ("shop/kept@half", true), ("shop/kept@used", true), ("shop/kept@yesterday", true), ("shop/kept@late", true),
        ], done.Kept.Select(k => (k.Name, k.Reason.Length > 0)));
        Assert.Contains("(audit)", done.Kept[0].Reason, StringComparison.Ordinal);
        Assert.Contains("shop/user", done.Kept[2].Reason, StringComparison.Ordinal);
        Assert.Equal("last; daily", done.Kept[4].Reason);
        Assert.Equal(5, _shop.Workspace.State.Snapshots("shop", "kept").Count);
        Assert.False(Directory.Exists(_shop.Workspace.Storages.Folders.Folder(taken["old"].VolumeKey)));
        Assert.Empty((await Snapshots.CleanUpAsync(cleanup, default)).Deleted);

        // Those of other branches neither go nor count.
        Assert.Empty((await Snapshots.CleanUpAsync(cleanup with { Branch = Shop.Main }, default)).Kept);
        _shop.Workspace.State.Write(taken["half"]);
        Assert.Equal(["shop/kept@half"], (await Snapshots.CleanUpAsync(cleanup with { Keep = Retention.Parse("last=2") }, default)).Deleted);
        await Snapshots.UnprotectAsync(new(Shop.Name("kept"), "protected"), default);
        await _shop.DeleteAsync("user");
        Assert.Equal(["shop/kept@protected", "shop/kept@used", "shop/kept@yesterday", "shop/kept@late"], (await Snapshots.CleanUpAsync(new() { Project = "shop", Keep = Retention.OfDays(1) }, default)).Deleted);
        Assert.True(await _shop.Workspace.Branches.DeleteAsync(Shop.Name("kept"), ifExists: false, withSnapshots: true, default));
        Assert.Empty(_shop.Since(before));
    }

    [Fact]
    public async Task One_that_another_operation_holds_is_told_and_does_not_keep_the_others()
    {
        await _shop.CreateAsync("held");
        foreach (var (label, at) in ((string, string)[])[("a", "05-01"), ("b", "05-02"), ("c", "05-03"), ("d", "05-04")])
            await TakeAsync("held", label, at);
        var b = _shop.Workspace.State.Snapshots("shop", "held").Single(s => s.Label == "b");
        var impatient = Open(c => c with { WaitForLock = TimeSpan.Zero });
        var cleanup = new SnapshotCleanup { Branch = Shop.Name("held"), Keep = Retention.Parse("last=1") };

        SnapshotsCleanedUp done;
        using (await _shop.Workspace.Locks.AcquireAsync(default, LockRequest.Snapshot(Shop.Name("held"), b.Id, exclusive: true)))
            done = await impatient.Snapshots.CleanUpAsync(cleanup, default);

        Assert.Equal(["shop/held@a", "shop/held@c"], done.Deleted);
        Assert.Equal("shop/held@b", Assert.Single(done.Left).Name);
        Assert.Equal(["shop/held@b"], (await impatient.Snapshots.CleanUpAsync(cleanup, default)).Deleted);
        await _shop.RefusedAsync(ExitCode.NotFound, () => Snapshots.CleanUpAsync(cleanup with { Branch = Shop.Name("nobody") }, default));
        await _shop.RefusedAsync(ExitCode.NotFound, () => Snapshots.CleanUpAsync(cleanup with { Branch = null, Project = "nothing" }, default));
        await _shop.Workspace.Branches.DeleteAsync(Shop.Name("held"), ifExists: false, withSnapshots: true, default);
    }

    [Fact]
    public async Task The_schedule_takes_one_of_each_main_and_removes_its_own_alone()
    {
        // With the log kept, the oldest would stay: each moment of the last week is reached from it.
        await _shop.Workspace.Projects.SetAsync(new() { Name = "shop", PointInTime = TimeSpan.Zero }, default);
        var before = _shop.Take();
        var mine = await Snapshots.CreateAsync(new() { Branch = Shop.Main, Label = "mine" }, default);
        var scheduled = Open(c => c with { KeepSnapshots = Retention.Parse("last=2") });

        var runs = new List<SnapshotsScheduled>();
        for (var i = 0; i < 3; i++)
            runs.Add(await scheduled.Snapshots.RunScheduleAsync([], default));

        Assert.All(runs, r => Assert.Equal((1, true, 0), (r.Taken.Count, r.Taken[0].Scheduled, r.Problems.Count)));
        Assert.Equal([0, 0, 1], runs.Select(r => r.CleanedUp.Deleted.Count));
        Assert.Equal(runs[0].Taken[0].Name, runs[2].CleanedUp.Deleted[0]);
        Assert.Equal([mine.Name, runs[1].Taken[0].Name, runs[2].Taken[0].Name], (await Snapshots.ListAsync("shop", null, default)).Select(s => s.Name));

        // One branch that is gone does not keep the others; one that was named is refused before anything is done.
        var configured = await Open(c => c with { KeepSnapshots = Retention.Parse("last=1"), SnapshotBranches = [Shop.Name("gone"), Shop.Main] }).Snapshots.RunScheduleAsync([], default);
        Assert.Equal(("shop/gone", 1, 2), (Assert.Single(configured.Problems.DistinctBy(p => p.Name)).Name, configured.Taken.Count, configured.CleanedUp.Deleted.Count));
        await _shop.RefusedAsync(ExitCode.NotFound, () => scheduled.Snapshots.RunScheduleAsync([Shop.Main, Shop.Name("gone")], default));

        foreach (var snapshot in await Snapshots.ListAsync("shop", null, default))
            await Snapshots.DeleteAsync(new(Shop.Main, snapshot.Id), ifExists: false, default);
        Assert.Empty(_shop.Since(before));
    }

    // The same root, by another configuration.
    private Workspace Open(Func<HostConfiguration, HostConfiguration> with) => new(with(_shop.Workspace.Configuration), SilentReporter.Instance);

    private async Task<SnapshotRecord> TakeAsync(string branch, string label, string at)
    {
        var taken = await Snapshots.CreateAsync(new() { Branch = Shop.Name(branch), Label = label }, default);
        var record = _shop.Workspace.State.FindSnapshot(Shop.Name(branch), taken.Id)!;
        record = record with { CreatedAt = DateTimeOffset.Parse($"2025-{at}Z", CultureInfo.InvariantCulture) };
        _shop.Workspace.State.Write(record);
        return record;
    }
}

/// <inheritdoc/>
[Trait("Only", "soak")]
public sealed class KeepingSnapshotsOnBtrfs15(Btrfs15 fixture) : KeepingSnapshotsSuite(fixture), IClassFixture<Btrfs15>;

/// <inheritdoc/>
public sealed class KeepingSnapshotsOnReflink15(Reflink15 fixture) : KeepingSnapshotsSuite(fixture), IClassFixture<Reflink15>;

/// <inheritdoc/>
[Trait("Needs", "zfs")]
[Trait("Only", "soak")]
public sealed class KeepingSnapshotsOnZfs15(Zfs15 fixture) : KeepingSnapshotsSuite(fixture), IClassFixture<Zfs15>;

/// <summary>A run of the schedule that is killed leaves nothing that the doctor does not remove, and no old snapshot that it should not have.</summary>
public sealed class KilledSchedules
{
    [Theory]
    [InlineData("snapshot:record")]
    [InlineData("snapshot:cloned")]
    [InlineData("snapshot:ready")]
    [InlineData("snapshot-delete:record")]
    [InlineData("snapshot-delete:data")]
    public async Task A_run_that_is_killed_is_mended_and_repeated(string place)
    {
        using var root = await ToolRoot.WithProjectAsync("btrfs");
        var configuration = Path.Combine(root.Folder, "home");
        Directory.CreateDirectory(Path.Combine(configuration, "pgd"));
        await File.WriteAllTextAsync(Path.Combine(configuration, "pgd", "config.yaml"), "snapshots:\n  keep: last=1\n");
        Dictionary<string, string> environment = new() { ["XDG_CONFIG_HOME"] = configuration };
        // With the log kept, the first would stay: each moment of the last week is reached from it.
        root.Succeed("project", "set", "shop", "--pitr", "off");
        Assert.Equal(0, root.ToolWith(environment, "snapshot", "run").Status);

        Assert.Equal(137, root.ToolWith(new(environment) { ["PGD_KILL_AT"] = place }, "snapshot", "run").Status);
        root.Succeed("doctor", "--fix");
        var left = await root.Workspace.Snapshots.ListAsync(null, null, default);
        Assert.InRange(left.Count, 1, 2);
        // Whatever is left is whole.
        foreach (var snapshot in left)
            await ProveAsync(root, snapshot);

        var again = root.ToolWith(environment, "snapshot", "run");
        Assert.Equal(0, again.Status);
        var last = Assert.Single(await root.Workspace.Snapshots.ListAsync(null, null, default));
        Assert.Contains($"took     {last.Name}", again.Output, StringComparison.Ordinal);
        await ProveAsync(root, last);
    }

    private static async Task ProveAsync(ToolRoot root, Snapshot snapshot)
    {
        var proof = ToolRoot.Branch("proof");
        await root.Workspace.Branches.CreateAsync(new() { Name = proof, Snapshot = snapshot.Id }, default);
        Assert.Equal("1000", await root.SqlAsync(proof, "select count(*) from orders"));
        await root.Workspace.Branches.DeleteAsync(proof, ifExists: false, default);
    }
}
