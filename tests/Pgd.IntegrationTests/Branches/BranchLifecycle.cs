using System.Net;
using System.Net.Sockets;
using Pgd.Postgres;
using Xunit;

namespace Pgd.IntegrationTests.Branches;

/// <summary>The rest of a branch's life, on every storage.</summary>
public abstract class BranchLifecycle(ShopFixture fixture) : BranchMainPath(fixture)
{
    [Fact]
    public async Task Ensure_takes_an_existing_branch_as_it_is_starts_it_and_moves_its_expiry()
    {
        var made = await EnsureAsync(c => c with { TimeToLive = TimeSpan.FromHours(1), Labels = new Dictionary<string, string> { ["team"] = "a", ["kept"] = "yes" } });
        var url = await Shop.ConnectAsync("ensured");
        await Shop.AddAsync("ensured", 9);
        var sum = await Shop.SumAsync("ensured");
        await Shop.StopAsync("ensured");

        var again = await EnsureAsync(c => c with { TimeToLive = TimeSpan.FromHours(5), Labels = new Dictionary<string, string> { ["team"] = "b" } });
        var unchanged = await EnsureAsync(c => c);

        Assert.Equal((true, false, false), (made.Created, again.Created, unchanged.Created));
        Assert.Equal((made.Branch.Id, BranchStatus.Running), (again.Branch.Id, again.Branch.Status));
        Assert.Equal((url, sum), (await Shop.ConnectAsync("ensured"), await Shop.SumAsync("ensured")));
        Assert.InRange(again.Branch.ExpiresAt!.Value - made.Branch.ExpiresAt!.Value, TimeSpan.FromHours(3.9), TimeSpan.FromHours(4.1));
        Assert.Equal(again.Branch.ExpiresAt, unchanged.Branch.ExpiresAt);
        Assert.Equal("kept=yes team=b", string.Join(' ', unchanged.Branch.Labels.OrderBy(l => l.Key, StringComparer.Ordinal).Select(l => $"{l.Key}={l.Value}")));

        await Shop.RefusedAsync(ExitCode.Exists, () => Shop.CreateAsync("ensured"));
        await Shop.CreateAsync("other");
        await Shop.RefusedAsync(ExitCode.Exists, () => EnsureAsync(c => c with { From = "other" }));
        await Shop.DeleteAsync("ensured", "other");

        Task<BranchCreated> EnsureAsync(Func<BranchCreate, BranchCreate> with) => Shop.Workspace.Branches.CreateAsync(with(new() { Name = Shop.Name("ensured"), Ensure = true }), CancellationToken.None);
    }

    [Fact]
    public async Task A_branch_expires_when_it_was_told_to_and_otherwise_never()
    {
        var now = DateTimeOffset.UtcNow;
        var forever = await Shop.CreateAsync("forever");
        var soon = await Shop.CreateAsync("soon", with: c => c with { TimeToLive = TimeSpan.FromDays(7) });

        Assert.Null(forever.ExpiresAt);
        Assert.InRange(soon.ExpiresAt!.Value, now.AddDays(7), DateTimeOffset.UtcNow.AddDays(7));
        Assert.Equal(soon.ExpiresAt, (await Shop.GetAsync("soon")).ExpiresAt);
        Assert.Equal(soon.ExpiresAt, (await Shop.ResetAsync("soon")).ExpiresAt);
        var later = await Shop.Workspace.Branches.ResetAsync(new() { Name = Shop.Name("soon"), TimeToLive = TimeSpan.FromDays(9) }, CancellationToken.None);
        Assert.True(later.ExpiresAt > soon.ExpiresAt);
        Assert.Null((await Shop.Workspace.Branches.ResetAsync(new() { Name = Shop.Name("soon"), TimeToLive = TimeSpan.Zero }, CancellationToken.None)).ExpiresAt);

        // The configuration speaks for those who say nothing.
        var configured = new Workspace(Shop.Workspace.Configuration with { DefaultTimeToLive = TimeSpan.FromDays(1) }, SilentReporter.Instance);
        var byDefault = (await configured.Branches.CreateAsync(new() { Name = Shop.Name("by-default") }, CancellationToken.None)).Branch;
        var explicitly = (await configured.Branches.CreateAsync(new() { Name = Shop.Name("explicitly"), TimeToLive = TimeSpan.Zero }, CancellationToken.None)).Branch;
        Assert.InRange(byDefault.ExpiresAt!.Value, now.AddDays(1), DateTimeOffset.UtcNow.AddDays(1));
        Assert.Null(explicitly.ExpiresAt);
        await Shop.DeleteAsync("forever", "soon", "by-default", "explicitly");
    }

    [Fact]
    public async Task A_stopped_source_is_cloned_as_it_lies_and_stays_stopped()
    {
        await Shop.CreateAsync("still");
        await Shop.AddAsync("still", 21);
        var sum = await Shop.SumAsync("still");
        await Shop.StopAsync("still");

        // Nothing changes its files, so no bracket is needed.
        var branch = await Shop.CreateAsync("of-still", from: "still", with: c => c with { Consistency = Consistency.None });

        Assert.Equal(sum, await Shop.SumAsync("of-still"));
        Assert.Null(branch.DataAsOf);
        Assert.Equal(BranchStatus.Stopped, (await Shop.GetAsync("still")).Status);
        await Shop.ResetAsync("of-still");
        Assert.Equal(BranchStatus.Stopped, (await Shop.GetAsync("still")).Status);
        Assert.Equal(sum, await Shop.SumAsync("of-still"));
        await Shop.DeleteAsync("of-still");
        await Shop.DeleteAsync("still");
    }

    [Fact]
    public async Task A_source_that_crashed_is_recovered_in_its_branch()
    {
        await Shop.CreateAsync("crashed");
        await Shop.AddAsync("crashed", 33);
        var sum = await Shop.SumAsync("crashed");
        await Shop.KillAsync("crashed");

        await Shop.CreateAsync("of-crashed", from: "crashed");

        Assert.Equal(sum, await Shop.SumAsync("of-crashed"));
        await Shop.DeleteAsync("of-crashed");
        await Shop.StartAsync("crashed");
        Assert.Equal(sum, await Shop.SumAsync("crashed"));
        await Shop.DeleteAsync("crashed");
    }

    [Fact]
    public async Task A_reset_brings_a_stopped_branch_back_and_takes_what_its_parent_has()
    {
        await Shop.CreateAsync("asleep");
        await Shop.StopAsync("asleep");

        var reset = await Shop.ResetAsync("asleep");

        Assert.Equal(BranchStatus.Running, reset.Status);
        Assert.Equal(await Shop.SumAsync("main"), await Shop.SumAsync("asleep"));
        await Shop.DeleteAsync("asleep");
    }

    [Fact]
    public async Task Without_a_bracket_a_running_source_is_refused_where_a_copy_is_not_atomic()
    {
        if (Shop.IsAtomic)
        {
            await Shop.CreateAsync("unbracketed", with: c => c with { Consistency = Consistency.None });
            Assert.Equal(await Shop.SumAsync("main"), await Shop.SumAsync("unbracketed"));
            await Shop.DeleteAsync("unbracketed");
        }
        else
        {
            var error = await Shop.RefusedAsync(ExitCode.Unsafe, () => Shop.CreateAsync("unbracketed", with: c => c with { Consistency = Consistency.None }));
            Assert.Contains("shop/main is running", error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_source_that_writes_too_little_log_for_a_bracket_is_refused_until_it_is_stopped()
    {
        await Shop.CreateAsync("minimal");
        await Shop.AdministerAsync("minimal", "alter system set wal_level = minimal");
        await Shop.RestartAsync("minimal");

        if (Shop.IsAtomic)
            await Shop.CreateAsync("of-minimal", from: "minimal");
        else
            Assert.Contains("wal_level=minimal", (await Shop.RefusedAsync(ExitCode.Unsafe, () => Shop.CreateAsync("of-minimal", from: "minimal"))).Message, StringComparison.Ordinal);
        await Shop.RefusedAsync(ExitCode.Unsafe, () => Shop.CreateAsync("backup-of-minimal", from: "minimal", with: c => c with { Consistency = Consistency.Backup }));
        await Shop.StopAsync("minimal");
        await Shop.CreateAsync("of-still-minimal", from: "minimal");

        Assert.Equal(await Shop.SumAsync("main"), await Shop.SumAsync("of-still-minimal"));
        await Shop.DeleteAsync(Shop.IsAtomic ? ["of-minimal", "of-still-minimal"] : ["of-still-minimal"]);
        await Shop.DeleteAsync("minimal");
    }

    [Fact]
    public async Task A_source_without_a_free_replication_slot_is_refused_where_a_bracket_is_needed()
    {
        await Shop.CreateAsync("slotless");
        await Shop.AdministerAsync("slotless", "alter system set max_replication_slots = 0");
        await Shop.RestartAsync("slotless");

        if (Shop.IsAtomic)
            await Shop.CreateAsync("of-slotless", from: "slotless");
        else
            Assert.Contains("max_replication_slots", (await Shop.RefusedAsync(ExitCode.Unsafe, () => Shop.CreateAsync("of-slotless", from: "slotless"))).Hint, StringComparison.Ordinal);
        if (Shop.IsAtomic)
            await Shop.DeleteAsync("of-slotless");
        await Shop.DeleteAsync("slotless");
    }

    [Fact]
    public async Task A_source_with_a_tablespace_elsewhere_is_refused_running_and_stopped()
    {
        // A container sees its volume and nothing else: what this is about cannot be made there.
        if (Shop.Runtime != "native")
            return;
        var outside = $"{Shop.Root}/elsewhere-{Shop.Storage}";
        LabCommand.Run("install", "-d", "-o", "postgres", "-m", "700", outside);
        await Shop.CreateAsync("spread");
        await Shop.AdministerAsync("spread", $"create tablespace elsewhere location '{outside}'", "create table far (i int) tablespace elsewhere");

        var error = await Shop.RefusedAsync(ExitCode.Unsafe, () => Shop.CreateAsync("of-spread", from: "spread"));
        Assert.Contains(outside, error.Message, StringComparison.Ordinal);
        await Shop.StopAsync("spread");
        await Shop.RefusedAsync(ExitCode.Unsafe, () => Shop.CreateAsync("of-spread", from: "spread"));

        await Shop.DeleteAsync("spread");
        Assert.NotEmpty(Directory.EnumerateFileSystemEntries(outside));
        Directory.Delete(outside, recursive: true);
    }

    [Fact]
    public async Task A_tablespace_inside_the_data_directory_is_cloned_with_it()
    {
        await Shop.CreateAsync("inside");
        await Shop.AdministerAsync("inside", "alter system set allow_in_place_tablespaces = on", "select pg_reload_conf()", "create tablespace near location ''", "create table near_rows tablespace near as select generate_series(1, 100) i");

        await Shop.CreateAsync("of-inside", from: "inside");
        await Shop.AdministerAsync("of-inside", "delete from near_rows");

        Assert.Equal("100", await Shop.AdministerAsync("inside", "select count(*) from near_rows"));
        Assert.Equal("0", await Shop.AdministerAsync("of-inside", "select count(*) from near_rows"));
        await Shop.DeleteAsync("of-inside");
        await Shop.DeleteAsync("inside");
    }

    [Fact]
    public async Task A_source_whose_write_ahead_log_lies_elsewhere_is_refused()
    {
        // A container sees its volume and nothing else: what this is about cannot be made there.
        if (Shop.Runtime != "native")
            return;
        await Shop.CreateAsync("linked");
        await Shop.StopAsync("linked");
        var (wal, outside) = ($"{await Shop.DataAsync("linked")}/pg_wal", $"{Shop.Root}/wal");
        LabCommand.Run("mv", wal, outside);
        File.CreateSymbolicLink(wal, outside);

        await Shop.RefusedAsync(ExitCode.Unsafe, () => Shop.CreateAsync("of-linked", from: "linked"));
        await Shop.StartAsync("linked");
        Assert.Contains("pg_wal", (await Shop.RefusedAsync(ExitCode.Unsafe, () => Shop.CreateAsync("of-linked", from: "linked"))).Message, StringComparison.Ordinal);

        await Shop.DeleteAsync("linked");
        Assert.NotEmpty(Directory.EnumerateFiles(outside));
        Directory.Delete(outside, recursive: true);
    }

    [Fact]
    public async Task Whom_a_connection_is_for_is_clear_or_asked()
    {
        await Shop.CreateAsync("databases");
        var only = await Shop.ConnectAsync("databases");
        Assert.Equal(("shop", "shop"), (only.Database, only.User));
        Assert.Equal(("postgres", "postgres"), (await Shop.ConnectAsync("databases", "postgres")).Let(u => (u.Database, u.User)));

        await Shop.AdministerAsync("databases", "create role ghost nologin", "create database haunted owner ghost", "create role app login", "grant app to shop");
        var several = await Assert.ThrowsAsync<PgdException>(() => Shop.ConnectAsync("databases"));
        Assert.Equal((ExitCode.Misuse, "Choose one with --database: haunted, postgres, shop"), (several.ExitCode, several.Hint));
        var nologin = await Assert.ThrowsAsync<PgdException>(() => Shop.ConnectAsync("databases", "haunted"));
        Assert.Equal((ExitCode.Misuse, "Choose a role with --role: app, postgres, shop"), (nologin.ExitCode, nologin.Hint));
        Assert.Equal(ExitCode.NotFound, (await Assert.ThrowsAsync<PgdException>(() => Shop.ConnectAsync("databases", "none"))).ExitCode);
        Assert.Equal(ExitCode.NotFound, (await Assert.ThrowsAsync<PgdException>(() => Shop.ConnectAsync("databases", "shop", "ghost"))).ExitCode);

        // What is not clear in the source must not keep a branch from being made of it.
        await Shop.CreateAsync("of-databases", from: "databases", with: b => b with { Roles = ["app"] });
        Assert.Equal("app", await Sql.AskAsync(await Shop.ConnectAsync("of-databases", "haunted", "app"), "select current_user"));
        await Shop.DeleteAsync("of-databases");
        await Shop.DeleteAsync("databases");
    }

    [Theory]
    [InlineData("expired", "alter role shop valid until '2001-01-01'")]
    [InlineData("limited", "alter role shop connection limit 0")]
    [InlineData("revoked", "revoke connect on database shop from public; revoke all on database shop from shop")]
    [InlineData("readonly", "alter role all set default_transaction_read_only = on")]
    [InlineData("hurried", "alter role all set statement_timeout = 1")]
    [InlineData("bare", "alter database shop set session_preload_libraries = 'no_such_library'")]
    public async Task What_hinders_the_owner_in_the_source_does_not_hinder_the_branch_from_being_made(string name, string hindrance)
    {
        await Shop.CreateAsync(name);
        await Shop.AdministerAsync(name, hindrance.Split("; "));

        try
        {
            var branch = await Shop.CreateAsync($"of-{name}", from: name);
            Assert.Equal(BranchStatus.Running, branch.Status);
            await Shop.RestartAsync($"of-{name}");
            await Shop.ResetAsync($"of-{name}");
            if (name == "expired")
                Assert.Equal(await Shop.SumAsync("main"), await Shop.SumAsync($"of-{name}"));
        }
        finally
        {
            await Shop.Workspace.Branches.DeleteAsync(Shop.Name($"of-{name}"), ifExists: true, CancellationToken.None);
            await Shop.DeleteAsync(name);
            // A login that the source refuses as well is told, and no more.
            Assert.Equal(name is "limited" or "revoked" or "bare" ? 3 : 0, Shop.TakeWarnings().Count);
        }
    }

    [Fact]
    public async Task A_connection_that_a_sibling_answers_is_not_given_out()
    {
        await Shop.CreateAsync("this");
        var other = await Shop.CreateAsync("sibling");
        var url = await Shop.ConnectAsync("sibling");
        var expected = BranchServer.ClusterNameOf((await Shop.GetAsync("this")).Id, 1);

        var error = await Assert.ThrowsAsync<PgdException>(() => IdentityProof.RunAsync(url, expected, Shop.Name("this"), TimeSpan.Zero, CancellationToken.None));

        Assert.Equal(ExitCode.Unsafe, error.ExitCode);
        Assert.Contains($"pgd-{other.Id}-g1", error.Message, StringComparison.Ordinal);
        // The same branch's earlier data is as wrong as another branch.
        await Assert.ThrowsAsync<PgdException>(() => IdentityProof.RunAsync(url, BranchServer.ClusterNameOf(other.Id, 2), Shop.Name("sibling"), TimeSpan.Zero, CancellationToken.None));
        // A sibling at this branch's address does not know its password.
        var mixed = (await Shop.ConnectAsync("this")) with { Port = other.Port };
        var refused = await Assert.ThrowsAsync<PgdException>(() => IdentityProof.RunAsync(mixed, expected, Shop.Name("this"), TimeSpan.Zero, CancellationToken.None));
        Assert.DoesNotContain(mixed.Password!, refused.ToString(), StringComparison.Ordinal);
        await Shop.DeleteAsync("this", "sibling");
    }

    [Fact]
    public async Task A_server_that_took_the_port_is_not_taken_for_the_branch()
    {
        var branch = await Shop.CreateAsync("robbed");
        var url = await Shop.ConnectAsync("robbed");
        await Shop.StopAsync("robbed");
        using (ScratchServer.Start(15, branch.Port))
        {
            // Everyone is trusted there: a login proves nothing.
            foreach (var statement in (string[])["create role shop superuser login", "create database shop"])
                await Sql.AskAsync("127.0.0.1", branch.Port, "postgres", "postgres", url.Password, statement);
            var impostor = await Assert.ThrowsAsync<PgdException>(() => IdentityProof.RunAsync(url, BranchServer.ClusterNameOf(branch.Id, 1), branch.Name, TimeSpan.Zero, CancellationToken.None));
            Assert.Equal(ExitCode.Unsafe, impostor.ExitCode);

            var taken = await Assert.ThrowsAsync<PgdException>(() => Shop.StartAsync("robbed"));
            Assert.Contains($"the port {branch.Port} of shop/robbed is taken", taken.Message, StringComparison.Ordinal);
            await Assert.ThrowsAsync<PgdException>(() => Shop.ConnectAsync("robbed"));
            Assert.Equal(BranchStatus.Stopped, (await Shop.GetAsync("robbed")).Status);
        }

        await Shop.StartAsync("robbed");
        Assert.Equal(url, await Shop.ConnectAsync("robbed"));
        await Shop.DeleteAsync("robbed");
    }

    [Fact]
    public async Task A_port_that_another_program_has_is_passed_over()
    {
        var free = (await Shop.CreateAsync("probe")).Port;
        await Shop.DeleteAsync("probe");
        using var listener = new TcpListener(IPAddress.Loopback, free);
        listener.Start();

        var branch = await Shop.CreateAsync("beside");

        Assert.NotEqual(free, branch.Port);
        await Shop.DeleteAsync("beside");
    }

    [Fact]
    public async Task A_server_that_was_started_by_hand_is_seen_and_neither_copied_nor_deleted_as_if_it_were_stopped()
    {
        // A container sees its volume and nothing else: what this is about cannot be made there.
        if (Shop.Runtime != "native")
            return;
        await Shop.CreateAsync("manual");
        await Shop.StopAsync("manual");
        var data = await Shop.DataAsync("manual");
        // With a slash at the end, as shells complete it.
        LabCommand.Run("runuser", "-u", "postgres", "--", $"{Lab.Current.Servers.Folder(Shop.Major)}/pg_ctl", "-w", "-s", "-D", $"{data}/", "-l", "/dev/null", "-o", "-c listen_addresses='' -k /tmp", "start");

        Assert.Equal(BranchStatus.Running, (await Shop.GetAsync("manual")).Status);
        await Shop.DeleteAsync("manual");

        Assert.DoesNotContain(LabProcess.All(), p => p.WorkingDirectory == data);
    }
}

/// <summary>Small words for tests.</summary>
internal static class Words
{
    public static TResult Let<T, TResult>(this T value, Func<T, TResult> with) => with(value);
}

/// <inheritdoc/>
[Trait("Only", "soak")]
public sealed class BranchLifecycleOnBtrfs15(Btrfs15 fixture) : BranchLifecycle(fixture), IClassFixture<Btrfs15>;

/// <inheritdoc/>
public sealed class BranchLifecycleOnReflink15(Reflink15 fixture) : BranchLifecycle(fixture), IClassFixture<Reflink15>;

/// <inheritdoc/>
[Trait("Only", "soak")]
public sealed class BranchLifecycleOnCopy15(Copy15 fixture) : BranchLifecycle(fixture), IClassFixture<Copy15>;

/// <inheritdoc/>
[Trait("Only", "soak")]
public sealed class BranchLifecycleOnBtrfsInDocker17(BtrfsDocker17 fixture) : BranchLifecycle(fixture), IClassFixture<BtrfsDocker17>;
