using System.Globalization;
using CsvHelper;

namespace Pgd.Tracing;

/// <summary>One entry of a server's log in its CSV form, which every version has.</summary>
/// <remarks>Source: https://www.postgresql.org/docs/current/runtime-config-logging.html#RUNTIME-CONFIG-LOGGING-CSVLOG.</remarks>
internal sealed record ServerLogEntry
{
    private const int LogTime = 0, User = 1, DatabaseName = 2, ProcessId = 3, ConnectionFrom = 4, SessionId = 5, VirtualTransactionId = 9, ErrorSeverity = 11, SqlStateCode = 12, MessageText = 13, DetailText = 14,
        HintText = 15, ContextText = 18, QueryText = 19, QueryPosition = 20, ApplicationName = 22, BackendType = 23, QueryId = 25;

    /// <summary>When it was written, to the millisecond.</summary>
    public required DateTimeOffset At { get; init; }

    public required string Role { get; init; }

    public required string Database { get; init; }

    public required int Process { get; init; }

    /// <summary>Where its client is; <c>[local]</c> for the unix socket.</summary>
    public required string From { get; init; }

    /// <summary>Differs where a process id was used again.</summary>
    public required string Session { get; init; }

    /// <summary>As <c>pg_locks</c> shows it; ends in <c>/0</c> outside of a transaction.</summary>
    public required string Transaction { get; init; }

    public required string Severity { get; init; }

    public required string SqlState { get; init; }

    public required string Message { get; init; }

    public string? Detail { get; init; }

    public string? Hint { get; init; }

    public string? Context { get; init; }

    /// <summary>The statement that was running, for errors and notes.</summary>
    public string? Query { get; init; }

    /// <summary>Where in it, in characters from 1.</summary>
    public int? Position { get; init; }

    public required string Application { get; init; }

    public required string Backend { get; init; }

    /// <summary>What the server knows the statement by, from version 14.</summary>
    public long QueryIdentifier { get; init; }

    public bool IsInTransaction => !Transaction.EndsWith("/0", StringComparison.Ordinal);

    /// <summary>The entries in the order in which they were written. One that a killed server did not finish is left out.</summary>
    public static IEnumerable<ServerLogEntry> Read(Stream log)
    {
        using var reader = CsvReader.Create(log, new() { Separator = ',', HasHeader = false }, leaveOpen: true);
        while (reader.Read())
        {
            if (reader.FieldCount > BackendType && Of(reader) is { } entry)
                yield return entry;
        }
    }

    private static ServerLogEntry? Of(CsvReader fields) =>
        DateTimeOffset.TryParseExact(fields.GetString(LogTime), "yyyy-MM-dd HH:mm:ss.fff 'UTC'", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at) ? new()
        {
            At = at,
            Role = fields.GetString(User),
            Database = fields.GetString(DatabaseName),
            Process = int.TryParse(fields.GetString(ProcessId), CultureInfo.InvariantCulture, out var process) ? process : 0,
            From = fields.GetString(ConnectionFrom),
            Session = fields.GetString(SessionId),
            Transaction = fields.GetString(VirtualTransactionId),
            Severity = fields.GetString(ErrorSeverity),
            SqlState = fields.GetString(SqlStateCode),
            Message = fields.GetString(MessageText),
            Detail = NullIfEmpty(fields.GetString(DetailText)),
            Hint = NullIfEmpty(fields.GetString(HintText)),
            Context = NullIfEmpty(fields.GetString(ContextText)),
            Query = NullIfEmpty(fields.GetString(QueryText)),
            Position = int.TryParse(fields.GetString(QueryPosition), CultureInfo.InvariantCulture, out var position) && position > 0 ? position : null,
            Application = fields.GetString(ApplicationName),
            Backend = fields.GetString(BackendType),
            QueryIdentifier = fields.FieldCount > QueryId && long.TryParse(fields.GetString(QueryId), CultureInfo.InvariantCulture, out var query) ? query : 0,
        } : null;

    private static string? NullIfEmpty(string text) => text.Length == 0 ? null : text;
}
