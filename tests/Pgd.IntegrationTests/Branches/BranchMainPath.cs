using Xunit;

namespace Pgd.IntegrationTests.Branches;

/// <summary>What everyone does with branches, on every storage and every version of the server.</summary>
public abstract class BranchMainPath(ShopFixture fixture)
{
    /// <summary>The project.</summary>
    protected Shop Shop { get; } = fixture.Shop;

    [Fact]
    public async Task A_new_project_has_passwords_by_SCRAM_checksums_UTF_8_and_a_database_of_its_name()
    {
        var project = await Shop.Workspace.Projects.GetAsync("shop", CancellationToken.None);

        Assert.Equal((Shop.Storage, Shop.Runtime, Shop.Major), (project.Storage, project.Runtime, project.PostgresMajor));
        Assert.Equal("scram-sha-256", await Shop.AskAsync("main", "show password_encryption"));
        Assert.Equal("on", await Shop.AskAsync("main", "show data_checksums"));
        Assert.Equal("UTF8", await Shop.AskAsync("main", "show server_encoding"));
        Assert.Equal(Shop.Major.ToString(System.Globalization.CultureInfo.InvariantCulture), await Shop.AskAsync("main", "select current_setting('server_version_num')::int / 10000"));
        Assert.Equal("shop shop false", await Shop.AskAsync("main", "select concat_ws(' ', current_database(), current_user, rolsuper::text) from pg_roles where rolname = current_user"));
        Assert.Equal("0", await Shop.AdministerAsync("main", "select count(*) from pg_authid where rolcanlogin and rolpassword not like 'SCRAM-SHA-256$%'"));
        Assert.Equal("0", await Shop.AdministerAsync("main", "select count(*) from pg_hba_file_rules where auth_method = 'trust'"));
    }

    [Fact]
    public async Task A_branch_has_its_parents_rows_and_neither_sees_what_the_other_does_later()
    {
        var sum = await Shop.SumAsync("main");
        var branch = await Shop.CreateAsync("rows");

        Assert.Equal(sum, await Shop.SumAsync("rows"));
        Assert.NotEqual((await Shop.GetAsync("main")).Port, branch.Port);
        await Shop.AskAsync("rows", "update orders set amount = 0; create table only_in_branch ()");
        await Shop.AddAsync("main", 7);

        Assert.Equal(0, await Shop.SumAsync("rows"));
        Assert.Equal(sum + 7, await Shop.SumAsync("main"));
        Assert.Null(await Shop.AskAsync("main", "select to_regclass('only_in_branch')::text"));
        Assert.Empty(Shop.TakeWarnings());
        await Shop.DeleteAsync("rows");
    }

    [Fact]
    public async Task A_branch_of_a_branch_has_that_branchs_rows()
    {
        await Shop.CreateAsync("parent");
        await Shop.AddAsync("parent", 5);
        var child = await Shop.CreateAsync("child", from: "parent");
        await Shop.AddAsync("child", 50);

        Assert.Equal(Shop.Name("parent"), child.Parent);
        var sum = await Shop.SumAsync("main");
        Assert.Equal((sum + 5, sum + 55), (await Shop.SumAsync("parent"), await Shop.SumAsync("child")));

        var error = await Shop.RefusedAsync(ExitCode.Unsafe, () => Shop.DeleteAsync("parent"));
        Assert.Contains("shop/child", error.Message, StringComparison.Ordinal);
        await Shop.DeleteAsync("child");
        await Shop.DeleteAsync("parent");
    }

    [Fact]
    public async Task A_reset_takes_the_parents_present_state_and_keeps_port_password_and_identity()
    {
        var before = await Shop.CreateAsync("reset");
        var url = await Shop.ConnectAsync("reset");
        await Shop.AskAsync("reset", "truncate orders");
        await Shop.AddAsync("main", 3);

        var after = await Shop.ResetAsync("reset");

        Assert.Equal(await Shop.SumAsync("main"), await Shop.SumAsync("reset"));
        Assert.Equal(url, await Shop.ConnectAsync("reset"));
        Assert.Equal((before.Id, before.Port, before.CreatedAt, 2, BranchStatus.Running), (after.Id, after.Port, after.CreatedAt, after.Generation, after.Status));
        Assert.True(after.DataAsOf > before.DataAsOf);
        Assert.False(Directory.Exists(before.Directory));
        Assert.Empty(Shop.TakeWarnings());
        await Shop.DeleteAsync("reset");
    }

    [Fact]
    public async Task Stop_start_and_restart_keep_rows_port_and_password()
    {
        var branch = await Shop.CreateAsync("restarted");
        var url = await Shop.ConnectAsync("restarted");
        await Shop.AddAsync("restarted", 11);
        var sum = await Shop.SumAsync("restarted");

        await Shop.StopAsync("restarted");
        await Shop.StopAsync("restarted");
        Assert.Equal(BranchStatus.Stopped, (await Shop.GetAsync("restarted")).Status);
        Assert.DoesNotContain(Shop.Take().Entries, e => e == $"port {branch.Port}");
        Assert.Contains("is stopped", (await Assert.ThrowsAsync<PgdException>(() => Shop.ConnectAsync("restarted"))).Message, StringComparison.Ordinal);

        await Shop.StartAsync("restarted");
        await Shop.StartAsync("restarted");
        Assert.Equal(url, await Shop.ConnectAsync("restarted"));
        await Shop.RestartAsync("restarted");
        Assert.Equal((url, sum), (await Shop.ConnectAsync("restarted"), await Shop.SumAsync("restarted")));
        await Shop.DeleteAsync("restarted");
    }

    [Fact]
    public async Task List_and_get_say_what_really_runs()
    {
        var before = Shop.Take();
        var running = await Shop.CreateAsync("running");
        var stopped = await Shop.CreateAsync("stopped");
        await Shop.StopAsync("stopped");

        var listed = await Shop.Workspace.Branches.ListAsync("shop", CancellationToken.None);
        var came = Shop.Since(before);

        Assert.Equal(["shop/main Running", "shop/running Running", "shop/stopped Stopped"], listed.Select(b => $"{b.Name} {b.Status}"));
        Assert.Equal(listed.Select(b => b.Id), (await Shop.Workspace.Branches.ListAsync(null, CancellationToken.None)).Select(b => b.Id));
        Assert.Contains($"+ port {running.Port}", came);
        Assert.DoesNotContain($"+ port {stopped.Port}", came);
        Assert.Single(came, line => line.StartsWith("+ process ", StringComparison.Ordinal) && line.Contains(running.Directory, StringComparison.Ordinal));
        // What is killed behind our back is seen at once.
        await Shop.KillAsync("running");
        Assert.Equal(BranchStatus.Stopped, (await Shop.GetAsync("running")).Status);
        await Shop.StartAsync("running");
        Assert.Equal(BranchStatus.Running, (await Shop.GetAsync("running")).Status);
        await Shop.DeleteAsync("running", "stopped");
    }

    [Fact]
    public async Task Deleting_a_branch_leaves_no_process_port_file_or_volume()
    {
        var before = Shop.Take();
        await Shop.CreateAsync("gone");
        await Shop.AddAsync("gone", 1);
        await Shop.ResetAsync("gone");
        Assert.NotEmpty(Shop.Since(before));

        await Shop.DeleteAsync("gone");

        Assert.Empty(Shop.Since(before));
        Assert.False(await Shop.Workspace.Branches.DeleteAsync(Shop.Name("gone"), ifExists: true, CancellationToken.None));
        Assert.Equal(ExitCode.NotFound, (await Assert.ThrowsAsync<PgdException>(() => Shop.DeleteAsync("gone"))).ExitCode);
        Assert.Empty(Shop.TakeWarnings());
    }

    [Fact]
    public async Task A_branch_is_consistent_by_a_backup_bracket_on_any_storage()
    {
        await Shop.AddAsync("main", 13);
        var branch = await Shop.CreateAsync("backup", with: c => c with { Consistency = Consistency.Backup });

        Assert.Equal(await Shop.SumAsync("main"), await Shop.SumAsync("backup"));
        Assert.NotNull(branch.DataLsn);
        Assert.Contains("consistent recovery state reached", await Shop.LogAsync("backup"), StringComparison.Ordinal);
        Assert.Equal("0", await Shop.AdministerAsync("main", "select count(*) from pg_replication_slots"));
        await Shop.DeleteAsync("backup");
    }
}

/// <inheritdoc/>
[Trait("Only", "soak")]
public sealed class BranchMainPathOnBtrfs17(Btrfs17 fixture) : BranchMainPath(fixture), IClassFixture<Btrfs17>;

/// <inheritdoc/>
public sealed class BranchMainPathOnBtrfs18(Btrfs18 fixture) : BranchMainPath(fixture), IClassFixture<Btrfs18>;

/// <inheritdoc/>
[Trait("Only", "soak")]
public sealed class BranchMainPathOnReflink17(Reflink17 fixture) : BranchMainPath(fixture), IClassFixture<Reflink17>;

/// <inheritdoc/>
public sealed class BranchMainPathOnReflink18(Reflink18 fixture) : BranchMainPath(fixture), IClassFixture<Reflink18>;

/// <inheritdoc/>
[Trait("Only", "soak")]
public sealed class BranchMainPathOnCopy17(Copy17 fixture) : BranchMainPath(fixture), IClassFixture<Copy17>;

/// <inheritdoc/>
public sealed class BranchMainPathOnCopy18(Copy18 fixture) : BranchMainPath(fixture), IClassFixture<Copy18>;

/// <inheritdoc/>
public sealed class BranchMainPathOnBtrfsInDocker17(BtrfsDocker17 fixture) : BranchMainPath(fixture), IClassFixture<BtrfsDocker17>;

/// <inheritdoc/>
[Trait("Only", "soak")]
public sealed class BranchMainPathOnBtrfsInDocker15(BtrfsDocker15 fixture) : BranchMainPath(fixture), IClassFixture<BtrfsDocker15>;

/// <inheritdoc/>
[Trait("Only", "soak")]
public sealed class BranchMainPathOnReflinkInDocker17(ReflinkDocker17 fixture) : BranchMainPath(fixture), IClassFixture<ReflinkDocker17>;

/// <inheritdoc/>
[Trait("Only", "soak")]
public sealed class BranchMainPathOnCopyInDocker17(CopyDocker17 fixture) : BranchMainPath(fixture), IClassFixture<CopyDocker17>;

/// <inheritdoc/>
[Trait("Needs", "zfs")]
[Trait("Only", "soak")]
public sealed class BranchMainPathOnZfs15(Zfs15 fixture) : BranchMainPath(fixture), IClassFixture<Zfs15>;

/// <inheritdoc/>
[Trait("Needs", "zfs")]
[Trait("Only", "soak")]
public sealed class BranchMainPathOnZfsInDocker17(ZfsDocker17 fixture) : BranchMainPath(fixture), IClassFixture<ZfsDocker17>;
