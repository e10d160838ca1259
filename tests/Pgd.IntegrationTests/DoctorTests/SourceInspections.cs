using Pgd.IntegrationTests.Branches;
using Xunit;

namespace Pgd.IntegrationTests.DoctorTests;

/// <summary>What is told of a source before its branches are made, and on demand.</summary>
public sealed class SourceInspections(SourceInspections.Project fixture) : IClassFixture<SourceInspections.Project>
{
    private readonly Shop _shop = fixture.Shop;

    [Fact]
    public async Task What_a_source_does_is_told_with_what_its_branches_do_instead_and_once_when_the_first_is_made()
    {
        await _shop.AdministerAsync("main", "alter system set archive_mode = on", "alter system set archive_command = 'curl -u ops:s3cret https://archive.example/%f'", "alter system set synchronous_standby_names = ''",
            "alter system set max_prepared_transactions = 5", "alter system set wal_level = logical");
        await _shop.RestartAsync("main");
        await _shop.AdministerAsync("main", "select pg_create_physical_replication_slot('standby_1')",
            "create foreign data wrapper billing_wrapper", "create server billing foreign data wrapper billing_wrapper", "create user mapping for shop server billing options (user 'ops', password 's3cret')",
            "create unlogged table cache (i int)", "create function on_ddl() returns event_trigger language plpgsql as 'begin end'", "create event trigger audit on ddl_command_end execute function on_ddl()",
            "create subscription orders_in connection 'host=elsewhere password=s3cret' publication p with (connect = false)",
            "begin; insert into orders values (99999, 1); prepare transaction 'left over'");

        var findings = Inspect("main");

        Assert.Equal(
            [
                "Ok archiving: on; branches archive nothing",
                "Ok event triggers: shop: audit; they fire in branches as well",
                "Warning foreign servers: shop: billing, with 1 user mapping; a query in a branch reaches them as well",
                "Ok links: everything is inside the data directory",
                "Warning prepared transactions: left over (shop); branches have them too, with the locks that they hold",
                "Ok replication slots: standby_1; branches have none",
                "Ok subscriptions: orders_in (shop); dropped in branches, and the publisher's slots are left alone",
                "Warning unlogged tables: shop: public.cache; empty in branches of the running source, as after a crash",
            ],
            findings.Where(f => f.Check is not ("data directory" or "checksums" or "extensions")).Select(f => $"{f.Severity} {f.Check}: {f.Text}").OrderBy(l => l.Split(' ', 2)[1], StringComparer.Ordinal));
        Assert.DoesNotContain("s3cret", string.Join('\n', findings), StringComparison.Ordinal);

        _shop.TakeWarnings();
        await _shop.CreateAsync("first");
        Assert.Equal(
            [
                "foreign servers of shop/main: shop: billing, with 1 user mapping; a query in a branch reaches them as well",
                "prepared transactions of shop/main: left over (shop); branches have them too, with the locks that they hold",
                "unlogged tables of shop/main: shop: public.cache; empty in branches of the running source, as after a crash",
            ],
            _shop.TakeWarnings().Order(StringComparer.Ordinal));
        await _shop.CreateAsync("second");
        Assert.Empty(_shop.TakeWarnings());
        // A branch can be a source as well, and shows what is left in it.
        var left = Inspect("first");
        Assert.Contains(left, f => f is { Check: "foreign servers" });
        Assert.DoesNotContain(left, f => f.Check is "subscriptions" or "replication slots");

        await _shop.DeleteAsync("first", "second");
        await _shop.AdministerAsync("main", "rollback prepared 'left over'", "alter subscription orders_in set (slot_name = none)", "drop subscription orders_in", "drop server billing cascade", "drop event trigger audit", "drop table cache",
            "select pg_drop_replication_slot('standby_1')", "alter system reset all");
        await _shop.RestartAsync("main");
    }

    [Fact]
    public async Task What_would_keep_branches_from_being_made_is_told_before()
    {
        var outside = Directory.CreateTempSubdirectory("pgd-outside-").FullName;
        var link = Path.Combine(await _shop.DataAsync("main"), "shared");
        File.CreateSymbolicLink(link, outside);
        try
        {
            var problem = Assert.Single(Inspect("main"), f => f.Severity == Severity.Problem);
            Assert.Equal(("links", $"shared leads to {outside}: a branch would share what is there, so none can be made"), (problem.Check, problem.Text));
            // And it is true.
            await _shop.RefusedAsync(ExitCode.Unsafe, () => _shop.CreateAsync("none"));
        }
        finally
        {
            File.Delete(link);
            Directory.Delete(outside);
        }

        await _shop.StopAsync("main");
        Assert.Contains(Inspect("main"), f => f is { Check: "catalogs", Text: "not asked: shop/main is stopped", Remedy: "dotnet pgd start shop/main" });
        await _shop.StartAsync("main");
        Assert.Equal(ExitCode.NotFound, Assert.Throws<PgdException>(() => Inspect("none")).ExitCode);
    }

    private IReadOnlyList<Finding> Inspect(string branch) => _shop.Workspace.Doctor.Inspect(Shop.Name(branch), CancellationToken.None);

    /// <summary>A shop whose branches are made by reflink.</summary>
    public sealed class Project() : ShopFixture("reflink", "xfs", 17);
}
