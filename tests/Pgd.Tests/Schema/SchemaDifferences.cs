using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Pgd.Schema;
using Xunit;

namespace Pgd.Tests.Schema;

public sealed class SchemaDifferences
{
    private static readonly BranchName Main = BranchName.Parse("prod/main"), Dev = BranchName.Parse("prod/dev");

    [Fact]
    public void Hunks_lead_from_one_text_to_the_other_and_show_three_lines_around_a_change()
    {
        // Few different lines, so that they are found again elsewhere.
        var text = Gen.Elements("a", "b", "c", "", "d ", "e\r").ListOf().Select(lines => string.Join('\n', lines));
        Prop.ForAll(Arb.From(Gen.Zip(text, text)), pair => Applied(pair.Item1, Hunks(pair.Item1, pair.Item2)) == Lines(pair.Item2)).QuickCheckThrowOnFailure();

        var hunks = Hunks("1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n10\n11");
        Assert.Equal("@@ -2,11 +2,10 @@ x\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n 9\n 10\n 11\n-12\n", hunks);
    }

    [Fact]
    public void Parts_that_came_went_or_changed_are_counted_and_an_object_alone_counts_as_one()
    {
        var diff = SchemaDiff.Of(Dev, Main, "shop",
            [Table("public.a", "x int", "y int"), Table("public.gone", "x int")],
            [Table("public.a", "x bigint", "z int"), Table("public.new", "x int", "y int"), Table("public.other")]);

        Assert.Equal("2 tables added, 1 table removed, 1 column added, 1 column removed, 1 column changed", diff.Summary);
        Assert.Equal(["public.a", "public.gone", "public.new", "public.other"], diff.Objects.Select(o => o.Name));
        Assert.StartsWith("--- prod/main\n+++ prod/dev\n@@ -1,4 +1,4 @@ table public.a\n CREATE TABLE public.a (\n-    x int,\n-    y int,\n+    x bigint,\n+    z int,\n )\n", diff.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Columns_that_only_moved_are_a_change_of_their_table()
    {
        Assert.Equal("1 table changed", SchemaDiff.Of(Dev, Main, "shop", [Table("public.a", "x int", "y int")], [Table("public.a", "y int", "x int")]).Summary);
        Assert.True(SchemaDiff.Of(Dev, Main, "shop", [Table("public.a", "x int")], [Table("public.a", "x int")]).IsEmpty);
    }

    [Fact]
    public void Each_kind_has_a_word_for_one_and_for_many()
    {
        foreach (var kind in Enum.GetValues<SchemaKind>())
        {
            Assert.Matches("^1 [a-z ]+ added$", new SchemaGroup(kind, SchemaChange.Added, 1).ToString());
            Assert.Matches("^2 [a-z ]+s (of [a-z ]+ )?changed$", new SchemaGroup(kind, SchemaChange.Changed, 2).ToString());
        }
    }

    internal static SchemaObject Table(string name, params string[] columns)
    {
        var table = new SchemaObject(SchemaKind.Table, name);
        table.Lines.Add(new($"CREATE TABLE {name} (", null, ""));
        table.Lines.AddRange(columns.Select(c => new SchemaLine($"    {c},", SchemaKind.Column, c.Split(' ')[0])));
        table.Lines.Add(new(")", null, ""));
        return table;
    }

    private static string Hunks(string old, string @new)
    {
        var text = new StringBuilder();
        UnifiedDiff.Write(text, "x", old, @new);
        return text.ToString();
    }

    private static string Lines(string text) => text.Replace('\r', '␍');

    // As patch(1) does it, to the letter.
    private static string Applied(string old, string hunks)
    {
        var lines = old.Length == 0 ? [] : Lines(old).Split('\n').ToList();
        var result = new List<string>();
        var at = 0;
        foreach (var line in hunks.Split('\n').SkipLast(1))
        {
            if (line.StartsWith("@@ ", StringComparison.Ordinal))
            {
                var range = line.Split(' ')[1][1..].Split(',');
                var (begin, count) = (int.Parse(range[0], System.Globalization.CultureInfo.InvariantCulture), range.Length == 1 ? 1 : int.Parse(range[1], System.Globalization.CultureInfo.InvariantCulture));
                for (var first = count == 0 ? begin : begin - 1; at < first; at++)
                    result.Add(lines[at]);
                continue;
            }

            if (line[0] != '+')
                Assert.Equal(lines[at++], line[1..]);
            if (line[0] != '-')
                result.Add(line[1..]);
        }

        result.AddRange(lines.Skip(at));
        return string.Join('\n', result);
    }
}
