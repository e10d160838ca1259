using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Pgd.IntegrationTests.GitHub;

/// <summary>A step's shell, started, listened to and cancelled as the runner does.</summary>
internal sealed partial class StepProcess : IDisposable
{
    private const int SigInt = 2;
    private const int SigTerm = 15;

    // The runner's own: first SIGINT, then SIGTERM, then the end.
    private static readonly TimeSpan AfterInterrupt = TimeSpan.FromSeconds(7.5);
    private static readonly TimeSpan AfterTerminate = TimeSpan.FromSeconds(2.5);
    // A child that outlives the shell with its output open is waited for as long.
    private static readonly TimeSpan ForOutput = TimeSpan.FromSeconds(5);
    private readonly Process _process;
    private readonly Task _output;

    private StepProcess(Process process, JobLog log)
    {
        _process = process;
        _output = Task.WhenAll(ReadAsync(process.StandardOutput, log), ReadAsync(process.StandardError, log));
    }

    /// <summary>Starts bash on a script file, as <c>shell: bash</c> means it.</summary>
    public static StepProcess Start(string script, string folder, IReadOnlyDictionary<string, string> environment, JobLog log)
    {
        var start = new ProcessStartInfo("bash")
        {
            WorkingDirectory = folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var argument in new[] { "--noprofile", "--norc", "-e", "-o", "pipefail", script })
            start.ArgumentList.Add(argument);
        start.Environment.Clear();
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        var process = Process.Start(start)!;
        process.StandardInput.Close();
        return new(process, log);
    }

    /// <summary>Waits for the end. When <paramref name="cancelled"/> fires, signals the shell, and nothing but the shell.</summary>
    public async Task<(int ExitCode, bool OutputHeldOpen)> WaitAsync(CancellationToken cancelled)
    {
        var ended = _process.WaitForExitAsync(CancellationToken.None);
        var asked = Task.Delay(Timeout.Infinite, cancelled);
        if (await Task.WhenAny(ended, asked) == asked)
            await EndAsync(ended);
        await ended;
        var held = await Task.WhenAny(_output, Task.Delay(ForOutput, CancellationToken.None)) != _output;
        return (_process.ExitCode, held);
    }

    /// <inheritdoc/>
    public void Dispose() => _process.Dispose();

    private async Task EndAsync(Task ended)
    {
        foreach (var (signal, patience) in new[] { (SigInt, AfterInterrupt), (SigTerm, AfterTerminate) })
        {
            _ = SendSignal(_process.Id, signal);
            if (await Task.WhenAny(ended, Task.Delay(patience)) == ended)
                return;
        }

        _process.Kill(entireProcessTree: false);
    }

    private static async Task ReadAsync(StreamReader reader, JobLog log)
    {
        while (await reader.ReadLineAsync() is { } line)
            log.Add(line);
    }

    [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int SendSignal(int processId, int signal);
}
