using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Pgd.Backups;
using Xunit;

namespace Pgd.Tests.Backups;

/// <summary>Whether a restored table has the rows that were backed up.</summary>
public sealed class DigestsOfRows
{
    /// <summary>A server sends rows in whatever order, and a connection cuts them wherever it likes.</summary>
    [Fact]
    public void Rows_in_any_order_and_in_any_pieces_come_to_the_same() =>
        Check.One(Config.QuickThrowOnFailure, Prop.ForAll(ArbMap.Default.GeneratorFor<(string[] Rows, int Seed)>().ToArbitrary(), given =>
        {
            var rows = given.Rows.Select(row => (row ?? "").Replace("\n", "\\n", StringComparison.Ordinal)).ToArray();
            var random = new Random(given.Seed);
            var expected = DigestOf(rows, _ => int.MaxValue);
            random.Shuffle(rows);
            Assert.Equal(expected, DigestOf(rows, left => random.Next(0, Math.Min(left, 7) + 1)));
        }));

    [Theory]
    [InlineData("1\ta|2\tb", "1\ta|2\tc")]
    [InlineData("1\ta|2\tb", "1\ta")]
    [InlineData("a|b", "ab")]
    [InlineData("a|a", "b|b")]
    [InlineData("a|a|b", "a|b|b")]
    [InlineData("a", "a|")]
    public void A_row_that_is_another_one_missing_or_there_twice_shows(string one, string other)
    {
        foreach (var piece in new[] { 1, 3, int.MaxValue })
            Assert.NotEqual(DigestOf(one.Split('|'), _ => piece), DigestOf(other.Split('|'), _ => piece));
    }

    [Fact]
    public void A_table_without_rows_comes_to_nothing() => Assert.Equal(new string('0', 32), new RowDigest().ToString());

    private static string DigestOf(IEnumerable<string> rows, Func<int, int> piece)
    {
        var digest = new RowDigest();
        var text = Encoding.UTF8.GetBytes(string.Concat(rows.Select(row => row + "\n"))).AsSpan();
        while (text.Length > 0)
        {
            var length = Math.Min(text.Length, piece(text.Length));
            digest.Add(text[..length]);
            text = text[length..];
        }

        return digest.ToString();
    }
}
