using System.Globalization;

namespace Pgd;

/// <summary>Amounts and times that were measured, as exact as they are short.</summary>
public static class Measured
{
    /// <summary>An amount: <c>24 kB</c>, <c>1.5 GB</c>. A kB is 1024 bytes, as PostgreSQL counts.</summary>
    public static string Size(long bytes)
    {
        var (value, unit) = bytes switch { >= 1L << 40 => (bytes / (double)(1L << 40), "TB"), >= 1L << 30 => (bytes / (double)(1L << 30), "GB"), >= 1L << 20 => (bytes / (double)(1L << 20), "MB"), _ => (bytes / 1024.0, "kB") };
        return string.Create(CultureInfo.InvariantCulture, $"{value:0.#} {unit}");
    }

    /// <summary>A time: <c>8.4 ms</c>, <c>2.5 s</c>, <c>3 min 20 s</c>.</summary>
    public static string Time(TimeSpan time) => time.TotalSeconds switch
    {
        < 0.0995 => string.Create(CultureInfo.InvariantCulture, $"{time.TotalMilliseconds:0.#} ms"),
        < 0.9995 => string.Create(CultureInfo.InvariantCulture, $"{time.TotalMilliseconds:0} ms"),
        < 9.95 => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.0} s"),
        < 59.5 => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0} s"),
        < 3600 => string.Create(CultureInfo.InvariantCulture, $"{(int)time.TotalMinutes} min {time.Seconds} s"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{(int)time.TotalHours} h {time.Minutes} min"),
    };
}
