using System.Collections.Immutable;
using Npgsql;

namespace Pgd.Libpq;

/// <summary>
/// Where and as whom to connect, in any dialect: the one type that reads and writes connection strings.
/// A value is complete: what the text left out has been filled in the way libpq does it.
/// </summary>
public sealed record ConnectionUrl
{
    /// <summary>Host name, address or socket folder.</summary>
    public required string Host { get; init; }

    /// <summary>TCP port.</summary>
    public required int Port { get; init; }

    /// <summary>Database.</summary>
    public required string Database { get; init; }

    /// <summary>Role.</summary>
    public required string User { get; init; }

    /// <summary>Password; never shown by <see cref="ToString"/>.</summary>
    public string? Password { get; init; }

    /// <summary>Hosts to try when <see cref="Host"/> does not answer, in order.</summary>
    public ImmutableArray<ConnectionHost> FurtherHosts { get; init; } = [];

    /// <summary>libpq's other parameters by their keyword, for example <c>sslmode</c>, <c>sslrootcert</c>, <c>options</c>.</summary>
    public ImmutableSortedDictionary<string, string> Parameters { get; init; } = NoParameters;

    /// <summary>All hosts, in the order in which they are tried.</summary>
    public IReadOnlyList<ConnectionHost> Hosts => [new(Host, Port), .. FurtherHosts];

    internal static ImmutableSortedDictionary<string, string> NoParameters { get; } =
        ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal);

    /// <summary>
    /// Reads what libpq reads: <c>postgresql://…</c>, <c>postgres://…</c> or <c>host=… dbname=…</c>. What the text leaves out comes from
    /// <c>pg_service.conf</c>, the <c>PG*</c> variables, <c>.pgpass</c> and libpq's own defaults, in libpq's order.
    /// </summary>
    /// <param name="text">The connection string.</param>
    /// <param name="environment">Where variables and files come from; null for this process's own.</param>
    /// <exception cref="PgdException">The text is malformed (<see cref="ExitCode.Misuse"/>). The message never repeats any of it.</exception>
    public static ConnectionUrl Parse(string text, LibpqEnvironment? environment = null)
    {
        ArgumentNullException.ThrowIfNull(text);
        var given = UriText.IsUri(text) ? UriText.Read(text) : KeywordValueText.Read(text);
        return LibpqDefaults.Complete(given, environment ?? LibpqEnvironment.Current);
    }

    /// <summary>Writes the connection, with its password, in one of the dialects.</summary>
    /// <exception cref="PgdException">The dialect cannot say it: JDBC has no unix sockets (<see cref="ExitCode.Misuse"/>).</exception>
    public string Format(UrlFormat format) => format switch
    {
        UrlFormat.Libpq => UriText.Write(this),
        UrlFormat.Npgsql => NpgsqlText.Write(this),
        UrlFormat.Jdbc => JdbcText.Write(this),
        UrlFormat.Env => EnvironmentText.WriteShell(this),
        UrlFormat.Dotenv => EnvironmentText.WriteDotenv(this),
        _ => throw new ArgumentOutOfRangeException(nameof(format)),
    };

    /// <summary>The variables that libpq and most programs read: <c>PGHOST</c>, …, <c>PGPASSWORD</c> and <c>DATABASE_URL</c>.</summary>
    public IReadOnlyDictionary<string, string> ToEnvironment() => EnvironmentText.Variables(this);

    /// <summary>
    /// Puts <see cref="ToEnvironment"/> into a process's environment, and takes out every other variable by which libpq finds a server:
    /// an inherited <c>PGSERVICE</c> or <c>PGHOSTADDR</c> beats <c>PGHOST</c> and would lead to another database.
    /// </summary>
    public void ApplyTo(IDictionary<string, string?> environment)
    {
        ArgumentNullException.ThrowIfNull(environment);
        foreach (var name in LibpqParameters.EnvironmentVariables)
            environment.Remove(name);
        foreach (var (name, value) in ToEnvironment())
            environment[name] = value;
    }

    /// <summary>For Npgsql, without pooling: a pooled connection would outlive the branch.</summary>
    public NpgsqlConnectionStringBuilder ToNpgsql()
    {
        var builder = NpgsqlText.Builder(this);
        builder.Pooling = false;
        // As libpq does, which our own programs use: who names an authority has it looked at.
        if (builder.SslMode == SslMode.Require && builder.RootCertificate is { } root && File.Exists(root))
            builder.SslMode = SslMode.VerifyCA;
        return builder;
    }

    /// <summary>
    /// Every form in which a secret of this connection (its password above all) could be printed: plain, and as each dialect, JSON, a
    /// shell and base64 write it; longest first. Mask these before anything else is printed.
    /// </summary>
    public IReadOnlyList<string> SecretForms() => Secrets.FormsOf(this);

    /// <summary>The URL with its secrets replaced by <c>***</c>.</summary>
    public override string ToString() => UriText.Write(Secrets.Redact(this));

    /// <summary>Whether both connect to the same place in the same way.</summary>
    public bool Equals(ConnectionUrl? other) =>
        other is not null && Host == other.Host && Port == other.Port && Database == other.Database && User == other.User
        && Password == other.Password && FurtherHosts.SequenceEqual(other.FurtherHosts) && Parameters.SequenceEqual(other.Parameters);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Host, Port, Database, User, Password, FurtherHosts.Length, Parameters.Count);
}

/// <summary>One of several hosts of a connection.</summary>
/// <param name="Name">Host name, address or socket folder.</param>
/// <param name="Port">TCP port.</param>
public readonly record struct ConnectionHost(string Name, int Port)
{
    /// <summary>Whether this is the folder (or abstract name) of a unix socket.</summary>
    public bool IsSocket => Name.StartsWith('/') || Name.StartsWith('@');
}

/// <summary>The dialects in which a connection can be written.</summary>
public enum UrlFormat
{
    /// <summary><c>postgresql://user:password@host:port/database</c>.</summary>
    Libpq,

    /// <summary>Npgsql's <c>Host=…;Port=…</c>.</summary>
    Npgsql,

    /// <summary><c>jdbc:postgresql://host:port/database?user=…</c>.</summary>
    Jdbc,

    /// <summary>Shell lines: <c>export PGHOST=…</c>.</summary>
    Env,

    /// <summary>Lines of a <c>.env</c> file.</summary>
    Dotenv,
}
