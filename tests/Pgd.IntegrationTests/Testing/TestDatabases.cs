using System.Text.Json.Nodes;
using Npgsql;
using Pgd.IntegrationTests.GitHub;
using Pgd.Testing;
using Xunit;

namespace Pgd.IntegrationTests.Testing;

/// <summary>Databases for tests, made in this very process.</summary>
public sealed class TestDatabases : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();
    private ToolRoot _root = null!;

    /// <inheritdoc/>
    public async ValueTask InitializeAsync()
    {
        _root = await ToolRoot.WithProjectAsync("reflink");
        await _root.SqlAsync(ToolRoot.Main, "grant all on orders to shop");
        _folder.Write("db/1.sql", "create table flags (id int); insert into flags values (1);\n");
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _root.Dispose();
        _folder.Dispose();
        return ValueTask.CompletedTask;
    }

    [Theory]
    [InlineData(PgdIsolation.Database)]
    [InlineData(PgdIsolation.Branch)]
    public async Task Each_use_has_its_own_and_a_reset_brings_the_beginning_back_under_the_same_address(PgdIsolation isolation)
    {
        await using var one = await PgdDatabase.CreateAsync(Settings with { Isolation = isolation });
        await using (var other = await PgdDatabase.CreateAsync(Settings with { Isolation = isolation }))
        {
            await ExecuteAsync(one, "insert into flags values (2); delete from orders where id = 1");
            Assert.Equal(("2/999", "1/1000"), (await CountsAsync(one), await CountsAsync(other)));
            Assert.NotEqual(one.ConnectionString, other.ConnectionString);
            Assert.DoesNotContain("Password", other.ToString(), StringComparison.OrdinalIgnoreCase);
        }

        var connectionString = one.ConnectionString;
        await using (var open = await one.DataSource.OpenConnectionAsync())
            await one.ResetAsync();
        Assert.Equal(connectionString, one.ConnectionString);
        Assert.Equal("1/1000", await CountsAsync(one));
        // A pool of the user's own has forgotten its connections as well.
        await using var pooled = new NpgsqlConnection(connectionString);
        await pooled.OpenAsync();
    }

    [Fact]
    public async Task Migrations_run_once_and_again_when_one_of_them_changes_and_all_wait_for_the_first()
    {
        var made = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => PgdDatabase.CreateAsync(Settings))));
        Assert.Equal(8, made.Select(database => database.ConnectionString).Distinct().Count());
        Assert.Single(Prepared());
        Assert.All(await Task.WhenAll(made.Select(CountsAsync)), counts => Assert.Equal("1/1000", counts));

        _folder.Write("db/2.sql", "insert into flags values (2);\n");
        await using var changed = await PgdDatabase.CreateAsync(Settings);
        Assert.Equal("2/1000", await CountsAsync(changed));
        Assert.Equal(2, Prepared().Count);
        foreach (var database in made)
            await database.DisposeAsync();
        // It could not be made from something that is not there any more.
        await Assert.ThrowsAsync<ObjectDisposedException>(() => made[0].ResetAsync());
    }

    [Fact]
    public async Task Code_that_migrates_runs_once_and_what_fails_leaves_nothing_and_says_why()
    {
        var before = _root.SteadyListing();
        _folder.Write("db/2.sql", "insert into nowhere values (2);\n");
        var failed = await Assert.ThrowsAsync<PgdException>(() => PgdDatabase.CreateAsync(Settings));
        Assert.Equal((ExitCode.MigrationFailed, "the migration db/2.sql failed in line 1: relation \"nowhere\" does not exist"), (failed.ExitCode, failed.Message));
        // Whoever comes after it gets the same answer, and not another attempt.
        Assert.Same(failed, await Assert.ThrowsAsync<PgdException>(() => PgdDatabase.CreateAsync(Settings)));
        await Assert.ThrowsAsync<InvalidOperationException>(() => PgdDatabase.CreateAsync(Settings with { MigrationFiles = null, Migrate = static (_, _) => throw new InvalidOperationException("no") }));
        foreach (var (settings, told) in ((PgdDatabaseSettings, string)[])[(Settings with { Project = null }, "it is not said which project"), (Settings with { Project = "nowhere" }, "nowhere"), (Settings with { MigrationFiles = "sql/*.sql" }, "no file in"), (Settings with { Anonymize = ["nowhere.sql"] }, "nowhere.sql does not exist"), (Settings with { From = "main@nowhere" }, "nowhere"), (Settings with { Migrate = (_, _) => Task.FromResult(before) }, "of an object with a state of its own")])
        {
            var wrong = await Assert.ThrowsAsync<PgdException>(() => PgdDatabase.CreateAsync(settings with { MigrationFiles = settings.MigrationFiles == "db/*.sql" ? "db/1.sql" : settings.MigrationFiles }));
            Assert.Contains(told, wrong.Message, StringComparison.Ordinal);
        }

        Assert.Equal(before, _root.SteadyListing().Where(entry => !entry.StartsWith("file state/~lease-", StringComparison.Ordinal)));

        var runs = 0;
        var coded = Settings with { MigrationFiles = null, Key = "counted", Migrate = async (connectionString, cancellationToken) =>
        {
            Interlocked.Increment(ref runs);
            await using var connection = new NpgsqlConnection(connectionString);
            await connection.OpenAsync(cancellationToken);
            await using var command = new NpgsqlCommand("create table flags (id int)", connection);
            await command.ExecuteNonQueryAsync(cancellationToken);
        } };
        await using var one = await PgdDatabase.CreateAsync(coded);
        await using var other = await PgdDatabase.CreateAsync(coded);
        Assert.Equal((1, "0/1000"), (runs, await CountsAsync(other)));
    }

    [Fact]
    public async Task What_pgd_yml_says_need_not_be_said_again_and_nobody_sees_data_before_it_is_anonymized()
    {
        _folder.Write("pgd.yml", "project: shop\nrole: postgres\nanonymize: [mask.sql]\nmigrations:\n  files: db/*.sql\n");
        _folder.Write("mask.sql", "update orders set note = 'masked';\n");

        await using var database = await PgdDatabase.CreateAsync(new() { WorkingDirectory = _folder.Path, Root = _root.Folder });

        Assert.Equal("postgres", database.Connection.User);
        await using var command = database.DataSource.CreateCommand("select string_agg(distinct note, ',') from orders");
        Assert.Equal("masked", await command.ExecuteScalarAsync());
        Assert.True(_root.Tool("gc").Status == 0);
        Assert.Equal("1/1000", await CountsAsync(database));
    }

    private PgdDatabaseSettings Settings => new() { Project = "shop", MigrationFiles = "db/*.sql", WorkingDirectory = _folder.Path, Root = _root.Folder };

    private List<string> Prepared() => [.. JsonNode.Parse(_root.Succeed("branch", "list", "shop", "--json"))!.AsArray().Where(b => b!["labels"]!["pgd.prepared"] is not null).Select(b => $"{b!["name"]}")];

    private static async Task<string> CountsAsync(PgdDatabase database)
    {
        await using var command = database.DataSource.CreateCommand("select (select count(*) from flags) || '/' || (select count(*) from orders)");
        return (string)(await command.ExecuteScalarAsync())!;
    }

    private static async Task ExecuteAsync(PgdDatabase database, string sql)
    {
        await using var command = database.DataSource.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }
}
