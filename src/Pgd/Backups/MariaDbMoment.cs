using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Pgd.Queries;

namespace Pgd.Backups;

/// <summary>
/// A database of MariaDB or MySQL that is read as it was at one moment, by one session: the dump program has a moment of its own, and no server lends one to another session. Nobody there waits, as nothing
/// is locked; a table that is redefined meanwhile ends the backup.
/// </summary>
internal sealed partial class MariaDbMoment : IAsyncDisposable
{
    // The server's and the account's own settings must not change what is read; and who compresses and sends does not read all the time.
    private const string Settings = """
        set names utf8mb4; set character_set_results = null, time_zone = '+00:00', sql_mode = '', lock_wait_timeout = 10, net_write_timeout = 86400, net_read_timeout = 86400, wait_timeout = 86400 /*M!100101 , max_statement_time = 0 */;
        set session transaction isolation level repeatable read
        """;

    private readonly MariaDbDialog _dialog;
    private readonly string _files;
    private readonly ChangedBy _by;

    private MariaDbMoment(MariaDbSource source, MariaDbDialog dialog, ChangedBy by, string files) => (Source, _dialog, _by, _files) = (source, dialog, by, files);

    public MariaDbSource Source { get; }

    public string System => MariaDbDump.SystemOf(Source);

    /// <summary>The server's version.</summary>
    public required string Version { get; init; }

    /// <summary>The server's clock before the moment.</summary>
    public required DateTimeOffset DataAsOf { get; init; }

    /// <summary>By which column a later backup can build on one of this moment.</summary>
    public required ChangedSince ChangedBy { get; init; }

    /// <summary>What has to be the same for a later backup to build on this one.</summary>
    public required string History { get; init; }

    /// <summary>The end of the engine's log before the moment, and after it; null where the server does not tell.</summary>
    public required string? LsnBefore { get; init; }

    public required string? Lsn { get; init; }

    /// <summary>The tables that are meant, the largest first.</summary>
    public required IReadOnlyList<MariaDbTable> Tables { get; init; }

    /// <summary>What has rows or numbers, and is defined before anything that reads them: tables and sequences that are meant.</summary>
    public required IReadOnlyList<string> Stored { get; init; }

    /// <summary>What is defined after it.</summary>
    public required IReadOnlyList<string> Views { get; init; }

    /// <exception cref="PgdException">It does not answer, may not be read or looked at (with what to grant), has no such table or column, or one whose engine knows no moments (<see cref="ExitCode.Unsafe"/>).</exception>
    public static async Task<MariaDbMoment> OpenAsync(MariaDbSource source, TableSelection selection, ChangedBy by, CancellationToken cancellationToken)
    {
        MariaDbDump.RequireDatabase(source);
        var (said, maySeeFiles) = await ActivityAsync(source, by, cancellationToken).ConfigureAwait(false);
        var files = maySeeFiles ? FileNumbers(said.Version.Contains("MariaDB", StringComparison.Ordinal) ? "innodb_sys_tables" : "innodb_tables") : "''";
        var dialog = MariaDbDialog.Open(source);
        try
        {
            await dialog.AskAsync(Settings, cancellationToken).ConfigureAwait(false);
            var before = await LogAsync(dialog, cancellationToken).ConfigureAwait(false);
            await dialog.AskAsync("start transaction with consistent snapshot, read only", cancellationToken).ConfigureAwait(false);
            var after = await LogAsync(dialog, cancellationToken).ConfigureAwait(false);
            var all = await dialog.AskAsync($"select table_name, table_type, coalesce(engine, ''), coalesce(data_length, 0), {files} from information_schema.tables t where table_schema = database()", cancellationToken).ConfigureAwait(false);
            var chosen = selection.Choose([.. all.Where(table => table[1] is "BASE TABLE" or "SYSTEM VERSIONED")], table => (source.Database, table[0]));
            MariaDbDump.RefuseWithoutTransactions(source, chosen.Select(table => (table[0], table[2])));
            var tables = await TablesAsync(source, dialog, chosen, by, cancellationToken).ConfigureAwait(false);
            return new(source, dialog, by, files)
            {
                Version = said.Version,
                DataAsOf = said.Now,
                ChangedBy = new(by.Column, said.Low),
                History = said.Place,
                LsnBefore = before,
                Lsn = after,
                Tables = [.. tables.OrderByDescending(table => table.Bytes).ThenBy(table => table.Name, StringComparer.Ordinal)],
                Stored = [.. tables.Select(table => table.Name), .. selection.IsPartial ? [] : all.Where(table => table[1] == "SEQUENCE").Select(table => table[0])],
                Views = selection.IsPartial ? [] : [.. all.Where(table => table[1] == "VIEW").Select(table => table[0])],
            };
        }
        catch
        {
            await dialog.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Runs statements that read.</summary>
    public Task ReadAsync(string sql, Func<IReadOnlyList<ReadOnlyMemory<byte>>, ValueTask> row, CancellationToken cancellationToken) => _dialog.ReadAsync(sql, row, cancellationToken);

    public Task<List<string[]>> AskAsync(string sql, CancellationToken cancellationToken) => _dialog.AskAsync(sql, cancellationToken);

    /// <summary>Sees whether the tables are still those that they were at the moment, so that what the dump program said meanwhile fits their rows.</summary>
    /// <exception cref="PgdException">One was redefined (<see cref="ExitCode.Locked"/>).</exception>
    public async Task ProveAsync(CancellationToken cancellationToken)
    {
        var all = await _dialog.AskAsync($"select table_name, table_type, coalesce(engine, ''), coalesce(data_length, 0), {_files} from information_schema.tables t where table_schema = database()", cancellationToken).ConfigureAwait(false);
        var now = (await TablesAsync(Source, _dialog, [.. all.Where(table => Tables.Any(meant => meant.Name == table[0]))], _by, cancellationToken).ConfigureAwait(false)).ToDictionary(table => table.Name, table => table.Definition, StringComparer.Ordinal);
        if (Tables.FirstOrDefault(table => now.GetValueOrDefault(table.Name) != table.Definition) is { } redefined)
            throw new PgdException(ExitCode.Locked, $"the table {redefined.Name} of {Source} was truncated or redefined at the moment of the backup", "Begin again.");
    }

    /// <summary>Whether the session goes on.</summary>
    public bool IsOpen => _dialog.IsOpen;

    public ValueTask DisposeAsync() => _dialog.DisposeAsync();

    /// <summary>A name, to be put into a statement.</summary>
    public static string Quoted(string name) => $"`{name.Replace("`", "``", StringComparison.Ordinal)}`";

    // Another one after a table was truncated or rewritten; those of its partitions, if it has some. The engine's own names have other letters for some.
    private static string FileNumbers(string catalog) => $"coalesce((select group_concat(f.table_id order by f.name separator ' ') from information_schema.{catalog} f where cast(substring_index(f.name, '#', 1) as binary) = concat(cast(convert(t.table_schema using filename) as binary), '/', cast(convert(t.table_name using filename) as binary))), '')";

    private static async Task<string?> LogAsync(MariaDbDialog dialog, CancellationToken cancellationToken) =>
        (await dialog.AskAsync("show global status where variable_name in ('Innodb_lsn_current', 'Innodb_redo_log_current_lsn')", cancellationToken).ConfigureAwait(false)) is [[_, var position]] ? position : null;

    // Before the moment: who ends between the two is in it, and who is still at work is known. A statement takes its time when it begins, which may be long before its transaction begins, so both are looked at.
    private static async Task<(Activity Said, bool MaySeeFiles)> ActivityAsync(MariaDbSource source, ChangedBy by, CancellationToken cancellationToken)
    {
        const string margin = "--changed-margin 1h";
        var session = await QuerySession.OpenAsync(source, null, cancellationToken).ConfigureAwait(false);
        await using var _ = session.ConfigureAwait(false);
        var server = await AskAsync($"""
            set time_zone = '+00:00'; select cast(utc_timestamp(6) as char), version(), {MariaDbDump.Place},
                (select cast(min(utc_timestamp(6) - interval greatest(time + 1 /*M!100100 , time_ms / 1000 + 1 */, 0) second) as char) from information_schema.processlist where command not in ('Sleep', 'Daemon', 'Binlog Dump') and id <> connection_id()),
                (select count(*) from information_schema.processlist where user = 'system user' and (command like 'Slave%' or command in ('Connect', 'Query')))
            """).ConfigureAwait(false);
        if (server[4] != "0" && by.Margin is null)
            throw new PgdException(ExitCode.Unsafe, $"{source} gets rows from another server, and does not know since when those are at work who write them there", $"Say how long before it is here a change may have got its time: {margin}");
        IReadOnlyList<string?> open;
        try
        {
            // Without a session it was prepared: after a restart of the server it says that it began then. What the server does for itself is done in less.
            open = await AskAsync("""
                set time_zone = '+00:00'; select cast(min(trx_started) as char), coalesce(sum(trx_mysql_thread_id = 0 and trx_rows_modified > 0 and trx_started < utc_timestamp() - interval 2 second), 0)
                from information_schema.innodb_trx where trx_mysql_thread_id <> connection_id()
                """).ConfigureAwait(false);
        }
        catch (PgdException e) when (e.Message.Contains("PROCESS", StringComparison.Ordinal))
        {
            if (by.Margin is null)
                throw new PgdException(ExitCode.Unsafe, $"{source.User} may not see since when others are at work in {source}: what they commit later has an earlier time", $"As an administrator: GRANT PROCESS ON *.* TO the account; or say how long a transaction takes at most: {margin}", e);
            open = [];
        }

        if (open is [_, not "0"] && by.Margin is null)
            throw new PgdException(ExitCode.Unsafe, $"a transaction of {source} was prepared and left by its session, and it is not known when it began: what it commits later has an earlier time", $"End it (XA RECOVER shows it), or say how long before the server's start it may have begun: {margin}");
        var now = Time(server[0])!.Value;
        return (new(server[1]!, now, server[2]!, by.LowWatermark(now, Time(server[3]), open.Count == 0 ? null : Time(open[0]))), open.Count > 0);

        async Task<IReadOnlyList<string?>> AskAsync(string sql)
        {
            var rows = new MariaDbDump.Rows();
            await session.RunAsync(new("", sql), write: false, rows, cancellationToken).ConfigureAwait(false);
            return rows.All[0];
        }

        static DateTimeOffset? Time(string? text) => text is null ? null : DateTimeOffset.Parse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal);
    }

    private static async Task<List<MariaDbTable>> TablesAsync(MariaDbSource source, MariaDbDialog dialog, IReadOnlyList<string[]> chosen, ChangedBy by, CancellationToken cancellationToken)
    {
        var columns = (await dialog.AskAsync("select table_name, column_name, data_type, coalesce(character_set_name, ''), is_nullable, extra from information_schema.columns where table_schema = database() order by table_name, ordinal_position", cancellationToken).ConfigureAwait(false)).ToLookup(row => row[0], StringComparer.Ordinal);
        var keys = (await dialog.AskAsync("select table_name, column_name, sub_part is null from information_schema.statistics where table_schema = database() and index_name = 'PRIMARY' order by table_name, seq_in_index", cancellationToken).ConfigureAwait(false)).ToLookup(row => row[0], StringComparer.Ordinal);
        var tables = new List<MariaDbTable>();
        foreach (var table in chosen)
        {
            // All of its columns must be readable: those that are not are not in the catalog. To the savepoint, or whoever redefines a table would wait for us, and all others for him.
            var name = Quoted(table[0]);
            var definition = WithoutCounter().Replace((await dialog.AskAsync($"savepoint pgd; select * from {name} limit 0; show create table {name}; rollback to savepoint pgd", cancellationToken).ConfigureAwait(false))[0][1], "$1");
            MariaDbColumn[] all = [.. columns[table[0]].Select(row => new MariaDbColumn(row[1], row[2].ToLowerInvariant(), row[3], row[4] == "YES", Generated().IsMatch(row[5])))];
            MariaDbColumn[] key = [.. keys[table[0]].Select(row => all.First(column => column.Name == row[1]))];
            var column = all.FirstOrDefault(column => column.Name.Equals(by.Column, StringComparison.OrdinalIgnoreCase));
            var change = column is null ? null : new ChangeColumn(Quoted(column.Name), by.TypeOf(table[0], column.Type == "timestamp" ? "timestamptz" : column.Type, column.IsGenerated));
            // The history of a versioned table would have what a restore does to its rows.
            var canBeTold = change is not null && key.Length > 0 && key.All(column => column.IsKey) && keys[table[0]].All(row => row[2] == "1") && table[1] == "BASE TABLE";
            tables.Add(new(table[0], long.Parse(table[3], CultureInfo.InvariantCulture), [.. all.Where(column => !column.IsGenerated)], key, change, $"{table[4]} {definition}", canBeTold));
        }

        by.RequireSome(source.ToString(), tables.Exists(table => table.Change is not null));
        return tables;
    }

    private sealed record Activity(string Version, DateTimeOffset Now, string Place, DateTimeOffset Low);

    [GeneratedRegex(@"(\) ENGINE=\w+) AUTO_INCREMENT=\d+")]
    private static partial Regex WithoutCounter();

    [GeneratedRegex("VIRTUAL|STORED|PERSISTENT", RegexOptions.IgnoreCase)]
    private static partial Regex Generated();
}

/// <summary>A table of MariaDB or MySQL.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Bytes">Its size there, about.</param>
/// <param name="Columns">Those that are stored.</param>
/// <param name="KeyColumns">Those of its primary key.</param>
/// <param name="Change">The column that says when a row was changed; null if it has none.</param>
/// <param name="Definition">What is the same as long as nothing but its rows changes.</param>
/// <param name="CanBeTold">Whether its rows can be told from each other, and when they were changed.</param>
internal sealed record MariaDbTable(string Name, long Bytes, IReadOnlyList<MariaDbColumn> Columns, IReadOnlyList<MariaDbColumn> KeyColumns, ChangeColumn? Change, string Definition, bool CanBeTold)
{
    /// <summary>What a later backup knows it by; null if all of it is always backed up.</summary>
    public string? Identity { get; } = CanBeTold ? Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Definition))) : null;

    /// <summary>The digest of a row's key, with the time of its last change. Texts go into it as they are stored, so that every server finds the same one.</summary>
    public string Hash(string prefix) => $"cast(conv(left(sha2(concat_ws(',', {string.Join(", ", KeyColumns.Select(column => column.InKey(prefix)))}, coalesce(cast({prefix}{Change!.Column} as char), '')), 256), {KeyHashes.Digits}), 16, 10) as unsigned)";

    /// <summary>The condition that a row may have been changed since. What has no time is always read again, and so is a time that means none.</summary>
    public string IsLater(ChangedBy by, DateTimeOffset since, DateTimeOffset now) =>
        $"({Change!.Column} is null or {Change.Column} >= '{by.Shown(since, Change.Type, now)}' or {Change.Column} = '{(Change.Type == TimeOfChange.Day ? "0000-00-00" : "0000-00-00 00:00:00")}')";
}

/// <summary>A column of it.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">Its type, without length.</param>
/// <param name="Charset">Its character set; empty if it has none.</param>
/// <param name="IsNullable">Whether it may be NULL.</param>
/// <param name="IsGenerated">Whether it is computed from others.</param>
internal sealed record MariaDbColumn(string Name, string Type, string Charset, bool IsNullable, bool IsGenerated)
{
    private bool IsBitsOrChoice => Type is "bit" or "enum" or "set";

    /// <summary>Whether it has bytes that are no text.</summary>
    public bool IsBinary => Type is "binary" or "varbinary" or "tinyblob" or "blob" or "mediumblob" or "longblob" or "geometry" or "point" or "linestring" or "polygon" or "multipoint" or "multilinestring" or "multipolygon" or "geometrycollection" or "geomcollection";

    /// <summary>Whether its text is a number, as it is.</summary>
    public bool IsNumber => IsBitsOrChoice || Type is "tinyint" or "smallint" or "mediumint" or "int" or "bigint" or "decimal" or "float" or "double";

    /// <summary>Whether its text is the same on every server.</summary>
    public bool IsKey => Type is not ("float" or "double" or "json") && !(IsBinary && Type is not ("binary" or "varbinary"));

    /// <summary>It, so that what is sent is all that it is: the text of a float is rounded, and that of a choice may be the text of none.</summary>
    public string Value => Type == "float" ? $"{MariaDbMoment.Quoted(Name)} + 0e0" : IsBitsOrChoice ? $"{MariaDbMoment.Quoted(Name)} + 0" : MariaDbMoment.Quoted(Name);

    public string InKey(string prefix) => IsBitsOrChoice ? $"cast({prefix}{MariaDbMoment.Quoted(Name)} + 0 as char)" : IsBinary || Charset.Length > 0 ? $"hex({prefix}{MariaDbMoment.Quoted(Name)})" : $"cast({prefix}{MariaDbMoment.Quoted(Name)} as char)";
}
