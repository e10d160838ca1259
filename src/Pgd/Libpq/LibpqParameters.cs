namespace Pgd.Libpq;

/// <summary>
/// libpq's parameters and the variables that stand in for them (PQconninfoOptions of fe-connect.c).
/// https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
/// </summary>
internal static class LibpqParameters
{
    private static readonly Dictionary<string, string?> VariableOf = new(StringComparer.Ordinal)
    {
        ["service"] = "PGSERVICE",
        ["servicefile"] = "PGSERVICEFILE",
        ["user"] = "PGUSER",
        ["password"] = "PGPASSWORD",
        ["passfile"] = "PGPASSFILE",
        ["channel_binding"] = "PGCHANNELBINDING",
        ["connect_timeout"] = "PGCONNECT_TIMEOUT",
        ["dbname"] = "PGDATABASE",
        ["host"] = "PGHOST",
        ["hostaddr"] = "PGHOSTADDR",
        ["port"] = "PGPORT",
        ["client_encoding"] = "PGCLIENTENCODING",
        ["options"] = "PGOPTIONS",
        ["application_name"] = "PGAPPNAME",
        ["fallback_application_name"] = null,
        ["keepalives"] = null,
        ["keepalives_idle"] = null,
        ["keepalives_interval"] = null,
        ["keepalives_count"] = null,
        ["tcp_user_timeout"] = null,
        ["sslmode"] = "PGSSLMODE",
        ["sslnegotiation"] = "PGSSLNEGOTIATION",
        ["sslcompression"] = "PGSSLCOMPRESSION",
        ["sslcert"] = "PGSSLCERT",
        ["sslkey"] = "PGSSLKEY",
        ["sslcertmode"] = "PGSSLCERTMODE",
        ["sslpassword"] = null,
        ["sslrootcert"] = "PGSSLROOTCERT",
        ["sslcrl"] = "PGSSLCRL",
        ["sslcrldir"] = "PGSSLCRLDIR",
        ["sslsni"] = "PGSSLSNI",
        ["sslkeylogfile"] = null,
        ["requirepeer"] = "PGREQUIREPEER",
        ["require_auth"] = "PGREQUIREAUTH",
        ["min_protocol_version"] = "PGMINPROTOCOLVERSION",
        ["max_protocol_version"] = "PGMAXPROTOCOLVERSION",
        ["ssl_min_protocol_version"] = "PGSSLMINPROTOCOLVERSION",
        ["ssl_max_protocol_version"] = "PGSSLMAXPROTOCOLVERSION",
        ["gssencmode"] = "PGGSSENCMODE",
        ["krbsrvname"] = "PGKRBSRVNAME",
        ["gsslib"] = "PGGSSLIB",
        ["gssdelegation"] = "PGGSSDELEGATION",
        ["replication"] = null,
        ["target_session_attrs"] = "PGTARGETSESSIONATTRS",
        ["load_balance_hosts"] = "PGLOADBALANCEHOSTS",
        ["scram_client_key"] = null,
        ["scram_server_key"] = null,
        ["oauth_issuer"] = null,
        ["oauth_client_id"] = null,
        ["oauth_client_secret"] = null,
        ["oauth_scope"] = null,
        // Accepted and without effect for many versions.
        ["authtype"] = null,
        ["tty"] = null,
    };

    /// <summary>Parameters that are secrets beside the password.</summary>
    public static IReadOnlyList<string> Secret { get; } = ["sslpassword", "scram_client_key", "scram_server_key", "oauth_client_secret"];

    /// <summary>Every variable that changes where or how libpq connects.</summary>
    public static IReadOnlyCollection<string> EnvironmentVariables { get; } =
        [.. VariableOf.Values.OfType<string>(), "PGREQUIRESSL", "DATABASE_URL"];

    public static IEnumerable<string> All => VariableOf.Keys;

    public static bool IsKnown(string keyword) => VariableOf.ContainsKey(keyword);

    public static string? Variable(string keyword) => VariableOf.GetValueOrDefault(keyword);

    /// <summary>The keyword that an unknown one was probably meant to be.</summary>
    public static string? Nearest(string text)
    {
        var (nearest, distance) = All.Select(keyword => (keyword, Distance(text, keyword))).MinBy(pair => pair.Item2);
        return distance <= 2 ? nearest : null;
    }

    private static int Distance(string a, string b)
    {
        if (Math.Abs(a.Length - b.Length) > 2)
            return int.MaxValue;
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(substituted, Math.Min(row[j], row[j - 1]) + 1);
            }
        }

        return row[b.Length];
    }
}
