using System.Globalization;
using Pgd.Libpq;

namespace Pgd.Queries;

/// <summary>A server to ask: a branch's, or any other.</summary>
public abstract record QuerySource
{
    /// <summary>Reads <c>postgresql://…</c>, <c>host=… dbname=…</c>, <c>mysql://…</c> or <c>mariadb://…</c>.</summary>
    /// <param name="text">The connection string.</param>
    /// <param name="environment">Where what it leaves out comes from.</param>
    /// <exception cref="PgdException">The text is malformed (<see cref="ExitCode.Misuse"/>). The message never repeats any of it.</exception>
    public static QuerySource Parse(string text, LibpqEnvironment environment)
    {
        ArgumentNullException.ThrowIfNull(text);
        return MariaDbSource.IsUrl(text) ? MariaDbSource.Read(text, environment) : new PostgresSource(ConnectionUrl.Parse(text, environment));
    }

    /// <summary>Reads the variables <c>DB_HOST</c>, <c>DB_PORT</c>, <c>DB_NAME</c>, <c>DB_USER</c>, <c>DB_PASSWORD</c> and <c>DB_TYPE</c> of a <c>.env</c> file.</summary>
    /// <param name="file">Its name, for errors.</param>
    /// <param name="text">Its content.</param>
    /// <param name="environment">Where what it leaves out comes from.</param>
    /// <exception cref="PgdException">It names no database, or a line of it is not <c>NAME=value</c> (<see cref="ExitCode.Misuse"/>).</exception>
    public static QuerySource OfEnvironmentFile(string file, string text, LibpqEnvironment environment)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(environment);
        var values = EnvironmentFile.Read(file, text);
        string? Value(string name) => values.GetValueOrDefault(name) is { Length: > 0 } value ? value : null;
        if (Value("DB_NAME") is not { } database)
            throw new PgdException(ExitCode.Misuse, $"{file} has no DB_NAME", "It needs DB_NAME, and usually DB_HOST, DB_PORT, DB_USER and DB_PASSWORD. Or give the server as --source URL");
        int? port = Value("DB_PORT") is not { } number ? null
            : int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var parsed) && parsed is >= 1 and <= 65535 ? parsed
            : throw new PgdException(ExitCode.Misuse, $"DB_PORT in {file} is not a port", "It is a number from 1 to 65535.");
        switch (Value("DB_TYPE")?.ToLowerInvariant())
        {
            case "mysql" or "mariadb":
                return new MariaDbSource { Host = Value("DB_HOST") ?? "localhost", Port = port ?? MariaDbSource.DefaultPort, User = Value("DB_USER") ?? environment.UserName, Database = database, Password = Value("DB_PASSWORD") };
            case null or "postgres" or "postgresql":
                // A keyword that is empty comes from the variables and the password file, as everywhere.
                var words = new[] { ("host", Value("DB_HOST")), ("port", port?.ToString(CultureInfo.InvariantCulture)), ("dbname", database), ("user", Value("DB_USER")), ("password", Value("DB_PASSWORD")) }
                    .Where(pair => pair.Item2 is not null)
                    .Select(pair => $"{pair.Item1}='{pair.Item2!.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "\\'", StringComparison.Ordinal)}'");
                return new PostgresSource(ConnectionUrl.Parse(string.Join(' ', words), environment));
            default:
                throw new PgdException(ExitCode.Misuse, $"DB_TYPE in {file} is none that is known", "It is postgresql, mysql or mariadb.");
        }
    }

    /// <summary>The same with another database or password.</summary>
    /// <param name="database">Null leaves it.</param>
    /// <param name="password">Null leaves it.</param>
    public abstract QuerySource With(string? database, string? password);
}

/// <summary>A PostgreSQL server.</summary>
/// <param name="Url">Where it is, and as whom to connect.</param>
public sealed record PostgresSource(ConnectionUrl Url) : QuerySource
{
    /// <inheritdoc/>
    public override QuerySource With(string? database, string? password) =>
        new PostgresSource(Url with { Database = database ?? Url.Database, Password = password ?? Url.Password });

    /// <summary>The URL without its secrets.</summary>
    public override string ToString() => Url.ToString();
}
