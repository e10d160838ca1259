using System.Text;

namespace Pgd.Libpq;

/// <summary>A connection as environment variables, and those as text for shells and <c>.env</c> files.</summary>
internal static class EnvironmentText
{
    // An inherited service or address beats PGHOST, and another branch's certificate is not this one's.
    private static readonly string[] Others = ["PGHOSTADDR", "PGSERVICE", "PGSSLMODE", "PGSSLROOTCERT"];

    public static SortedDictionary<string, string> Variables(ConnectionUrl url)
    {
        var variables = new SortedDictionary<string, string>(StringComparer.Ordinal)
        {
            ["PGHOST"] = string.Join(',', url.Hosts.Select(host => host.Name)),
            ["PGPORT"] = string.Join(',', url.Hosts.Select(host => host.Port)),
            ["PGDATABASE"] = url.Database,
            ["PGUSER"] = url.User,
            ["DATABASE_URL"] = UriText.Write(url),
        };
        if (url.Password is { Length: > 0 } password)
            variables["PGPASSWORD"] = password;
        foreach (var (keyword, value) in url.Parameters)
        {
            if (LibpqParameters.Variable(keyword) is { } variable)
                variables[variable] = value;
        }

        return variables;
    }

    public static string WriteShell(ConnectionUrl url)
    {
        var variables = Variables(url);
        var text = new StringBuilder();
        foreach (var name in Others.Where(name => !variables.ContainsKey(name)))
            text.Append("unset ").Append(name).Append('\n');
        foreach (var (name, value) in variables)
            text.Append("export ").Append(name).Append('=').Append(ShellQuote(value)).Append('\n');
        return text.ToString().TrimEnd('\n');
    }

    public static string WriteDotenv(ConnectionUrl url) =>
        string.Join('\n', Variables(url).Select(pair => $"{pair.Key}={DotenvQuote(pair.Value)}"));

    public static string ShellQuote(string value) =>
        value.Length > 0 && value.All(c => char.IsAsciiLetterOrDigit(c) || "_-./:@%+,=".Contains(c))
            ? value
            : $"'{value.Replace("'", "'\\''", StringComparison.Ordinal)}'";

    // Bare where every reader of .env files agrees (docker's --env-file keeps quotes), '…' where nothing inside can end it.
    public static string DotenvQuote(string value) =>
        value.All(c => char.IsAsciiLetterOrDigit(c) || "_-./:@%+,=?&*".Contains(c)) ? value
        : !value.AsSpan().ContainsAny("'\n\r") ? $"'{value}'"
        : $"\"{value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)
            .Replace("$", "\\$", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal).Replace("\r", "\\r", StringComparison.Ordinal)}\"";
}
