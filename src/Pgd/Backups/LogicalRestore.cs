using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Npgsql;
using Pgd.Libpq;
using Pgd.Migrations;
using Pgd.Postgres;
using Pgd.Replication;

namespace Pgd.Backups;

/// <summary>Brings a logical backup into an empty database: definitions, rows side by side, and then what is built on rows: indexes, constraints, triggers.</summary>
/// <param name="target">The database.</param>
/// <param name="repository">Where it is.</param>
/// <param name="chain">The backup, and before it what it builds on, the full one first.</param>
/// <param name="reporter">Hears how far it is.</param>
internal sealed partial class LogicalRestore(ConnectionUrl target, BackupRepository repository, IReadOnlyList<StoredBackup> chain, IReporter reporter)
{
    /// <summary>What the database or the role set must not change what is read: a date, a trigger that comes with an extension.</summary>
    public const string RowSettings = "select set_config('TimeZone', 'UTC', false), set_config('DateStyle', 'ISO, YMD', false), set_config('IntervalStyle', 'postgres', false), set_config('extra_float_digits', '3', false), set_config('bytea_output', 'hex', false), set_config('xmloption', 'content', false), set_config('statement_timeout', '0', false), set_config('row_security', 'off', false)";

    private const string Application = "pgd restore";
    private const int MostSessions = 8;
    private static int Sessions => Math.Min(Math.Max(2, Environment.ProcessorCount), MostSessions);

    private readonly BackupManifest _manifest = chain[^1].Manifest!;
    private readonly DatabaseContent _content = chain[^1].Manifest!.Database!;

    /// <summary>Restores it.</summary>
    /// <param name="withOwners">Whether everything belongs to whom it belonged to, with the rights that were granted; else all of it is the connecting role's.</param>
    /// <param name="cancellationToken">Ends it; the database is then half full.</param>
    /// <exception cref="PgdException">The database is not empty (<see cref="ExitCode.Exists"/>), its server older (<see cref="ExitCode.Unsafe"/>), a role missing (<see cref="ExitCode.NotFound"/>), the backup damaged or a statement refused (<see cref="ExitCode.Failed"/>).</exception>
    public async Task RunAsync(bool withOwners, CancellationToken cancellationToken)
    {
        var connection = await ConnectAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = connection.ConfigureAwait(false);
        await CheckAsync(connection, cancellationToken).ConfigureAwait(false);
        var folder = withOwners ? "" : LogicalDump.WithoutOwners;
        var (before, after) = (await DefinitionsAsync(folder + LogicalDump.BeforeData, cancellationToken).ConfigureAwait(false), await DefinitionsAsync(folder + LogicalDump.AfterData, cancellationToken).ConfigureAwait(false));
        if (withOwners)
            await RequireRolesAsync(connection, before + after, cancellationToken).ConfigureAwait(false);
        try
        {
            reporter.Step($"restoring definitions into {target.Database}");
            if (_content.IsPartial)
                await SchemasAsync(connection, _content.Tables.Select(table => table.Schema), cancellationToken).ConfigureAwait(false);
            await ExecuteAsync(connection, before, cancellationToken).ConfigureAwait(false);
            await RowsAsync(cancellationToken).ConfigureAwait(false);
            if (_content.LargeObjects > 0)
                await LargeObjectsAsync(connection, cancellationToken).ConfigureAwait(false);
            reporter.Step($"building indexes and constraints of {target.Database}");
            await new DefinitionScript(target, Application, Sessions, journal: null, reporter).BuildAsync(connection, after, cancellationToken).ConfigureAwait(false);
            foreach (var sequence in _content.Sequences)
                await SetAsync(connection, sequence, cancellationToken).ConfigureAwait(false);

            await connection.QueryAsync("reset all", cancellationToken).ConfigureAwait(false);
            await connection.QueryAsync("analyze", cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            const string again = "The database is half full now. Drop and make it again before the next try.";
            throw e switch
            {
                PostgresException refused => new PgdException(ExitCode.Failed, $"{target} refused a part of {_manifest.Id}: {refused.MessageText}{(refused.Detail is null ? "" : $" ({refused.Detail})")}", again, e),
                NpgsqlException lost => new PgdException(ExitCode.Failed, $"the connection to {target} was lost: {lost.InnerException?.Message ?? lost.Message}", again, e),
                _ => e,
            };
        }
    }

    private Task<ScriptConnection> ConnectAsync(CancellationToken cancellationToken) => ConnectAsync(target, Application, cancellationToken);

    /// <summary>A session that fills a database. It does not wait for the disk: the log is written in its order, and whoever ends with a session that waits (<c>reset all</c>) has all of it there.</summary>
    public static async Task<ScriptConnection> ConnectAsync(ConnectionUrl target, string application, CancellationToken cancellationToken)
    {
        var connection = await ScriptConnection.OpenAsync(target, application, null, cancellationToken).ConfigureAwait(false);
        try
        {
            await connection.QueryAsync("set synchronous_commit = off", cancellationToken).ConfigureAwait(false);
            return connection;
        }
        catch
        {
            await connection.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private async Task CheckAsync(ScriptConnection connection, CancellationToken cancellationToken)
    {
        var version = int.Parse((await connection.QueryAsync("select current_setting('server_version_num')", cancellationToken).ConfigureAwait(false))[0][0]!, CultureInfo.InvariantCulture) / 10_000;
        if (version < _manifest.PostgresMajor)
            throw new PgdException(ExitCode.Unsafe, $"{_manifest.Id} is of PostgreSQL {_manifest.PostgresMajor}, and {target} is {version}", "Restore it into the same version or a newer one.");
        var there = await connection.QueryAsync("""
            select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
                and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
            order by 1
            """, cancellationToken).ConfigureAwait(false);
        // Some tables may go beside others.
        var taken = _content.IsPartial ? [.. there.Select(row => row[0]!).Intersect(_content.Tables.Select(table => $"{table.Schema}.{table.Name}"))] : there.ConvertAll(row => row[0]!);
        if (taken.Count > 0)
            throw new PgdException(ExitCode.Exists, $"{target} has {string.Join(", ", taken.Take(3))}{(taken.Count > 3 ? $" and {taken.Count - 3} more" : "")} already", "Nothing was changed. Restore into an empty database.");
    }

    /// <summary>The roles that pg_dump's definitions name, which it does in these places only.</summary>
    public static HashSet<string> RolesIn(string definitions) =>
        RoleName().Matches(definitions).Select(match => match.Groups["role"].Value is ['"', .., '"'] quoted ? quoted[1..^1].Replace("\"\"", "\"", StringComparison.Ordinal) : match.Groups["role"].Value).Where(role => role != "PUBLIC").ToHashSet(StringComparer.Ordinal);

    private static async Task RequireRolesAsync(ScriptConnection connection, string definitions, CancellationToken cancellationToken)
    {
        var named = RolesIn(definitions);
        var there = (await connection.QueryAsync("select rolname from pg_roles", cancellationToken).ConfigureAwait(false)).Select(row => row[0]!).ToHashSet(StringComparer.Ordinal);
        var missing = named.Except(there).Order(StringComparer.Ordinal).ToList();
        if (missing.Count > 0)
            throw new PgdException(ExitCode.NotFound, $"the server has no role {string.Join(", ", missing)}", $"Make them: {string.Join(' ', missing.Select(role => $"CREATE ROLE {AdminConnection.QuoteIdentifier(role)};"))} Or let all of it belong to you: --no-owner");
    }

    private async Task<string> DefinitionsAsync(string key, CancellationToken cancellationToken)
    {
        var stored = await repository.ReadAsync(chain[^1].Prefix + key, compressed: true, cancellationToken).ConfigureAwait(false);
        await using var _ = stored.ConfigureAwait(false);
        using var all = new MemoryStream();
        await stored.CopyToAsync(all, cancellationToken).ConfigureAwait(false);
        return WithoutPsql(Encoding.UTF8.GetString(all.GetBuffer(), 0, (int)all.Length));
    }

    /// <summary>What pg_dump writes without psql's own words, by which its newer versions keep psql from obeying anything else.</summary>
    public static string WithoutPsql(string definitions) => Restrict().Replace(definitions, "");

    /// <summary>Brings a sequence to where it was.</summary>
    public static Task SetAsync(ScriptConnection connection, BackedUpSequence sequence, CancellationToken cancellationToken) =>
        connection.QueryAsync("select pg_catalog.setval($1::regclass, $2::bigint, $3::boolean)", cancellationToken, LogicalSource.QuotedName(sequence.Schema, sequence.Name), sequence.Value.ToString(CultureInfo.InvariantCulture), sequence.IsCalled ? "true" : "false");

    /// <summary>Makes the schemas that some tables need: pg_dump writes those of whole databases only.</summary>
    public static async Task SchemasAsync(ScriptConnection connection, IEnumerable<string> schemas, CancellationToken cancellationToken)
    {
        foreach (var schema in schemas.Distinct(StringComparer.Ordinal))
        {
            if ((await connection.QueryAsync("select from pg_catalog.pg_namespace where nspname = $1", cancellationToken, schema).ConfigureAwait(false)).Count == 0)
                await connection.QueryAsync($"create schema {AdminConnection.QuoteIdentifier(schema)}", cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Executes what pg_dump wrote.</summary>
    public static async Task ExecuteAsync(ScriptConnection connection, string definitions, CancellationToken cancellationToken)
    {
        foreach (var statement in SqlScript.Split(definitions))
            await ExecuteAsync(connection, statement, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Executes one statement of that.</summary>
    public static async Task ExecuteAsync(ScriptConnection connection, SqlStatement statement, CancellationToken cancellationToken)
    {
        if (!await IsMeantAsync(connection, statement, cancellationToken).ConfigureAwait(false))
            return;
        var command = connection.CommandOf(statement);
        await using var _ = command.ConfigureAwait(false);
        await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Whether it makes something a part of a partitioned table or index.</summary>
    public static bool IsAttaching(SqlStatement statement) => Attaching().IsMatch(statement.Text);

    /// <summary>Whether a statement of that has anything to do in a database.</summary>
    public static async ValueTask<bool> IsMeantAsync(ScriptConnection connection, SqlStatement statement, CancellationToken cancellationToken)
    {
        // Every new database has it.
        if (statement.Words is ["create", "schema", "public", ..])
            return false;
        // Some tables may come without the one that they are parts of, as was told when they were backed up.
        return Attaching().Match(statement.Text) is not { Success: true } attaching || (await connection.QueryAsync("select pg_catalog.to_regclass($1)::text", cancellationToken, attaching.Groups["whole"].Value).ConfigureAwait(false))[0][0] is not null;
    }

    private async Task RowsAsync(CancellationToken cancellationToken)
    {
        var wanted = RowChain.Wanted(chain);
        var (total, done) = (wanted.Sum(link => link.Keys.Sum(table => table.AllBytes)), 0L);
        // What a table has in one backup is there before what the next one changes.
        for (var i = 0; i < chain.Count; i++)
        {
            var (prefix, targets) = (chain[i].Prefix, wanted[i]);
            await Parallel.ForEachAsync(chain[i].Manifest!.Database!.Tables.GroupBy(table => table.Part).Where(part => part.Any(targets.ContainsKey)), new ParallelOptions { MaxDegreeOfParallelism = Sessions, CancellationToken = cancellationToken }, async (group, token) =>
            {
                var connection = await ConnectAsync(token).ConfigureAwait(false);
                await using var _ = connection.ConfigureAwait(false);
                await connection.QueryAsync(RowSettings, token).ConfigureAwait(false);
                await RowChain.ReadPartAsync(prefix + group.Key, group, targets, (key, inner) => repository.ReadAsync(key, compressed: true, inner), Damaged, async (table, now, part) =>
                {
                    await TableAsync(connection, table, now, part, token).ConfigureAwait(false);
                    reporter.Progress($"restoring {target.Database}", Interlocked.Add(ref done, table.AllBytes), total);
                }, token).ConfigureAwait(false);
            }).ConfigureAwait(false);
        }
    }

    private static async Task TableAsync(ScriptConnection connection, BackedUpTable table, BackedUpTable now, PartReader part, CancellationToken cancellationToken)
    {
        var name = LogicalSource.QuotedName(now.Schema, now.Name);
        await connection.QueryAsync("begin", cancellationToken).ConfigureAwait(false);
        if (table.Changes is { KeyBytes: > 0 } changes)
        {
            var (keys, make, delete) = changes.IsByHash ? (RowChanges.GoneTable, RowChanges.MakeGoneTable, RowChanges.DeleteGone(name, table.Key!)) : (RowChanges.KeyTable, RowChanges.MakeKeyTable(table.Key!), RowChanges.DeleteOthers(name, table.Key!));
            await connection.QueryAsync($"{make} on commit drop", cancellationToken).ConfigureAwait(false);
            await connection.CopyInAsync($"copy {keys} from stdin", rows => part.CopyAsync(rows, changes.KeyBytes, cancellationToken), cancellationToken).ConfigureAwait(false);
            await connection.QueryAsync($"analyze {keys}", cancellationToken).ConfigureAwait(false);
            var gone = (await connection.QueryAsync($"with gone as ({delete} returning 1) select count(*)::text from gone", cancellationToken).ConfigureAwait(false))[0][0];
            if (gone != (changes.Had - changes.Kept).ToString(CultureInfo.InvariantCulture))
                throw part.Damaged($"of {table.Schema}.{table.Name} {gone} rows would go instead of {changes.Had - changes.Kept}");
        }

        var columns = now.Columns.Length == 0 ? "" : $" ({now.Columns})";
        if (table.Bytes > 0)
            await connection.CopyInAsync($"copy {name}{columns} from stdin", rows => part.CopyAsync(rows, table.Bytes, cancellationToken), cancellationToken).ConfigureAwait(false);
        await connection.QueryAsync("commit", cancellationToken).ConfigureAwait(false);
    }

    private async Task LargeObjectsAsync(ScriptConnection connection, CancellationToken cancellationToken)
    {
        var there = (await connection.QueryAsync("select oid::text from pg_largeobject_metadata", cancellationToken).ConfigureAwait(false)).Select(row => row[0]!).ToHashSet(StringComparer.Ordinal);
        var stored = await repository.ReadAsync(chain[^1].Prefix + LogicalDump.LargeObjects, compressed: true, cancellationToken).ConfigureAwait(false);
        using var lines = new StreamReader(stored, Encoding.ASCII);
        while (await lines.ReadLineAsync(cancellationToken).ConfigureAwait(false) is { } line)
        {
            if (line.Split('\t') is not [var oid, var offset, var digits])
                throw Damaged(chain[^1].Prefix + LogicalDump.LargeObjects, "a line of it has no three parts");
            if (there.Add(oid))
                await connection.QueryAsync("select lo_create($1::oid)", cancellationToken, oid).ConfigureAwait(false);
            if (digits.Length > 0)
                await connection.QueryAsync("select lo_put($1::oid, $2::bigint, decode($3, 'hex'))", cancellationToken, oid, offset, digits).ConfigureAwait(false);
        }
    }

    private static PgdException Damaged(string key, string what) => new(ExitCode.Failed, $"{key} is damaged: {what}", "What is damaged is not restored; choose another backup: dotnet pgd backup list");

    [GeneratedRegex(@"^ALTER (?:TABLE ONLY|INDEX) (?<whole>.+) ATTACH PARTITION ")]
    private static partial Regex Attaching();

    [GeneratedRegex(@"^\\(?:un)?restrict \w+\r?\n", RegexOptions.Multiline)]
    private static partial Regex Restrict();

    [GeneratedRegex("""^(?:ALTER [^;\n]* OWNER TO|(?:GRANT|REVOKE) [^;\n]* (?:TO|FROM)|ALTER DEFAULT PRIVILEGES FOR ROLE) (?<role>"(?:[^"]|"")+"|[^\s;"]+)""", RegexOptions.Multiline)]
    private static partial Regex RoleName();
}

/// <summary>A part, as the tables in it follow each other.</summary>
internal sealed class PartReader(Stream stored, Func<string, PgdException> damaged)
{
    private readonly byte[] _buffer = new byte[64 << 10];

    /// <summary>What is wrong with it.</summary>
    public PgdException Damaged(string what) => damaged(what);

    /// <summary>Hands the next bytes on.</summary>
    public async Task CopyAsync(Stream target, long bytes, CancellationToken cancellationToken)
    {
        for (var left = bytes; left > 0;)
        {
            var read = await stored.ReadAsync(_buffer.AsMemory(0, (int)Math.Min(_buffer.Length, left)), cancellationToken).ConfigureAwait(false);
            if (read == 0)
                throw damaged("it ends early");
            await target.WriteAsync(_buffer.AsMemory(0, read), cancellationToken).ConfigureAwait(false);
            left -= read;
        }
    }

    /// <summary>Reads to the very end, where the seal is.</summary>
    public async Task EndAsync(CancellationToken cancellationToken)
    {
        if (await stored.ReadAsync(_buffer, cancellationToken).ConfigureAwait(false) != 0)
            throw damaged("it has more than the manifest says");
    }
}
