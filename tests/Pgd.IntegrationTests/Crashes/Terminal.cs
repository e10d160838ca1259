using System.Diagnostics;
using System.Text;

namespace Pgd.IntegrationTests;

/// <summary>The tool on a terminal of its own, which script(1) makes.</summary>
internal sealed class Terminal : IDisposable
{
    private readonly Process _process;
    private readonly StringBuilder _screen = new();
    private readonly Task _reading;
    private int _seen;

    public Terminal(IReadOnlyDictionary<string, string> variables, string state, params string[] arguments)
    {
        var start = new ProcessStartInfo("script", ["--quiet", "--return", "--flush", "--command", $"dotnet '{ToolRun.Program}' {string.Join(' ', arguments.Select(argument => $"'{argument}'"))}", "/dev/null"])
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, StandardInputEncoding = new UTF8Encoding(false),
        };
        foreach (var (name, value) in variables)
            start.Environment[name] = value;
        (start.Environment["HOME"], start.Environment["XDG_STATE_HOME"], start.Environment["TERM"], start.Environment["NO_COLOR"]) = ("/nonexistent", state, "xterm", "1");
        _process = Process.Start(start)!;
        _reading = Task.Run(async () =>
        {
            var buffer = new char[4096];
            for (int read; (read = await _process.StandardOutput.ReadAsync(buffer)) > 0;)
            {
                lock (_screen)
                    _screen.Append(buffer, 0, read);
            }
        });
    }

    public void Type(string keys)
    {
        _process.StandardInput.Write(keys);
        _process.StandardInput.Flush();
    }

    /// <summary>Waits until something is on the screen, behind what was seen before.</summary>
    public async Task SeesAsync(string text)
    {
        try
        {
            await Until.TrueAsync(() => Find(text), $"the screen shows {text}", seconds: 30);
        }
        catch (TimeoutException e)
        {
            throw new InvalidOperationException($"{e.Message} It shows: {_screen}", e);
        }
    }

    /// <summary>The same, with what stands before it.</summary>
    public async Task<string> ReadsUntilAsync(string text)
    {
        var from = _seen;
        await SeesAsync(text);
        lock (_screen)
            return _screen.ToString(from, _seen - from);
    }

    public async Task<int> EndsAsync()
    {
        await Until.TrueAsync(() => _process.HasExited, "the tool ends");
        await _reading;
        return _process.ExitCode;
    }

    public void Dispose()
    {
        if (!_process.HasExited)
            _process.Kill(entireProcessTree: true);
        _process.Dispose();
    }

    private bool Find(string text)
    {
        lock (_screen)
        {
            var found = _screen.ToString().IndexOf(text, _seen, StringComparison.Ordinal);
            if (found < 0)
                return false;
            _seen = found + text.Length;
            return true;
        }
    }
}
