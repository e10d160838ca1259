using System.Text;
using Pgd.IntegrationTests.GitHub;
using Pgd.Tool;
using Xunit;

namespace Pgd.IntegrationTests.SqlCommands;

/// <summary>What <c>console</c> does over a pipe, and on a terminal.</summary>
public sealed class Consoles : IAsyncLifetime
{
    private const string Main = "shop/main";
    private readonly TemporaryFolder _folder = new();
    private ToolRoot _root = null!;

    /// <inheritdoc/>
    public async ValueTask InitializeAsync()
    {
        _root = await ToolRoot.WithProjectAsync("reflink");
        await _root.SqlAsync(ToolRoot.Main, "grant all on orders to shop; create view odd as select 1 as \"Odd Name\"; grant all on odd to shop");
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _root.Dispose();
        _folder.Dispose();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task Over_a_pipe_each_entry_is_done_and_paths_may_have_blanks()
    {
        var file = Path.Combine(_folder.Path, "with a blank.csv");
        var done = await PipeAsync($"select 1\n  as one; select 2 as two;\n\n\\dt\n\\d orders\n\\csv \"{file}\" select id from orders where id < 3;\n-- the last needs no semicolon\nselect 'end' as last");
        Assert.Equal("one\n1\nSELECT 1\ntwo\n2\nSELECT 1\nSCHEMA  NAME    KIND\npublic  odd     view\npublic  orders  table\nCOLUMN  TYPE     NULL  DEFAULT\nid      integer  no\nnote    text     yes\n"
            + $"Wrote 2 rows to {file}\nlast\nend\nSELECT 1\n", done.Output);
        Assert.Equal((0, "", "id\n1\n2\n"), (done.Status, done.Error, await File.ReadAllTextAsync(file)));
        Assert.Equal("", (await PipeAsync("\\q\nselect 1;\n")).Output);
    }

    [Theory]
    [InlineData("select 1;\n\nselect 1 / 0;\nselect 'never';\n", 1, "standard input, line 3: division by zero")]
    [InlineData("select 1;\ndelete from orders;\nselect 'never';\n", 7, "line 2: this writes: delete from orders")]
    [InlineData("select 1;\n\\nope\nselect 'never';\n", 2, "there is no command \\nope")]
    [InlineData("select 1;\n\\csv x\nselect 'never';\n", 2, "\\csv is not complete")]
    [InlineData("select 1;\n\\d nope\nselect 'never';\n", 4, "there is no table nope")]
    [InlineData("select 1;\nselect 'never", 2, "line 2: a string begins here and does not end")]
    public async Task Over_a_pipe_the_first_error_ends_it_with_its_status(string input, int status, string told)
    {
        var ended = await PipeAsync(input);
        Assert.True(ended.Status == status && ended.Error.Contains(told, StringComparison.Ordinal), ended.ToString());
        Assert.Contains("SELECT 1", ended.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("never", ended.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Over_a_pipe_it_writes_when_it_may()
    {
        Assert.Equal(0, (await PipeAsync("insert into orders values (1001, 'x');\nupdate orders set note = 'y' where id = 1001; update orders set note = note || 'z' where id = 1001;\n", "--write")).Status);
        Assert.Equal("yz", await _root.SqlAsync(ToolRoot.Main, "select note from orders where id = 1001"));
    }

    [Fact]
    public async Task On_a_terminal_there_are_a_prompt_completion_a_question_before_writing_and_history()
    {
        using var terminal = new Terminal(_root.Variables, _folder.Path, "console", Main);
        await terminal.SeesAsync("shop/main=> ");
        terminal.Type("select \"Odd Name\" from od\t;\r");
        await terminal.SeesAsync("SELECT 1");
        terminal.Type("select count(*)\r");
        await terminal.SeesAsync("shop/main-> ");
        terminal.Type("from orders;\r");
        await terminal.SeesAsync("1000");
        terminal.Type("delete from orders;\r");
        await terminal.SeesAsync("Do it? [y/N] ");
        terminal.Type("n\r");
        await terminal.SeesAsync("shop/main=> ");
        Assert.Equal("1000", await _root.SqlAsync(ToolRoot.Main, "select count(*) from orders"));
        terminal.Type("delete from orders;\r");
        await terminal.SeesAsync("Do it? [y/N] ");
        terminal.Type("y\r");
        await terminal.SeesAsync("DELETE 1000");
        terminal.Type("select pg_sleep(1000);\r");
        await Until.TrueAsync(() => Sleeping() == "1", "the query runs");
        terminal.Type("\u0003");
        await terminal.SeesAsync("interrupted");
        await Until.TrueAsync(() => Sleeping() == "0", "the query has ended");
        terminal.Type("select nope;\r");
        await terminal.SeesAsync("\"nope\" does not exist");
        terminal.Type("alter role shop password 's3cret';\u0003\\q\r");
        Assert.Equal(0, await terminal.EndsAsync());
        Assert.Equal("0", await _root.SqlAsync(ToolRoot.Main, "select count(*) from orders"));
        var history = await File.ReadAllLinesAsync(Path.Combine(_folder.Path, "pgd", "history"));
        Assert.Equal(["select \"Odd Name\" from odd ;", "select count(*)", "from orders;", "delete from orders;", "select pg_sleep(1000);", "select nope;", "\\q"], history);

        string? Sleeping() => _root.SqlAsync(ToolRoot.Main, "select count(*) from pg_stat_activity where query = 'select pg_sleep(1000)' and state = 'active'").GetAwaiter().GetResult();
    }

    private async Task<ToolResult> PipeAsync(string input, params string[] more)
    {
        using StringWriter output = new(), error = new();
        var status = await Entry.RunAsync(["console", Main, .. more], new()
        {
            Output = output, Error = error, Input = () => new MemoryStream(Encoding.UTF8.GetBytes(input)), Environment = new Dictionary<string, string>(_root.Variables) { ["HOME"] = "/nonexistent" },
        });
        return new(status, output.ToString(), error.ToString());
    }
}
