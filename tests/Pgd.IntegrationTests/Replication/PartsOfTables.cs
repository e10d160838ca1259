using Xunit;

namespace Pgd.IntegrationTests.Replication;

/// <summary>Copies that have some rows of a table, or none.</summary>
public sealed class PartsOfTables : IDisposable
{
    private readonly ServerPair _servers = new();

    /// <inheritdoc/>
    public void Dispose() => _servers.Dispose();

    [Fact]
    public async Task A_table_without_rows_comes_with_its_definition_and_nothing_of_it_follows()
    {
        await _servers.MakeAsync("shop", """
            create schema sales;
            create table sales.archive (id int primary key, note text not null check (note <> ''));
            create table sales.lines (id int primary key, archived int references sales.archive);
            create table keyless (t text);
            create table days (id int, day date, primary key (id, day)) partition by range (day);
            create table days_1 partition of days for values from ('2026-01-01') to ('2026-07-01');
            create table days_2 partition of days for values from ('2026-07-01') to ('2027-01-01');
            create table visits (id int primary key, day_id int, day date, foreign key (day_id, day) references days);
            insert into sales.archive select i, 'n' || i from generate_series(1, 100) i;
            insert into sales.lines select i, i from generate_series(1, 50) i;
            insert into keyless values ('x');
            insert into days values (1, '2026-02-01'), (2, '2026-08-01');
            insert into visits values (1, 1, '2026-02-01');
            """);
        string[] chosen = ["--schema-only-tables", "shop.sales.archive,keyless", "--schema-only-tables", "shop.days"];

        // What is not published needs no identity.
        await _servers.SucceedAsync("shop", "validate", chosen);
        var copied = await _servers.SucceedAsync("shop", "init", chosen);
        Assert.Contains("Copied shop: 2 tables", copied, StringComparison.Ordinal);
        Assert.Contains("without the rows of sales.archive", copied, StringComparison.Ordinal);
        Assert.Contains("without the foreign key lines_archived_fkey of sales.lines", copied, StringComparison.Ordinal);
        Assert.Equal("1/0/50/0/0", await _servers.AskTargetAsync("shop", "select (select count(*) from visits) || '/' || (select count(*) from sales.archive) || '/' || (select count(*) from sales.lines) || '/' || (select count(*) from keyless) || '/' || (select count(*) from days)"));
        Assert.Equal("1/2", await _servers.AskTargetAsync("shop", "select (select count(*) from pg_constraint where conrelid = 'sales.archive'::regclass and contype = 'c') || '/' || (select count(*) from pg_inherits where inhparent = 'days'::regclass)"));
        await _servers.SucceedAsync("shop", "sync", chosen);
        await _servers.AskSourceAsync("shop", "insert into sales.archive values (101, 'x'); insert into keyless values ('y'); update keyless set t = 'z'; insert into days values (3, '2026-03-01'); insert into sales.lines values (51, 101)");
        await _servers.ArrivesAsync("shop", "select count(*) from sales.lines", "51");
        Assert.Equal("0/0/0", await _servers.AskTargetAsync("shop", "select (select count(*) from sales.archive) || '/' || (select count(*) from keyless) || '/' || (select count(*) from days)"));
        Assert.DoesNotContain("which the copy has not", await _servers.SucceedAsync("shop", "status", chosen), StringComparison.Ordinal);
        await _servers.RefusedAsync("shop", ExitCode.Exists, "init", ["--schema-only-tables", "shop.sales.archive,keyless"], "is a copy of no rows of keyless");
        await _servers.RefusedAsync("shop", ExitCode.NotFound, "validate", ["--schema-only-tables", "shop.nothing"], "no table matches nothing");
        await _servers.RefusedAsync("shop", ExitCode.NotFound, "validate", ["--schema-only-tables", "nothing"], "matches nothing");
        await _servers.SucceedAsync("shop", "cleanup");
    }

    [Theory]
    [InlineData("timestamptz")]
    [InlineData("timestamp")]
    [InlineData("date")]
    public async Task Rows_that_are_older_than_a_time_stay_where_they_are(string type)
    {
        await _servers.MakeAsync("shop", $"create table events (id int, \"At\" {type}, primary key (id, \"At\")); insert into events select i, now() - i * interval '1 month' - interval '1 day' from generate_series(0, 23) i; create table other (id int primary key)");
        string[] chosen = ["--time-filter", "shop.events:\"At\":6 months"];

        await _servers.SucceedAsync("shop", "init", chosen);
        Assert.Equal("6", await _servers.AskTargetAsync("shop", "select count(*) from events"));
        await _servers.SucceedAsync("shop", "sync", chosen);
        await _servers.AskSourceAsync("shop", "insert into events values (100, now() - interval '7 months'), (101, now()); insert into other values (1)");
        await _servers.ArrivesAsync("shop", "select count(*) from other", "1");
        Assert.Equal("7", await _servers.AskTargetAsync("shop", "select count(*) from events"));
        await _servers.SucceedAsync("shop", "cleanup");
    }

    [Fact]
    public async Task A_filter_whose_column_does_not_say_when_is_refused()
    {
        await _servers.MakeAsync("shop", "create table events (id int primary key, note text)");

        await _servers.RefusedAsync("shop", ExitCode.Misuse, "validate", ["--time-filter", "events:note:6 months"], "note of public.events is text", "--row-filter");
        await _servers.RefusedAsync("shop", ExitCode.NotFound, "validate", ["--time-filter", "events:nope:6 months"], "public.events has no column nope");
        await _servers.RefusedAsync("shop", ExitCode.Misuse, "validate", ["--time-filter", "events:note:soon"], "is no time filter");
        await _servers.RefusedAsync("shop", ExitCode.Misuse, "validate", ["--table-filter", "events"], "is no row filter");
    }

    [Fact]
    public async Task The_same_choice_comes_from_a_file_of_options()
    {
        await _servers.MakeAsync("shop", "create table events (id int primary key, note text); create table cache (id int primary key); insert into events values (1, 'it''s'), (2, 'b'); insert into cache values (1)");
        using var folder = new GitHub.TemporaryFolder();
        folder.Write("shop.options", "# what is meant\n--row-filter events: id < 3 and note = 'it''s'\n\n--schema-only-tables=shop.cache\n--no-sync\n");

        await _servers.SucceedAsync("shop", "init", "@" + Path.Combine(folder.Path, "shop.options"));
        Assert.Equal("1/0", await _servers.AskTargetAsync("shop", "select (select count(*) from events) || '/' || (select count(*) from cache)"));
        await _servers.RefusedAsync("shop", ExitCode.NotFound, "init", ["@" + Path.Combine(folder.Path, "nope")], "cannot be read");
        folder.Write("bad.options", "exclude-tables shop.cache\n");
        await _servers.RefusedAsync("shop", ExitCode.Misuse, "init", ["@" + Path.Combine(folder.Path, "bad.options")], "begins with no option");
    }

    [Fact]
    public async Task A_copy_that_was_interrupted_is_begun_anew_if_it_is_not_to_be_gone_on_with()
    {
        await _servers.MakeAsync("shop", "create table customers (id int primary key); create table orders (id int primary key, customer int references customers); insert into customers values (1), (2); insert into orders values (1, 1), (2, 2)");
        string[] filtered = ["--row-filter", "customers: id > 1"];

        // What is left out is referred to: so it fails behind the rows.
        await _servers.RefusedAsync("shop", ExitCode.Failed, "init", filtered, "violates foreign key constraint", "leave those out as well");
        await _servers.AskTargetAsync("shop", "create table mine (id int)");
        await _servers.RefusedAsync("shop", ExitCode.Unsafe, "init", ["--no-resume"], "public.mine, which", "has not");
        await _servers.AskTargetAsync("shop", "drop table mine");
        await _servers.RefusedAsync("shop", ExitCode.Exists, "init", [], "is a copy of customers: id > 1");
        await _servers.SucceedAsync("shop", "init", "--no-resume");
        Assert.Equal("2", await _servers.AskTargetAsync("shop", "select count(*) from customers"));
        // What is complete stays.
        var oid = await _servers.AskTargetAsync("shop", "select oid from pg_database where datname = current_database()");
        Assert.Contains("shop was complete already", await _servers.SucceedAsync("shop", "init", "--no-resume"), StringComparison.Ordinal);
        Assert.Equal(oid, await _servers.AskTargetAsync("shop", "select oid from pg_database where datname = current_database()"));
        // And so does what is somebody's own.
        await _servers.MakeAsync("crm", "create table people (id int primary key)");
        await _servers.AskTargetAsync("postgres", "create database crm");
        await _servers.AskTargetAsync("crm", "create table notes (id int)");
        await _servers.RefusedAsync("crm", ExitCode.Unsafe, "init", ["--no-resume"], "is not empty: it has public.notes");
        await _servers.SucceedAsync("shop", "cleanup");
    }
}
