using Pgd.Libpq;
using Pgd.Postgres;
using Pgd.Storage;

namespace Pgd.Following;

/// <summary>
/// How the server of a standby dials the one that it follows. Everything but the password is said on its command line; that is in a file beside the data, which is the server's alone and in no clone.
/// </summary>
internal static class Primary
{
    private const string Passwords = "pgpass", SecondsToConnect = "10";

    // What libpq reads of a home folder, which a server does not have.
    private static readonly (string Keyword, string Usual)[] Files = [("sslrootcert", "root.crt"), ("sslcert", "postgresql.crt"), ("sslkey", "postgresql.key"), ("sslcrl", "root.crl")];

    // By the name that it gives itself production could take it for one of its own standbys, and have commits wait for it.
    private static readonly string[] LeftOut = ["passfile", "application_name", "fallback_application_name", "client_encoding", "options", "replication", "sslcrldir", "sslkeylogfile"];

    /// <summary>The address without anything secret, as a record may have it.</summary>
    public static string Address(ConnectionUrl url) => UriText.Write(url with { Password = null, Parameters = url.Parameters.RemoveRange([.. LibpqParameters.Secret, "passfile"]) });

    /// <summary>Writes down what the server needs to be let in: the password, and what it and its primary are known by.</summary>
    /// <exception cref="PgdException">The password cannot be kept in a password file, or the key has a passphrase (<see cref="ExitCode.Misuse"/>); a file cannot be read (<see cref="ExitCode.Failed"/>).</exception>
    public static void Write(Volume volume, ConnectionUrl url)
    {
        Refuse(url);
        var password = url.Password is { } given ? $"*:*:*:*:{given.Replace("\\", "\\\\", StringComparison.Ordinal).Replace(":", "\\:", StringComparison.Ordinal)}\n" : "";
        DataDirectory.Write(volume, volume.OfPrimary(Passwords), password);
        foreach (var (keyword, usual) in Files)
        {
            if (FileOf(url, keyword, usual) is not { } file)
                continue;
            try
            {
                DataDirectory.Write(volume, volume.OfPrimary(keyword), File.ReadAllText(file));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new PgdException(ExitCode.Failed, $"the {keyword} {file} for {url} cannot be read: {e.Message}", "Name one that can.", e);
            }
        }
    }

    /// <summary>Refuses what no server could dial by itself.</summary>
    /// <exception cref="PgdException">As for <see cref="Write"/>.</exception>
    public static void Refuse(ConnectionUrl url)
    {
        if (url.Password?.AsSpan().ContainsAny("\r\n\0") == true)
            throw new PgdException(ExitCode.Misuse, $"the password for {url} has a line break in it, which the file that the standby reads it from cannot hold", "Give the role another password.");
        if (LibpqParameters.Secret.FirstOrDefault(url.Parameters.ContainsKey) is { } secret)
            throw new PgdException(ExitCode.Misuse, $"{url} has a {secret}, which a standby could only be given where others read it", "Use a key without a passphrase, or a password.");
    }

    /// <summary>The password that the server has; null if it needs none, or it is not ours to read.</summary>
    public static string? PasswordOf(Volume volume, ConnectionUrl url)
    {
        try
        {
            return PasswordFile.Find(url, volume.OfPrimary(Passwords), LibpqEnvironment.None);
        }
        catch (UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>What <c>primary_conninfo</c> says.</summary>
    public static string Conninfo(Volume volume, ConnectionUrl url)
    {
        var parts = new SortedDictionary<string, string>(StringComparer.Ordinal) { ["connect_timeout"] = SecondsToConnect };
        foreach (var (keyword, value) in url.Parameters.Where(p => !LeftOut.Contains(p.Key)))
            parts[keyword] = value;
        (parts["host"], parts["port"], parts["user"]) = (url.Host, url.Port.ToString(System.Globalization.CultureInfo.InvariantCulture), url.User);
        parts["passfile"] = volume.OfPrimary(Passwords);
        foreach (var keyword in Files.Select(f => f.Keyword).Where(keyword => Linux.Libc.Exists(volume.OfPrimary(keyword))))
            parts[keyword] = volume.OfPrimary(keyword);
        return string.Join(' ', parts.Select(p => $"{p.Key}='{p.Value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "\\'", StringComparison.Ordinal)}'"));
    }

    private static string? FileOf(ConnectionUrl url, string keyword, string usual)
    {
        if (url.Parameters.GetValueOrDefault(keyword) is { } named)
            return named == "system" ? null : Path.GetFullPath(named);
        var file = Path.Combine(Environment.GetEnvironmentVariable("HOME") ?? "/", ".postgresql", usual);
        return url.Parameters.GetValueOrDefault("sslmode") != "disable" && File.Exists(file) ? file : null;
    }
}
