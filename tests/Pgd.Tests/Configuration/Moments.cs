using Pgd.Configuration;
using Xunit;

namespace Pgd.Tests.Configuration;

public sealed class Moments
{
    // A Sunday; clocks in Berlin are two hours ahead of UTC.
    private static readonly DateTimeOffset Now = new(2026, 6, 14, 12, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData("now", "2026-06-14T12:00:00Z")]
    [InlineData("2 hours ago", "2026-06-14T10:00:00Z")]
    [InlineData("1 day 2 hours ago", "2026-06-13T10:00:00Z")]
    [InlineData("1 day, 2 hours and 5 minutes ago", "2026-06-13T09:55:00Z")]
    [InlineData("an hour ago", "2026-06-14T11:00:00Z")]
    [InlineData("a minute ago", "2026-06-14T11:59:00Z")]
    [InlineData("90m ago", "2026-06-14T10:30:00Z")]
    [InlineData("2 weeks ago", "2026-05-31T12:00:00Z")]
    [InlineData("-90m", "2026-06-14T10:30:00Z")]
    [InlineData("-1d12h", "2026-06-13T00:00:00Z")]
    [InlineData("@1772366400", "2026-03-01T12:00:00Z")]
    [InlineData("2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z")]
    [InlineData("2026-03-01 12:00:00.123456+01:00", "2026-03-01T11:00:00.123456Z")]
    [InlineData("2026-03-01 12:00 +0530", "2026-03-01T06:30:00Z")]
    [InlineData("20260301T12:00-05", "2026-03-01T17:00:00Z")]
    [InlineData("yesterday 14:30Z", "2026-06-13T14:30:00Z")]
    [InlineData("today at 09:00 UTC", "2026-06-14T09:00:00Z")]
    [InlineData("  Yesterday   14:30:15 +02:00 ", "2026-06-13T12:30:15Z")]
    [InlineData("09:00Z", "2026-06-14T09:00:00Z")]
    public void A_moment_is_read_in_the_fields_usual_forms(string text, string expected) =>
        Assert.Equal(DateTimeOffset.Parse(expected, null), Moment.Parse(text, Now, null));

    [Theory]
    [InlineData("2026-06-13 14:30", "Europe/Berlin", "2026-06-13T12:30:00Z")]
    [InlineData("yesterday 00:30", "Europe/Berlin", "2026-06-12T22:30:00Z")]
    [InlineData("yesterday 23:30", "America/New_York", "2026-06-14T03:30:00Z")]
    [InlineData("2026-06-13 14:30", "UTC", "2026-06-13T14:30:00Z")]
    [InlineData("2026-06-13 14:30", "+05:30", "2026-06-13T09:00:00Z")]
    [InlineData("2026-06-13 14:30Z", "Europe/Berlin", "2026-06-13T14:30:00Z")]
    public void A_clock_time_without_a_zone_is_of_the_zone_that_was_chosen(string text, string zone, string expected) =>
        Assert.Equal(DateTimeOffset.Parse(expected, null), Moment.Parse(text, Now, Moment.Zone(zone)));

    [Theory]
    [InlineData("2026-06-13 14:30")]
    [InlineData("yesterday 14:30")]
    [InlineData("14:30:00")]
    public void A_clock_time_without_a_zone_is_refused(string text)
    {
        var refused = Assert.Throws<PgdException>(() => Moment.Parse(text, Now, null));
        Assert.Equal((ExitCode.Misuse, $"\"{text}\" says no time zone, and servers, runners and people have different ones"), (refused.ExitCode, refused.Message));
        Assert.Contains("--timezone", refused.Hint, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("2026-03-29 02:30", "put forward")]
    [InlineData("2026-10-25 02:30", "put back")]
    public void A_time_that_a_clock_never_or_twice_showed_is_refused(string text, string why) =>
        Assert.Contains(why, Assert.Throws<PgdException>(() => Moment.Parse(text, Now, Moment.Zone("Europe/Berlin"))).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("")]
    [InlineData("soon")]
    [InlineData("tomorrow 14:30Z")]
    [InlineData("yesterday")]
    [InlineData("2 fortnights ago")]
    [InlineData("0 hours ago")]
    [InlineData("ago")]
    [InlineData("2026-02-30 12:00Z")]
    [InlineData("2026-03-01")]
    [InlineData("2026-03-01 25:00Z")]
    [InlineData("2026-03-01 12:00+25:00")]
    [InlineData("@99999999999999")]
    [InlineData("-")]
    public void Anything_else_is_refused_with_the_forms_that_there_are(string text)
    {
        var refused = Assert.Throws<PgdException>(() => Moment.Parse(text, Now, null));
        Assert.Equal($"\"{text}\" is not a moment", refused.Message);
        Assert.Contains("2 hours ago", refused.Hint, StringComparison.Ordinal);
    }

    [Fact]
    public void A_zone_that_does_not_exist_is_refused() => Assert.Equal(ExitCode.Misuse, Assert.Throws<PgdException>(() => Moment.Zone("Europe/Bern-in")).ExitCode);
}
