using Pgd.Configuration;
using Xunit;

namespace Pgd.Tests.Configuration;

public sealed class Durations
{
    [Theory]
    [InlineData("30m", "00:30:00")]
    [InlineData("12h", "12:00:00")]
    [InlineData("7d", "7.00:00:00")]
    [InlineData("2w", "14.00:00:00")]
    [InlineData("1d12h", "1.12:00:00")]
    [InlineData("90s", "00:01:30")]
    [InlineData("0", "00:00:00")]
    [InlineData("never", "00:00:00")]
    public void Are_written_as_numbers_with_units(string text, string expected) =>
        Assert.Equal(TimeSpan.Parse(expected, System.Globalization.CultureInfo.InvariantCulture), Duration.Parse(text));

    [Theory]
    [InlineData("")]
    [InlineData("5")]
    [InlineData("m")]
    [InlineData("-5m")]
    [InlineData("5 m")]
    [InlineData("5x")]
    [InlineData("5M")]
    [InlineData("1.5h")]
    [InlineData("9999999999s")]
    [InlineData("999999999d")]
    [InlineData("Never")]
    [InlineData("٣d")]
    public void Are_nothing_else(string text)
    {
        var e = Assert.Throws<PgdException>(() => Duration.Parse(text));

        Assert.Equal(ExitCode.Misuse, e.ExitCode);
        Assert.Equal($"\"{text}\" is not a duration", e.Message);
    }

    [Theory]
    [InlineData("7.00:00:00", "7d")]
    [InlineData("01:30:00", "1h30m")]
    [InlineData("1.00:00:05", "1d")]
    [InlineData("00:00:05", "5s")]
    [InlineData("400.05:06:07", "400d5h")]
    [InlineData("00:00:00", "never")]
    [InlineData("00:00:00.5", "0s")]
    public void Are_shown_in_their_two_largest_units(string value, string expected) =>
        Assert.Equal(expected, Duration.Format(TimeSpan.Parse(value, System.Globalization.CultureInfo.InvariantCulture)));
}
