using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;
using Pgd.Testing;
using Xunit;

// The migrations of the context, applied once; a change in this assembly applies them anew.
public sealed class ShopContextDatabase() : PgdDatabaseFixture(new() { Project = "shop", Migrate = MigrateAsync })
{
    public ShopContext Context() => new(ConnectionString);

    private static async Task MigrateAsync(string connectionString, CancellationToken cancellationToken)
    {
        await using var context = new ShopContext(connectionString);
        await context.Database.MigrateAsync(cancellationToken);
    }
}

public sealed class CustomerTests(ShopContextDatabase shop) : IClassFixture<ShopContextDatabase>
{
    [Fact]
    public async Task A_customer_is_kept()
    {
        await using var context = shop.Context();
        context.Customers.Add(new() { Name = "Ada" });
        await context.SaveChangesAsync(TestContext.Current.CancellationToken);
        Assert.Equal("Ada", (await context.Customers.SingleAsync(TestContext.Current.CancellationToken)).Name);
    }
}

public sealed class ShopContext(string connectionString) : DbContext
{
    public DbSet<Customer> Customers => Set<Customer>();

    protected override void OnConfiguring(DbContextOptionsBuilder options) => options.UseNpgsql(connectionString);
}

public sealed class Customer
{
    public int Id { get; set; }

    public required string Name { get; set; }
}

// As "dotnet ef migrations add" writes it.
[DbContext(typeof(ShopContext))]
[Migration("20261129000000_Customers")]
public sealed class Customers : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.CreateTable("Customers", table => new
    {
        Id = table.Column<int>(nullable: false).Annotation("Npgsql:ValueGenerationStrategy", Npgsql.EntityFrameworkCore.PostgreSQL.Metadata.NpgsqlValueGenerationStrategy.IdentityByDefaultColumn),
        Name = table.Column<string>(nullable: false),
    }, constraints: table => table.PrimaryKey("PK_Customers", customer => customer.Id));

    protected override void Down(MigrationBuilder migrationBuilder) => migrationBuilder.DropTable("Customers");
}
