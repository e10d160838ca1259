using System.Text.Json.Nodes;
using Pgd.IntegrationTests.GitHub;
using Xunit;

namespace Pgd.IntegrationTests.SqlCommands;

/// <summary>What <c>sql</c> does on a MariaDB server, through that one's own client program.</summary>
public sealed class SqlOnMariaDb : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();
    private MariaDbServer _server = null!;

    /// <inheritdoc/>
    public async ValueTask InitializeAsync()
    {
        _server = await MariaDbServer.StartAsync();
        _server.Ask("create table odd (id int primary key, note varchar(50), data varbinary(20)); "
            + "insert into odd values (1, null, x'00ff'), (2, 'NULL', ''), (3, '', 'a'), (4, 'a\\tb\\r\\nc<&>\\\"d''é😀', null)");
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _server.Dispose();
        _folder.Dispose();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public void Csv_has_every_value_as_it_is_and_nothing_is_a_header()
    {
        var file = Path.Combine(_folder.Path, "odd.csv");
        Succeed("-c", "select * from odd order by id", "--csv", file);
        Assert.Equal("id,note,data\n1,,0x00FF\n2,NULL,0x\n3,\"\",0x61\n4,\"a\tb\r\nc<&>\"\"d'é😀\",\n", File.ReadAllText(file));
        Assert.Equal("id,note\n", Succeed("-c", "select id, note from odd where id < 0;", "--csv", "-"));
        var row = JsonNode.Parse(Succeed("--json", "-c", "select note from odd where id = 4"))!["rows"]![0]!;
        Assert.Equal("a\tb\r\nc<&>\"d'é😀", (string)row["note"]!);
        Assert.Equal((2, true), Refused("select 1; select 2", "a second statement returns rows", "--csv", file));
        Assert.Equal(["odd.csv"], Directory.GetFileSystemEntries(_folder.Path).Select(Path.GetFileName));
    }

    [Theory]
    [InlineData("select 1;\nupdate odd set note = 'x'", "line 2: this writes: update odd set note = 'x'")]
    [InlineData("create table t (i int)", "line 1: this writes: create table t (i int)")]
    [InlineData("truncate odd", "this writes: truncate odd")]
    [InlineData("commit; delete from odd", "cannot be held to reading: commit")]
    [InlineData("/*!50000 commit */; delete from odd", "cannot be held to reading: commit")]
    [InlineData("set session transaction read write; delete from odd", "cannot be held to reading: set session")]
    [InlineData("/*!50000 set session transaction read write */; delete from odd", "cannot be held to reading: set session")]
    [InlineData("execute immediate 'set session transaction read write'; execute immediate 'commit'; delete from odd", "cannot be held to reading: execute immediate")]
    [InlineData("prepare s from 'commit'; execute s; delete from odd", "cannot be held to reading: prepare s")]
    [InlineData("call free(); delete from odd", "cannot be held to reading: call free")]
    [InlineData("set sql_mode = 'NO_BACKSLASH_ESCAPES'; select '\\'; set session transaction read write; commit; delete from odd; -- '", "cannot be held to reading: set sql_mode")]
    [InlineData("select * from odd into outfile '/tmp/pgd-never'", "cannot be held to reading: select")]
    public void What_writes_is_refused_by_the_server_and_nothing_is_done(string sql, string told)
    {
        Assert.Equal((7, true), Refused(sql, told));
        Assert.Equal("4", _server.Ask("select count(*) from odd").Trim());
    }

    // What ends a string is a setting of the server: to take its text for a string would be to take its commands for text.
    [Theory]
    [InlineData("NO_BACKSLASH_ESCAPES", "'")]
    [InlineData("ANSI_QUOTES", "\"")]
    public void What_writes_is_not_hidden_by_the_servers_own_way_of_quoting(string mode, string quote)
    {
        _server.Ask($"set global sql_mode = '{mode}'");
        var sql = $"select 1 as {quote}\\{quote}; set session transaction read write; commit; delete from odd; -- {quote}";

        Assert.Equal((7, true), Refused(sql, "cannot be held to reading: set session"));

        Assert.Equal("4", _server.Ask("select count(*) from odd").Trim());
        _server.Ask("set global sql_mode = default");
    }

    [Fact]
    public void With_write_a_script_takes_effect_or_is_rolled_back()
    {
        Assert.Equal((1, true), Refused("delete from odd;\nselect nope", "line 2: Unknown column 'nope'", "--write"));
        Assert.Equal("4", _server.Ask("select count(*) from odd").Trim());
        Succeed("--write", "-c", "delete from odd where id = 1; insert into odd values (9, ';', null) -- the end");
        Assert.Equal("4/1", _server.Ask("select concat(count(*), '/', sum(id = 9)) from odd").Trim());
        // The client program would run it.
        Assert.Equal(1, Run("-c", "\\! touch /tmp/pgd-never").Status);
        Assert.False(File.Exists("/tmp/pgd-never"));
    }

    [Fact]
    public void A_password_reaches_the_server_by_a_file_that_is_gone_afterwards_and_is_never_told()
    {
        _server.Ask("create user app@localhost identified by 'p\"a\\\\s#s w'; grant all on shop.* to app@localhost");
        var file = Path.Combine(_folder.Path, ".env");
        void Write(string password) => File.WriteAllText(file, $"DB_TYPE=mysql\nDB_HOST=127.0.0.1\nDB_PORT={_server.Port}\nDB_NAME=shop\nDB_USER=app\nDB_PASSWORD='{password}'\n");
        Write("p\"a\\s#s w");
        var temporary = Path.Combine(_folder.Path, "tmp");
        Directory.CreateDirectory(temporary);
        var asked = Tool("--env-file", file, "-c", "select current_user() as me");
        Assert.True(asked.Status == 0 && asked.Output.StartsWith("me\napp@localhost\n", StringComparison.Ordinal), asked.ToString());
        Write("wr0ng");
        var refused = Tool("--env-file", file, "-c", "select 1");
        Assert.True(refused.Status == 1 && refused.Error.Contains("Access denied", StringComparison.Ordinal) && !refused.Error.Contains("wr0ng", StringComparison.Ordinal), refused.ToString());
        Assert.Empty(Directory.GetFiles(temporary, "*.cnf"));

        ToolResult Tool(params string[] arguments)
        {
            using var run = ToolRun.Start(new Dictionary<string, string> { ["TMPDIR"] = temporary }, ["sql", .. arguments]);
            return run.Wait();
        }
    }

    [Fact]
    public async Task An_interrupt_ends_the_statement_on_the_server()
    {
        using var run = ToolRun.Start(new Dictionary<string, string>(), ["sql", "--source", _server.Source, "-c", "select sleep(1000)"]);
        await Until.TrueAsync(() => Sleeping() == "1", "the statement runs");
        run.Signal(ToolRoot.Sigint);
        Assert.Equal(130, run.Wait().Status);
        await Until.TrueAsync(() => Sleeping() == "0", "the statement has ended", seconds: 10);

        string Sleeping() => _server.Ask("select count(*) from information_schema.processlist where info = 'select sleep(1000)'").Trim();
    }

    [Fact]
    public void A_missing_client_program_is_told_with_its_package()
    {
        using var run = ToolRun.Start(new Dictionary<string, string> { ["PATH"] = _folder.Path }, ["sql", "--source", _server.Source, "-c", "select 1"]);
        var result = run.Wait();
        Assert.True(result.Status == 3 && result.Error.Contains("apt-get install mariadb-client", StringComparison.Ordinal), result.ToString());
    }

    private (int Status, bool IsTold) Refused(string sql, string told, params string[] more)
    {
        var result = Run(["-c", sql, .. more]);
        return (result.Status, result.Error.Contains(told, StringComparison.Ordinal) ? true : throw new InvalidOperationException(result.ToString()));
    }

    private string Succeed(params string[] arguments)
    {
        var result = Run(arguments);
        Assert.True(result.Status == 0, result.ToString());
        return result.Output;
    }

    private ToolResult Run(params string[] arguments)
    {
        using StringWriter output = new(), error = new();
        var status = Pgd.Tool.Entry.RunAsync(["sql", "--source", _server.Source, .. arguments], new() { Output = output, Error = error, Environment = new Dictionary<string, string> { ["HOME"] = "/nonexistent" } }).GetAwaiter().GetResult();
        return new(status, output.ToString(), error.ToString());
    }
}
