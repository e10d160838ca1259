namespace Pgd.Libpq;

/// <summary>Where and as whom to connect, in any dialect: the one type that reads and writes connection strings.</summary>
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
