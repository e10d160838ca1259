using System.Buffers;

namespace Pgd.Backups;

/// <summary>
/// The name of an object in a store: parts with <c>/</c> between them. The characters are those that no file system, S3 server or shell changes or
/// escapes; a part never begins with a dot, so no key leads out of the repository or meets the files that a store keeps for itself.
/// </summary>
internal static class ObjectKey
{
    private const int LongestPart = 200, Longest = 800;
    private static readonly SearchValues<char> Allowed = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._=@-");

    /// <summary>Whether it is a key.</summary>
    public static bool IsWellFormed(string key) => key.Length is > 0 and <= Longest && key.Split('/').All(part =>
        part.Length is > 0 and <= LongestPart && part[0] != '.' && !part.AsSpan().ContainsAnyExcept(Allowed));

    /// <summary>The key itself, if it is one.</summary>
    /// <exception cref="PgdException">It is none (<see cref="ExitCode.Unsafe"/>).</exception>
    public static string Check(string key) => IsWellFormed(key) ? key : throw new PgdException(ExitCode.Unsafe,
        $"'{Shown(key)}' is no name of a file in a backup repository", "If a manifest names it, that was changed by hand: restore another backup.");

    /// <summary>The beginning of a key, if it is one: nothing, or a key that may end anywhere.</summary>
    public static string CheckPrefix(string prefix)
    {
        if (prefix.Length > 0)
            Check(prefix.EndsWith('/') ? prefix[..^1] : prefix);
        return prefix;
    }

    private static string Shown(string key) => string.Concat(key.Take(100).Select(c => char.IsControl(c) ? '?' : c));
}
