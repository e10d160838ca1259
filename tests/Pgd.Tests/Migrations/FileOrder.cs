using Pgd.Migrations;
using Pgd.Tests.Libpq;
using Xunit;

namespace Pgd.Tests.Migrations;

public sealed class FileOrder
{
    [Theory]
    [InlineData("V2__a.sql", "V10__b.sql")]
    [InlineData("V1.9.sql", "V1.10.sql")]
    [InlineData("001_a.sql", "002_a.sql")]
    [InlineData("20240101_z.sql", "20240102_a.sql")]
    [InlineData("a/2.sql", "b/1.sql")]
    [InlineData("2/x.sql", "10/a.sql")]
    [InlineData("a/z.sql", "a-b/a.sql")]
    [InlineData("99999999999999999999999998.sql", "99999999999999999999999999.sql")]
    [InlineData("01.sql", "1.sql")]
    public void Files_run_folder_by_folder_and_numbers_count_as_numbers(string first, string second)
    {
        Assert.True(NaturalOrder.Instance.Compare(first, second) < 0);
        Assert.True(NaturalOrder.Instance.Compare(second, first) > 0);
        Assert.Equal(0, NaturalOrder.Instance.Compare(first, first));
    }

    [Fact]
    public void A_pattern_finds_files_below_the_working_folder_and_can_take_some_away()
    {
        using var folder = new TemporaryFolder();
        foreach (var name in new[] { "db/10.sql", "db/9.sql", "db/sub/1.sql", "db/undo/1.sql", "db/x.txt" })
            folder.Write(name, name);

        Assert.Equal(["db/9.sql", "db/10.sql", "db/sub/1.sql"], SqlFile.Find(folder.Path, "./db/**/*.sql\n!db/undo/**").Select(file => file.Path));
        Assert.Equal(["db/9.sql", "db/10.sql"], SqlFile.Find(folder.Path, Path.Combine(folder.Path, "db/*.sql")).Select(file => file.Path));
    }

    [Fact]
    public void A_pattern_that_finds_nothing_is_misuse()
    {
        using var folder = new TemporaryFolder();

        Assert.Equal(ExitCode.Misuse, Assert.Throws<PgdException>(() => SqlFile.Find(folder.Path, "*.sql")).ExitCode);
        Assert.Equal(ExitCode.Misuse, Assert.Throws<PgdException>(() => SqlFile.Find(folder.Path + "/none", "*.sql")).ExitCode);
    }

    [Fact]
    public void Only_utf8_is_read_with_or_without_a_byte_order_mark()
    {
        Assert.Equal("select 'é'", new SqlFile("a.sql", "", [0xEF, 0xBB, 0xBF, .. "select 'é'"u8]).Parse().Statements.Single().Text);
        Assert.Contains("a.sql is not UTF-8", Assert.Throws<PgdException>(() => new SqlFile("a.sql", "", [.. "select '"u8, 0xE9, 0x27]).Parse()).Message, StringComparison.Ordinal);
        Assert.Contains("NUL", Assert.Throws<PgdException>(() => new SqlFile("a.sql", "", [0x73, 0, 0x65, 0]).Parse()).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("pgd.migrations")]
    [InlineData(" Public . \"My \"\"Table\"\"\" ", false)]
    [InlineData("\"a.b\".c")]
    [InlineData("migrations", false)]
    [InlineData("a.b.c", false)]
    [InlineData("a.b; drop table x", false)]
    [InlineData("", false)]
    [InlineData("\"\".x", false)]
    public void A_ledger_is_named_by_schema_and_table(string name, bool valid = true)
    {
        if (valid)
            Assert.NotNull(Ledger.Parse(name));
        else
            Assert.Equal(ExitCode.Misuse, Assert.Throws<PgdException>(() => Ledger.Parse(name)).ExitCode);
    }
}
