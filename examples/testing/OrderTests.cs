using Pgd.Testing;
using Xunit;

// A database of its own for each test class, with the migrations of db/ applied to a copy of the project's data.
public sealed class ShopDatabase() : PgdDatabaseFixture(new() { Project = "shop", MigrationFiles = "db/*.sql" });

public sealed class OrderTests(ShopDatabase shop) : IClassFixture<ShopDatabase>
{
    [Fact]
    public async Task An_order_can_be_flagged()
    {
        await using var command = shop.DataSource.CreateCommand("update orders set flag = 'late' where id = 1 returning flag");
        Assert.Equal("late", await command.ExecuteScalarAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_test_that_needs_fresh_data_says_so()
    {
        await shop.ResetAsync();
        await using var command = shop.DataSource.CreateCommand("select count(flag) from orders");
        Assert.Equal(0L, await command.ExecuteScalarAsync(TestContext.Current.CancellationToken));
    }
}
