using System.Globalization;
using Pgd.Configuration;
using Pgd.IntegrationTests.Backups;
using Pgd.IntegrationTests.Branches;
using Pgd.Libpq;
using Pgd.Replication;
using Xunit;

namespace Pgd.IntegrationTests.Replication;

/// <summary>Projects that begin as a copy of a database of another server.</summary>
public sealed class CopiedProjects : IDisposable
{
    private readonly ToolRoot _root = new("reflink");
    private readonly ScratchServer _source = ScratchServer.Start(15);

    /// <inheritdoc/>
    public void Dispose()
    {
        _source.Dispose();
        _root.Dispose();
    }

    [Theory]
    [InlineData(15)]
    [InlineData(17)]
    public async Task A_database_becomes_a_project_with_all_that_it_has_as_it_is_at_one_moment(int major)
    {
        await FillAsync();
        var expected = Dumps.OfPostgres(Url("shop"));
        // From here on somebody writes, to tables that are copied first and last: both have all of a transaction, or nothing.
        await AskAsync("create table one (n int); create table two (n int); insert into one values (0); insert into two values (0)");
        using var end = new CancellationTokenSource();
        var writing = WriteAsync(end.Token);
        var workspace = new Workspace(new HostConfiguration { Root = _root.Folder, Storage = "reflink", Runtime = "native", PortRange = _root.Ports, PostgresBinaries = [Lab.Current.Servers.Folder(major)] }, SilentReporter.Instance);

        var begun = DateTimeOffset.UtcNow;
        var project = await workspace.Projects.CreateAsync(new() { Name = "prod", From = new() { Host = "127.0.0.1", Port = _source.Port, Database = "shop", User = "postgres" }, PostgresMajor = major }, default);
        await end.CancelAsync();
        Assert.True(await writing > 0);

        Assert.Equal(major, project.PostgresMajor);
        Assert.InRange((await workspace.Branches.GetAsync(Main, default)).DataAsOf!.Value, begun, DateTimeOffset.UtcNow);
        Assert.Equal("owner \"of\" it/login", await CopyAsync("select pg_get_userbyid(datdba) || '/' || case when rolcanlogin then 'login' end from pg_database join pg_roles r on r.oid = datdba where datname = 'shop'"));
        Assert.Equal("true", await CopyAsync("select (sum(one.n) = (select sum(n) from two))::text from one"));
        Assert.Equal("42 / 5000 / 2100000 / 9001 / 3", await CopyAsync("select answer() || ' / ' || (select * from sales.frozen) || ' / ' || length(lo_get(4711)) || ' / ' || nextval('sales.orders_id_seq') || ' / ' || (select count(*) from pg_constraint where contype in ('p', 'u', 'f') and connamespace = 'sales'::regnamespace)"));
        await CopyAsync("select setval('sales.orders_id_seq', 9000); drop table one; drop table two");
        if (major == 15)
        {
            var actual = Dumps.OfPostgres(UriText.Write(await workspace.Branches.ConnectAsync(Main, "shop", "postgres", default)));
            Assert.True(expected == actual, Dumps.FirstDifference(expected, actual));
        }

        // Nothing of it is left where it comes from, and a branch of it is one.
        Assert.Equal("0/0", await AskAsync("select (select count(*) from pg_replication_slots) || '/' || (select count(*) from pg_stat_activity where application_name like 'pgd%')"));
        await workspace.Branches.CreateAsync(new() { Name = BranchName.Parse("prod/branch") }, default);
        Assert.Equal("5000", await Sql.AskAsync(await workspace.Branches.ConnectAsync(BranchName.Parse("prod/branch"), "shop", "postgres", default), "select count(*) from sales.orders"));
        await workspace.Projects.DeleteAsync("prod", force: true, default);

        async Task<string?> CopyAsync(string sql) => await Sql.AskAsync(await workspace.Branches.ConnectAsync(Main, "shop", "postgres", default), sql);
    }

    [Fact]
    public async Task A_large_table_comes_in_pieces_that_are_of_one_moment_while_its_rows_move()
    {
        await _source.AskAsync("create table large as select i id, 0 n, repeat('x', 500) filler from generate_series(1, 20000) i");
        await _source.AskAsync("create table late (); insert into late default values");
        using var target = ScratchServer.Start(15);
        ConnectionUrl UrlOf(ScratchServer server) => new() { Host = "127.0.0.1", Port = server.Port, Database = "postgres", User = "postgres" };
        await using (var copy = await InitialCopy.OpenAsync(UrlOf(_source), default))
        {
            copy.PieceBytes = 500_000;
            // Each row moves to a page behind those that there were, and some are new.
            await _source.AskAsync("update large set n = 1");
            await _source.AskAsync("insert into large select i, 2, '' from generate_series(1, 5000) i");
            await copy.RunAsync(UrlOf(target), SilentReporter.Instance, default);
        }

        Assert.Equal("20000/20000/0", await target.AskAsync("select count(*) || '/' || count(distinct id) || '/' || sum(n) from large"));
        Assert.Equal("1", await target.AskAsync("select count(*) from late"));
    }

    [Fact]
    public async Task What_cannot_be_copied_is_told_before_anything_is_made_or_leaves_nothing()
    {
        await FillAsync();
        await AskAsync("create role reader login password 'secret'; grant usage on schema sales, \"Odd schema\" to reader; grant select on all tables in schema public, \"Odd schema\" to reader");
        await RefusedAsync(7, $"postgresql://reader@127.0.0.1:{_source.Port}/shop", "may not");
        await RefusedAsync(4, Url("nothing"), "nothing");
        await RefusedAsync(1, $"postgresql://postgres@127.0.0.1:{ScratchServer.FreePort()}/shop", "cannot connect to");
        var both = await _root.InProcessAsync("project", "create", "prod", "--from", Url("shop"), "--from-dump", "x.dump");
        Assert.True(both.Status == 2 && both.Error.Contains("Give one of --from", StringComparison.Ordinal), both.ToString());
        await AskAsync("create extension pg_trgm; update pg_extension set extname = 'no_such_thing' where extname = 'pg_trgm'");
        await RefusedAsync(1, Url("shop"), "the new server refused a part of", "install it on this machine");
        using var newer = ScratchServer.Start(18);
        await RefusedAsync(3, $"postgresql://postgres@127.0.0.1:{newer.Port}/postgres", "no pg_dump that can read a server of PostgreSQL 18");
        Assert.Empty(_root.Workspace.State.ProjectNames());
        Assert.Equal("0", await AskAsync("select count(*) from pg_stat_activity where application_name like 'pgd%'"));

        async Task RefusedAsync(int status, string url, params string[] told)
        {
            var refused = await _root.InProcessAsync("project", "create", "prod", "--from", url);
            Assert.True(refused.Status == status && told.All(text => refused.Error.ReplaceLineEndings(" ").Contains(text, StringComparison.Ordinal)), $"{url}: {refused}");
        }
    }

    [Theory]
    [InlineData("copy:definitions")]
    [InlineData("copy:rows")]
    [InlineData("copy:built")]
    public async Task A_copy_that_is_killed_is_made_anew_and_nothing_of_it_is_left_at_the_source(string place)
    {
        await FillAsync();
        Assert.Equal(137, _root.ToolWith(new() { ["PGD_KILL_AT"] = place }, "project", "create", "prod", "--from", Url("shop")).Status);
        await Eventually.TrueAsync(async () => await AskAsync("select count(*) from pg_stat_activity where application_name like 'pgd%'") == "0");

        _root.Succeed("project", "create", "prod", "--from", Url("shop"));

        var actual = Dumps.OfPostgres(UriText.Write(await _root.Workspace.Branches.ConnectAsync(Main, "shop", "postgres", default)));
        var expected = Dumps.OfPostgres(Url("shop"));
        Assert.True(expected == actual, Dumps.FirstDifference(expected, actual));
    }

    private static BranchName Main { get; } = BranchName.Of("prod", "main");

    private string Url(string database) => string.Create(CultureInfo.InvariantCulture, $"postgresql://postgres@127.0.0.1:{_source.Port}/{database}");

    private Task<string?> AskAsync(string sql) => Sql.AskAsync("127.0.0.1", _source.Port, "shop", "postgres", null, sql);

    private async Task FillAsync()
    {
        await _source.AskAsync("create role \"owner \"\"of\"\" it\"");
        await _source.AskAsync("create database shop owner \"owner \"\"of\"\" it\"");
        LabCommand.Run("psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--output=/dev/null", $"--dbname={Url("shop")}", $"--command={LogicalBackups.Definitions}");
    }

    private async Task<int> WriteAsync(CancellationToken end)
    {
        var written = 0;
        while (!end.IsCancellationRequested)
        {
            await AskAsync($"begin; insert into one values ({++written}); insert into two values ({written}); commit");
        }

        return written;
    }
}
