using System.Globalization;
using System.Text.RegularExpressions;

namespace Pgd.Configuration;

/// <summary>
/// Moments as people write them: <c>2026-03-01 12:00:00Z</c>, <c>2 hours ago</c>, <c>-90m</c>, <c>yesterday 14:30 +01:00</c>. What a clock on a wall shows is a moment only with a time zone, so
/// without one it is refused.
/// </summary>
public static partial class Moment
{
    private const string Forms = "Write it as 2026-03-01T12:00:00Z, 2026-03-01 13:00+01:00, \"2 hours ago\", -90m, \"yesterday 14:30Z\", 14:30Z or @1772366400.";
    private static readonly string[] Dates = ["yyyy-MM-dd", "yyyyMMdd"];
    private static readonly string[] Times = ["HH:mm", "HH:mm:ss", "HH:mm:ss.FFFFFFF"];

    /// <summary>Reads a moment.</summary>
    /// <param name="text">The text.</param>
    /// <param name="now">What it is relative to.</param>
    /// <param name="zone">The zone of clock times that name none; null to refuse those.</param>
    /// <exception cref="PgdException">It is none, or a clock time without a zone (<see cref="ExitCode.Misuse"/>).</exception>
    public static DateTimeOffset Parse(string text, DateTimeOffset now, TimeZoneInfo? zone)
    {
        ArgumentNullException.ThrowIfNull(text);
        var words = string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)).ToLowerInvariant();
        if (words == "now")
            return now;
        if (words is ['-', .. var back] && Duration.TryParse(back, out var span))
            return now - span;
        if (words.EndsWith(" ago", StringComparison.Ordinal))
            return Spoken(words[..^4]) is { } ago ? now - ago : throw Malformed(text);
        if (words is ['@', .. var seconds] && long.TryParse(seconds, NumberStyles.None, CultureInfo.InvariantCulture, out var unix) && unix < 253402300800)
            return DateTimeOffset.FromUnixTimeSeconds(unix);
        return OnClock(text, words, now, zone);
    }

    /// <summary>Reads a time zone: a name such as <c>Europe/Berlin</c>, <c>local</c>, <c>UTC</c>, or an offset such as <c>+01:00</c>.</summary>
    /// <exception cref="PgdException">There is none of that name (<see cref="ExitCode.Misuse"/>).</exception>
    public static TimeZoneInfo Zone(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text.Equals("local", StringComparison.OrdinalIgnoreCase))
            return TimeZoneInfo.Local;
        if (Offset(text) is { } offset)
            return TimeZoneInfo.CreateCustomTimeZone(text, offset, text, text);
        try
        {
            return TimeZoneInfo.FindSystemTimeZoneById(text);
        }
        catch (Exception e) when (e is TimeZoneNotFoundException or InvalidTimeZoneException or System.Security.SecurityException)
        {
            throw new PgdException(ExitCode.Misuse, $"there is no time zone \"{text}\"", "Write a name such as Europe/Berlin, UTC, local, or an offset such as +01:00.", e);
        }
    }

    // 2 hours, 1 day 2 hours, 90m
    private static TimeSpan? Spoken(string words)
    {
        if (Duration.TryParse(words.Replace(" ", "", StringComparison.Ordinal), out var plain) && plain > TimeSpan.Zero)
            return plain;
        var (sum, rest) = (TimeSpan.Zero, words);
        while (CountAndUnit().Match(rest) is { Success: true } match)
        {
            var count = match.Groups["count"].Value is "a" or "an" ? "1" : match.Groups["count"].Value;
            if (!Duration.TryParse(count + match.Groups["unit"].Value[0], out var part))
                return null;
            sum += part;
            rest = rest[match.Length..];
        }

        return rest.Length == 0 && sum > TimeSpan.Zero ? sum : null;
    }

    private static DateTimeOffset OnClock(string text, string words, DateTimeOffset now, TimeZoneInfo? zone)
    {
        var match = ClockTime().Match(words);
        if (!match.Success)
            throw Malformed(text);
        var (day, clock, named) = (match.Groups["day"].Value, match.Groups["time"].Value, match.Groups["zone"].Value.Trim());
        zone = named.Length == 0 ? zone : named is "z" or "utc" ? TimeZoneInfo.Utc : Offset(named) is { } offset ? TimeZoneInfo.CreateCustomTimeZone(named, offset, named, named) : throw Malformed(text);
        if (zone is null)
            throw new PgdException(ExitCode.Misuse, $"\"{text}\" says no time zone, and servers, runners and people have different ones", $"Add Z or an offset to it, for example \"{text}Z\"; or say which clock is meant: --timezone local, --timezone Europe/Berlin");
        DateTime date;
        if (day is "" or "today" or "yesterday")
            date = TimeZoneInfo.ConvertTime(now, zone).Date.AddDays(day == "yesterday" ? -1 : 0);
        else if (!DateTime.TryParseExact(day, Dates, CultureInfo.InvariantCulture, DateTimeStyles.None, out date))
            throw Malformed(text);
        if (!TimeOnly.TryParseExact(clock, Times, CultureInfo.InvariantCulture, DateTimeStyles.None, out var time))
            throw Malformed(text);
        var local = date + time.ToTimeSpan();
        return zone.IsInvalidTime(local) ? throw new PgdException(ExitCode.Misuse, $"\"{text}\" is no time in {zone.Id}: clocks were put forward over it", "Write it with an offset or Z.")
            : zone.IsAmbiguousTime(local) ? throw new PgdException(ExitCode.Misuse, $"\"{text}\" was twice in {zone.Id}: clocks were put back over it", "Write it with an offset or Z.")
            : new(local, zone.GetUtcOffset(local));
    }

    private static TimeSpan? Offset(string text)
    {
        var match = NumericOffset().Match(text);
        if (!match.Success)
            return null;
        var offset = new TimeSpan(int.Parse(match.Groups["hours"].Value, CultureInfo.InvariantCulture), match.Groups["minutes"].Success ? int.Parse(match.Groups["minutes"].Value, CultureInfo.InvariantCulture) : 0, 0);
        return offset > TimeSpan.FromHours(14) ? null : match.Groups["sign"].Value == "-" ? -offset : offset;
    }

    private static PgdException Malformed(string text) => new(ExitCode.Misuse, $"\"{text}\" is not a moment", Forms);

    [GeneratedRegex(@"\A(?<count>\d{1,9}|an?) ?(?<unit>seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|weeks?)(?:,? (?:and )?|\z)")]
    private static partial Regex CountAndUnit();

    [GeneratedRegex(@"\A(?:(?<day>today|yesterday|\d{4}-\d{2}-\d{2}|\d{8})(?: at | |t))?(?<time>\d{2}:\d{2}(?::\d{2}(?:\.\d{1,7})?)?)(?<zone>| ?(?:z|utc|[+-]\d{2}(?::?\d{2})?))\z")]
    private static partial Regex ClockTime();

    [GeneratedRegex(@"\A(?<sign>[+-])(?<hours>\d{2}):?(?<minutes>[0-5]\d)?\z")]
    private static partial Regex NumericOffset();
}
