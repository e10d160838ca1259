using Npgsql;
using NpgsqlTypes;
using Pgd.Libpq;
using Pgd.Migrations;

namespace Pgd.Postgres;

/// <summary>A connection for statements that somebody else wrote: they are sent exactly as they are, take as long as they take, and return text.</summary>
internal sealed class ScriptConnection : IAsyncDisposable
{
    private readonly NpgsqlDataSource _source;

    private ScriptConnection(NpgsqlDataSource source) => (_source, Connection) = (source, source.CreateConnection());

    public NpgsqlConnection Connection { get; }

    /// <summary>Whether the server is still at the other end.</summary>
    public bool IsOpen => Connection.FullState.HasFlag(System.Data.ConnectionState.Open) && !Connection.FullState.HasFlag(System.Data.ConnectionState.Broken);

    /// <summary>Connects. What the driver throws is the caller's to put into words.</summary>
    /// <param name="url">Where to.</param>
    /// <param name="application">What the server knows it by, unless the URL says something else.</param>
    /// <param name="notice">Hears what the server says beside results; null to hear nothing.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public static async Task<ScriptConnection> OpenAsync(ConnectionUrl url, string application, Action<string>? notice, CancellationToken cancellationToken)
    {
        var builder = url.ToNpgsql();
        // The caller's token ends what takes too long.
        builder.CommandTimeout = 0;
        builder.IncludeErrorDetail = true;
        if (!url.Parameters.ContainsKey("application_name"))
            builder.ApplicationName = application;
        var sourceBuilder = new NpgsqlDataSourceBuilder(builder.ConnectionString);
        // All results are read as text, and a database may have thousands of types.
        sourceBuilder.ConfigureTypeLoading(loading => loading.EnableTypeLoading(false));
        var opened = new ScriptConnection(sourceBuilder.Build());
        if (notice is not null)
            opened.Connection.Notice += (_, arguments) => notice($"{arguments.Notice.Severity}: {arguments.Notice.MessageText}");
        try
        {
            await opened.Connection.OpenAsync(cancellationToken);
            return opened;
        }
        catch
        {
            await opened.DisposeAsync();
            throw;
        }
    }

    /// <summary>The command for a statement.</summary>
    public NpgsqlCommand CommandOf(SqlStatement statement)
    {
        // Results stay text: some types, such as aclitem, have no binary form and would fail.
        var command = new NpgsqlCommand(statement.Text, Connection) { AllResultTypesAreUnknown = true };
        // Without parameters Npgsql splits at semicolons, and it does not know BEGIN ATOMIC; with one without a name it sends the text as it is, and the server takes one statement at a time: nothing
        // that we took for one can be two. The server ignores a parameter that the statement does not use.
        if (statement.Text.Contains(';') && !statement.HasPlaceholder)
            command.Parameters.Add(new NpgsqlParameter { Value = DBNull.Value, NpgsqlDbType = NpgsqlDbType.Integer });
        return command;
    }

    public async ValueTask DisposeAsync()
    {
        await Connection.DisposeAsync();
        await _source.DisposeAsync();
    }
}
