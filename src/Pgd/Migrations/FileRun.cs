using System.Diagnostics.CodeAnalysis;
using Npgsql;
using Pgd.Libpq;
using Pgd.Tracing;

namespace Pgd.Migrations;

/// <summary>Runs one file in a session of its own, as psql would: what it sets does not reach the next one.</summary>
internal sealed class FileRun(SqlFile file, SqlScript script, ConnectionUrl connection, SecretMask mask, Action<string> output, TimeProvider clock)
{
    /// <summary>Runs the file; <paramref name="ledger"/> records it in the same transaction.</summary>
    public async Task<(MigrationFile File, MigrationError? Error)> RunAsync(Ledger? ledger, CancellationToken cancellationToken)
    {
        var start = clock.GetTimestamp();
        MigrationError? error;
        try
        {
            error = await TryAsync(ledger, start, cancellationToken);
        }
        catch (PgdException exception) when (exception.ExitCode == ExitCode.Failed)
        {
            error = new MigrationError { Message = mask.Apply(exception.Message), File = file.Path };
        }

        return (new MigrationFile
        {
            Path = file.Path,
            Sha256 = file.Sha256,
            Duration = clock.GetElapsedTime(start),
            Statements = script.Statements.Count,
            Transaction = script.Transaction,
            Succeeded = error is null,
        }, error);
    }

    private async Task<MigrationError?> TryAsync(Ledger? ledger, long start, CancellationToken cancellationToken)
    {
        await using var session = await Session.OpenAsync(connection, notice => output(mask.Apply(notice)), cancellationToken);
        SqlStatement? current = null;
        var step = "BEGIN";
        try
        {
            if (script.Transaction)
                await session.QueryAsync("BEGIN", cancellationToken);
            foreach (var statement in script.Statements)
            {
                current = statement;
                await session.ExecuteAsync(statement, cancellationToken);
            }

            current = null;
            step = "the entry in the ledger";
            if (ledger is not null)
                await ledger.AppendAsync(session, file, clock.GetElapsedTime(start), cancellationToken);
            step = "COMMIT";
            if (script.Transaction)
                await session.QueryAsync("COMMIT", cancellationToken);
            return null;
        }
        catch (PostgresException exception)
        {
            cancellationToken.ThrowIfCancellationRequested();
            return Error(exception, current, step, lost: !session.IsOpen);
        }
        catch (NpgsqlException exception)
        {
            cancellationToken.ThrowIfCancellationRequested();
            return Lost(exception.InnerException?.Message ?? exception.Message, current, step);
        }
    }

    private MigrationError Error(PostgresException exception, SqlStatement? statement, string step, bool lost) =>
        // What the server says then is about the protocol: we sent no values.
        exception.SqlState == PostgresErrorCodes.ProtocolViolation && statement is { HasPlaceholder: true }
            ? new MigrationError
            {
                Message = "the statement has a placeholder such as $1, and there is no value for it",
                File = file.Path,
                Line = statement.Line,
                Statement = Shown(statement),
                SqlState = exception.SqlState,
            }
        : lost
            ? Lost(exception.MessageText, statement, step) with { SqlState = exception.SqlState }
            : new MigrationError
            {
                Message = mask.Apply(exception.MessageText),
                File = file.Path,
                Line = exception.Position > 0 && exception.InternalPosition == 0 ? statement?.LineAt(exception.Position) : statement?.Line,
                Statement = Shown(statement) ?? step,
                SqlState = exception.SqlState,
                Detail = Masked(exception.Detail),
                Hint = Masked(exception.Hint),
            };

    private MigrationError Lost(string reason, SqlStatement? statement, string step) => new()
    {
        Message = mask.Apply($"The connection to the server was lost: {reason}"),
        File = file.Path,
        Line = statement?.Line,
        Statement = Shown(statement) ?? step,
        Hint = script.Transaction
            ? "Nothing of this file was kept, unless the connection was lost during COMMIT. The server's log may tell more: dotnet pgd branch logs."
            : "The statements before this one are in effect. The server's log may tell more: dotnet pgd branch logs.",
    };

    // Without its passwords, whoever's they are.
    [return: NotNullIfNotNull(nameof(statement))]
    private string? Shown(SqlStatement? statement) => statement is null ? null : mask.Apply(StatementText.Shown(statement.Short));

    private string? Masked(string? text) => string.IsNullOrEmpty(text) ? null : mask.Apply(text);
}
