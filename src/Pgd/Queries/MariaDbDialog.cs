using System.Diagnostics;
using System.Text;
using System.Text.RegularExpressions;
using Pgd.Postgres;

namespace Pgd.Queries;

/// <summary>
/// One session with a MariaDB or MySQL server for several statements, of which each depends on what the one before returned: so all can be of one moment. Values come as the bytes that the server sends.
/// </summary>
internal sealed partial class MariaDbDialog : IAsyncDisposable
{
    private const string NoLine = "the session ended";

    private readonly MariaDbSource _source;
    private readonly MariaDbClient _client;
    private readonly Process _process;
    private readonly Task<string> _errors;
    private readonly string _mark = $"pgd {Guid.NewGuid():N}";
    private readonly byte[] _buffer = new byte[256 << 10];
    private byte[] _line = new byte[4096];
    private int _at, _length;

    private MariaDbDialog(MariaDbSource source, MariaDbClient client, Process process) =>
        (_source, _client, _process, _errors) = (source, client, process, process.StandardError.ReadToEndAsync());

    /// <summary>Whether the last answer was whole: after an error there is no session.</summary>
    public bool IsOpen { get; private set; } = true;

    /// <summary>Begins one.</summary>
    /// <exception cref="PgdException">The program is missing (<see cref="ExitCode.MachineLacks"/>).</exception>
    public static MariaDbDialog Open(MariaDbSource source)
    {
        var client = new MariaDbClient(source);
        try
        {
            // --binary-mode: what is in a value cannot call other programs or read files.
            var start = client.Start(MariaDbClient.Find("mariadb", "mysql"), ["--batch", "--skip-column-names", "--quick", "--unbuffered", "--binary-mode", "--skip-reconnect", "--max-allowed-packet=1G", $"--database={source.Database}"]);
            return new(source, client, DumpProgram.Launch(start, Path.GetFileName(start.FileName)));
        }
        catch
        {
            client.Dispose();
            throw;
        }
    }

    /// <summary>Runs statements, and hands on the rows that they return.</summary>
    /// <param name="sql">The statements, with semicolons between them.</param>
    /// <param name="row">Gets the fields of a row, which are good until it returns. NULL looks like the text <c>NULL</c>.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="PgdException">The server refuses one of them; the session is over then.</exception>
    public async Task ReadAsync(string sql, Func<IReadOnlyList<ReadOnlyMemory<byte>>, ValueTask> row, CancellationToken cancellationToken)
    {
        IsOpen = false;
        try
        {
            await _process.StandardInput.WriteAsync($"{sql}\n;\nselect '{_mark}';\n".AsMemory(), cancellationToken).ConfigureAwait(false);
            await _process.StandardInput.FlushAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (IOException e)
        {
            throw await FailureAsync(e).ConfigureAwait(false);
        }

        var mark = Encoding.ASCII.GetBytes(_mark);
        var fields = new List<ReadOnlyMemory<byte>>();
        while (true)
        {
            if (await LineAsync(cancellationToken).ConfigureAwait(false) is not { } length)
                throw await FailureAsync(null).ConfigureAwait(false);
            if (_line.AsSpan(0, length).SequenceEqual(mark))
            {
                IsOpen = true;
                return;
            }

            Split(length, fields);
            await row(fields).ConfigureAwait(false);
        }
    }

    /// <summary>Runs statements, and returns what they return as text; NULL looks like the text <c>NULL</c>.</summary>
    public async Task<List<string[]>> AskAsync(string sql, CancellationToken cancellationToken)
    {
        var rows = new List<string[]>();
        await ReadAsync(sql, row =>
        {
            rows.Add([.. row.Select(field => Encoding.UTF8.GetString(field.Span))]);
            return ValueTask.CompletedTask;
        }, cancellationToken).ConfigureAwait(false);
        return rows;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
            _process.Kill();
        await _process.WaitForExitAsync().ConfigureAwait(false);
        _process.Dispose();
        _client.Dispose();
    }

    // The program writes \t, \n, \\ and \0 for the bytes that would end a field or a line, and every other byte as it is.
    private void Split(int length, List<ReadOnlyMemory<byte>> fields)
    {
        fields.Clear();
        var (begin, end) = (0, 0);
        for (var i = 0; i < length; i++)
        {
            var c = _line[i];
            if (c == '\t')
            {
                fields.Add(_line.AsMemory(begin, end - begin));
                begin = end = i + 1;
            }
            else if (c == '\\' && i + 1 < length)
            {
                _line[end++] = _line[++i] switch { (byte)'t' => (byte)'\t', (byte)'n' => (byte)'\n', (byte)'0' => 0, var other => other };
            }
            else
            {
                _line[end++] = c;
            }
        }

        fields.Add(_line.AsMemory(begin, end - begin));
    }

    private async ValueTask<int?> LineAsync(CancellationToken cancellationToken)
    {
        var length = 0;
        while (true)
        {
            var found = _buffer.AsSpan(_at, _length - _at).IndexOf((byte)'\n');
            var some = found < 0 ? _length - _at : found;
            if (length + some > _line.Length)
                Array.Resize(ref _line, (int)Math.Min(Array.MaxLength, Math.Max(2L * _line.Length, length + some)));
            _buffer.AsSpan(_at, some).CopyTo(_line.AsSpan(length));
            length += some;
            if (found >= 0)
            {
                _at += found + 1;
                return length;
            }

            (_at, _length) = (0, await _process.StandardOutput.BaseStream.ReadAsync(_buffer, cancellationToken).ConfigureAwait(false));
            if (_length == 0)
                return null;
        }
    }

    private async Task<PgdException> FailureAsync(Exception? inner)
    {
        var text = await _errors.ConfigureAwait(false);
        var match = ErrorLine().Match(text);
        var message = match.Success ? match.Groups["message"].Value.Trim() : Processes.Shell.LastLines(text) is { Length: > 0 } lines ? lines : NoLine;
        return match.Groups["number"].Value switch
        {
            // A table that was made again has no rows of before.
            "1412" or "1146" or "1054" => new(ExitCode.Locked, $"{_source}: a table was truncated or redefined at the moment of the backup: {message}", "Begin again.", inner),
            "1205" => new(ExitCode.Locked, $"{_source}: {message}", "Somebody redefines a table. Try again later.", inner),
            "1142" or "1143" or "1044" or "1227" => new(ExitCode.Unsafe, $"{_source}: {message}", $"Give the account what it needs: GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON `{_source.Database}`.* TO …; GRANT PROCESS ON *.* TO …;", inner),
            _ => new(ExitCode.Failed, $"{_source}: {message}", null, inner),
        };
    }

    [GeneratedRegex(@"^ERROR (?<number>\d+) \(\w+\)(?: at line \d+)?: (?<message>.*)", RegexOptions.Multiline)]
    private static partial Regex ErrorLine();
}
