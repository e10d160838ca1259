using System.Globalization;
using Pgd.IntegrationTests.Branches;
using Xunit;

namespace Pgd.IntegrationTests.Recovery;

/// <summary>Moments in the past of a branch, reached from a snapshot by the write-ahead log that its server still has.</summary>
public abstract class PointInTimeSuite(ShopFixture fixture)
{
    private const int Commits = 60;
    private readonly Shop _shop = fixture.Shop;

    [Fact]
    public async Task A_target_between_two_commits_shows_exactly_the_first_whichever_way_it_is_named()
    {
        // A hundred recoveries take longer than the server keeps what it has no need of.
        await _shop.AdministerAsync("main", "alter system set wal_keep_size = '1GB'", "select pg_reload_conf()");
        await TakeAsync("main", "base");
        var random = new Random(20261128);
        var moments = await CommitAsync("main", Commits, random);
        // Several suites share a tenth of them.
        var targets = Soak.IsOn ? 100 : 4;
        for (var i = 0; i < targets; i++)
        {
            var moment = moments[random.Next(moments.Count)];
            var target = (i % 4) switch { 0 => RecoveryTarget.AtTime(moment.At), 1 => RecoveryTarget.AtLsn(moment.Lsn), 2 => RecoveryTarget.AtTransaction(moment.Xid), _ => RecoveryTarget.AtRestorePoint(moment.Name) };
            var branch = await _shop.CreateAsync("then", with: b => b with { Target = target });

            Assert.Equal($"{target}: {moment.State}", $"{target}: {await StateAsync("then")}");
            Assert.Equal((target.Text, Shop.Main), (branch.RecoveredTo, branch.Parent));
            Assert.True(branch.LastTransactionAt <= moment.At && branch.DataAsOf <= moment.At, $"{branch.LastTransactionAt:O} {branch.DataAsOf:O} {moment.At:O}");
            Assert.False(Directory.Exists(Path.Combine(branch.Directory, "wal")));
            // Nobody knocks while it recovers.
            Assert.DoesNotContain("not accepting connections", await _shop.LogAsync("then"), StringComparison.Ordinal);
            if (i < 4)
                Assert.Empty((await _shop.Workspace.Branches.VerifyAsync(branch.Name, default)).Problems);
            await _shop.DeleteAsync("then");
        }

        // The last moment of all, and one after the last commit, while the source is idle.
        var last = moments[^1];
        await _shop.CreateAsync("end", with: b => b with { Target = RecoveryTarget.AtTime(DateTimeOffset.UtcNow) });
        Assert.Equal(last.State, await StateAsync("end"));
        await _shop.DeleteAsync("end");
        await ForgetAsync("main");
        await _shop.AdministerAsync("main", "alter system reset wal_keep_size", "select pg_reload_conf()");
    }

    [Fact]
    public async Task What_cannot_be_reached_is_refused_before_anything_is_made_with_what_can_be()
    {
        var none = await RefusedAsync(ExitCode.NotFound, RecoveryTarget.AtTime(DateTimeOffset.UtcNow));
        Assert.Contains("has no snapshot", none.Message, StringComparison.Ordinal);

        await _shop.AddAsync("main", 1);
        var before = await MomentAsync("main");
        await _shop.AddAsync("main", 2);
        await TakeAsync("main", "base");
        var rolledBack = await _shop.AdministerAsync("main", "begin; select txid_current(); create table never (); rollback");
        rolledBack = await _shop.AskAsync("main", "begin; insert into orders values (-1, 0); select pg_current_xact_id()::text");
        await CommitAsync("main", 3, new(1));

        foreach (var target in new[] { RecoveryTarget.AtTime(before.At), RecoveryTarget.AtLsn(before.Lsn), RecoveryTarget.AtTransaction(before.Xid), RecoveryTarget.AtRestorePoint(before.Name) })
        {
            var early = await RefusedAsync(ExitCode.NotFound, target);
            Assert.Contains($"{target} cannot be reached", early.Message, StringComparison.Ordinal);
            Assert.Contains("Reachable: from ", early.Message, StringComparison.Ordinal);
            Assert.Contains("shop/main@base) to now (", early.Message, StringComparison.Ordinal);
        }

        Assert.Contains("is in the future", (await RefusedAsync(ExitCode.Misuse, RecoveryTarget.AtTime(DateTimeOffset.UtcNow.AddMinutes(1)))).Message, StringComparison.Ordinal);
        Assert.Contains("ends at", (await RefusedAsync(ExitCode.NotFound, RecoveryTarget.AtLsn("7F/0"))).Message, StringComparison.Ordinal);
        await RefusedAsync(ExitCode.NotFound, RecoveryTarget.AtTransaction("4000000000"));
        await RefusedAsync(ExitCode.NotFound, RecoveryTarget.AtRestorePoint("never made"));
        Assert.Contains("was rolled back", (await RefusedAsync(ExitCode.NotFound, RecoveryTarget.AtTransaction(rolledBack!))).Message, StringComparison.Ordinal);
        await _shop.RefusedAsync(ExitCode.Misuse, () => _shop.CreateAsync("then", with: b => b with { Target = RecoveryTarget.AtTransaction("745"), Snapshot = "base" }));
        await ForgetAsync("main");
    }

    [Fact]
    public async Task Log_that_the_server_has_recycled_is_named_with_the_command_that_keeps_it()
    {
        await TakeAsync("main", "old");
        var moments = await CommitAsync("main", 5, new(2));
        for (var i = 0; i < 4; i++)
            await _shop.AdministerAsync("main", "select pg_switch_wal()", "insert into orders select max(id) + 1, 0 from orders", "checkpoint");
        var present = await MomentAsync("main");
        await TakeAsync("main", "new");
        var later = await CommitAsync("main", 2, new(3));

        var refused = await RefusedAsync(ExitCode.NotFound, RecoveryTarget.AtTime(moments[2].At));
        Assert.Contains("is missing", refused.Message, StringComparison.Ordinal);
        Assert.Contains("shop/main@new) to now", refused.Message, StringComparison.Ordinal);
        Assert.Contains("dotnet pgd project set shop --pitr 7d", refused.Hint, StringComparison.Ordinal);
        await RefusedAsync(ExitCode.NotFound, RecoveryTarget.AtTransaction(moments[2].Xid));
        // What is behind the gap can be had.
        await _shop.CreateAsync("then", with: b => b with { Target = RecoveryTarget.AtTime(later[0].At) });
        Assert.Equal(later[0].State, await StateAsync("then"));
        Assert.NotEqual(present.State, later[0].State);
        await _shop.DeleteAsync("then");
        await ForgetAsync("main");
    }

    [Fact]
    public async Task A_recovered_branch_disturbs_no_later_recovery_and_has_a_past_of_its_own()
    {
        await TakeAsync("main", "base");
        var first = await CommitAsync("main", 6, new(4));
        await _shop.CreateAsync("once", with: b => b with { Target = RecoveryTarget.AtTime(first[2].At) });
        // On a timeline of its own, which nobody else follows.
        await TakeAsync("once", "fork");
        var own = await CommitAsync("once", 6, new(5));
        var second = await CommitAsync("main", 4, new(6));

        await _shop.CreateAsync("twice", with: b => b with { Target = RecoveryTarget.AtTransaction(second[1].Xid) });
        Assert.Equal(second[1].State, await StateAsync("twice"));
        await _shop.CreateAsync("of-once", "once", b => b with { Target = RecoveryTarget.AtLsn(own[3].Lsn) });
        Assert.Equal(own[3].State, await StateAsync("of-once"));
        Assert.Contains("timeline that was left", (await _shop.RefusedAsync(ExitCode.NotFound, () => _shop.CreateAsync("never", "once", b => b with { Target = RecoveryTarget.AtRestorePoint(second[1].Name) }))).Message, StringComparison.Ordinal);

        // A reset goes to a moment as well, and back to it: port and passwords stay.
        var url = await _shop.ConnectAsync("twice");
        var reset = await _shop.Workspace.Branches.ResetAsync(new() { Name = Shop.Name("twice"), Target = RecoveryTarget.AtRestorePoint(first[4].Name) }, default);
        Assert.Equal((first[4].State, url, 2), (await StateAsync("twice"), await _shop.ConnectAsync("twice"), reset.Generation));
        await _shop.AddAsync("twice", 9);
        await _shop.Workspace.Branches.ResetAsync(new() { Name = Shop.Name("twice"), ToOrigin = true }, default);
        Assert.Equal((first[4].State, url), (await StateAsync("twice"), await _shop.ConnectAsync("twice")));

        await _shop.DeleteAsync("of-once", "twice");
        await _shop.Workspace.Branches.DeleteAsync(Shop.Name("once"), ifExists: false, withSnapshots: true, default);
        await ForgetAsync("main");
    }

    [Fact]
    public async Task A_target_that_the_snapshot_itself_shows_needs_no_recovery_and_one_of_a_stopped_source_does()
    {
        await _shop.CreateAsync("still");
        await TakeAsync("still", "base");
        var lsn = await _shop.AdministerAsync("still", "select pg_current_wal_lsn()::text");
        var moments = await CommitAsync("still", 3, new(7));
        await _shop.StopAsync("still");

        await _shop.CreateAsync("then", "still", b => b with { Target = RecoveryTarget.AtTime(moments[1].At) });
        Assert.Equal(moments[1].State, await StateAsync("then"));
        await _shop.DeleteAsync("then");
        await _shop.CreateAsync("then", "still", b => b with { Target = RecoveryTarget.AtTime(DateTimeOffset.UtcNow) });
        Assert.Equal(moments[^1].State, await StateAsync("then"));
        await _shop.DeleteAsync("then");
        Assert.NotNull(lsn);
        await _shop.Workspace.Branches.DeleteAsync(Shop.Name("still"), ifExists: false, withSnapshots: true, default);
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    private Task<Snapshot> TakeAsync(string branch, string label) => _shop.Workspace.Snapshots.CreateAsync(new() { Branch = Shop.Name(branch), Label = label }, default);

    private async Task ForgetAsync(string branch)
    {
        foreach (var snapshot in await _shop.Workspace.Snapshots.ListAsync(null, Shop.Name(branch), default))
            await _shop.Workspace.Snapshots.DeleteAsync(new(snapshot.Branch, snapshot.Id), ifExists: false, default);
    }

    private Task<PgdException> RefusedAsync(ExitCode exitCode, RecoveryTarget target) => _shop.RefusedAsync(exitCode, () => _shop.CreateAsync("never", with: b => b with { Target = target }));

    private Task<string> StateAsync(string branch) => Moment.StateAsync(_shop, branch);

    private Task<Moment> MomentAsync(string branch) => Moment.OfAsync(_shop, branch);

    /// <summary>Commits of many sizes, some by two sessions at once, some rolled back, and over several parts of the log.</summary>
    private async Task<List<Moment>> CommitAsync(string branch, int commits, Random random)
    {
        var moments = new List<Moment>();
        for (var i = 0; i < commits; i++)
        {
            var rows = Text(random.Next(1, 40));
            await _shop.AskAsync(branch, $"insert into orders select (select max(id) from orders) + i, {Text(random.Next(100))} from generate_series(1, {rows}) i");
            if (random.Next(4) == 0)
                await Assert.ThrowsAnyAsync<Npgsql.PostgresException>(() => _shop.AskAsync(branch, "update orders set amount = -1; select 1 / 0"));
            if (random.Next(3) == 0)
                await Task.WhenAll(_shop.AskAsync(branch, "update orders set amount = amount + 1 where id = 1"), _shop.AskAsync(branch, "update orders set amount = amount + 1 where id = 2"));
            if (random.Next(8) == 0)
                await _shop.AdministerAsync(branch, random.Next(2) == 0 ? "select pg_switch_wal()" : "select pg_logical_emit_message(false, 'x', repeat('x', 1000000))");
            moments.Add(await MomentAsync(branch));
        }

        return moments;
    }
}

/// <inheritdoc/>
[Trait("Only", "soak")]
public sealed class PointInTimeOnBtrfs15(Btrfs15 fixture) : PointInTimeSuite(fixture), IClassFixture<Btrfs15>;

/// <inheritdoc/>
[Trait("Only", "soak")]
public sealed class PointInTimeOnReflink18(Reflink18 fixture) : PointInTimeSuite(fixture), IClassFixture<Reflink18>;

/// <inheritdoc/>
[Trait("Only", "soak")]
public sealed class PointInTimeOnCopy17(Copy17 fixture) : PointInTimeSuite(fixture), IClassFixture<Copy17>;

/// <inheritdoc/>
public sealed class PointInTimeOnBtrfsInDocker17(BtrfsDocker17 fixture) : PointInTimeSuite(fixture), IClassFixture<BtrfsDocker17>;

/// <inheritdoc/>
[Trait("Needs", "zfs")]
[Trait("Only", "soak")]
public sealed class PointInTimeOnZfs15(Zfs15 fixture) : PointInTimeSuite(fixture), IClassFixture<Zfs15>;
