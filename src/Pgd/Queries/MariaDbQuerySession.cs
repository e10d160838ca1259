using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Pgd.Linux;

namespace Pgd.Queries;

/// <summary>
/// A MariaDB or MySQL server, asked through its own client program: each script is a session of its own there. Values of binary columns are written as <c>0x…</c>.
/// </summary>
internal sealed partial class MariaDbQuerySession : QuerySession
{
    private const string NotAllowedInReadOnly = "1792";
    private static readonly TimeSpan GraceAfterSignal = TimeSpan.FromSeconds(5);
    // What ends the transaction or changes its mode, and what a transaction that only reads would not keep from taking effect.
    private static readonly string[] Unheld =
        ["begin", "commit", "rollback", "start", "xa", "lock", "unlock", "delimiter", "kill", "shutdown", "flush", "reset", "purge", "load", "change", "stop", "install", "uninstall",
            // And what runs another text than the script's own.
            "execute", "prepare", "call", "binlog"];

    private readonly MariaDbSource source;
    private readonly string program;
    private readonly MariaDbClient client;
    private MariaDbText lexis = new("");

    private MariaDbQuerySession(MariaDbSource source, string program) => (this.source, this.program, client) = (source, program, new(source));

    /// <summary>Each script is a session of its own.</summary>
    public override bool IsOpen => true;

    public static async Task<MariaDbQuerySession> OpenAsync(MariaDbSource source, CancellationToken cancellationToken)
    {
        var session = new MariaDbQuerySession(source, MariaDbClient.Find("mariadb", "mysql"));
        try
        {
            // A wrong password is told now, not as an error of the first statement; and what ends a string is a setting.
            session.lexis = new((await session.ReadRowsAsync("SELECT @@sql_mode", cancellationToken))[0][0] ?? "");
            return session;
        }
        catch
        {
            await session.DisposeAsync();
            throw;
        }
    }

    public override async Task RunAsync(Script script, bool write, IQueryResults results, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(script);
        var (rows, begun, returned) = (0L, false, false);
        await RunAsync(script, write, _ => (rows, begun, returned) = (0, false, true), (names, values) =>
        {
            if (!begun)
                results.Begin([.. names.Select(name => new QueryColumn(name, ValueForm.Text))]);
            begun = true;
            rows++;
            results.Row(values);
        }, () =>
        {
            // Without rows the program names no columns.
            if (!begun)
                results.Begin([]);
            results.End(string.Create(CultureInfo.InvariantCulture, $"SELECT {rows}"));
        }, cancellationToken);
        if (!returned)
            results.End("OK");
    }

    public override async Task<long> ExportAsync(Script script, bool write, TextWriter csv, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(script);
        var (rows, results) = (0L, 0);
        await RunAsync(script, write, statement =>
        {
            if (++results > 1)
                throw new PgdException(ExitCode.Misuse, $"{script.Name}: a second statement returns rows, and only one may for --csv: {Beginning(statement)}", "Export one statement at a time.");
        }, (names, values) =>
        {
            if (rows++ == 0)
                CsvText.Row(csv, names);
            CsvText.Row(csv, values);
        }, () => { }, cancellationToken);
        if (results == 0)
            throw new PgdException(ExitCode.Misuse, $"{script.Name} returns no rows for --csv", "Give one statement that returns rows, such as SELECT.");
        if (rows == 0)
            CsvText.Row(csv, await HeaderAsync(script, write, cancellationToken));
        return rows;
    }

    public override async Task<IReadOnlyList<CatalogTable>> CatalogAsync(CancellationToken cancellationToken)
    {
        var rows = await ReadRowsAsync("""
            select t.table_schema, t.table_name, lower(t.table_type), c.column_name, c.column_type, c.is_nullable, c.column_default
            from information_schema.tables t join information_schema.columns c on c.table_schema = t.table_schema and c.table_name = t.table_name
            where t.table_schema = database() order by 1, 2, c.ordinal_position
            """, cancellationToken);
        return [.. rows.GroupBy(row => (Schema: row[0]!, Name: row[1]!)).Select(table => new CatalogTable(table.Key.Schema, table.Key.Name, table.First()[2] == "base table" ? "table" : table.First()[2]!,
            [.. table.Select(row => new CatalogColumn(row[3]!, row[4]!, row[5] == "YES", row[6]))], IsInPath: true))];
    }

    public override int EndOfStatements(string text) => lexis.EndOfStatements(text);

    public override ValueTask DisposeAsync()
    {
        client.Dispose();
        return ValueTask.CompletedTask;
    }

    private async Task<List<IReadOnlyList<string?>>> ReadRowsAsync(string sql, CancellationToken cancellationToken)
    {
        var rows = new List<IReadOnlyList<string?>>();
        await RunAsync(new("", sql), write: false, _ => { }, (_, values) => rows.Add(values), () => { }, cancellationToken);
        return rows;
    }

    // In its other form of output the program does name the columns of nothing. A statement that wrote is not run again for that.
    private async Task<IReadOnlyList<string>> HeaderAsync(Script script, bool write, CancellationToken cancellationToken)
    {
        if (write)
            return [];
        var header = "";
        await StartAsync(script, Framed(script, write), ["--batch"], async output =>
        {
            // Only the result has lines: everything else printed none, as there were no rows.
            while (await output.ReadLineAsync(cancellationToken) is { } line)
                header = line;
        }, write, cancellationToken);
        return [.. header.Split('\t').Select(name => name.Replace("\\t", "\t", StringComparison.Ordinal).Replace("\\n", "\n", StringComparison.Ordinal).Replace("\\\\", "\\", StringComparison.Ordinal))];
    }

    private Task RunAsync(Script script, bool write, Action<string> begin, Action<IReadOnlyList<string>, IReadOnlyList<string?>> row, Action end, CancellationToken cancellationToken)
    {
        if (!write)
            RefuseUnheld(script);
        return StartAsync(script, Framed(script, write), ["--xml"], output => new MariaDbOutput(output).ReadAsync(begin, row, end, cancellationToken), write, cancellationToken);
    }

    // On the script's first line, so that the program counts lines as the script does.
    private string Framed(Script script, bool write) =>
        !write ? $"SET SESSION TRANSACTION READ ONLY; START TRANSACTION READ ONLY; {script.Text}\n"
        : lexis.Statements(script.Text).Any(statement => Words(statement) is ["begin" or "commit" or "rollback" or "start" or "xa" or "delimiter", ..]) ? script.Text + "\n"
        : $"START TRANSACTION; {script.Text}\n;\nCOMMIT;\n";

    private void RefuseUnheld(Script script)
    {
        foreach (var statement in lexis.Statements(script.Text))
        {
            var words = Words(statement);
            if (words.Length > 0 && (Unheld.Contains(words[0]) || (words[0] == "set" && Setting().IsMatch(statement)) || IntoFile().IsMatch(statement)))
                throw new PgdException(ExitCode.Unsafe, $"{script.Name}: this cannot be held to reading: {Beginning(statement)}", AddWrite);
        }
    }

    private async Task StartAsync(Script script, string input, IReadOnlyList<string> form, Func<StreamReader, Task> read, bool write, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        using var process = new Process { StartInfo = StartInfo(form) };
        try
        {
            process.Start();
        }
        catch (Win32Exception e)
        {
            throw new PgdException(ExitCode.MachineLacks, $"{program} cannot be started: {e.Message}", inner: e);
        }

        // The program then tells the server to end the statement; to be killed would only close the connection.
        await using var interrupt = cancellationToken.Register(() => Libc.Kill(process.Id, 2 /* SIGINT */));
        var error = process.StandardError.ReadToEndAsync(CancellationToken.None);
        var feeding = FeedAsync(process.StandardInput, input);
        try
        {
            await read(process.StandardOutput);
        }
        catch
        {
            await EndAsync(process);
            throw;
        }

        await process.WaitForExitAsync(CancellationToken.None);
        await feeding;
        cancellationToken.ThrowIfCancellationRequested();
        if (process.ExitCode != 0)
            throw Failure(script, await error, write);
    }

    // --binary-mode: what is in a script cannot call other programs (\!) or read files (source).
    private ProcessStartInfo StartInfo(IReadOnlyList<string> form) =>
        client.Start(program, [.. form, "--quick", "--binary-mode", "--binary-as-hex", "--skip-reconnect", .. source.Database.Length > 0 ? new[] { $"--database={source.Database}" } : []]);

    private static async Task FeedAsync(StreamWriter input, string text)
    {
        try
        {
            await using (input)
                await input.WriteAsync(text);
        }
        catch (IOException)
        {
            // It ended at an error before it had read all.
        }
    }

    private static async Task EndAsync(Process process)
    {
        _ = Libc.Kill(process.Id, 2 /* SIGINT */);
        using var grace = new CancellationTokenSource(GraceAfterSignal);
        try
        {
            // A full pipe would keep it from ending.
            await process.StandardOutput.BaseStream.CopyToAsync(Stream.Null, grace.Token);
            await process.WaitForExitAsync(grace.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill();
        }
    }

    private PgdException Failure(Script script, string error, bool write)
    {
        var match = ErrorLine().Match(error);
        if (!match.Success)
            return new(ExitCode.Failed, $"{Path.GetFileName(program)} failed: {Processes.Shell.LastLines(error)}");
        var (number, message) = (match.Groups["number"].Value, match.Groups["message"].Value.Trim());
        if (!match.Groups["line"].Success || number is "1045" or "2002" or "2003" or "2005")
        {
            return new(number is "1049" ? ExitCode.NotFound : ExitCode.Failed, $"cannot connect to {source}: {message}",
                number == "1045" ? "Check user and password; --password-stdin reads the password from standard input." : null);
        }

        var where = string.Create(CultureInfo.InvariantCulture, $"{script.Name}, line {int.Parse(match.Groups["line"].Value, CultureInfo.InvariantCulture) + script.FirstLine - 1}");
        var statement = match.Groups["statement"].Success ? $": {Beginning(match.Groups["statement"].Value)}" : "";
        return number == NotAllowedInReadOnly && !write
            ? new(ExitCode.Unsafe, $"{where}: this writes{statement}", AddWrite)
            : new(ExitCode.Failed, $"{where}: {message}{statement}");
    }

    private static string[] Words(string statement) => [.. Word().Matches(statement).Take(3).Select(match => match.Value.ToLowerInvariant())];

    // On one line first: the password may be on the next one.
    private static string Beginning(string statement) => OneLine(Password().Replace(string.Join(' ', statement.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)), "$1'***'"));

    [GeneratedRegex(@"(?:^-+\n(?<statement>.*?)\n-+\n\n)?^ERROR (?<number>\d+) \(\w+\)(?: at line (?<line>\d+))?: (?<message>.*)", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex ErrorLine();

    [GeneratedRegex("global|persist|transaction|read_only|autocommit|password|sql_mode|statement", RegexOptions.IgnoreCase)]
    private static partial Regex Setting();

    [GeneratedRegex(@"\binto\s+(outfile|dumpfile)\b", RegexOptions.IgnoreCase)]
    private static partial Regex IntoFile();

    [GeneratedRegex(@"\w+")]
    private static partial Regex Word();

    [GeneratedRegex(@"(\b(?:identified\s+(?:\w+\s+)*?by|password)\W*?)'(?:[^'\\]|\\.|'')*'", RegexOptions.IgnoreCase)]
    private static partial Regex Password();
}
