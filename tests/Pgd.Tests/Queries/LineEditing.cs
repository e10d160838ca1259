using System.Text;
using Pgd.Queries;
using Pgd.Tool.Commands.Queries;
using Xunit;

namespace Pgd.Tests.Queries;

public sealed class LineEditing : IDisposable
{
    private static readonly IReadOnlyList<CatalogTable> Catalog =
    [
        new("public", "orders", "table", [new("id", "integer", false, null), new("note", "text", true, null), new("Odd Name", "text", true, null)], true),
        new("public", "order_lines", "table", [new("line", "integer", false, null)], true),
        new("audit", "entries", "table", [new("at", "timestamptz", false, null)], false),
        new("pg_catalog", "pg_class", "table", [new("relname", "name", false, null)], true),
    ];

    private readonly string _folder = Directory.CreateTempSubdirectory("pgd-test-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("select 1\r", "select 1")]
    [InlineData("selct\e[D\e[De\r", "select")]
    [InlineData("b\e[Ha\e[Fc\r", "abc")]
    [InlineData("b\u0001a\u0005c\r", "abc")]
    [InlineData("abx\u007fc\r", "abc")]
    [InlineData("axbc\e[D\e[D\e[D\e[3~\r", "abc")]
    [InlineData("junk\u0015abc\r", "abc")]
    [InlineData("abc junk\u0017\u007f\r", "abc")]
    [InlineData("abc junk\e[1~\e[C\e[C\e[C\u000b\r", "abc")]
    [InlineData("é😀x\u007f\u007f!\r", "é!")]
    [InlineData("\e[A\r", "second")]
    [InlineData("\e[A\e[A\r", "first")]
    [InlineData("\e[A\e[A\e[A\e[B\r", "second")]
    [InlineData("mine\e[A\e[B\r", "mine")]
    [InlineData("\e[1;5C\eOAx\r", "secondx")]
    [InlineData("select * from order_\t\r", "select * from order_lines ")]
    [InlineData("select * from ord\t\r", "select * from order")]
    public async Task A_line_is_what_the_keys_make_of_it(string keys, string expected) => Assert.Equal(new(expected, false, false), (await ReadAsync(keys)).Line);

    [Fact]
    public async Task Ctrl_C_drops_the_line_and_Ctrl_D_or_no_terminal_ends()
    {
        Assert.True((await ReadAsync("abc\u0003")).Line.IsCancelled);
        Assert.True((await ReadAsync("\u0004")).Line.HasEnded);
        Assert.True((await ReadAsync("abc")).Line.HasEnded);
    }

    [Fact]
    public async Task A_long_line_stays_one_on_the_screen_and_what_fits_several_names_is_listed()
    {
        var screen = (await ReadAsync(new string('x', 500) + "\r")).Screen;
        Assert.All(screen.Split('\r'), piece => Assert.True(piece.Replace("\e[K", "", StringComparison.Ordinal).TrimEnd('\n').Length < 80, piece));
        Assert.Contains("\norder_lines  orders\n", (await ReadAsync("select * from order\t\r")).Screen, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(@"\", @"\?|\csv|\d|\dt|\i|\q")]
    [InlineData(@"\cs", @"\csv")]
    [InlineData(@"\d or", "order_lines|orders")]
    [InlineData("select * from ", "audit|order_lines|orders")]
    [InlineData("select * from audit.", "entries")]
    [InlineData("select orders.", "\"Odd Name\"|id|note")]
    [InlineData("select * from orders o where o.n", "note")]
    [InlineData("select * from orders as o where o.n", "note")]
    [InlineData("select * from orders where o", "\"Odd Name\"|offset|on|or|order|order_lines|orders|outer")]
    [InlineData("select * from orders where no", "not|note")]
    [InlineData("select * from orders where \"Od", "\"Odd Name\"")]
    [InlineData("sel", "select")]
    [InlineData("zz", "")]
    public void Tab_offers_commands_tables_and_the_columns_of_those_that_are_named(string text, string expected) =>
        Assert.Equal(expected, string.Join('|', Suggestions.For(text, text.Length, Catalog, '"').Candidates));

    [Fact]
    public void History_is_for_the_user_alone_and_has_no_statement_that_names_a_password()
    {
        var environment = new Dictionary<string, string> { ["XDG_STATE_HOME"] = Path.Combine(_folder, "with a blank") };
        var history = ConsoleHistory.Of(environment);
        history.Add(["select 1", "from orders;"]);
        history.Add(["alter role app", "PassWord 's3cret';"]);
        history.Add(["create user app identified", "by 's3cret';"]);
        history.Add(["from orders;"]);
        var file = Path.Combine(_folder, "with a blank", "pgd", "history");
        Assert.Equal("select 1\nfrom orders;\n", File.ReadAllText(file));
        Assert.Equal(["select 1", "from orders;"], ConsoleHistory.Of(environment).Lines);
        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        Assert.Empty(ConsoleHistory.Of(new Dictionary<string, string>()).Lines);
    }

    private static async Task<(TypedLine Line, string Screen)> ReadAsync(string keys)
    {
        using var screen = new StringWriter();
        var editor = new LineEditor(new Typed(keys), screen, 80, ["first", "second"], (text, cursor, _) => Task.FromResult(Suggestions.For(text, cursor, Catalog, '"')));
        return (await editor.ReadAsync("> ", default), screen.ToString());
    }

    private sealed class Typed(string keys) : IKeys
    {
        private readonly Queue<byte> _bytes = new(Encoding.UTF8.GetBytes(keys));

        public ValueTask<int> NextAsync(CancellationToken cancellationToken) => ValueTask.FromResult(NextAtOnce());

        public int NextAtOnce() => _bytes.TryDequeue(out var next) ? next : -1;
    }
}
