using System.Globalization;

namespace Pgd.Configuration;

/// <summary>Spans of time as people write them in options, configuration and inputs: <c>30m</c>, <c>12h</c>, <c>7d</c>, <c>1d12h</c>.</summary>
public static class Duration
{
    // Longer is a typing error: nobody keeps a branch for a hundred years.
    private static readonly TimeSpan Longest = TimeSpan.FromDays(36_500);

    /// <summary>Reads a span; <c>0</c> and <c>never</c> are <see cref="TimeSpan.Zero"/>.</summary>
    /// <exception cref="PgdException">The text is not a span of time (<see cref="ExitCode.Misuse"/>).</exception>
    public static TimeSpan Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return TryParse(text, out var value)
            ? value
            : throw new PgdException(ExitCode.Misuse, $"\"{text}\" is not a duration", "Write a number and a unit (s, m, h, d, w), for example 30m, 12h or 7d; never or 0 for none.");
    }

    /// <summary>Like <see cref="Parse"/>; false if the text is not a span of time.</summary>
    public static bool TryParse(string? text, out TimeSpan value)
    {
        value = TimeSpan.Zero;
        if (text is "0" or "never")
            return true;
        if (string.IsNullOrEmpty(text))
            return false;

        for (var at = 0; at < text.Length; at++)
        {
            var start = at;
            while (at < text.Length && char.IsAsciiDigit(text[at]))
                at++;
            if (at == start || at == text.Length || at - start > 9 || Unit(text[at]) is not { } unit)
                return false;
            var count = int.Parse(text.AsSpan(start, at - start), NumberStyles.None, CultureInfo.InvariantCulture);
            // Divided rather than multiplied: the product may not fit.
            if (count > (Longest - value) / unit)
                return false;
            value += unit * count;
        }

        return true;
    }

    /// <summary>Writes a span so that <see cref="Parse"/> reads it, in its two largest units: <c>7d</c>, <c>1h30m</c>; <c>never</c> for zero.</summary>
    public static string Format(TimeSpan value)
    {
        if (value < TimeSpan.FromSeconds(1))
            return value == TimeSpan.Zero ? "never" : "0s";
        return value.Days > 0 ? Two(value.Days, "d", value.Hours, "h")
            : value.Hours > 0 ? Two(value.Hours, "h", value.Minutes, "m")
            : Two(value.Minutes, "m", value.Seconds, "s");
    }

    private static string Two(int first, string firstUnit, int second, string secondUnit) =>
        (first > 0 ? first.ToString(CultureInfo.InvariantCulture) + firstUnit : "") + (second > 0 ? second.ToString(CultureInfo.InvariantCulture) + secondUnit : "");

    private static TimeSpan? Unit(char letter) => letter switch
    {
        's' => TimeSpan.FromSeconds(1),
        'm' => TimeSpan.FromMinutes(1),
        'h' => TimeSpan.FromHours(1),
        'd' => TimeSpan.FromDays(1),
        'w' => TimeSpan.FromDays(7),
        _ => null,
    };
}
