using Npgsql;

namespace Pgd.Postgres;

/// <summary>The bootstrap superuser over the unix socket: the only way in while the door is closed.</summary>
internal sealed class AdminConnection : IAsyncDisposable
{
    private readonly NpgsqlDataSource _source;
    private readonly NpgsqlConnection _connection;

    private AdminConnection(NpgsqlDataSource source, NpgsqlConnection connection)
    {
        _source = source;
        _connection = connection;
    }

    public NpgsqlConnection Connection => _connection;

    public static async Task<AdminConnection> OpenAsync(ServerAddress server, string database, CancellationToken cancellationToken, bool defaultSearchPath = false)
    {
        // What the source set for all roles or databases must not hinder the administrator: options of a connection come before it.
        const string free = "-c default_transaction_read_only=off -c statement_timeout=0 -c lock_timeout=0 -c session_preload_libraries= -c local_preload_libraries=";
        // With a search path of the database's owner's choosing, a superuser's plain "now()" could be anybody's function (CVE-2018-1058).
        var source = Source(server.SocketFolder, server.Port, server.Superuser, null, database, defaultSearchPath ? free : $"{free} -c search_path=pg_catalog");
        try
        {
            return new(source, await source.OpenConnectionAsync(cancellationToken).ConfigureAwait(false));
        }
        catch
        {
            await source.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>A data source that loads no types and pools nothing: each of ours lives for a handful of statements.</summary>
    public static NpgsqlDataSource Source(string host, int port, string user, string? password, string database, string options)
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
            SslMode = SslMode.Disable,
            GssEncryptionMode = GssEncryptionMode.Disable,
            // Nothing of the caller's environment (PGOPTIONS, PGPASSFILE) may change what our own connections do.
            Passfile = "/dev/null",
            Options = options,

        }.ConnectionString);
        builder.ConfigureTypeLoading(t => t.EnableTypeLoading(false));
        return builder.Build();
    }

    public async Task ExecuteAsync(string sql, CancellationToken cancellationToken)
    {
        var command = new NpgsqlCommand(sql, _connection);
        await using (command.ConfigureAwait(false))
            await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The rows, every column as text; ask for casts in the statement.</summary>
    public async Task<IReadOnlyList<string?[]>> QueryAsync(string sql, CancellationToken cancellationToken)
    {
        var rows = new List<string?[]>();
        var command = new NpgsqlCommand(sql, _connection);
        await using var _ = command.ConfigureAwait(false);
        var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using var __ = reader.ConfigureAwait(false);
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
        {
            var row = new string?[reader.FieldCount];
            for (var i = 0; i < row.Length; i++)
                row[i] = reader.IsDBNull(i) ? null : reader.GetString(i);
            rows.Add(row);
        }

        return rows;
    }

    public async Task<string?> ScalarAsync(string sql, CancellationToken cancellationToken) =>
        await QueryAsync(sql, cancellationToken).ConfigureAwait(false) is [[var value, ..], ..] ? value : null;

    public async ValueTask DisposeAsync()
    {
        await _connection.DisposeAsync().ConfigureAwait(false);
        await _source.DisposeAsync().ConfigureAwait(false);
    }

    public static string QuoteIdentifier(string name) => '"' + name.Replace("\"", "\"\"", StringComparison.Ordinal) + '"';

    public static string QuoteLiteral(string text) => (text.Contains('\\', StringComparison.Ordinal) ? " E'" : "'") + text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "''", StringComparison.Ordinal) + "'";
}

/// <summary>Where the administrator finds a server.</summary>
internal sealed record ServerAddress(string SocketFolder, int Port, string Superuser)
{
    public string Socket => Path.Combine(SocketFolder, $".s.PGSQL.{Port}");
}
