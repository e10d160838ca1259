using Npgsql;

namespace Pgd.Postgres;

/// <summary>
/// The bootstrap superuser over the unix socket: the only way in while the door is closed. The server is on this machine and answers most
/// statements at once, so they are waited for where they are asked: code that could be resumed elsewhere is compiled at every start, and that
/// takes far longer than the answers. What takes its time has a method that says so.
/// </summary>
internal sealed class AdminConnection : IDisposable
{
    private readonly NpgsqlDataSource _source;
    private readonly NpgsqlConnection _connection;

    private AdminConnection(NpgsqlDataSource source, NpgsqlConnection connection)
    {
        _source = source;
        _connection = connection;
    }

    public NpgsqlConnection Connection => _connection;

    public static AdminConnection Open(ServerAddress server, string database, CancellationToken cancellationToken, bool defaultSearchPath = false)
    {
        cancellationToken.ThrowIfCancellationRequested();
        // What the source set for all roles or databases must not hinder the administrator: options of a connection come before it.
        const string free = "-c lc_messages=C -c default_transaction_read_only=off -c statement_timeout=0 -c lock_timeout=0 -c session_preload_libraries= -c local_preload_libraries=";
        // With a search path of the database's owner's choosing, a superuser's plain "now()" could be anybody's function (CVE-2018-1058).
        var source = Source(server.SocketFolder, server.Port, server.Superuser, null, database, defaultSearchPath ? free : $"{free} -c search_path=pg_catalog");
        try
        {
            return new(source, source.OpenConnection());
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    /// <summary>A data source that loads no types and pools nothing: each of ours lives for a handful of statements.</summary>
    public static NpgsqlDataSource Source(string host, int port, string user, string? password, string database, string options, string? rootCertificate = null)
    {
        var builder = new NpgsqlSlimDataSourceBuilder(new NpgsqlConnectionStringBuilder
        {
            Host = host,
            Port = port,
            Username = user,
            Password = password,
            Database = database,
            Pooling = false,
            Enlist = false,
            ApplicationName = "pgd",
            Timeout = 15,
            CommandTimeout = 0,
            SslMode = rootCertificate is null ? SslMode.Disable : SslMode.VerifyFull,
            RootCertificate = rootCertificate,
            GssEncryptionMode = GssEncryptionMode.Disable,
            // Nothing of the caller's environment (PGOPTIONS, PGPASSFILE) may change what our own connections do.
            Passfile = "/dev/null",
            Options = options,
        }.ConnectionString);
        if (rootCertificate is not null)
            builder.EnableTransportSecurity();
        builder.ConfigureTypeLoading(t => t.EnableTypeLoading(false));
        return builder.Build();
    }

    public void Execute(string sql, CancellationToken cancellationToken) => Run(sql, command => command.ExecuteNonQuery(), cancellationToken);

    /// <summary>The rows, every column as text; ask for casts in the statement.</summary>
    public IReadOnlyList<string?[]> Query(string sql, CancellationToken cancellationToken) => Run(sql, static command =>
    {
        var rows = new List<string?[]>();
        using var reader = command.ExecuteReader();
        while (reader.Read())
        {
            var row = new string?[reader.FieldCount];
            for (var i = 0; i < row.Length; i++)
                row[i] = reader.IsDBNull(i) ? null : reader.GetString(i);
            rows.Add(row);
        }

        return rows;
    }, cancellationToken);

    public string? Scalar(string sql, CancellationToken cancellationToken) => Query(sql, cancellationToken) is [[var value, ..], ..] ? value : null;

    /// <summary>For statements that take their time.</summary>
    public Task ExecuteAsync(string sql, CancellationToken cancellationToken) => Task.Run(() => Execute(sql, cancellationToken), cancellationToken);

    /// <summary>For questions that take their time.</summary>
    public Task<IReadOnlyList<string?[]>> QueryAsync(string sql, CancellationToken cancellationToken) => Task.Run(() => Query(sql, cancellationToken), cancellationToken);

    public void Dispose()
    {
        _connection.Dispose();
        _source.Dispose();
    }

    public static string QuoteIdentifier(string name) => '"' + name.Replace("\"", "\"\"", StringComparison.Ordinal) + '"';

    public static string QuoteLiteral(string text) => (text.Contains('\\', StringComparison.Ordinal) ? " E'" : "'") + text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "''", StringComparison.Ordinal) + "'";

    private T Run<T>(string sql, Func<NpgsqlCommand, T> run, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        using var command = new NpgsqlCommand(sql, _connection);
        using var _ = cancellationToken.Register(static command => ((NpgsqlCommand)command!).Cancel(), command);
        try
        {
            return run(command);
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.QueryCanceled && cancellationToken.IsCancellationRequested)
        {
            throw new OperationCanceledException(e.Message, e, cancellationToken);
        }
    }
}

/// <summary>Where the administrator finds a server.</summary>
internal sealed record ServerAddress(string SocketFolder, int Port, string Superuser)
{
    public string Socket => Path.Combine(SocketFolder, $".s.PGSQL.{Port}");
}
