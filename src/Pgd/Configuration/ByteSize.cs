using System.Globalization;

namespace Pgd.Configuration;

/// <summary>Amounts of space as people write them: <c>20G</c>, <c>512M</c>, <c>1T</c>, by powers of 1024.</summary>
public static class ByteSize
{
    /// <summary>Reads an amount.</summary>
    /// <exception cref="PgdException">The text is none (<see cref="ExitCode.Misuse"/>).</exception>
    public static long Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var shift = text.Length == 0 ? 0 : char.ToUpperInvariant(text[^1]) switch { 'K' => 10, 'M' => 20, 'G' => 30, 'T' => 40, _ => 0 };
        return long.TryParse(text.AsSpan(0, text.Length - (shift > 0 ? 1 : 0)), NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0 && number <= long.MaxValue >> shift
            ? number << shift
            : throw new PgdException(ExitCode.Misuse, $"\"{text}\" is not a size", "Write a number and a unit (K, M, G, T), for example 20G.");
    }
}
