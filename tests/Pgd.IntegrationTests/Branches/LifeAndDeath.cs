using Xunit;

namespace Pgd.IntegrationTests.Branches;

/// <summary>How long branches live, what keeps them alive, and what happens to their passwords meanwhile.</summary>
public sealed class LifeAndDeath(LifeAndDeath.Project fixture) : IClassFixture<LifeAndDeath.Project>
{
    private static readonly CancellationToken Never = CancellationToken.None;
    private readonly Shop _shop = fixture.Shop;

    private Lifetimes Lifetimes => _shop.Workspace.Lifetimes;

    [Fact]
    public async Task A_branch_gets_more_time_and_never_less()
    {
        await _shop.CreateAsync("dev", with: b => b with { TimeToLive = TimeSpan.FromDays(2) });
        var before = (await _shop.GetAsync("dev")).ExpiresAt!.Value;

        Assert.Equal(before, (await Lifetimes.ExtendAsync(Shop.Name("dev"), TimeSpan.FromHours(1), Never)).ExpiresAt);
        Assert.InRange((await Lifetimes.ExtendAsync(Shop.Name("dev"), TimeSpan.FromDays(5), Never)).ExpiresAt!.Value, before + TimeSpan.FromDays(2.9), before + TimeSpan.FromDays(3.1));
        Assert.Null((await Lifetimes.ExtendAsync(Shop.Name("dev"), TimeSpan.Zero, Never)).ExpiresAt);
        Assert.Null((await Lifetimes.ExtendAsync(Shop.Name("dev"), TimeSpan.FromDays(5), Never)).ExpiresAt);
        await _shop.DeleteAsync("dev");
    }

    [Fact]
    public async Task A_protected_branch_is_neither_deleted_nor_reset_nor_is_its_project_until_that_is_lifted_or_over()
    {
        await _shop.CreateAsync("kept");
        await _shop.AddAsync("kept", 5);
        await Lifetimes.ProtectAsync(Shop.Name("kept"), TimeSpan.FromDays(2), "Ada looks into it", Never);

        foreach (var operation in (Func<Task>[])[() => _shop.DeleteAsync("kept"), () => _shop.ResetAsync("kept"), () => _shop.Workspace.Projects.DeleteAsync("shop", force: true, Never)])
        {
            var refused = await _shop.RefusedAsync(ExitCode.Unsafe, operation);
            Assert.StartsWith("shop/kept is protected until ", refused.Message, StringComparison.Ordinal);
            Assert.Contains("(Ada looks into it), so it is not ", refused.Message, StringComparison.Ordinal);
            Assert.Equal("Lift it: dotnet pgd branch unprotect shop/kept", refused.Hint);
        }

        Assert.Equal(500505, await _shop.SumAsync("kept"));
        // A lease ends by itself.
        var until = (await Lifetimes.ProtectAsync(Shop.Name("kept"), TimeSpan.FromMilliseconds(1), null, Never)).ProtectedUntil;
        Assert.True(SpinWait.SpinUntil(() => DateTimeOffset.UtcNow > (until ?? default), TimeSpan.FromMinutes(1)));
        await _shop.ResetAsync("kept");
        await Lifetimes.ProtectAsync(Shop.Name("kept"), TimeSpan.Zero, null, Never);
        Assert.Equal(DateTimeOffset.MaxValue, (await _shop.GetAsync("kept")).ProtectedUntil);
        Assert.Null((await Lifetimes.UnprotectAsync(Shop.Name("kept"), Never)).ProtectedUntil);
        await _shop.DeleteAsync("kept");
    }

    [Fact]
    public async Task A_collection_stops_what_nobody_has_connected_to_for_as_long_as_it_may_be_idle()
    {
        await _shop.CreateAsync("used");
        await _shop.CreateAsync("quiet");
        await _shop.CreateAsync("kept");
        var day = TimeSpan.FromDays(1);
        // The first look only begins to count.
        Assert.Empty((await CollectAsync(day, dryRun: false)).Stopped);
        Assert.NotNull((await _shop.GetAsync("quiet")).IdleSince);
        await PutBackAsync("used", "quiet", "kept");
        await Lifetimes.ProtectAsync(Shop.Name("kept"), day, null, Never);

        // Who comes and goes between two looks has used it, and who is there uses it.
        await _shop.AskAsync("used", "select 1");
        Assert.Equal([Shop.Name("quiet")], (await CollectAsync(day, dryRun: true)).Stopped);
        Assert.Equal(BranchStatus.Running, (await _shop.GetAsync("quiet")).Status);
        var collected = await CollectAsync(day, dryRun: false);
        Assert.Equal([Shop.Name("quiet")], collected.Stopped);
        Assert.Empty(collected.Deleted);
        Assert.Equal((BranchStatus.Stopped, BranchStatus.Running, BranchStatus.Running), ((await _shop.GetAsync("quiet")).Status, (await _shop.GetAsync("used")).Status, (await _shop.GetAsync("kept")).Status));
        await PutBackAsync("used");
        await using (var session = new Npgsql.NpgsqlConnection((await _shop.ConnectAsync("used")).Format(Libpq.UrlFormat.Npgsql)))
        {
            await session.OpenAsync(Never);
            Assert.Empty((await CollectAsync(day, dryRun: false)).Stopped);
            Assert.Null((await _shop.GetAsync("used")).IdleSince);
        }

        // Stopped is not gone.
        await _shop.Workspace.Branches.CreateAsync(new() { Name = Shop.Name("quiet"), Ensure = true }, Never);
        Assert.Equal(500500, await _shop.SumAsync("quiet"));
        await Lifetimes.UnprotectAsync(Shop.Name("kept"), Never);
        await _shop.DeleteAsync("used", "quiet", "kept");

        Task<Collected> CollectAsync(TimeSpan idle, bool dryRun) => Lifetimes.CollectAsync(dryRun, 20, idle, Never);

        // As if it had been seen two days ago.
        async Task PutBackAsync(params string[] branches)
        {
            await Eventually.TrueAsync(async () =>
            {
                await CollectAsync(day, dryRun: false);
                return branches.All(b => _shop.Workspace.State.RequireBranch(Shop.Name(b)).Idle is not null);
            }, "nobody is connected");
            foreach (var branch in branches.Select(b => _shop.Workspace.State.RequireBranch(Shop.Name(b))))
                _shop.Workspace.State.Write(branch with { Idle = branch.Idle! with { Since = DateTimeOffset.UtcNow - TimeSpan.FromDays(2) } });
        }
    }

    [Fact]
    public async Task A_collection_takes_what_has_expired_and_nothing_else_and_no_more_than_it_may()
    {
        var soon = TimeSpan.FromMilliseconds(1);
        await _shop.CreateAsync("alive", with: b => b with { TimeToLive = TimeSpan.FromDays(1) });
        await _shop.CreateAsync("for-ever", with: b => b with { TimeToLive = TimeSpan.Zero });
        await _shop.CreateAsync("parent", with: b => b with { TimeToLive = soon });
        await _shop.CreateAsync("child", from: "parent", with: b => b with { TimeToLive = soon });
        await _shop.CreateAsync("needed", with: b => b with { TimeToLive = soon });
        await _shop.CreateAsync("by-a-living-one", from: "needed");
        await _shop.CreateAsync("kept", with: b => b with { TimeToLive = soon });
        await Lifetimes.ProtectAsync(Shop.Name("kept"), TimeSpan.Zero, "Ada", Never);
        await _shop.CreateAsync("pr-7", with: b => b with { TimeToLive = soon, PullRequest = new() { RepositoryId = 1, Repository = "octo/shop", Number = 7 } });

        var would = await Lifetimes.CollectAsync(dryRun: true, Lifetimes.DefaultLimit, null, Never);
        Assert.Equal(["shop/child", "shop/parent"], would.Deleted.Select(b => b.ToString()));
        Assert.Equal(9, (await _shop.Workspace.Branches.ListAsync("shop", Never)).Count);

        var one = await Lifetimes.CollectAsync(dryRun: false, 1, null, Never);
        Assert.Equal("shop/child", Assert.Single(one.Deleted).ToString());
        Assert.Contains(one.Left, b => b.Name.Branch == "parent" && b.Reason == "the limit of 1 is reached; the next collection takes it");

        var rest = await Lifetimes.CollectAsync(dryRun: false, Lifetimes.DefaultLimit, null, Never);
        Assert.Equal("shop/parent", Assert.Single(rest.Deleted).ToString());
        Assert.Equal(["kept: it is protected (Ada)", "needed: shop/by-a-living-one was made from it"], rest.Left.Where(b => b.Name.Branch != "pr-7").Select(b => $"{b.Name.Branch}: {b.Reason}").Order(StringComparer.Ordinal));
        Assert.Contains("the sweep of octo/shop has until", Assert.Single(rest.Left, b => b.Name.Branch == "pr-7").Reason, StringComparison.Ordinal);
        await Lifetimes.UnprotectAsync(Shop.Name("kept"), Never);
        await _shop.DeleteAsync("by-a-living-one");
        await _shop.DeleteAsync("alive", "for-ever", "needed", "kept", "pr-7");
    }

    [Fact]
    public async Task A_branch_is_verified_and_damage_in_an_index_and_in_a_table_is_named()
    {
        await _shop.CreateAsync("checked");
        await _shop.AskAsync("checked", "create table \"Odd Name\" (id int primary key, t text); insert into \"Odd Name\" select i, repeat(md5(i::text), 30) from generate_series(1, 3000) i; create index on \"Odd Name\" using gin (to_tsvector('simple', left(t, 9)))");

        var whole = await _shop.Workspace.Branches.VerifyAsync(Shop.Name("checked"), Never);
        Assert.Empty(whole.Problems);
        Assert.True(whole is { Databases: >= 3, Tables: > 200, Indexes: > 300, Unchecked: 1 }, whole.ToString());
        // It was in a transaction of its own.
        Assert.Equal("0", await _shop.AskAsync("checked", "select count(*) from pg_extension where extname = 'amcheck'"));

        var (index, table) = (await _shop.AskAsync("checked", "select pg_relation_filepath('\"Odd Name_pkey\"')"), await _shop.AskAsync("checked", "select pg_relation_filepath('orders')"));
        await _shop.StopAsync("checked");
        var data = await _shop.DataAsync("checked");
        foreach (var file in new[] { index, table })
        {
            await using var stream = File.OpenWrite($"{data}/{file}");
            stream.Position = 8192 * 2 + 4000;
            await stream.WriteAsync(new byte[] { 0xDE, 0xAD, 0xBE, 0xEF }, Never);
        }

        await _shop.StartAsync("checked");
        var damaged = await _shop.Workspace.Branches.VerifyAsync(Shop.Name("checked"), Never);
        Assert.Contains(damaged.Problems, p => p.StartsWith("shop: public.\"Odd Name_pkey\": ", StringComparison.Ordinal) && p.Contains("invalid page in block 2", StringComparison.Ordinal));
        Assert.Contains(damaged.Problems, p => p.StartsWith("shop: public.orders: ", StringComparison.Ordinal));
        await _shop.DeleteAsync("checked");
    }

    [Fact]
    public async Task A_project_and_a_repository_have_no_more_branches_than_they_may_and_one_that_could_go_is_named()
    {
        var few = new Workspace(_shop.Workspace.Configuration with { MaximumBranches = 3, MaximumPreviews = 1 }, SilentReporter.Instance);
        Task<BranchCreated> Make(string name, int? pullRequest = null) => few.Branches.CreateAsync(new()
        {
            Name = Shop.Name(name),
            TimeToLive = TimeSpan.FromDays(name.Length),
            PullRequest = pullRequest is { } number ? new() { RepositoryId = 1, Repository = "octo/shop", Number = number } : null,
        }, Never);
        var others = (await _shop.Workspace.Branches.ListAsync("shop", Never)).Count;
        Assert.Equal(1, others);
        await Make("pr-1", 1);

        var previews = await _shop.RefusedAsync(ExitCode.NoRoom, () => Make("pr-2", 2));
        Assert.Equal("the repository octo/shop has 1 branch already, and max-previews is 1", previews.Message);
        await Make("longer");
        await Make("x");
        var refused = await _shop.RefusedAsync(ExitCode.NoRoom, () => Make("more"));

        Assert.Equal("the project shop has 3 branches already, and max-branches is 3", refused.Message);
        Assert.Equal("Delete what is not needed, for example: dotnet pgd branch delete shop/x. What has expired goes by: dotnet pgd gc", refused.Hint);
        await _shop.DeleteAsync("pr-1", "longer", "x");
    }

    [Fact]
    public async Task No_branch_is_made_where_less_disk_or_memory_would_be_left_than_has_to_be()
    {
        await _shop.CreateAsync("first");
        foreach (var (limits, expected) in new[] { (_shop.Workspace.Configuration with { MinimumFreeDisk = 1L << 60 }, "min-free-disk is "), (_shop.Workspace.Configuration with { MinimumFreeMemory = 1L << 60 }, "min-free-memory is ") })
        {
            var before = _shop.Take();
            var refused = await _shop.RefusedAsync(ExitCode.NoRoom, () => new Workspace(limits, SilentReporter.Instance).Branches.CreateAsync(new() { Name = Shop.Name("more") }, Never));
            Assert.Contains(expected, refused.Message, StringComparison.Ordinal);
            Assert.Equal("Delete what is not needed, for example: dotnet pgd branch delete shop/first. What has expired goes by: dotnet pgd gc", refused.Hint);
            Assert.Empty(_shop.Since(before));
        }

        var roomy = new Workspace(_shop.Workspace.Configuration with { MinimumFreeDisk = 1, MinimumFreeMemory = 1 }, SilentReporter.Instance);
        await roomy.Branches.CreateAsync(new() { Name = Shop.Name("more") }, Never);
        await _shop.DeleteAsync("first", "more");
    }

    [Fact]
    public async Task A_rotation_ends_the_old_password_and_who_came_in_with_it_and_a_reset_keeps_the_new_one()
    {
        await _shop.CreateAsync("leaked");
        var old = await _shop.ConnectAsync("leaked");
        await using var guest = new Npgsql.NpgsqlConnection(new Npgsql.NpgsqlConnectionStringBuilder { Host = old.Host, Port = old.Port, Database = old.Database, Username = old.User, Password = old.Password, Pooling = false }.ConnectionString);
        await guest.OpenAsync(Never);

        Assert.Equal(1, await _shop.Workspace.Branches.RotateAsync(Shop.Name("leaked"), Never));

        await Assert.ThrowsAnyAsync<Npgsql.NpgsqlException>(() => new Npgsql.NpgsqlCommand("select 1", guest).ExecuteScalarAsync(Never));
        Assert.Equal("28P01", (await Assert.ThrowsAsync<Npgsql.PostgresException>(() => Sql.AskAsync(old, "select 1"))).SqlState);
        var fresh = await _shop.ConnectAsync("leaked");
        Assert.NotEqual(old.Password, fresh.Password);
        await _shop.ResetAsync("leaked");
        Assert.Equal("1", await Sql.AskAsync(fresh, "select 1"));
        // Not in what the server wrote, in any form.
        Assert.DoesNotContain("SCRAM-SHA-256$", await _shop.LogAsync("leaked"), StringComparison.Ordinal);

        // It is written down that, not what.
        var audit = await File.ReadAllTextAsync($"{_shop.Root}/state/audit.log", Never);
        Assert.Contains("\"operation\":\"branch rotate\",\"subject\":\"shop/leaked\"", audit, StringComparison.Ordinal);
        Assert.DoesNotContain(old.Password!, audit, StringComparison.Ordinal);
        Assert.DoesNotContain(fresh.Password!, audit, StringComparison.Ordinal);

        await _shop.StopAsync("leaked");
        Assert.Equal("shop/leaked is stopped", (await _shop.RefusedAsync(ExitCode.Failed, () => _shop.Workspace.Branches.RotateAsync(Shop.Name("leaked"), Never))).Message);
        await _shop.DeleteAsync("leaked");
    }

    /// <summary>A project on the storage that everyone has.</summary>
    public sealed class Project : IAsyncLifetime
    {
        private Shop? _shop;

        /// <summary>The project.</summary>
        public Shop Shop => _shop ?? throw new InvalidOperationException("The fixture has not been initialized.");

        /// <inheritdoc/>
        public async ValueTask InitializeAsync() => _shop = await Shop.OpenAsync("reflink", "xfs");

        /// <inheritdoc/>
        public async ValueTask DisposeAsync()
        {
            if (_shop is not null)
                await _shop.DisposeAsync();
        }
    }
}
