using System.Globalization;

namespace Pgd.Action.Reports;

/// <summary>Numbers and times as a reader wants them.</summary>
internal static class Words
{
    public static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd HH:mm 'UTC'", CultureInfo.InvariantCulture);

    public static string Count(int count, string one, string? many = null) =>
        string.Create(CultureInfo.InvariantCulture, $"{count:N0} {(count == 1 ? one : many ?? one + "s")}");

    public static string Commit(string sha) => sha.Length > 7 ? sha[..7] : sha;
}
