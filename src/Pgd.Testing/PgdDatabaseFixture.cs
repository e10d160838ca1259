using Npgsql;
using Xunit;

namespace Pgd.Testing;

/// <summary>
/// A database for an xUnit test class (<c>IClassFixture</c>), a collection (<c>ICollectionFixture</c>) or all of an assembly (<c>[assembly: AssemblyFixture]</c>): derive from it, and say what it is made from.
/// </summary>
/// <example><code>
/// public sealed class ShopDatabase() : PgdDatabaseFixture(new() { Project = "shop", MigrationFiles = "db/migrations/*.sql" });
/// </code></example>
/// <param name="settings">What it is made from.</param>
public abstract class PgdDatabaseFixture(PgdDatabaseSettings settings) : IAsyncLifetime
{
    private PgdDatabase? _database;

    /// <summary>The database.</summary>
    public PgdDatabase Database => _database ?? throw new InvalidOperationException("The fixture has not been initialized by xUnit yet.");

    /// <summary>How to connect to it, for Npgsql and Entity Framework Core.</summary>
    public string ConnectionString => Database.ConnectionString;

    /// <summary>Connections to it, for tests that need no more than Npgsql.</summary>
    public NpgsqlDataSource DataSource => Database.DataSource;

    /// <summary>Gives it the data that it began with, for example before each test.</summary>
    /// <exception cref="PgdException">It could not be made anew.</exception>
    public Task ResetAsync() => Database.ResetAsync(TestContext.Current.CancellationToken);

    /// <inheritdoc/>
    public virtual async ValueTask InitializeAsync() => _database = await PgdDatabase.CreateAsync(settings, TestContext.Current.CancellationToken).ConfigureAwait(false);

    /// <inheritdoc/>
    public virtual async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        if (_database is not null)
            await _database.DisposeAsync().ConfigureAwait(false);
    }
}
