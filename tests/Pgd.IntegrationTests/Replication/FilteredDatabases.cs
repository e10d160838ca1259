using Pgd.Backups;
using Pgd.IntegrationTests.Branches;
using Pgd.Libpq;
using Pgd.Replication;
using Xunit;

namespace Pgd.IntegrationTests.Replication;

/// <summary>Which databases, tables and rows of a real server a filter means.</summary>
public sealed class FilteredDatabases : IDisposable
{
    private readonly ScratchServer _source = ScratchServer.Start(15);

    /// <inheritdoc/>
    public void Dispose() => _source.Dispose();

    private ConnectionUrl Url => new() { Host = "127.0.0.1", Port = _source.Port, Database = "shop", User = "postgres" };

    [Fact]
    public async Task Databases_are_included_and_excluded_by_name_and_by_their_tables()
    {
        await FillAsync();

        Assert.Equal(["shop"], await MeantAsync(new()));
        Assert.Equal(["crm", "od.d", "postgres", "shop"], await MeantAsync(new() { AllDatabases = true }));
        Assert.Equal(["crm", "shop"], await MeantAsync(new() { IncludeDatabases = ["shop", "c?m"] }));
        Assert.Equal(["crm", "od.d", "shop"], await MeantAsync(new() { ExcludeDatabases = ["postgres"] }));
        Assert.Equal(["od.d"], await MeantAsync(new() { IncludeDatabases = ["\"od.d\""] }));
        Assert.Equal(["crm", "shop"], await MeantAsync(new() { IncludeTables = ["*.people"] }));
        Assert.Equal(["crm"], await MeantAsync(new() { IncludeTables = ["*.people"], ExcludeDatabases = ["shop"] }));
        Assert.Equal(["od.d", "shop"], await MeantAsync(new() { IncludeDatabases = ["\"od.d\""], IncludeTables = ["shop.people"] }));
        await RefusedAsync(new() { IncludeDatabases = ["no*"] }, ExitCode.NotFound, "matches no*");
        await RefusedAsync(new() { IncludeTables = ["*.nothing"] }, ExitCode.NotFound, "matches *.nothing");
        await RefusedAsync(new() { ExcludeTables = ["crm.people"] }, ExitCode.NotFound, "that is meant matches crm of crm.people");
        await RefusedAsync(new() { IncludeDatabases = ["crm"], ExcludeDatabases = ["crm"] }, ExitCode.NotFound, "is left");
        await RefusedAsync(new() { Rows = ["shop.people"] }, ExitCode.Misuse, "is no row filter");

        Task<IReadOnlyList<string>> MeantAsync(ReplicationFilter filter) => filter.DatabasesAsync(Url, default);

        async Task RefusedAsync(ReplicationFilter filter, ExitCode code, string message)
        {
            var refused = await Assert.ThrowsAsync<PgdException>(() => filter.DatabasesAsync(Url, default));
            Assert.Equal(code, refused.ExitCode);
            Assert.Contains(message, refused.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("id > 3 -- now()\n and note <> 'now()'", "(id > 3 and note <> 'now()')")]
    [InlineData("at > now() - interval '30 days'", "(at > '*'::timestamp with time zone)")]
    [InlineData("day >= current_date - 7 and id = 1", "(day >= '*'::date and id = 1)")]
    [InlineData("at > date_trunc('day', pg_catalog.now() - 2 * interval '1 day')", "(at > '*'::timestamp with time zone)")]
    [InlineData("(now() - at) < '1 day'::interval", "(( '*'::timestamp with time zone - at ) < '1 day' :: interval)")]
    [InlineData("at - now() - interval '1 day' < interval '0'", "(at - '*'::timestamp with time zone - interval '1 day' < interval '0')")]
    public async Task The_time_in_a_condition_is_frozen_so_that_a_publication_takes_it(string condition, string frozen)
    {
        await FillAsync();
        await using var source = await LogicalSource.OpenAsync(Url, TableSelection.All, default);

        var conditions = await new ReplicationFilter { Rows = [$"shop.people: {condition}"] }.ConditionsAsync(source, default);

        var table = Assert.Single(source.Tables, table => table.Name == "people");
        Assert.Equal(frozen, System.Text.RegularExpressions.Regex.Replace(conditions[table.Oid], @"'\d{4}-[^']*'", "'*'"));
        await Sql.AskAsync("127.0.0.1", _source.Port, "shop", "postgres", null, $"create publication p for table people where {conditions[table.Oid]}");
    }

    [Theory]
    [InlineData("nothing > 3", "column \"nothing\" does not exist")]
    [InlineData("(id > 1", "a parenthesis is not closed")]
    [InlineData("true) or (true)", "does not belong there")]
    [InlineData("id > 1; drop table people", "; does not belong there")]
    [InlineData("at > 'yesterday'", "has the time in a text")]
    public async Task A_condition_that_the_server_does_not_understand_is_refused(string condition, string message)
    {
        await FillAsync();
        await using var source = await LogicalSource.OpenAsync(Url, TableSelection.All, default);

        var refused = await Assert.ThrowsAsync<PgdException>(() => new ReplicationFilter { Rows = [$"shop.people: {condition}"] }.ConditionsAsync(source, default));

        Assert.Equal(ExitCode.Misuse, refused.ExitCode);
        Assert.Contains(message, refused.Message, StringComparison.Ordinal);
    }

    private async Task FillAsync()
    {
        foreach (var database in new[] { "shop", "crm", "\"od.d\"" })
            await _source.AskAsync($"create database {database}");
        await _source.AskAsync("create database closed allow_connections false");
        foreach (var database in new[] { "shop", "crm" })
            await Sql.AskAsync("127.0.0.1", _source.Port, database, "postgres", null, "create table people (id int, note text, at timestamptz, day date)");
    }
}
