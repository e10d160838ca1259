using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Pgd.Postgres;

/// <summary>Positions in the write-ahead log, written <c>0/3000028</c> as PostgreSQL does.</summary>
internal static class Lsn
{
    public static string Format(ulong position) => string.Create(CultureInfo.InvariantCulture, $"{position >> 32:X}/{position & 0xFFFFFFFF:X}");

    /// <summary>Where the next record may begin.</summary>
    public static ulong Aligned(ulong position) => (position + 7) & ~7UL;

    public static bool TryParse([NotNullWhen(true)] string? text, out ulong position)
    {
        position = 0;
        if (text?.Split('/') is not [{ Length: >= 1 and <= 8 } high, { Length: >= 1 and <= 8 } low]
            || !uint.TryParse(high, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var log) || !uint.TryParse(low, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var offset))
            return false;
        position = ((ulong)log << 32) + offset;
        return true;
    }
}
