using Npgsql;
using Pgd.Postgres;
using Xunit;

namespace Pgd.IntegrationTests.Branches;

/// <summary>A golden parent: settled and anonymized once, stopped cleanly, and branched many times.</summary>
public sealed class GoldenParents(GoldenParents.Project fixture) : IClassFixture<GoldenParents.Project>, IDisposable
{
    private readonly Shop _shop = fixture.Shop;
    private readonly string _script = Path.Combine(Directory.CreateTempSubdirectory("pgd-golden-").FullName, "anonymize.sql");

    private Anonymization Masking
    {
        get
        {
            File.WriteAllText(_script, "update orders set amount = 7; create table if not exists masked_at as select clock_timestamp() at time zone 'utc' as at; "
                + "do $$ begin if to_regclass('cache') is not null then insert into cache values (11); end if; end $$");
            return new() { Files = [_script], Database = "shop" };
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(Path.GetDirectoryName(_script)!, recursive: true);

    [Fact]
    public async Task What_is_made_from_a_golden_parent_is_anonymized_needs_no_recovery_and_keeps_its_unlogged_tables()
    {
        await _shop.AdministerAsync("main", "create unlogged table cache as select generate_series(1, 10) as i", "grant select on cache to shop", "create role reader login password 'of-the-source'", "grant select on orders to reader");
        var golden = await _shop.CreateAsync("golden", with: b => b with { Golden = true, Anonymization = Masking });
        Assert.Equal((BranchStatus.Stopped, true, true, (DateTimeOffset?)null), (golden.Status, golden.Golden, golden.Anonymized, golden.ExpiresAt));
        Assert.Equal(ClusterState.ShutDown, ControlData.TryRead(golden.DataDirectory)!.State);
        // Nobody could ever have got in.
        Assert.DoesNotContain("host", File.ReadAllText(Path.Combine(golden.Directory, "pg_hba.conf")).Split('\n').Where(l => !l.Contains("reject", StringComparison.Ordinal)).SelectMany(l => l.Split(' ')));

        var first = await _shop.CreateAsync("first", from: "golden", with: b => b with { Roles = ["reader"] });
        var second = await _shop.CreateAsync("second", from: "golden");
        foreach (var branch in new[] { first, second })
        {
            var name = branch.Name.Branch;
            Assert.Equal("7 7", await _shop.AskAsync(name, "select min(amount) || ' ' || max(amount) from orders"));
            Assert.Equal((true, golden.DataAsOf), (branch.Anonymized, branch.DataAsOf));
            Assert.DoesNotContain("recovery", await _shop.LogAsync(name), StringComparison.Ordinal);
            // The masking ran once, for all of them.
            Assert.Equal(await _shop.AdministerAsync("first", "select at::text from masked_at"), await _shop.AdministerAsync(name, "select at::text from masked_at"));
        }

        // And so is what is made from those.
        Assert.True((await _shop.CreateAsync("third", from: "second")).Anonymized);
        await _shop.DeleteAsync("third");

        // The source's ten rows went with the recovery of the golden branch itself; what it has, its branches have.
        Assert.Equal("11", await _shop.AskAsync("first", "select string_agg(i::text, ' ') from cache"));
        var reader = await _shop.ConnectAsync("first", "shop", "reader");
        Assert.Equal("7", await Sql.AskAsync(reader, "select max(amount) from orders"));
        await Assert.ThrowsAnyAsync<NpgsqlException>(() => Sql.AskAsync(reader with { Password = "of-the-source" }, "select 1"));
        await _shop.DeleteAsync("first", "second");
        await _shop.DeleteAsync("golden");
        await _shop.AdministerAsync("main", "drop table cache", "drop owned by reader", "drop role reader");
        // If this was the project's first branch, it told of the table.
        Assert.All(_shop.TakeWarnings(), warning => Assert.StartsWith("unlogged tables of shop/main: shop: public.cache", warning, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_golden_parent_is_never_started_and_is_renewed_only_with_its_anonymization()
    {
        await _shop.CreateAsync("golden", with: b => b with { Golden = true, Anonymization = Masking });
        foreach (var operation in (Func<Task>[])[() => _shop.StartAsync("golden"), () => _shop.RestartAsync("golden"), () => _shop.ConnectAsync("golden"), () => _shop.Workspace.Branches.RotateAsync(Shop.Name("golden"), CancellationToken.None)])
        {
            var refused = await _shop.RefusedAsync(ExitCode.Unsafe, operation);
            Assert.Equal(("shop/golden is golden: it stays stopped, so that what is made from it needs no recovery", "Make a branch from it: dotnet pgd branch create shop/NAME --from golden"), (refused.Message, refused.Hint));
        }

        await _shop.RefusedAsync(ExitCode.Unsafe, () => _shop.ResetAsync("golden"));
        await _shop.CreateAsync("child", from: "golden");
        await _shop.AddAsync("child", 1);
        await _shop.AddAsync("main", 5);
        var renewed = await _shop.Workspace.Branches.ResetAsync(new() { Name = Shop.Name("golden"), Anonymization = Masking }, CancellationToken.None);

        Assert.Equal((2, BranchStatus.Stopped, ClusterState.ShutDown), (renewed.Generation, renewed.Status, ControlData.TryRead(renewed.DataDirectory)!.State));
        // What was made from it before is as it was; what is made now has the new row, masked.
        Assert.Equal("1 7", await _shop.AskAsync("child", "select min(amount) || ' ' || max(amount) from orders"));
        await _shop.ResetAsync("child");
        Assert.Equal("7 7", await _shop.AskAsync("child", "select min(amount) || ' ' || max(amount) from orders"));
        Assert.Equal(await _shop.AskAsync("main", "select count(*) from orders"), await _shop.AskAsync("child", "select count(*) from orders"));

        // It stays stopped over a boot, and for who asks for it again.
        var resumed = await _shop.Workspace.Branches.ResumeAsync(CancellationToken.None);
        Assert.Equal(["shop/golden"], resumed.Stopped.Select(b => b.ToString()));
        var again = await _shop.Workspace.Branches.CreateAsync(new() { Name = Shop.Name("golden"), Golden = true, Ensure = true, Anonymization = Masking }, CancellationToken.None);
        Assert.Equal((false, BranchStatus.Stopped), (again.Created, again.Branch.Status));
        await _shop.RefusedAsync(ExitCode.Exists, () => _shop.Workspace.Branches.CreateAsync(new() { Name = Shop.Name("golden"), Ensure = true }, CancellationToken.None));
        await _shop.DeleteAsync("child");
        await _shop.DeleteAsync("golden");
        Assert.Empty(_shop.TakeWarnings());
    }

    /// <summary>A shop whose branches are made by reflink.</summary>
    public sealed class Project() : ShopFixture("reflink", "xfs", 17);
}
