using System.Globalization;
using System.Text;

namespace Pgd.Libpq;

/// <summary><c>.pgpass</c>: passwords by host, port, database and role. https://www.postgresql.org/docs/current/libpq-pgpass.html</summary>
internal static class PasswordFile
{
    public static string? Find(ConnectionUrl url, string? file, LibpqEnvironment environment)
    {
        // Like libpq: a file that others may read is not trusted with a password, and a missing one is no error.
        if (file is null || !File.Exists(file))
            return null;
        if (!OperatingSystem.IsWindows()
            && (File.GetUnixFileMode(file) & ~(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute)) != 0)
            return null;

        var host = url.Host == environment.SocketFolder ? "localhost" : url.Host;
        foreach (var line in File.ReadLines(file))
        {
            if (line.StartsWith('#'))
                continue;
            var rest = line.AsSpan();
            if (Matches(ref rest, host) && Matches(ref rest, url.Port.ToString(CultureInfo.InvariantCulture))
                && Matches(ref rest, url.Database) && Matches(ref rest, url.User))
                return Unescape(rest) is { Length: > 0 } password ? password : null;
        }

        return null;
    }

    private static bool Matches(ref ReadOnlySpan<char> rest, string expected)
    {
        if (rest.StartsWith("*:"))
        {
            rest = rest[2..];
            return true;
        }

        var at = 0;
        for (var i = 0; i < rest.Length; i++)
        {
            if (rest[i] == ':' && at == expected.Length)
            {
                rest = rest[(i + 1)..];
                return true;
            }

            if (rest[i] == '\\' && ++i == rest.Length)
                return false;
            if (at == expected.Length || rest[i] != expected[at++])
                return false;
        }

        return false;
    }

    private static string Unescape(ReadOnlySpan<char> text)
    {
        var password = new StringBuilder();
        for (var i = 0; i < text.Length && text[i] != ':'; i++)
        {
            if (text[i] == '\\' && i + 1 < text.Length)
                i++;
            password.Append(text[i]);
        }

        return password.ToString();
    }
}
