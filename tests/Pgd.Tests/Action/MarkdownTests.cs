using Pgd.Action.Reports;
using Xunit;

namespace Pgd.Tests.Action;

public sealed class MarkdownTests
{
    [Theory]
    [InlineData("plain", "`plain`")]
    [InlineData("a`b", "``a`b``")]
    [InlineData("`a``", "``` `a`` ```")]
    [InlineData("a\nb", "`a b`")]
    [InlineData("<!-- x -->", "`<!\u200B-- x --\u200B>`")]
    [InlineData("", "")]
    public void Code_cannot_be_left(string text, string expected) => Assert.Equal(expected, Markdown.Code(text));

    [Fact]
    public void A_pipe_does_not_end_a_cell() => Assert.Equal("`a\\|b`", Markdown.Cell("a|b"));

    [Theory]
    [InlineData("@team", "@\u200Bteam")]
    [InlineData("see #12 and GH-12", "see \\#\u200B12 and GH-\u200B12")]
    [InlineData("<img src=x>", "&lt;img src\\=x&gt;")]
    [InlineData("[x](y)", "\\[x\\]\\(y\\)")]
    [InlineData("a|b", "a\\|b")]
    [InlineData("https://github.com/o/r/issues/1", "https:\u200B//github\\.com/o/r/issues/1")]
    [InlineData("www.example.com", "www\\.example\\.com")]
    [InlineData("<!-- pgd:shop:42 -->", "&lt;\\!-- pgd:\u200Bshop:\u200B42 --&gt;")]
    [InlineData("`code` *bold* _it_ ~no~ $x$", "\\`code\\` \\*bold\\* \\_it\\_ \\~no\\~ \\$x\\$")]
    public void Words_mean_nothing_but_themselves(string text, string expected) => Assert.Equal(expected, Markdown.Text(text));

    [Fact]
    public void A_block_has_a_fence_that_nothing_in_it_is() => Assert.Equal("`````", Markdown.Fence(["x", "a ```` b", "``"]));

    [Theory]
    [InlineData("\u001B[31mred\u001B[0m", "red")]
    [InlineData("\u001B]8;;https://evil.example\u0007link\u001B]8;;\u0007", "link")]
    [InlineData("a\u0000b\u0007c\u009Bd", "abc")]
    [InlineData("user\u202Etxt\u2066", "usertxt")]
    [InlineData("tab\tand\r\nline", "tab\tand\nline")]
    [InlineData("👍", "👍")]
    public void What_a_reader_cannot_see_is_left_out(string text, string expected) => Assert.Equal(expected, PlainText.Clean(text));

    [Fact]
    public void Half_a_character_is_shown_as_one() => Assert.Equal("a\uFFFD", PlainText.Clean("a\uD800"));

    [Fact]
    public void A_long_name_keeps_both_of_its_ends() => Assert.Equal("abcd…wxyz", PlainText.Line("abcdefghijklmnopqrstuvwxyz", 9));

    [Fact]
    public void A_cut_never_halves_a_character()
    {
        for (var length = 1; length < 10; length++)
            Assert.DoesNotContain('\uFFFD', PlainText.Clean(PlainText.Line("👍👍👍👍👍👍", length)));
    }

    [Theory]
    [InlineData(0.4, "0.4 ms")]
    [InlineData(12.34, "12.3 ms")]
    [InlineData(350, "350 ms")]
    [InlineData(1440, "1.4 s")]
    [InlineData(9990, "10 s")]
    [InlineData(42_000, "42 s")]
    [InlineData(125_000, "2 min 5 s")]
    [InlineData(7_500_000, "2 h 5 min")]
    public void Times_are_as_exact_as_they_are_short(double milliseconds, string expected) => Assert.Equal(expected, Measured.Time(TimeSpan.FromMilliseconds(milliseconds)));

    [Fact]
    public void A_marker_is_read_as_it_was_written()
    {
        var signed = new Marker("shop", 42, "pr-42").Sign("text");

        Assert.Equal(("shop", 42, "pr-42"), Marker.Read(signed) is { } m ? (m.Project, m.PullRequest, m.Branch) : default);
        Assert.Equal(signed, new Marker("shop", 42, "pr-42").Sign("text"));
        Assert.NotEqual(Marker.Read(signed)!.Digest, Marker.Read(new Marker("shop", 42, "pr-42").Sign("other"))!.Digest);

        var homes = new Marker("shop", 42, "pr-42") { HostName = "runner-a", Others = [new("runner_b.example", "pr-42"), new("c", "pr-42-0123abcd")] };
        Assert.Equal([new("runner-a", "pr-42"), .. homes.Others], Marker.Read(homes.Sign("text"))!.Homes);
        Assert.NotEqual(Marker.Read(signed)!.Digest, Marker.Read(homes.Sign("text"))!.Digest);
    }
}
