using System.Globalization;

namespace Pgd.Postgres;

/// <summary>A file of the write-ahead log, as its name says: the timeline, and which part of the log on it.</summary>
internal readonly record struct LogSegment(uint Timeline, ulong Number)
{
    private const int NameLength = 24;
    private const ulong Log = 0x1_0000_0000;

    public static bool IsName(string name) => name.Length == NameLength && name.All(char.IsAsciiHexDigitUpper);

    public static LogSegment Parse(string name, ulong segmentSize) => new((uint)Hex(name[..8]), (Hex(name[8..16]) * (Log / segmentSize)) + Hex(name[16..24]));

    public string Name(ulong segmentSize) => string.Create(CultureInfo.InvariantCulture, $"{Timeline:X8}{Number / (Log / segmentSize):X8}{Number % (Log / segmentSize):X8}");

    private static ulong Hex(string digits) => ulong.Parse(digits, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
}
