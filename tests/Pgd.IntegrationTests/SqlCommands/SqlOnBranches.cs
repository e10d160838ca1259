using System.Text.Json.Nodes;
using Pgd.IntegrationTests.GitHub;
using Pgd.Tool;
using Xunit;

namespace Pgd.IntegrationTests.SqlCommands;

/// <summary>What <c>sql</c> does on a branch, and on a server that is none.</summary>
public sealed class SqlOnBranches : IAsyncLifetime
{
    private const string Main = "shop/main";
    private readonly TemporaryFolder _folder = new();
    private ToolRoot _root = null!;

    /// <inheritdoc/>
    public async ValueTask InitializeAsync()
    {
        _root = await ToolRoot.WithProjectAsync("reflink");
        await _root.SqlAsync(ToolRoot.Main, "grant all on orders to shop; create table odd (id int, note text); grant all on odd to shop; create sequence numbers; grant all on sequence numbers to shop");
        await _root.SqlAsync(ToolRoot.Main, "insert into odd values (1, null), (2, ''), (3, 'a\"b,c' || chr(10) || 'd'), (4, 'NULL')");
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _root.Dispose();
        _folder.Dispose();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task Csv_tells_null_from_the_empty_string_and_is_what_COPY_writes_and_nothing_is_a_header()
    {
        var file = Path.Combine(_folder.Path, "with a blank.csv");
        await SucceedAsync("sql", Main, "-c", "select * from odd order by id", "--csv", file);
        Assert.Equal("id,note\n1,\n2,\"\"\n3,\"a\"\"b,c\nd\"\n4,NULL\n", await File.ReadAllTextAsync(file));
        Assert.Equal("id,note\n", await SucceedAsync("sql", Main, "-c", "select * from odd where id < 0;", "--csv", "-"));
        // What COPY does not take is read row by row.
        Assert.Equal("TimeZone\nUTC\n", await SucceedAsync("sql", Main, "-c", "set timezone to 'UTC'; show timezone", "--csv", "-"));
        var exported = JsonNode.Parse(await SucceedAsync("sql", Main, "-c", "select * from odd", "--csv", file, "--json"))!;
        Assert.Equal(4, (int)exported["rows"]!);
    }

    [Fact]
    public async Task A_failed_export_leaves_what_was_there_and_nothing_beside_it()
    {
        var file = Path.Combine(_folder.Path, "kept.csv");
        await File.WriteAllTextAsync(file, "before");
        var failed = await _root.InProcessAsync("sql", Main, "-c", "select 1 / (50000 - i) from generate_series(1, 100000) i", "--csv", file);
        Assert.Equal((1, true), (failed.Status, failed.Error.Contains("division by zero", StringComparison.Ordinal)));
        Assert.Equal(["kept.csv"], Directory.GetFileSystemEntries(_folder.Path).Select(Path.GetFileName));
        Assert.Equal("before", await File.ReadAllTextAsync(file));
        var two = await _root.InProcessAsync("sql", Main, "-c", "select 1; select 2", "--csv", file);
        Assert.Equal((2, true), (two.Status, two.Error.Contains("only the last statement may return rows for --csv: select 1", StringComparison.Ordinal)));
        Assert.Equal(2, (await _root.InProcessAsync("sql", Main, "-c", "select 1", "--csv", "/dev/null")).Status);
        Assert.True(File.Exists("/dev/null"));
    }

    [Theory]
    [InlineData("select 1;\nupdate orders set note = 'x'", "line 2: this writes: update orders set note = 'x'")]
    [InlineData("with gone as (delete from orders returning 1) select count(*) from gone", "this writes: with gone")]
    [InlineData("do $$ begin delete from orders; end $$", "this writes: do $$")]
    [InlineData("select nextval('numbers')", "this writes: select nextval")]
    [InlineData("create table t (i int)", "this writes: create table t")]
    [InlineData("set transaction read write; delete from orders", "cannot be held to reading: set transaction read write")]
    [InlineData("select set_config('transaction_read_only', 'off', false); delete from orders", "cannot be held to reading: select set_config")]
    [InlineData("set default_transaction_read_only = off; delete from orders", "this writes: delete from orders")]
    [InlineData("prepare s as delete from orders; execute s", "this writes: execute s")]
    [InlineData("copy orders to program 'cat'", "files of the server: copy orders")]
    [InlineData("vacuum orders", "cannot be held to reading: vacuum orders")]
    [InlineData("-- pgd: no-transaction\nbegin; delete from orders; commit", "controls its transactions itself")]
    public async Task What_writes_is_refused_by_the_server_and_named_and_nothing_is_done(string sql, string told)
    {
        var before = await _root.ChecksumAsync(ToolRoot.Main);
        var refused = await _root.InProcessAsync("sql", Main, "-c", sql);
        Assert.True(refused.Status == 7 && refused.Error.Contains(told, StringComparison.Ordinal) && refused.Error.Contains("add --write", StringComparison.Ordinal), refused.ToString());
        // A result that came before it is none: what was refused was not done in part.
        Assert.Empty(refused.Output);
        Assert.Equal(before, await _root.ChecksumAsync(ToolRoot.Main));
    }

    [Theory]
    [InlineData("select 1; commit; delete from orders", 2, "COMMIT would end")]
    [InlineData("rollback; delete from orders", 2, "ROLLBACK would end")]
    [InlineData("do $$ begin commit; delete from orders; end $$", 1, "invalid transaction termination")]
    public async Task A_script_does_not_get_out_of_the_transaction_that_reads(string sql, int status, string told)
    {
        var before = await _root.ChecksumAsync(ToolRoot.Main);
        var refused = await _root.InProcessAsync("sql", Main, "-c", sql);
        Assert.True(refused.Status == status && refused.Error.Contains(told, StringComparison.Ordinal), refused.ToString());
        Assert.Equal(before, await _root.ChecksumAsync(ToolRoot.Main));
    }

    [Fact]
    public async Task With_write_all_of_a_script_takes_effect_or_nothing()
    {
        var script = Path.Combine(_folder.Path, "repair 1.sql");
        await File.WriteAllTextAsync(script, "update orders set note = 'x' where id = 1;\ninsert into orders values (1001, ';');\nselect 1 / 0;\n");
        var before = await _root.ChecksumAsync(ToolRoot.Main);
        var failed = await _root.InProcessAsync("sql", Main, "-f", script, "--write");
        Assert.True(failed.Status == 1 && failed.Error.Contains("repair 1.sql, line 3: division by zero", StringComparison.Ordinal), failed.ToString());
        Assert.Equal(before, await _root.ChecksumAsync(ToolRoot.Main));

        await SucceedAsync("sql", Main, "--write", "-c", "update orders set note = 'Alice' where id = 1; insert into orders values (1001, ';')");
        Assert.Equal("1001/1", await _root.SqlAsync(ToolRoot.Main, "select count(*) || '/' || count(*) filter (where note = 'Alice') from orders"));
        // Alone it needs no transaction; among others it would break the promise.
        await SucceedAsync("sql", Main, "--write", "-c", "vacuum orders");
        Assert.Equal(2, (await _root.InProcessAsync("sql", Main, "--write", "-c", "delete from orders; vacuum orders")).Status);
        Assert.Equal("1001", await _root.SqlAsync(ToolRoot.Main, "select count(*) from orders"));
    }

    [Theory]
    [InlineData("y\n", 0, "0")]
    [InlineData("n\n", 7, "4")]
    [InlineData("", 7, "4")]
    public async Task On_a_terminal_one_is_asked_before_anything_is_written(string answer, int status, string left)
    {
        using StringWriter output = new(), error = new();
        var ended = await Entry.RunAsync(["sql", Main, "-c", "select 'once'; delete from odd"], new()
        {
            Output = output, Error = error, CanAsk = true, Input = () => new MemoryStream(System.Text.Encoding.UTF8.GetBytes(answer)), Environment = new Dictionary<string, string>(_root.Variables) { ["HOME"] = "/nonexistent" },
        });
        Assert.Equal((status, left), (ended, await _root.SqlAsync(ToolRoot.Main, "select count(*) from odd")));
        Assert.Contains("this writes: delete from odd\nNothing of it was done. Do it? [y/N] ", error.ToString(), StringComparison.Ordinal);
        Assert.Equal(status == 0 ? 1 : 0, output.ToString().Split("once").Length - 1);
    }

    [Fact]
    public async Task Json_is_an_object_for_each_statement_with_numbers_as_numbers_and_every_column()
    {
        var lines = (await SucceedAsync("sql", Main, "--json", "-c", "select 1 as a, 2.50 as a, true as b, null as c, '{\"k\": [1]}'::json as j, 'NaN'::float8 as n; set work_mem to '9MB'")).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(2, lines.Length);
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse("""{"columns":["a","a_2","b","c","j","n"],"rows":[{"a":1,"a_2":2.50,"b":true,"c":null,"j":{"k":[1]},"n":"NaN"}],"command":"SELECT 1"}"""), JsonNode.Parse(lines[0])), lines[0]);
        Assert.Equal("SET", (string)JsonNode.Parse(lines[1])!["command"]!);
        Assert.Equal("id  note\n1   NULL\n2\n3   a\"b,c\\nd\n4   NULL\nSELECT 4\n", await SucceedAsync("sql", Main, "-c", "select * from odd order by id"));
    }

    [Fact]
    public async Task A_server_that_is_no_branch_is_asked_by_URL_variables_or_file_and_its_password_is_never_told()
    {
        const string password = "s3cret pw";
        await _root.SqlAsync(ToolRoot.Main, $"create role guest login password '{password}'");
        var url = await _root.Workspace.Branches.ConnectAsync(ToolRoot.Main, null, null, default);
        var source = $"postgresql://guest@{url.Host}:{url.Port}/{url.Database}?sslmode=prefer";
        var file = Path.Combine(_folder.Path, ".env");
        await File.WriteAllTextAsync(file, $"# the server\nDB_HOST={url.Host}\nexport DB_PORT={url.Port}\nDB_NAME={url.Database}\nDB_USER=guest\nDB_PASSWORD=\"{password}\"\n");
        Assert.StartsWith("current_user\nguest\n", await SucceedAsync("sql", "--env-file", file, "-c", "select current_user"), StringComparison.Ordinal);
        var byVariables = _root.ToolWith(new() { ["PGHOST"] = url.Host, ["PGPORT"] = $"{url.Port}", ["PGDATABASE"] = url.Database, ["PGUSER"] = "guest", ["PGPASSWORD"] = password }, "sql", "-c", "select current_user");
        Assert.True(byVariables.Status == 0, byVariables.ToString());

        foreach (var (given, status, told) in ((string[], int, string)[])
        [
            (["--source", source, "--password", password], 2, "--password is refused"),
            (["--source", source.Replace("guest@", "guest:wr0ng@", StringComparison.Ordinal)], 1, "refuses the login"),
            (["--source", source.Replace("guest@", "guest:s3cret%20pw@", StringComparison.Ordinal).Replace($":{url.Port}", ":1", StringComparison.Ordinal)], 1, "cannot connect to postgresql://guest:***@"),
            (["--source", source.Replace($"/{url.Database}?", "/nowhere?", StringComparison.Ordinal).Replace("guest@", "guest:s3cret%20pw@", StringComparison.Ordinal)], 4, "does not exist"),
            (["--source", "postgresql://guest:s3cret%20pw@no-such-host.invalid/shop"], 1, "cannot connect to postgresql://guest:***@no-such-host.invalid"),
            ([], 2, "no server is named"),
            ([Main, "--source", source], 2, "more than one is given"),
        ])
        {
            var refused = await _root.InProcessAsync([.. given.Prepend("sql"), "-c", "select 1"]);
            Assert.True(refused.Status == status && refused.Error.Contains(told, StringComparison.Ordinal), refused.ToString());
            Assert.DoesNotContain("s3cret", refused.Error, StringComparison.Ordinal);
            Assert.DoesNotContain("wr0ng", refused.Error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task An_interrupt_ends_the_query_on_the_server()
    {
        using var run = _root.Start([], "sql", Main, "-c", "select pg_sleep(1000)");
        await Until.TrueAsync(() => Sleeping() == "1", "the query runs");
        run.Signal(ToolRoot.Sigint);
        Assert.Equal(130, run.Wait().Status);
        await Until.TrueAsync(() => Sleeping() == "0", "the query has ended", seconds: 10);

        string? Sleeping() => _root.SqlAsync(ToolRoot.Main, "select count(*) from pg_stat_activity where query = 'select pg_sleep(1000)' and state = 'active'").GetAwaiter().GetResult();
    }

    private async Task<string> SucceedAsync(params string[] arguments)
    {
        var result = await _root.InProcessAsync(arguments);
        Assert.True(result.Status == 0, result.ToString());
        return result.Output;
    }
}
