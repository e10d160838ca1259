using Pgd.Postgres;
using Pgd.Recovery;
using Xunit;

namespace Pgd.Tests.Recovery;

public sealed class Targets
{
    [Theory]
    [InlineData("0/3000028", 0x3000028UL)]
    [InlineData("1/0", 0x1_0000_0000UL)]
    [InlineData("ff/ABCDEF01", 0xFF_ABCD_EF01UL)]
    public void A_position_is_read_and_written_as_PostgreSQL_does(string text, ulong position)
    {
        Assert.True(Lsn.TryParse(text, out var read));
        Assert.Equal((position, text.ToUpperInvariant()), (read, Lsn.Format(read)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("0")]
    [InlineData("0/")]
    [InlineData("0/3000028/1")]
    [InlineData("0/123456789")]
    [InlineData("0/ 30")]
    [InlineData("0x1/0")]
    [InlineData("-1/0")]
    public void What_is_no_position_is_refused(string text) => Assert.Equal(ExitCode.Misuse, Assert.Throws<PgdException>(() => RecoveryTarget.AtLsn(text)).ExitCode);

    [Theory]
    [InlineData("0")]
    [InlineData("2")]
    [InlineData("-3")]
    [InlineData("745x")]
    [InlineData("99999999999999999999")]
    public void What_is_no_transaction_is_refused(string text) => Assert.Equal(ExitCode.Misuse, Assert.Throws<PgdException>(() => RecoveryTarget.AtTransaction(text)).ExitCode);

    [Fact]
    public void Of_a_transactions_number_the_log_has_the_lower_half() => Assert.Equal(745u, RecoveryTarget.AtTransaction("4294968041").Transaction);

    [Fact]
    public void A_name_that_no_restore_point_can_have_is_refused()
    {
        foreach (var name in new[] { "", "a\nb", new string('x', 64) })
            Assert.Equal(ExitCode.Misuse, Assert.Throws<PgdException>(() => RecoveryTarget.AtRestorePoint(name)).ExitCode);
    }

    [Theory]
    [InlineData(16UL << 20, "000000010000000000000003", 3UL)]
    [InlineData(16UL << 20, "0000000200000001000000FF", 511UL)]
    [InlineData(1UL << 30, "000000010000000100000003", 7UL)]
    public void A_segments_name_says_which_part_of_the_log_it_is(ulong size, string name, ulong number)
    {
        var segment = LogSegment.Parse(name, size);
        Assert.Equal((number, name), (segment.Number, segment.Name(size)));
    }

    [Fact]
    public void A_part_of_the_log_is_looked_for_on_the_timelines_that_lead_to_the_present_and_on_no_other()
    {
        const ulong size = 16 << 20;
        var files = new Dictionary<string, string>
        {
            ["00000003.history"] = "1\t0/5000000\tno recovery target specified\n\n2\t0/9000028\tbefore 2026-03-01\n",
            // Of somebody else's recovery: nothing leads there.
            ["00000005.history"] = "1\t0/2000000\tanother\n",
        };
        var line = Timelines.Read(3, name => files.GetValueOrDefault(name));

        Assert.Equal(3u, line.Current);
        Assert.Equal([1u], line.Of(4, size));
        Assert.Equal([2u, 1u], line.Of(5, size));
        // The part in which a timeline was left was copied to the next one.
        Assert.Equal([3u, 2u], line.Of(9, size));
        Assert.Equal([2u], line.Of(6, size));
        Assert.Equal([3u], line.Of(10, size));
        Assert.Equal([1u], Timelines.Read(1, _ => null).Of(9, size));
        // A promotion has written its history, and not yet its first checkpoint.
        Assert.Equal(3u, Timelines.Read(2, name => files.GetValueOrDefault(name)).Current);
    }
}
