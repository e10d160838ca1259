using System.Globalization;

namespace Pgd.Configuration;

/// <summary>Amounts of memory as PostgreSQL writes them: <c>512MB</c>, <c>2GB</c>.</summary>
internal static class MemorySize
{
    // A setting without a unit counts pages.
    private const long Page = 8192;

    /// <summary>Reads a number and a unit; without a unit it counts pages. Null if it is neither.</summary>
    public static long? TryParse(string text)
    {
        var number = text.TakeWhile(c => char.IsAsciiDigit(c) || c == '.').Count();
        long? unit = text[number..].Trim() switch { "" => Page, "B" => 1, "kB" => 1L << 10, "MB" => 1L << 20, "GB" => 1L << 30, "TB" => 1L << 40, _ => null };
        return decimal.TryParse(text.AsSpan(0, number), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var count) && unit * count is { } bytes and > 0 and < long.MaxValue ? (long)bytes : null;
    }

    /// <summary>Reads what a branch may use.</summary>
    /// <exception cref="PgdException">The text is no amount, or a server could not live with it (<see cref="ExitCode.Misuse"/>).</exception>
    public static long ParseForBranch(string text) =>
        text.Length > 0 && char.IsAsciiLetter(text[^1]) && TryParse(text) is { } bytes and >= 64 << 20
            ? bytes
            : throw new PgdException(ExitCode.Misuse, $"\"{text}\" is not an amount of memory for a branch", "Write a number and a unit, at least 64MB, for example 512MB or 2GB.");

    /// <summary>Reads what has to be left.</summary>
    /// <exception cref="PgdException">The text is no amount (<see cref="ExitCode.Misuse"/>).</exception>
    public static long Parse(string text) =>
        text.Length > 0 && char.IsAsciiLetter(text[^1]) && TryParse(text) is { } bytes ? bytes : throw new PgdException(ExitCode.Misuse, $"\"{text}\" is not an amount", "Write a number and a unit, for example 512MB or 2GB.");

    /// <summary>What programs could still have, by the kernel's estimate.</summary>
    public static long Available() => TryParse(File.ReadLines("/proc/meminfo").First(line => line.StartsWith("MemAvailable:", StringComparison.Ordinal))["MemAvailable:".Length..].Trim()) ?? 0;

    /// <summary>What this machine has.</summary>
    public static long OfMachine() => TryParse(File.ReadLines("/proc/meminfo").First()["MemTotal:".Length..].Trim()) ?? 0;
}
