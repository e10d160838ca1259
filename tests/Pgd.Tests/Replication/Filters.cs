using Pgd.Backups;
using Pgd.Replication;
using Xunit;

namespace Pgd.Tests.Replication;

/// <summary>What a list of databases or tables means.</summary>
public sealed class Filters
{
    private static readonly (string Schema, string Name)[] Tables = [("sales", "orders"), ("sales", "order_lines"), ("old", "orders"), ("public", "a.b"), ("public", "x,y"), ("public", "Odd \"one\""), ("public", "stock")];

    [Theory]
    [InlineData("a,b", "a|b")]
    [InlineData(" a , b ,", "a|b")]
    [InlineData("shop.\"x,y\",b", "shop.\"x,y\"|b")]
    [InlineData("shop./^a{1,2}$/,b", "shop./^a{1,2}$/|b")]
    [InlineData("shop./a\\/b,c/,d", "shop./a\\/b,c/|d")]
    [InlineData("\"a\"\",b\",c", "\"a\"\",b\"|c")]
    public void Patterns_are_separated_by_commas_that_are_not_quoted(string text, string patterns) =>
        Assert.Equal(patterns, string.Join('|', ReplicationFilter.List(text)));

    [Theory]
    [InlineData("shop.stock", "public.stock")]
    [InlineData("shop.sales.orders", "sales.orders")]
    [InlineData("shop.sales.*", "sales.orders, sales.order_lines")]
    [InlineData("shop.order?", "sales.orders, old.orders")]
    [InlineData("shop./^order/", "sales.orders, sales.order_lines, old.orders")]
    [InlineData("shop./^(sales|old)$/.orders", "sales.orders, old.orders")]
    [InlineData("shop.\"a.b\"", "public.a.b")]
    [InlineData("shop.public.\"x,y\"", "public.x,y")]
    [InlineData("\"shop\".\"Odd \"\"one\"\"\"", "public.Odd \"one\"")]
    [InlineData("*.old.nothing,shop.stock", "public.stock")]
    public void A_table_is_named_by_database_schema_and_name(string list, string meant) =>
        Assert.Equal(meant, string.Join(", ", Chosen(new() { IncludeTables = ReplicationFilter.List(list) }).Select(table => $"{table.Schema}.{table.Name}")));

    [Fact]
    public void What_is_excluded_is_not_meant_although_it_is_included() =>
        Assert.Equal([("sales", "order_lines")], Chosen(new() { IncludeTables = ["shop.sales.*"], ExcludeTables = ["shop.*.orders", "other.thing"] }));

    [Theory]
    [InlineData("shop.nothing", ExitCode.NotFound, "no table matches nothing")]
    [InlineData("shop.orders", ExitCode.Misuse, "orders may be old.orders or sales.orders")]
    [InlineData("orders", ExitCode.Misuse, "orders does not name a table")]
    [InlineData("a.b.c.d", ExitCode.Misuse, "a.b.c.d does not name a table")]
    [InlineData("shop./(/", ExitCode.Misuse, "/(/ is no regular expression")]
    public void A_pattern_that_means_nothing_or_too_much_is_refused(string pattern, ExitCode code, string message)
    {
        var refused = Assert.Throws<PgdException>(() => Chosen(new() { IncludeTables = [pattern] }));

        Assert.Equal(code, refused.ExitCode);
        Assert.StartsWith(message, refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("orders:created_at")]
    [InlineData("orders:created_at:6")]
    [InlineData("orders:created_at:6 fortnights")]
    [InlineData("orders:created_at:-6 months")]
    [InlineData("orders:created_at:6 months'; drop table orders")]
    [InlineData("orders:created*:6 months")]
    [InlineData(":created_at:6 months")]
    public void A_time_filter_that_is_none_is_refused(string text)
    {
        var refused = Assert.Throws<PgdException>(() => new ReplicationFilter { Recent = [text] }.WordsOf("shop"));

        Assert.Equal((ExitCode.Misuse, $"\"{text}\" is no time filter"), (refused.ExitCode, refused.Message));
    }

    [Fact]
    public void What_is_meant_of_a_database_is_told_in_words_that_differ_when_it_does()
    {
        var filter = new ReplicationFilter { ExcludeTables = ["shop.cache"], SchemaOnlyTables = ["audit", "crm.people"], Rows = ["shop.orders: id > 3"], Recent = ["events:at:6 months"] };

        Assert.Equal("not cache, events:at:6 months, no rows of audit, shop.orders: id > 3", filter.WordsOf("shop"));
        Assert.Equal("events:at:6 months, no rows of audit, no rows of crm.people", filter.WordsOf("crm"));
    }

    [Theory]
    [InlineData("orders", "orders")]
    [InlineData("Odd \"one\"", "\"Odd \"\"one\"\"\"")]
    [InlineData("a.b", "\"a.b\"")]
    [InlineData("x*", "\"x*\"")]
    [InlineData("/x/", "\"/x/\"")]
    public void A_name_is_written_as_a_pattern_that_means_it_alone(string name, string pattern)
    {
        Assert.Equal(pattern, ReplicationFilter.NameOf(name));
        Assert.Equal(name, new Pgd.Backups.NamePattern(Assert.Single(ReplicationFilter.List(pattern))).Name);
    }

    private static IReadOnlyList<(string Schema, string Name)> Chosen(ReplicationFilter filter) => filter.Of("shop").Choose(Tables, table => table);
}
