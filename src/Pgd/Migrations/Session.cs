using System.Data.Common;
using Npgsql;
using NpgsqlTypes;
using Pgd.Libpq;

namespace Pgd.Migrations;

/// <summary>One server session, which sends statements exactly as they are written.</summary>
internal sealed class Session : IAsyncDisposable
{
    /// <summary>What the server knows such sessions by, unless the connection says something else.</summary>
    public const string Application = "pgd migrations";

    private readonly NpgsqlDataSource source;
    private readonly NpgsqlConnection connection;

    private Session(NpgsqlDataSource source, NpgsqlConnection connection)
    {
        this.source = source;
        this.connection = connection;
    }

    /// <summary>Whether the server is still at the other end.</summary>
    public bool IsOpen => connection.FullState.HasFlag(System.Data.ConnectionState.Open) && !connection.FullState.HasFlag(System.Data.ConnectionState.Broken);

    public static async Task<Session> OpenAsync(ConnectionUrl url, Action<string>? notice, CancellationToken cancellationToken)
    {
        var builder = url.ToNpgsql();
        // Migrations take as long as they take; the caller's token ends them.
        builder.CommandTimeout = 0;
        builder.IncludeErrorDetail = true;
        if (!url.Parameters.ContainsKey("application_name"))
            builder.ApplicationName = Application;
        var sourceBuilder = new NpgsqlDataSourceBuilder(builder.ConnectionString);
        // All results are read as text, and a branch may have thousands of types.
        sourceBuilder.ConfigureTypeLoading(loading => loading.EnableTypeLoading(false));
        var source = sourceBuilder.Build();
        var connection = source.CreateConnection();
        if (notice is not null)
            connection.Notice += (_, arguments) => notice($"{arguments.Notice.Severity}: {arguments.Notice.MessageText}");
        try
        {
            await connection.OpenAsync(cancellationToken);
            return new Session(source, connection);
        }
        catch (NpgsqlException exception)
        {
            await connection.DisposeAsync();
            await source.DisposeAsync();
            throw new PgdException(ExitCode.Failed, $"cannot connect to {url}: {exception.Message}", inner: exception);
        }
        catch
        {
            await connection.DisposeAsync();
            await source.DisposeAsync();
            throw;
        }
    }

    /// <summary>Runs one statement of a migration and forgets its result.</summary>
    public async Task ExecuteAsync(SqlStatement statement, CancellationToken cancellationToken)
    {
        // Results stay text: some types, such as aclitem, have no binary form and would fail.
        await using var command = new NpgsqlCommand(statement.Text, connection) { AllResultTypesAreUnknown = true };
        // Without parameters Npgsql splits at semicolons, and it does not know BEGIN ATOMIC; with one without a name it sends the text as
        // it is. The server ignores a parameter that the statement does not use.
        if (statement.Text.Contains(';') && !statement.HasPlaceholder)
            command.Parameters.Add(new NpgsqlParameter { Value = DBNull.Value, NpgsqlDbType = NpgsqlDbType.Integer });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Runs a statement of our own with text parameters.</summary>
    public async Task<List<string?[]>> QueryAsync(string sql, CancellationToken cancellationToken, params string[] parameters)
    {
        await using var command = new NpgsqlCommand(sql, connection) { AllResultTypesAreUnknown = true };
        foreach (var parameter in parameters)
            command.Parameters.Add(new NpgsqlParameter { Value = parameter, NpgsqlDbType = NpgsqlDbType.Text });
        // By its general name: Cake looks at all types before it can find Npgsql, and this one has what it awaits as a field.
        await using var reader = await ((DbCommand)command).ExecuteReaderAsync(cancellationToken);
        var rows = new List<string?[]>();
        while (await reader.ReadAsync(cancellationToken))
            rows.Add([.. Enumerable.Range(0, reader.FieldCount).Select(i => reader.IsDBNull(i) ? null : reader.GetString(i))]);
        return rows;
    }

    public async ValueTask DisposeAsync()
    {
        await connection.DisposeAsync();
        await source.DisposeAsync();
    }
}
