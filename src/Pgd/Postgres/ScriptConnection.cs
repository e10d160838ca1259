using System.Data.Common;
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

    /// <summary>Connects.</summary>
    /// <param name="url">Where to.</param>
    /// <param name="application">What the server knows it by, unless the URL says something else.</param>
    /// <param name="notice">Hears what the server says beside results; null to hear nothing.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="PgdException">It does not answer, or refuses (<see cref="ExitCode.Failed"/>); there is no such database (<see cref="ExitCode.NotFound"/>).</exception>
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
        catch (Exception e)
        {
            await opened.DisposeAsync();
            throw await FailedConnection.OfAsync(url, e, cancellationToken);
        }
    }

    /// <summary>What went wrong below everything that only passes it on.</summary>
    public static string Innermost(Exception e) => e.InnerException is null ? e is PostgresException refused ? refused.MessageText : e.Message : Innermost(e.InnerException);

    /// <summary>The command for a statement.</summary>
    public NpgsqlCommand CommandOf(SqlStatement statement)
    {
        // Results stay text: some types, such as aclitem, have no binary form and would fail.
        var command = new NpgsqlCommand(statement.Text, Connection) { AllResultTypesAreUnknown = true };
        // Without parameters Npgsql splits at semicolons, and it does not know BEGIN ATOMIC; with one without a name it sends the text as it is, and the server takes one statement at a time: nothing
        // that we took for one can be two. The server ignores a parameter that the statement does not use.
        if (statement.Text.Contains(';') && !statement.HasPlaceholder)
            command.Parameters.Add(Unused());
        return command;
    }

    /// <summary>Executes statements without waiting for the server's word in between. After the first one that it refuses none is executed.</summary>
    public async Task ExecuteAsync(IReadOnlyList<string> statements, CancellationToken cancellationToken)
    {
        await using var batch = new NpgsqlBatch(Connection);
        foreach (var statement in statements)
        {
            var command = new NpgsqlBatchCommand(statement);
            // As above.
            if (statement.Contains(';'))
                command.Parameters.Add(Unused());
            batch.BatchCommands.Add(command);
        }

        await batch.ExecuteNonQueryAsync(cancellationToken);
    }

    private static NpgsqlParameter Unused() => new() { Value = DBNull.Value, NpgsqlDbType = NpgsqlDbType.Integer };

    /// <summary>Asks something of our own, with parameters that are text, and returns text.</summary>
    public async Task<List<string?[]>> QueryAsync(string sql, CancellationToken cancellationToken, params string?[] parameters)
    {
        await using var command = new NpgsqlCommand(sql, Connection) { AllResultTypesAreUnknown = true };
        foreach (var parameter in parameters)
            command.Parameters.Add(new NpgsqlParameter { Value = (object?)parameter ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text });
        // By its general name: Cake looks at all types before it can find Npgsql, and this one has what it awaits as a field.
        await using var reader = await ((DbCommand)command).ExecuteReaderAsync(cancellationToken);
        var rows = new List<string?[]>();
        while (await reader.ReadAsync(cancellationToken))
            rows.Add([.. Enumerable.Range(0, reader.FieldCount).Select(i => reader.IsDBNull(i) ? null : reader.GetString(i))]);
        return rows;
    }

    /// <summary>An array for one of those parameters.</summary>
    public static string ArrayOf(IEnumerable<string> values) => $"{{{string.Join(',', values.Select(value => $"\"{value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\""))}}}";

    /// <summary>The bytes that <c>COPY … TO STDOUT</c> sends, as they are. They must be read to their end, or the connection is of no use any more.</summary>
    public async Task<Stream> CopyOutAsync(string copy, CancellationToken cancellationToken) =>
        IsBinary(copy) ? await BinaryAsync(copy, cancellationToken) : ((StreamReader)await Any<TextReader, NpgsqlCopyTextReader>(Connection.BeginTextExportAsync(copy, cancellationToken))).BaseStream;

    /// <summary>Sends bytes as they are to <c>COPY … FROM STDIN</c>: all that a writer writes, or nothing if it throws.</summary>
    public async Task CopyInAsync(string copy, Func<Stream, Task> write, CancellationToken cancellationToken)
    {
        var stream = IsBinary(copy) ? await BinaryAsync(copy, cancellationToken) : ((StreamWriter)await Any<TextWriter, NpgsqlCopyTextWriter>(Connection.BeginTextImportAsync(copy, cancellationToken))).BaseStream;
        try
        {
            await write(stream);
        }
        catch
        {
            try
            {
                await ((NpgsqlRawCopyStream)stream).CancelAsync();
            }
            catch (Exception e) when (e is ObjectDisposedException or NpgsqlException or IOException)
            {
                // The server has ended it, as what was thrown first tells.
            }

            throw;
        }

        await stream.DisposeAsync();
    }

    // Npgsql has a way for each, and refuses the other.
    private static bool IsBinary(string copy) => copy.EndsWith("format binary)", StringComparison.Ordinal);

    private Task<Stream> BinaryAsync(string copy, CancellationToken cancellationToken) => Any<Stream, NpgsqlRawCopyStream>(Connection.BeginRawBinaryCopyAsync(copy, cancellationToken));

    // By its general name, see above.
    private static Task<TGeneral> Any<TGeneral, T>(Task<T> task)
        where T : TGeneral =>
        task.ContinueWith(static done => (TGeneral)done.GetAwaiter().GetResult(), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);

    public async ValueTask DisposeAsync()
    {
        await Connection.DisposeAsync();
        await _source.DisposeAsync();
    }
}
