using System.Collections.Immutable;
using System.Globalization;

namespace Pgd.Libpq;

/// <summary>Fills in what a connection string left out, in libpq's order: service file, variables, built-in defaults, password file.</summary>
internal static class LibpqDefaults
{
    private const int DefaultPort = 5432;

    // What is wrong here is refused by each program that uses libpq, and by some only after others have begun.
    private static readonly (string Keyword, string[] Values)[] Choices =
    [
        ("sslmode", ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]), ("sslnegotiation", ["postgres", "direct"]), ("sslcertmode", ["disable", "allow", "require"]),
        ("gssencmode", ["disable", "prefer", "require"]), ("channel_binding", ["disable", "prefer", "require"]),
        ("target_session_attrs", ["any", "read-write", "read-only", "primary", "standby", "prefer-standby"]), ("load_balance_hosts", ["disable", "random"]),
    ];

    private static readonly string[] Numbers = ["connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"];

    public static ConnectionUrl Complete(Dictionary<string, string> given, LibpqEnvironment environment)
    {
        var values = new Dictionary<string, string>(given, StringComparer.Ordinal);
        if ((values.GetValueOrDefault("service") ?? environment.Variable("PGSERVICE")) is { Length: > 0 } service)
        {
            foreach (var (keyword, value) in ServiceFile.Find(service, values.GetValueOrDefault("servicefile"), environment))
                values.TryAdd(keyword, value);
        }

        foreach (var keyword in LibpqParameters.All)
        {
            if (!values.ContainsKey(keyword) && LibpqParameters.Variable(keyword) is { } variable && environment.Variable(variable) is { } value)
                values[keyword] = value;
        }

        if (!values.ContainsKey("sslmode") && environment.Variable("PGREQUIRESSL") is ['1', ..])
            values["sslmode"] = "require";
        // libpq: the system's certificates are no protection at all without the check of the name.
        if (values.GetValueOrDefault("sslrootcert") == "system")
            values.TryAdd("sslmode", "verify-full");
        foreach (var (keyword, choices) in Choices)
        {
            if (NotEmpty(values, keyword) is { } value && !choices.Contains(value))
                throw Malformed.Parameter($"{keyword} must be one of {string.Join(", ", choices)}.");
        }

        foreach (var keyword in Numbers)
        {
            if (NotEmpty(values, keyword) is { } value && !int.TryParse(value, NumberStyles.Integer, CultureInfo.InvariantCulture, out _))
                throw Malformed.Parameter($"{keyword} must be a number.");
        }

        var hosts = Hosts(values, environment);
        var user = NotEmpty(values, "user") ?? environment.UserName;
        var database = NotEmpty(values, "dbname") ?? user;
        var url = new ConnectionUrl
        {
            Host = hosts[0].Name,
            Port = hosts[0].Port,
            FurtherHosts = [.. hosts.Skip(1)],
            Database = database,
            User = user,
            Password = NotEmpty(values, "password"),
            Parameters = ConnectionUrl.NoParameters.AddRange(values.Where(pair => pair.Value.Length > 0
                && pair.Key is not ("host" or "port" or "dbname" or "user" or "password" or "service" or "servicefile" or "authtype" or "tty"))),
        };
        return url.Password is null
            ? url with { Password = PasswordFile.Find(url, NotEmpty(values, "passfile") ?? environment.PasswordFile, environment) }
            : url;
    }

    private static List<ConnectionHost> Hosts(Dictionary<string, string> values, LibpqEnvironment environment)
    {
        // hostaddr alone names the hosts; beside host it only saves the look-up.
        if (NotEmpty(values, "host") is null && NotEmpty(values, "hostaddr") is { } addresses)
        {
            values["host"] = addresses;
            values.Remove("hostaddr");
        }

        var names = (NotEmpty(values, "host") ?? "").Split(',');
        if (NotEmpty(values, "hostaddr") is { } hostaddr && hostaddr.Split(',').Length != names.Length)
            throw Malformed.Parameter($"it has {names.Length} hosts, and {hostaddr.Split(',').Length} addresses in hostaddr.");
        var ports = (NotEmpty(values, "port") ?? "").Split(',');
        if (ports.Length != 1 && ports.Length != names.Length)
            throw Malformed.Parameter($"it has {names.Length} hosts and {ports.Length} ports.");
        return [.. names.Select((name, i) => new ConnectionHost(name.Length > 0 ? name : DefaultHost(environment), Port(ports.Length == 1 ? ports[0] : ports[i])))];
    }

    private static string DefaultHost(LibpqEnvironment environment) => OperatingSystem.IsWindows() ? "localhost" : environment.SocketFolder;

    private static int Port(string text) =>
        string.IsNullOrWhiteSpace(text) ? DefaultPort
        : int.TryParse(text.Trim(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var port) && port is >= 1 and <= 65535 ? port
        : throw Malformed.Uri("a port is not a number from 1 to 65535.");

    private static string? NotEmpty(Dictionary<string, string> values, string keyword) =>
        values.GetValueOrDefault(keyword) is { Length: > 0 } value ? value : null;
}
