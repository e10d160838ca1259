using System.Globalization;

namespace Pgd.Tool.Output;

/// <summary>How far something is, as text.</summary>
internal static class Meter
{
    private static readonly string[] Units = ["B", "KiB", "MiB", "GiB", "TiB"];

    public static string Bar(long done, long total)
    {
        const int width = 20;
        var filled = total <= 0 ? 0 : (int)Math.Clamp(done * (double)width / total, 0, width);
        return $"{new string('━', filled)}{new string('─', width - filled)}";
    }

    public static string Amount(long done, long total) =>
        total <= 0 ? Bytes(done) : $"{Math.Clamp((int)(done * 100.0 / total), 0, 100)}% of {Bytes(total)}";

    public static string Bytes(long count)
    {
        var (value, unit) = ((double)count, 0);
        while (value >= 1024 && unit < Units.Length - 1)
            (value, unit) = (value / 1024, unit + 1);
        return value.ToString(unit == 0 ? "0" : "0.0", CultureInfo.InvariantCulture) + " " + Units[unit];
    }
}
