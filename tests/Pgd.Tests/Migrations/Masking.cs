using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Pgd.Migrations;
using Xunit;

namespace Pgd.Tests.Migrations;

public sealed class Masking
{
    [Fact]
    public void A_secret_is_covered_wherever_it_stands()
    {
        var mask = new SecretMask(["s3cr3t", "s3cr3t%2Flong"]);

        Assert.Equal("a *** b *** c", mask.Apply("a s3cr3t b s3cr3t%2Flong c"));
        Assert.Equal("nothing", mask.Apply("nothing"));
        Assert.Equal("******", mask.Apply("s3cr3ts3cr3t"));
    }

    [Fact]
    public void Without_secrets_text_stays() => Assert.Equal("text", new SecretMask([]).Apply("text"));

    [Fact]
    public async Task A_secret_that_arrives_in_pieces_is_covered()
    {
        var lines = new List<string>();
        await new LineReader(new SecretMask(["s3cr3t"]), lines.Add).ReadAsync(new Trickle("one\npassword s3cr3t end\r\n\nlast s3cr3t"), TestContext.Current.CancellationToken);

        Assert.Equal(["one", "password *** end", "", "last ***"], lines);
    }

    [Fact]
    public void A_line_without_end_is_passed_on_in_pieces_and_no_cut_uncovers_a_secret()
    {
        Prop.ForAll(Gen.Choose(LineReader.LongestLine - 20, LineReader.LongestLine + 20).ToArbitrary(), Gen.Choose(1, 20_000).ToArbitrary(), (offset, chunk) =>
        {
            var shown = new StringBuilder();
            var reader = new LineReader(new SecretMask(["s3cr3t"]), text => shown.Append(text));
            var text = new string('x', offset) + "s3cr3t" + new string('y', 50_000) + "s3cr3t";
            for (var at = 0; at < text.Length; at += chunk)
                reader.Add(text.AsSpan(at, Math.Min(chunk, text.Length - at)));
            reader.Finish();
            return shown.ToString() == text.Replace("s3cr3t", "***", StringComparison.Ordinal);
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void A_carriage_return_ends_a_line_as_progress_bars_mean_it()
    {
        var lines = new List<string>();
        var reader = new LineReader(new SecretMask([]), lines.Add);
        reader.Add("10%\r20%\r");
        reader.Add("\ndone");
        reader.Finish();

        Assert.Equal(["10%", "20%", "done"], lines);
    }

    /// <summary>Gives one byte at a time.</summary>
    private sealed class Trickle(string text) : MemoryStream(Encoding.UTF8.GetBytes(text))
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => base.ReadAsync(buffer[..1], cancellationToken);
    }
}
