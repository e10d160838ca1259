using System.Data.Common;
using System.Globalization;
using System.Text;
using Npgsql;
using Pgd.Libpq;
using Pgd.Migrations;
using Pgd.Postgres;
using Pgd.Tracing;

namespace Pgd.Queries;

/// <summary>A session with a PostgreSQL server.</summary>
internal sealed class PostgresQuerySession : QuerySession
{
    private const string Application = "pgd sql";
    private const string RunWithPsql = "psql, which knows it: dotnet pgd branch psql PROJECT/BRANCH -- -f FILE";
    private const int CopyBuffer = 1 << 16;

    private readonly ConnectionUrl url;
    private readonly ScriptConnection server;
    private readonly NpgsqlConnection connection;

    private PostgresQuerySession(ConnectionUrl url, ScriptConnection server) => (this.url, this.server, connection) = (url, server, server.Connection);

    public override bool IsOpen => server.IsOpen;

    public static async Task<PostgresQuerySession> OpenAsync(ConnectionUrl url, Action<string>? notice, CancellationToken cancellationToken) =>
        new(url, await ScriptConnection.OpenAsync(url, Application, notice, cancellationToken));

    public override async Task RunAsync(Script script, bool write, IQueryResults results, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(script);
        var parsed = Parse(script, write);
        await RunAsync(script, parsed, write, statement => ShowAsync(statement, results, cancellationToken), cancellationToken);
    }

    public override async Task<long> ExportAsync(Script script, bool write, TextWriter csv, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(script);
        var parsed = Parse(script, write);
        if (parsed.Statements.Count == 0)
            throw NothingToExport(script, null);
        var rows = 0L;
        await RunAsync(script, parsed, write, async statement =>
        {
            if (statement != parsed.Statements[^1])
                await RefuseRowsAsync(script, statement, cancellationToken);
            // What COPY takes; EXPLAIN, SHOW, EXECUTE and the like it does not.
            else if (statement.Words is ["select" or "with" or "values" or "table" or "insert" or "update" or "delete" or "merge", ..] || statement.Text.StartsWith('('))
                rows = await CopyAsync(script, statement, csv, cancellationToken);
            else
                rows = await ReadAsync(script, statement, csv, cancellationToken);
        }, cancellationToken);
        return rows;
    }

    public override async Task<IReadOnlyList<CatalogTable>> CatalogAsync(CancellationToken cancellationToken)
    {
        const string tables = """
            select n.nspname, c.relname, case c.relkind when 'r' then 'table' when 'p' then 'partitioned table' when 'v' then 'view' when 'm' then 'materialized view' when 'f' then 'foreign table' else 'sequence' end,
                pg_table_is_visible(c.oid)::text, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull::text, pg_get_expr(d.adbin, d.adrelid)
            from pg_class c
            join pg_namespace n on n.oid = c.relnamespace
            left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
            left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
            where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and n.nspname !~ '^pg_(toast|temp)' and has_schema_privilege(n.oid, 'usage')
            order by n.nspname, c.relname, a.attnum
            """;
        await using var command = new NpgsqlCommand(tables, connection) { AllResultTypesAreUnknown = true };
        await using var reader = await ((DbCommand)command).ExecuteReaderAsync(cancellationToken);
        var found = new List<(string Schema, string Name, string Kind, bool IsInPath, List<CatalogColumn> Columns)>();
        while (await reader.ReadAsync(cancellationToken))
        {
            if (found.Count == 0 || found[^1].Schema != reader.GetString(0) || found[^1].Name != reader.GetString(1))
                found.Add((reader.GetString(0), reader.GetString(1), reader.GetString(2), reader.GetString(3) == "true", []));
            if (!reader.IsDBNull(4))
                found[^1].Columns.Add(new(reader.GetString(4), reader.GetString(5), reader.GetString(6) != "true", reader.IsDBNull(7) ? null : reader.GetString(7)));
        }

        return [.. found.Select(table => new CatalogTable(table.Schema, table.Name, table.Kind, table.Columns, table.IsInPath))];
    }

    public override int EndOfStatements(string text) => SqlScript.EndOfStatements(text);

    public override ValueTask DisposeAsync() => server.DisposeAsync();

    private static SqlScript Parse(Script script, bool write)
    {
        var parsed = SqlScript.Parse(script.Name, script.Text, RunWithPsql, script.FirstLine);
        if (write)
            return parsed;
        if (!parsed.Transaction)
        {
            throw new PgdException(ExitCode.Unsafe, $"{script.Name} controls its transactions itself, so that it could not be held to reading",
                "Nothing of it was done. Take the comment \"-- pgd: no-transaction\" out, or add --write");
        }

        // To a server, COPY to a file or a program of its own reads, and ALTER SYSTEM, which only changes a file, as well.
        return parsed.Statements.FirstOrDefault(statement => statement.Words is ["copy", ..] or ["alter", "system", ..]) is { } writes
            ? throw new PgdException(ExitCode.Unsafe, $"{Where(script, writes)}: this reads or writes files of the server: {Beginning(writes)}", AddWrite)
            : parsed;
    }

    private async Task RunAsync(Script script, SqlScript parsed, bool write, Func<SqlStatement, Task> run, CancellationToken cancellationToken)
    {
        SqlStatement? current = null;
        var whole = parsed.Transaction;
        try
        {
            if (whole)
            {
                await ExecuteAsync(write ? "BEGIN" : "BEGIN READ ONLY", cancellationToken);
                // After the first query a transaction cannot be made one that writes any more, not by the script either.
                if (!write)
                    await ExecuteAsync("SELECT 1", cancellationToken);
            }

            foreach (var statement in parsed.Statements)
            {
                current = statement;
                try
                {
                    await run(statement);
                }
                catch (PostgresException e) when (write && whole && parsed.Statements.Count == 1 && e.SqlState == PostgresErrorCodes.ActiveSqlTransaction)
                {
                    // VACUUM, CREATE DATABASE, CREATE INDEX CONCURRENTLY, … alone need no transaction around them.
                    await ExecuteAsync("ROLLBACK", cancellationToken);
                    whole = false;
                    await run(statement);
                }
            }

            current = null;
            if (whole)
                await ExecuteAsync("COMMIT", cancellationToken);
        }
        catch (Exception e)
        {
            if (IsOpen && connection.FullState == System.Data.ConnectionState.Open)
                await TryRollBackAsync();
            cancellationToken.ThrowIfCancellationRequested();
            throw e switch
            {
                PostgresException refused when IsOpen => Refused(script, current, refused, write, whole),
                NpgsqlException lost => new PgdException(ExitCode.Failed, $"the connection to {url} was lost{(current is null ? "" : $" at {Where(script, current)}")}: {ScriptConnection.Innermost(lost)}",
                    whole && current is not null ? "Nothing of the script was kept." : null, e),
                _ => e,
            };
        }
    }

    private async Task TryRollBackAsync()
    {
        try
        {
            await ExecuteAsync("ROLLBACK", CancellationToken.None);
        }
        catch (NpgsqlException)
        {
            // The server does it by itself when the session ends.
        }
    }

    private static PgdException Refused(Script script, SqlStatement? statement, PostgresException e, bool write, bool whole)
    {
        var where = statement is null ? script.Name
            : e.Position > 0 && e.InternalPosition == 0 && e.SqlState != PostgresErrorCodes.ReadOnlySqlTransaction ? $"{script.Name}, line {statement.LineAt(e.Position)}" : Where(script, statement);
        var beginning = statement is null ? "COMMIT" : Beginning(statement);
        return e.SqlState switch
        {
            PostgresErrorCodes.ReadOnlySqlTransaction when !write => new(ExitCode.Unsafe, $"{where}: this writes: {beginning}", AddWrite, e),
            PostgresErrorCodes.ActiveSqlTransaction when !write => new(ExitCode.Unsafe, $"{where}: this cannot be held to reading: {beginning} ({e.MessageText})", AddWrite, e),
            PostgresErrorCodes.ActiveSqlTransaction when whole => new(ExitCode.Misuse, $"{where}: {e.MessageText}: {beginning}",
                "Nothing of the script was done. Run this statement alone, or put the comment \"-- pgd: no-transaction\" into the script: each statement then takes effect by itself.", e),
            // What the server says then is about the protocol: we sent no values.
            PostgresErrorCodes.ProtocolViolation when statement is { HasPlaceholder: true } => new(ExitCode.Misuse, $"{where}: there is no value for a placeholder such as $1: {beginning}", "Write the value itself.", e),
            _ => new(ExitCode.Failed, $"{where}: {e.MessageText}{(string.IsNullOrEmpty(e.Detail) ? "" : $" ({e.Detail})")}: {beginning}",
                !string.IsNullOrEmpty(e.Hint) ? e.Hint : write && whole ? "Nothing of the script was kept." : null, e),
        };
    }

    private async Task ShowAsync(SqlStatement statement, IQueryResults results, CancellationToken cancellationToken)
    {
        await using var command = server.CommandOf(statement);
        await using var reader = await ((DbCommand)command).ExecuteReaderAsync(cancellationToken);
        var rows = 0L;
        if (reader.FieldCount > 0)
        {
            results.Begin(Columns(reader));
            while (await reader.ReadAsync(cancellationToken))
            {
                results.Row(Values(reader));
                rows++;
            }
        }

        var returned = reader.FieldCount > 0;
        // Only then are all messages read, and the number of rows known.
        await reader.CloseAsync();
        results.End(Tag(statement, reader.RecordsAffected >= 0 ? reader.RecordsAffected : returned ? rows : null));
    }

    private async Task RefuseRowsAsync(Script script, SqlStatement statement, CancellationToken cancellationToken)
    {
        await using var command = server.CommandOf(statement);
        await using var reader = await ((DbCommand)command).ExecuteReaderAsync(cancellationToken);
        if (reader.FieldCount > 0)
            throw new PgdException(ExitCode.Misuse, $"{Where(script, statement)}: only the last statement may return rows for --csv: {Beginning(statement)}", "Export one statement at a time.");
    }

    private async Task<long> CopyAsync(Script script, SqlStatement statement, TextWriter csv, CancellationToken cancellationToken)
    {
        TextReader reader;
        try
        {
            reader = new StreamReader(await server.CopyOutAsync($"COPY ({statement.Text}\n) TO STDOUT WITH (FORMAT csv, HEADER true, ENCODING 'UTF8')", cancellationToken), new UTF8Encoding(false));
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.FeatureNotSupported)
        {
            throw NothingToExport(script, statement);
        }

        var (lines, buffer) = (new CsvLines(), new char[CopyBuffer]);
        using (reader)
        {
            int read;
            while ((read = await reader.ReadAsync(buffer.AsMemory(), cancellationToken)) > 0)
            {
                lines.Add(buffer.AsSpan(0, read));
                await csv.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
            }
        }

        return lines.Count - 1;
    }

    private async Task<long> ReadAsync(Script script, SqlStatement statement, TextWriter csv, CancellationToken cancellationToken)
    {
        await using var command = server.CommandOf(statement);
        await using var reader = await ((DbCommand)command).ExecuteReaderAsync(cancellationToken);
        if (reader.FieldCount == 0)
            throw NothingToExport(script, statement);
        CsvText.Row(csv, [.. Enumerable.Range(0, reader.FieldCount).Select(reader.GetName)]);
        var rows = 0L;
        for (; await reader.ReadAsync(cancellationToken); rows++)
            CsvText.Row(csv, Values(reader));
        return rows;
    }

    private async Task ExecuteAsync(string sql, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private static List<QueryColumn> Columns(DbDataReader reader) =>
        [.. Enumerable.Range(0, reader.FieldCount).Select(i => new QueryColumn(reader.GetName(i), FormOf(((NpgsqlDataReader)reader).GetDataTypeOID(i))))];

    // The numbers of built-in types never change.
    private static ValueForm FormOf(uint type) => type switch
    {
        16 => ValueForm.Boolean,
        20 or 21 or 23 or 26 or 700 or 701 or 1700 => ValueForm.Number,
        114 or 3802 => ValueForm.Json,
        _ => ValueForm.Text,
    };

    private static string?[] Values(DbDataReader reader)
    {
        var values = new string?[reader.FieldCount];
        for (var i = 0; i < values.Length; i++)
            values[i] = reader.IsDBNull(i) ? null : reader.GetString(i);
        return values;
    }

    private static string Tag(SqlStatement statement, long? rows)
    {
        var words = statement.Words is ["create" or "alter" or "drop" or "refresh" or "truncate" or "start", _, ..] ? statement.Words.Take(2) : statement.Words.Take(1);
        var name = string.Join(' ', words).ToUpperInvariant();
        return rows is { } count ? string.Create(CultureInfo.InvariantCulture, $"{(name.Length == 0 ? "SELECT" : name)} {count}") : name;
    }

    private static PgdException NothingToExport(Script script, SqlStatement? statement) =>
        new(ExitCode.Misuse, statement is null ? $"{script.Name} has no statement" : $"{Where(script, statement)}: this returns no rows for --csv: {Beginning(statement)}", "Give one statement that returns rows, such as SELECT, or INSERT … RETURNING.");

    private static string Where(Script script, SqlStatement statement) => $"{script.Name}, line {statement.Line}";

    private static string Beginning(SqlStatement statement) => OneLine(StatementText.Shown(statement.Short));
}
