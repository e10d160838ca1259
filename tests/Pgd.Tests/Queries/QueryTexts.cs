using Pgd.Libpq;
using Pgd.Migrations;
using Pgd.Queries;
using Xunit;

namespace Pgd.Tests.Queries;

public sealed class QueryTexts
{
    [Theory]
    [InlineData("a", null, "", "b\"c", "a,,\"\",\"b\"\"c\"\n")]
    [InlineData("x,y", "x\ny", "x\ry", " z ", "\"x,y\",\"x\ny\",\"x\ry\", z \n")]
    public void Csv_is_as_COPY_writes_it(string? a, string? b, string? c, string? d, string expected) => Assert.Equal(expected, Csv(a, b, c, d));

    [Fact]
    public void What_would_end_the_data_for_COPY_is_quoted() => Assert.Equal("\"\\.\"\n", Csv("\\."));

    [Theory]
    [InlineData("id\n1\n2\n", 3)]
    [InlineData("id\n\"a\nb\"\"\n\"\n", 2)]
    public void A_line_break_in_quotes_ends_no_row(string csv, long lines)
    {
        // In pieces of any size.
        for (var size = 1; size <= csv.Length; size++)
        {
            var counted = new CsvLines();
            for (var at = 0; at < csv.Length; at += size)
                counted.Add(csv.AsSpan(at, Math.Min(size, csv.Length - at)));
            Assert.Equal(lines, counted.Count);
        }
    }

    [Theory]
    [InlineData("select 1", 0)]
    [InlineData("select 1;", 9)]
    [InlineData("select 1; select ", 9)]
    [InlineData("select ';", 0)]
    [InlineData("select $$;", 0)]
    [InlineData("select (1;", 0)]
    [InlineData("select 1 /* ; ", 0)]
    [InlineData("create function f() returns int begin atomic select 1;", 0)]
    [InlineData("create function f() returns int begin atomic select 1; end;", 59)]
    public void A_statement_ends_at_the_semicolon_that_PostgreSQL_would_see(string text, int end) => Assert.Equal(end, SqlScript.EndOfStatements(text));

    [Theory]
    [InlineData("select 'a\\';'; select `b;`; # c;\nselect \"d;\" -- e;\n; /* f; */ g", "select 'a\\';'|select `b;`|select \"d;\"|g")]
    [InlineData("/*!50000 commit */; x", "commit */|x")]
    [InlineData("select 1--2; select 3", "select 1--2|select 3")]
    public void MariaDB_has_other_quotes_and_comments(string text, string expected) => Assert.Equal(expected, string.Join('|', new MariaDbText("").Statements(text)));

    [Fact]
    public async Task What_the_client_program_prints_is_read_without_a_loss()
    {
        const string printed = "<?xml version=\"1.0\"?>\n\n<resultset statement=\"select &quot;&lt;&quot;\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n  <row>\n"
            + "\t<field name=\"a &gt; b\">x\r\n\u0001&lt;&amp;amp;</field>\n\t<field name=\"n\" xsi:nil=\"true\" />\n\t<field name=\"e\"></field>\n  </row>\n</resultset>\n";
        var seen = new List<string>();
        await new MariaDbOutput(new StringReader(printed)).ReadAsync(statement => seen.Add(statement), (names, values) => seen.AddRange(names.Zip(values, (name, value) => $"{name}={value ?? "NULL"}")), () => seen.Add("end"), default);
        Assert.Equal(["select \"<\"", "a > b=x\r\n\u0001<&amp;", "n=NULL", "e=", "end"], seen);
    }

    [Fact]
    public void A_file_of_variables_names_a_server()
    {
        var source = QuerySource.OfEnvironmentFile(".env", "\uFEFF# c\r\nexport DB_NAME = shop\r\nDB_HOST=db # the new one\r\nDB_USER='a b'\r\nDB_PASSWORD=\"it's \\\"1\\\" \\\\\"\r\n\r\n", LibpqEnvironment.None);
        var url = Assert.IsType<PostgresSource>(source).Url;
        Assert.Equal(("db", 5432, "shop", "a b", "it's \"1\" \\"), (url.Host, url.Port, url.Database, url.User, url.Password));
        var mariaDb = Assert.IsType<MariaDbSource>(QuerySource.OfEnvironmentFile(".env", "DB_TYPE=mysql\nDB_NAME=shop\nDB_PASSWORD=x", LibpqEnvironment.None));
        Assert.Equal(("localhost", 3306, "mariadb://postgres:***@localhost:3306/shop"), (mariaDb.Host, mariaDb.Port, mariaDb.ToString()));
        foreach (var (text, told) in (ReadOnlySpan<(string, string)>)[("DB_HOST=x", "has no DB_NAME"), ("DB_NAME=x\nsecret", "line 2: this is not NAME=value"), ("DB_NAME=x\nDB_PORT=secret", "is not a port"), ("DB_NAME=x\nDB_TYPE=secret", "is none that is known")])
        {
            var refused = Assert.Throws<PgdException>(() => QuerySource.OfEnvironmentFile(".env", text, LibpqEnvironment.None));
            Assert.Contains(told, refused.Message, StringComparison.Ordinal);
            Assert.DoesNotContain("secret", refused.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("mysql://a%40b:p%3Aw@db.example.com:3307/my%20shop", "db.example.com|3307||a@b|p:w|my shop")]
    [InlineData("mariadb://root@localhost/shop?socket=/run/my%20sql.sock", "localhost|3306|/run/my sql.sock|root||shop")]
    [InlineData("mariadb://[::1]/x", "::1|3306||postgres||x")]
    public void A_URL_of_MariaDB_is_read_part_by_part(string url, string expected)
    {
        var source = Assert.IsType<MariaDbSource>(QuerySource.Parse(url, LibpqEnvironment.None));
        Assert.Equal(expected, string.Join('|', source.Host, source.Port, source.Socket, source.User, source.Password, source.Database));
    }

    private static string Csv(params string?[] values)
    {
        using var csv = new StringWriter();
        CsvText.Row(csv, values);
        return csv.ToString();
    }
}
