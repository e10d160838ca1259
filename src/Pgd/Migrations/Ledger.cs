using System.Globalization;
using Pgd.Schema;

namespace Pgd.Migrations;

/// <summary>A table in the branch's database that records which files ran.</summary>
internal sealed class Ledger
{
    private static readonly string[] Columns = ["path", "sha256", "applied_at", "duration_ms"];

    private readonly string schema;
    private readonly string table;
    private readonly string quoted;

    private Ledger(string schema, string table)
    {
        this.schema = schema;
        this.table = table;
        quoted = $"{Quote(schema)}.{Quote(table)}";
    }

    /// <summary>Reads <c>schema.table</c> as SQL does: folded to lower case unless quoted.</summary>
    /// <exception cref="PgdException">It is not of that form (<see cref="ExitCode.Misuse"/>).</exception>
    public static Ledger Parse(string name)
    {
        var scanner = new SqlScanner(name.Trim());
        var schema = Identifier(scanner);
        var dot = scanner.Next();
        var table = Identifier(scanner);
        return schema is not null && dot == SqlToken.Dot && table is not null && scanner.Next() == SqlToken.End
            ? new Ledger(schema, table)
            : throw new PgdException(ExitCode.Misuse, $"\"{name}\" is not the name of a ledger table", "Write it as SCHEMA.TABLE, for example pgd.migrations.");
    }

    /// <summary>Whether an object is it, or the schema that it is in, which is made with it.</summary>
    public bool Is(SchemaObject other) => other.Name == $"{Plain(schema)}.{Plain(table)}" || (other.Kind == SchemaKind.Schema && other.Name == Plain(schema));

    /// <summary>Whether the table is there.</summary>
    /// <exception cref="PgdException">There is a table of that name that lacks our columns (<see cref="ExitCode.Misuse"/>).</exception>
    public async Task<bool> ExistsAsync(Session session, CancellationToken cancellationToken)
    {
        var columns = await session.QueryAsync(
            """
            SELECT a.attname FROM pg_catalog.pg_class c
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            WHERE n.nspname = $1 AND c.relname = $2
            """, cancellationToken, schema, table);
        if (columns.Count == 0)
            return false;
        var missing = Columns.Except(columns.Select(row => row[0]!), StringComparer.Ordinal).ToList();
        if (missing.Count > 0)
        {
            throw new PgdException(ExitCode.Misuse, $"the table {quoted} exists but is not a ledger of ours: it lacks {string.Join(", ", missing)}",
                "Name another table; it is made when it is missing. If another tool keeps this table, run that tool instead.");
        }

        return true;
    }

    /// <summary>Makes the table, and its schema.</summary>
    public async Task CreateAsync(Session session, CancellationToken cancellationToken)
    {
        // Asked first: CREATE SCHEMA IF NOT EXISTS needs the right to make one even when it exists.
        if ((await session.QueryAsync("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1", cancellationToken, schema)).Count == 0)
            await session.QueryAsync($"CREATE SCHEMA {Quote(schema)}", cancellationToken);
        await session.QueryAsync(
            $"CREATE TABLE {quoted} (path text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL, duration_ms bigint NOT NULL)",
            cancellationToken);
    }

    /// <summary>The files that ran, with the SHA-256 of what they were.</summary>
    public async Task<Dictionary<string, string>> ReadAsync(Session session, CancellationToken cancellationToken) =>
        (await session.QueryAsync($"SELECT path::text, sha256::text FROM {quoted}", cancellationToken))
            .ToDictionary(row => row[0]!, row => row[1]!.Trim(), StringComparer.Ordinal);

    /// <summary>Records a file; inside the file's own transaction, if it has one.</summary>
    public async Task AppendAsync(Session session, SqlFile file, TimeSpan duration, CancellationToken cancellationToken)
    {
        // The file may have changed to a role that may not write here.
        await session.QueryAsync("RESET ROLE", cancellationToken);
        await session.QueryAsync(
            $"INSERT INTO {quoted} (path, sha256, applied_at, duration_ms) VALUES ($1, $2, pg_catalog.clock_timestamp(), $3::text::bigint)",
            cancellationToken, file.Path, file.Sha256, ((long)duration.TotalMilliseconds).ToString(CultureInfo.InvariantCulture));
    }

    private static string? Identifier(SqlScanner scanner) => scanner.Next() switch
    {
        SqlToken.Word => scanner.Token.ToString().ToLowerInvariant(),
        SqlToken.QuotedIdentifier when scanner.Token[0] == '"' && scanner.Token.Length > 2 => scanner.Token[1..^1].ToString().Replace("\"\"", "\"", StringComparison.Ordinal),
        _ => null,
    };

    // As quote_ident has it, but for words of SQL.
    private static string Plain(string identifier) => identifier.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '_') && !char.IsAsciiDigit(identifier[0]) ? identifier : Quote(identifier);

    private static string Quote(string identifier) => $"\"{identifier.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
}
