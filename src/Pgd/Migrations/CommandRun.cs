using System.ComponentModel;
using System.Diagnostics;

namespace Pgd.Migrations;

/// <summary>One run of a migration program, in a session and process group of its own.</summary>
internal sealed class CommandRun(MigrationCommand command, TimeProvider clock)
{
    // A code host's runner allows about ten seconds between its first signal and the end; undoing needs some of them.
    private static readonly TimeSpan InterruptGrace = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan TerminateGrace = TimeSpan.FromSeconds(1.5);
    private static readonly TimeSpan DrainGrace = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(20);

    private readonly OutputTail tail = new();
    private readonly SecretMask mask = new(command.Connection.SecretForms());

    public async Task<MigrationRun> RunAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var start = clock.GetTimestamp();
        using var process = Start();
        process.StandardInput.Close();
        using var drainStop = new CancellationTokenSource();
        using var abort = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var drained = Task.WhenAll(
            ReadAsync(process.StandardOutput.BaseStream, abort, drainStop.Token),
            ReadAsync(process.StandardError.BaseStream, abort, drainStop.Token));
        try
        {
            await process.WaitForExitAsync(abort.Token);
        }
        catch (OperationCanceledException)
        {
            await StopAsync(process);
            await DrainAsync(process, drained, drainStop);
            throw;
        }

        await DrainAsync(process, drained, drainStop);
        return new MigrationRun
        {
            Duration = clock.GetElapsedTime(start),
            OutputTail = tail.ToList(),
            Error = process.ExitCode == 0 ? null : new MigrationError
            {
                Message = process.ExitCode > 128
                    ? $"The migration command ended with exit status {process.ExitCode} (signal {process.ExitCode - 128})"
                    : $"The migration command ended with exit status {process.ExitCode}",
                ExitStatus = process.ExitCode,
            },
        };
    }

    private Process Start()
    {
        var folder = Path.GetFullPath(command.WorkingDirectory ?? ".");
        if (!Directory.Exists(folder))
            throw new PgdException(ExitCode.Misuse, $"the working directory of the migration command, {folder}, does not exist");
        var start = new ProcessStartInfo("setsid")
        {
            WorkingDirectory = folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // A session of its own: a Ctrl-C in the terminal reaches us, and we pass it on; and its descendants can be signaled together.
        foreach (var argument in new[] { "bash", "-euo", "pipefail", "-c", command.Script })
            start.ArgumentList.Add(argument);
        command.Connection.ApplyTo(start.Environment);
        try
        {
            return Process.Start(start)!;
        }
        catch (Win32Exception exception)
        {
            throw new PgdException(ExitCode.MachineLacks, $"the migration command cannot be started: {exception.Message}",
                "It needs setsid (package util-linux) and bash.", exception);
        }
    }

    private async Task ReadAsync(Stream stream, CancellationTokenSource abort, CancellationToken cancellationToken)
    {
        try
        {
            await new LineReader(mask, Hear).ReadAsync(stream, cancellationToken);
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            // When nobody takes its output any more (the listener threw), the program would wait for ever.
            await abort.CancelAsync();
            throw;
        }
    }

    private void Hear(string line)
    {
        lock (tail)
        {
            tail.Add(line);
            command.Output(line);
        }
    }

    private async Task StopAsync(Process process)
    {
        ProcessGroup.Signal(process.Id, ProcessGroup.Interrupt, started: false);
        if (await GoneAsync(process, InterruptGrace))
            return;
        ProcessGroup.Signal(process.Id, ProcessGroup.Terminate, started: false);
        if (await GoneAsync(process, TerminateGrace))
            return;
        ProcessGroup.Signal(process.Id, ProcessGroup.Kill, started: false);
        await process.WaitForExitAsync(CancellationToken.None);
    }

    private async Task<bool> GoneAsync(Process process, TimeSpan grace)
    {
        var start = clock.GetTimestamp();
        while (!process.HasExited || ProcessGroup.Signal(process.Id, ProcessGroup.Probe))
        {
            if (clock.GetElapsedTime(start) >= grace)
                return false;
            await Task.Delay(Poll, clock, CancellationToken.None);
        }

        return true;
    }

    /// <summary>Reads what is left. A process that the script left running may hold the pipes for ever: it is ended.</summary>
    private async Task DrainAsync(Process process, Task drained, CancellationTokenSource stop)
    {
        try
        {
            await drained.WaitAsync(DrainGrace, clock, CancellationToken.None);
        }
        catch (TimeoutException)
        {
            ProcessGroup.Signal(process.Id, ProcessGroup.Terminate);
            await stop.CancelAsync();
            try
            {
                await drained.WaitAsync(DrainGrace, clock, CancellationToken.None);
            }
            catch (Exception exception) when (exception is OperationCanceledException or TimeoutException or IOException)
            {
            }
        }
    }
}
