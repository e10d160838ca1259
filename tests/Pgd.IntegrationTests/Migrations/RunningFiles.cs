using Pgd.Migrations;
using Xunit;
using static Pgd.IntegrationTests.Migrations.ScratchServer;

namespace Pgd.IntegrationTests.Migrations;

public sealed class RunningFiles(ScratchServer server)
{
    [Fact]
    public async Task Files_run_in_order_and_each_tells_how_it_went()
    {
        var url = await server.DatabaseAsync();
        using var runs = new Runs(url).Write("V2__a.sql", "create table t (id int); insert into t values (1);").Write("V10__b.sql", "insert into t select id + 1 from t");

        var run = await runs.AllAddedAsync();

        Assert.True(run.Succeeded);
        Assert.Equal([("V2__a.sql", 2, true, true), ("V10__b.sql", 1, true, true)], run.Files.Select(file => (file.Path, file.Statements, file.Transaction, file.Succeeded)));
        Assert.Equal("2", await AskAsync(url, "select count(*) from t"));
    }

    [Fact]
    public async Task A_file_is_sent_exactly_as_it_is_written()
    {
        var url = await server.DatabaseAsync();
        using var runs = new Runs(url).Write("1.sql",
            """
            create table t (j jsonb, a int[], s text);
            insert into t values ('{"k": 1}', '{1,2}', ':x @p $1 ?');
            create function f(p int, q int default 0) returns int language sql return p + q;
            create function g(int) returns setof int begin atomic select $1; select case when $1 > 0 then $1 else 0 end; end;
            create function h() returns text language plpgsql as $таг$ declare v text; begin v := 'x;y'; return v; end $таг$;
            create rule r as on delete to t do also (select 1; select 2);
            do $$ begin
              if (select count(*) from t where j ? 'k' and a @> '{1}' and j -> 'k' = '1' :: jsonb and s = ':x @p $1 ?' and f(p := 1) = 1) <> 1 then raise 'not found'; end if;
            end $$;
            select '{}'::aclitem[], 'x'::text, E'a\';', $$;$$, @ -1 from t where false;
            """);

        var run = await runs.AllAddedAsync();

        Assert.Null(run.Error);
        Assert.Equal("x;y", await AskAsync(url, "select h()"));
        Assert.Equal("7", await AskAsync(url, "select g(7)"));
        Assert.Contains("'x;y'", await AskAsync(url, "select prosrc from pg_proc where proname = 'h'"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_placeholder_that_nobody_fills_is_an_error()
    {
        var url = await server.DatabaseAsync();
        using var runs = new Runs(url).Write("1.sql", "create table t (a text, b int); insert into t values (';', $1)");

        Assert.Contains("$1", (await runs.AllAddedAsync()).Error?.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_failing_statement_is_named_with_file_line_and_code_and_nothing_of_its_file_stays()
    {
        var url = await server.DatabaseAsync();
        using var runs = new Runs(url).Write("1.sql", "create table a (id int);").Write("2.sql", "create table b (id int);\n\n-- why\nselect 1,\n  'ü😀',\n  nope\nfrom b;\n").Write("3.sql", "select 1");

        var run = await runs.AllAddedAsync();

        Assert.Equal([true, false], run.Files.Select(file => file.Succeeded));
        var error = Assert.IsType<MigrationError>(run.Error);
        Assert.Equal(("2.sql", 6, "42703"), (error.File, error.Line, error.SqlState));
        Assert.Contains("nope", error.Message, StringComparison.Ordinal);
        Assert.StartsWith("select 1,", error.Statement, StringComparison.Ordinal);
        Assert.Equal("a", await AskAsync(url, "select string_agg(relname, ',') from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"));
    }

    [Fact]
    public async Task Detail_and_hint_are_passed_on_and_the_line_is_the_statements_when_the_server_names_none()
    {
        var url = await server.DatabaseAsync();
        using var runs = new Runs(url).Write("1.sql", "create table t (id int primary key);\ninsert into t values (1);\n\ninsert into t values (1);");

        var error = (await runs.AllAddedAsync()).Error!;

        Assert.Equal((4, "23505", "Key (id)=(1) already exists."), (error.Line!.Value, error.SqlState!, error.Detail!));
        using var hints = new Runs(url).Write("1.sql", "do $$ begin raise 'no' using hint = 'try this'; end $$");
        Assert.Equal("try this", (await hints.AllAddedAsync()).Error!.Hint);
    }

    [Fact]
    public async Task An_index_can_be_built_concurrently_without_a_transaction()
    {
        var url = await server.DatabaseAsync();
        using var runs = new Runs(url).Write("1.sql", "create table t (id int)").Write("2.sql", "-- pgd: no-transaction\ncreate index concurrently i on t (id);\nvacuum t;\nselect nope;\n");

        var run = await runs.AllAddedAsync();

        Assert.Equal([true, false], run.Files.Select(file => file.Transaction));
        Assert.Equal(("42703", 4), (run.Error!.SqlState, run.Error.Line!.Value));
        Assert.Equal("t", await AskAsync(url, "select indisvalid from pg_index where indexrelid = 'i'::regclass"));
    }

    [Fact]
    public async Task In_a_transaction_the_same_is_an_error()
    {
        using var runs = new Runs(await server.DatabaseAsync()).Write("1.sql", "create table t (id int); create index concurrently i on t (id);");

        Assert.Equal("25001", (await runs.AllAddedAsync()).Error?.SqlState);
    }

    [Fact]
    public async Task A_constraint_that_fails_only_at_commit_fails_the_file()
    {
        using var runs = new Runs(await server.DatabaseAsync()).Write("1.sql",
            "create table t (id int primary key, p int references t deferrable initially deferred); insert into t values (1, 2);");

        var error = (await runs.AllAddedAsync()).Error!;

        Assert.Equal(("23503", "COMMIT"), (error.SqlState, error.Statement));
    }

    [Fact]
    public async Task What_one_file_sets_does_not_reach_the_next()
    {
        var url = await server.DatabaseAsync();
        using var runs = new Runs(url).Write("1.sql", "create schema s; set search_path = s; set role pg_monitor").Write("2.sql", "create table t (id int)");

        Assert.True((await runs.AllAddedAsync()).Succeeded);
        Assert.Equal("public", await AskAsync(url, "select relnamespace::regnamespace from pg_class where relname = 't'"));
    }

    [Fact]
    public async Task Warnings_are_heard()
    {
        using var runs = new Runs(await server.DatabaseAsync()).Write("1.sql", "do $$ begin raise warning 'look: %', 1; end $$");

        await runs.AllAddedAsync();

        Assert.Contains("WARNING: look: 1", runs.Output);
    }

    [Fact]
    public async Task A_lost_connection_is_a_failure_that_says_so()
    {
        var url = await server.DatabaseAsync();
        using var runs = new Runs(url).Write("1.sql", "create table t (id int);\nselect pg_terminate_backend(pg_backend_pid());");

        var error = (await runs.AllAddedAsync()).Error!;

        Assert.Contains("connection to the server was lost", error.Message, StringComparison.Ordinal);
        Assert.Equal(("1.sql", 2), (error.File, error.Line!.Value));
        Assert.Equal("0", await AskAsync(url, "select count(*) from pg_class where relname = 't'"));
    }

    [Fact]
    public async Task Cancelling_ends_the_running_statement_and_undoes_its_file()
    {
        var url = await server.DatabaseAsync();
        using var runs = new Runs(url).Write("1.sql", "create table t (id int);\nselect pg_sleep(600)");
        using var stop = new CancellationTokenSource();
        var run = runs.AllAddedAsync(stop.Token);
        while (await AskAsync(url, $"select count(*) from pg_stat_activity where datname = '{url.Database}' and query like 'select pg_sleep%'") != "1")
            await Task.Yield();

        await stop.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => run);
        Assert.Equal("0", await AskAsync(url, "select count(*) from pg_class where relname = 't'"));
    }

    [Fact]
    public async Task Bad_files_are_refused_before_anything_runs()
    {
        var url = await server.DatabaseAsync();
        using var runs = new Runs(url).Write("1.sql", "create table t (id int)").Write("2.sql", "\\dt");

        Assert.Equal(ExitCode.Misuse, (await Assert.ThrowsAsync<PgdException>(() => runs.AllAddedAsync())).ExitCode);
        Assert.Equal(ExitCode.Misuse, (await Assert.ThrowsAsync<PgdException>(() => runs.FilesAsync("pgd.l"))).ExitCode);
        Assert.Equal("0", await AskAsync(url, "select count(*) from pg_class where relname in ('t', 'l')"));
    }

    [Fact]
    public async Task A_server_that_cannot_be_reached_is_an_error()
    {
        using var runs = new Runs(server.Administrator with { Host = "/nowhere" }).Write("1.sql", "select 1");

        Assert.Equal(ExitCode.Failed, (await Assert.ThrowsAsync<PgdException>(() => runs.AllAddedAsync())).ExitCode);
    }

    [Fact]
    public async Task Without_a_ledger_only_what_the_pull_request_adds_runs_and_only_once()
    {
        var url = await server.DatabaseAsync();
        using var runs = new Runs(url).Write("1.sql", "this ran long ago").Write("2.sql", "create table t (id int)");

        Assert.Equal(["2.sql"], (await runs.FilesAsync(null, ["./2.sql", "README.md"])).Files.Select(file => file.Path));
        var again = await runs.Write("3.sql", "insert into t values (1)").FilesAsync(null, ["2.sql", "3.sql"]);
        Assert.Equal((1, "3.sql"), (again.AlreadyApplied, again.Files.Single().Path));

        var error = await Assert.ThrowsAsync<PgdException>(() => runs.Write("2.sql", "create table other (id int)").FilesAsync(null, ["2.sql"]));
        Assert.Equal(ExitCode.Misuse, error.ExitCode);
        Assert.Contains("on-push: reset", error.Hint, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_ledger_a_changed_file_of_the_base_is_an_error()
    {
        using var runs = new Runs(await server.DatabaseAsync()).Write("1.sql", "select 1").Write("2.sql", "select 2");
        runs.Modified.Add("1.sql");

        Assert.Contains("1.sql", (await Assert.ThrowsAsync<PgdException>(() => runs.FilesAsync(null, ["2.sql"]))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_ledger_is_made_and_remembers()
    {
        var url = await server.DatabaseAsync();
        using var runs = new Runs(url).Write("1.sql", "create table t (id int)").Write("2.sql", "-- pgd: no-transaction\nvacuum t");

        Assert.Equal(2, (await runs.FilesAsync("\"My\"\"Schema\".Ledger")).Files.Count);
        var again = await runs.Write("3.sql", "create role pgd_r; set role pgd_r; select 1").FilesAsync("\"My\"\"Schema\".Ledger");

        Assert.Equal((2, "3.sql", null), (again.AlreadyApplied, again.Files.Single().Path, again.Error));
        Assert.Equal("1.sql,2.sql,3.sql", await AskAsync(url, "select string_agg(path, ',' order by path) from \"My\"\"Schema\".ledger where length(sha256) = 64 and applied_at <= now() and duration_ms >= 0"));
        await ExecuteAsync(url, "drop role pgd_r");
    }

    [Fact]
    public async Task A_file_that_failed_is_not_in_the_ledger()
    {
        var url = await server.DatabaseAsync();
        using var runs = new Runs(url).Write("1.sql", "create table t (id int); select nope");

        Assert.False((await runs.FilesAsync("pgd.l")).Succeeded);
        Assert.True((await runs.Write("1.sql", "create table t (id int)").FilesAsync("pgd.l")).Succeeded);
    }

    [Fact]
    public async Task A_recorded_file_that_changed_is_misuse_and_nothing_runs()
    {
        var url = await server.DatabaseAsync();
        using var runs = new Runs(url).Write("2.sql", "create table t (id int)");
        await runs.FilesAsync("public.l");

        var error = await Assert.ThrowsAsync<PgdException>(() => runs.Write("1.sql", "create table other (id int)").Write("2.sql", "create table t (id bigint)").FilesAsync("public.l"));

        Assert.Equal(ExitCode.Misuse, error.ExitCode);
        Assert.Contains("2.sql", error.Message, StringComparison.Ordinal);
        Assert.Equal("0", await AskAsync(url, "select count(*) from pg_class where relname = 'other'"));
    }

    [Fact]
    public async Task Another_tools_table_is_not_taken_for_a_ledger()
    {
        var url = await server.DatabaseAsync();
        await ExecuteAsync(url, "create table schema_migrations (version text)");
        using var runs = new Runs(url).Write("1.sql", "select 1");

        Assert.Contains("sha256", (await Assert.ThrowsAsync<PgdException>(() => runs.FilesAsync("public.schema_migrations"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Runs_at_the_same_time_take_turns_even_with_a_concurrent_index()
    {
        var url = await server.DatabaseAsync();
        using var runs = new Runs(url).Write("1.sql", "create table t (id int)").Write("2.sql", "-- pgd: no-transaction\ncreate index concurrently on t (id)").Write("3.sql", "insert into t values (1)");

        var all = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => runs.FilesAsync("pgd.l")));

        Assert.All(all, run => Assert.Null(run.Error));
        Assert.Equal(3, all.Sum(run => run.Files.Count));
        Assert.Equal("1", await AskAsync(url, "select count(*) from t"));
    }
}
