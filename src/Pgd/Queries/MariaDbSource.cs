using System.Globalization;
using Pgd.Libpq;

namespace Pgd.Queries;

/// <summary>A MariaDB or MySQL server.</summary>
public sealed record MariaDbSource : QuerySource
{
    internal const int DefaultPort = 3306;

    /// <summary>Host name or address.</summary>
    public required string Host { get; init; }

    /// <summary>TCP port.</summary>
    public required int Port { get; init; }

    /// <summary>The file of its socket, which is used in place of host and port; null for none.</summary>
    public string? Socket { get; init; }

    /// <summary>Account.</summary>
    public required string User { get; init; }

    /// <summary>Password; never shown by <see cref="ToString"/>.</summary>
    public string? Password { get; init; }

    /// <summary>Database; empty for none.</summary>
    public required string Database { get; init; }

    internal static bool IsUrl(string text) => text.StartsWith("mysql://", StringComparison.OrdinalIgnoreCase) || text.StartsWith("mariadb://", StringComparison.OrdinalIgnoreCase);

    internal static MariaDbSource Read(string text, LibpqEnvironment environment)
    {
        if (!Uri.TryCreate(text, UriKind.Absolute, out var uri))
            throw Malformed("it is no URL.");
        var user = uri.UserInfo.Split(':', 2);
        string? socket = null;
        foreach (var pair in uri.Query.TrimStart('?').Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            if (pair.Split('=', 2) is not ["socket", var value])
                throw Malformed("it has a parameter other than socket.");
            socket = Uri.UnescapeDataString(value);
        }

        return new()
        {
            Host = uri.Host.Length > 0 ? uri.Host.Trim('[', ']') : environment.Variable("MYSQL_HOST") ?? "localhost",
            Port = uri.Port > 0 ? uri.Port : int.TryParse(environment.Variable("MYSQL_TCP_PORT"), CultureInfo.InvariantCulture, out var port) ? port : DefaultPort,
            Socket = socket,
            User = user[0].Length > 0 ? Uri.UnescapeDataString(user[0]) : environment.UserName,
            Password = user.Length > 1 ? Uri.UnescapeDataString(user[1]) : environment.Variable("MYSQL_PWD"),
            Database = Uri.UnescapeDataString(uri.AbsolutePath.TrimStart('/')),
        };
    }

    /// <inheritdoc/>
    public override QuerySource With(string? database, string? password) => this with { Database = database ?? Database, Password = password ?? Password };

    /// <summary>The URL without its password.</summary>
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"mariadb://{Uri.EscapeDataString(User)}{(Password is { Length: > 0 } ? ":" + Secrets.Mask : "")}@{Host}:{Port}/{Uri.EscapeDataString(Database)}{(Socket is null ? "" : $"?socket={Socket}")}");

    private static PgdException Malformed(string fault) =>
        new(ExitCode.Misuse, $"The connection URL is malformed: {fault}", "Write it as mariadb://USER@HOST:PORT/DATABASE or mariadb://USER@localhost/DATABASE?socket=FILE; in user and password, percent-encode : / ? # [ ] @ % and blanks.");
}
