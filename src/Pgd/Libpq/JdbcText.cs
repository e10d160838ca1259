using System.Globalization;
using System.Text;

namespace Pgd.Libpq;

/// <summary>pgJDBC's URLs: https://jdbc.postgresql.org/documentation/use/</summary>
internal static class JdbcText
{
    public static string Write(ConnectionUrl url)
    {
        if (url.Hosts.Any(host => host.IsSocket))
            throw new PgdException(ExitCode.Misuse, "JDBC cannot connect to a unix socket", "Use a connection with a host name, or another format.");
        var text = new StringBuilder("jdbc:postgresql://")
            .AppendJoin(',', url.Hosts.Select(host => string.Create(CultureInfo.InvariantCulture, $"{UriText.HostPart(host.Name)}:{host.Port}")))
            .Append('/').Append(Uri.EscapeDataString(url.Database))
            .Append("?user=").Append(Uri.EscapeDataString(url.User));
        if (url.Password is { Length: > 0 } password)
            text.Append("&password=").Append(Uri.EscapeDataString(password));
        foreach (var (keyword, value) in url.Parameters)
        {
            if (Property(keyword, value) is var (name, text2))
                text.Append('&').Append(name).Append('=').Append(Uri.EscapeDataString(text2));
        }

        return text.ToString();
    }

    // pgJDBC shares some of libpq's names, has its own for others, and lacks the rest.
    private static (string Name, string Value)? Property(string keyword, string value) => keyword switch
    {
        "sslmode" or "sslrootcert" or "sslcert" or "sslkey" or "sslpassword" or "options" => (keyword, value),
        "application_name" => ("ApplicationName", value),
        "connect_timeout" => ("connectTimeout", value),
        "target_session_attrs" => value switch
        {
            "primary" or "read-write" => ("targetServerType", "primary"),
            "standby" or "read-only" => ("targetServerType", "secondary"),
            "prefer-standby" => ("targetServerType", "preferSecondary"),
            _ => null,
        },
        _ => null,
    };
}
