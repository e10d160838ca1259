using System.Globalization;
using Npgsql;

namespace Pgd.Libpq;

/// <summary>Npgsql's connection strings: https://www.npgsql.org/doc/connection-string-parameters.html</summary>
internal static class NpgsqlText
{
    public static string Write(ConnectionUrl url) => Builder(url).ConnectionString;

    public static NpgsqlConnectionStringBuilder Builder(ConnectionUrl url)
    {
        string? Value(string keyword) => url.Parameters.GetValueOrDefault(keyword);
        int? Number(string keyword) => int.TryParse(Value(keyword), NumberStyles.Integer, CultureInfo.InvariantCulture, out var number) ? number : null;

        var builder = new NpgsqlConnectionStringBuilder { Host = Host(url) };
        if (url.FurtherHosts.IsEmpty)
            builder.Port = url.Port;
        builder.Database = url.Database;
        builder.Username = url.User;
        if (url.Password is not null)
            builder.Password = url.Password;
        if (Value("sslmode") is { } mode)
            builder.SslMode = SslModeOf(mode);
        // "system" is what Npgsql does when no file is named.
        if (Value("sslrootcert") is { } root and not "system")
            builder.RootCertificate = root;
        if (Value("sslcert") is { } certificate)
            builder.SslCertificate = certificate;
        if (Value("sslkey") is { } key)
            builder.SslKey = key;
        if (Value("sslpassword") is { } sslPassword)
            builder.SslPassword = sslPassword;
        if (Value("passfile") is { } passfile)
            builder.Passfile = passfile;
        if (Value("options") is { } options)
            builder.Options = options;
        if ((Value("application_name") ?? Value("fallback_application_name")) is { } application)
            builder.ApplicationName = application;
        if (Value("client_encoding") is { } encoding and not "auto")
            builder.ClientEncoding = encoding;
        if (Number("connect_timeout") is { } timeout)
            builder.Timeout = Math.Clamp(timeout, 0, 1024);
        if (Value("target_session_attrs") is { } attributes)
            builder.TargetSessionAttributes = attributes;
        if (Value("load_balance_hosts") == "random")
            builder.LoadBalanceHosts = true;
        return builder;
    }

    private static string Host(ConnectionUrl url)
    {
        // Npgsql has no hostaddr; the address serves wherever the name is not checked against the certificate.
        var addresses = url.Parameters.GetValueOrDefault("hostaddr") is { } list && url.Parameters.GetValueOrDefault("sslmode") != "verify-full"
            ? list.Split(',')
            : null;
        var names = url.Hosts.Select((host, i) => addresses?[i] is { Length: > 0 } address ? host with { Name = address } : host).ToList();
        return names.Count == 1
            ? names[0].Name
            : string.Join(',', names.Select(host =>
                host.IsSocket ? host.Name : string.Create(CultureInfo.InvariantCulture, $"{(host.Name.Contains(':') ? $"[{host.Name}]" : host.Name)}:{host.Port}")));
    }

    private static SslMode SslModeOf(string mode) => mode switch
    {
        "disable" => SslMode.Disable,
        "allow" => SslMode.Allow,
        "prefer" => SslMode.Prefer,
        "require" => SslMode.Require,
        "verify-ca" => SslMode.VerifyCA,
        "verify-full" => SslMode.VerifyFull,
        _ => throw Malformed.Parameter("its sslmode is unknown."),
    };
}
