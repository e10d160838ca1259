using System.ComponentModel;
using System.Diagnostics;
using System.Text;

namespace Pgd.Processes;

/// <summary>A program to run to its end. Arguments are a list; secrets travel by environment or standard input.</summary>
internal sealed record Command(string Program, params IReadOnlyList<string> Arguments)
{
    /// <summary>Set, or with null removed, in the environment.</summary>
    public IReadOnlyDictionary<string, string?> Environment { get; init; } = new Dictionary<string, string?>();

    public string? WorkingDirectory { get; init; }

    /// <summary>The account to run as; null for our own.</summary>
    public string? User { get; init; }

    public string Title => Path.GetFileName(Program);
}

/// <summary>How a program ended, and the end of what it said.</summary>
internal sealed record CommandResult(int Status, string Output, string Error);

/// <summary>The one place where programs are started and waited for.</summary>
internal static class Shell
{
    private static readonly TimeSpan GraceAfterSignal = TimeSpan.FromSeconds(5);

    /// <summary>Runs a program; a status other than 0 is an error that carries what the program said.</summary>
    public static async Task<CommandResult> RunAsync(Command command, CancellationToken cancellationToken)
    {
        var result = await TryRunAsync(command, cancellationToken).ConfigureAwait(false);
        return result.Status == 0
            ? result
            : throw new PgdException(ExitCode.Failed, $"{command.Title} failed with status {result.Status}: {LastLines(result.Error.Length > 0 ? result.Error : result.Output)}");
    }

    /// <summary>Runs a program and reports its status. Cancelling asks it to end, then ends it.</summary>
    public static async Task<CommandResult> TryRunAsync(Command command, CancellationToken cancellationToken)
    {
        using var process = new Process { StartInfo = StartInfo(command) };
        try
        {
            process.Start();
        }
        catch (Win32Exception e)
        {
            throw new PgdException(ExitCode.MachineLacks, $"{command.Program} cannot be started: {e.Message}", inner: e);
        }

        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync(CancellationToken.None);
        var error = process.StandardError.ReadToEndAsync(CancellationToken.None);
        try
        {
            await process.WaitForExitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            _ = Linux.Libc.Kill(process.Id, Linux.Libc.SIGTERM);
            using var grace = new CancellationTokenSource(GraceAfterSignal);
            try
            {
                await process.WaitForExitAsync(grace.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                process.Kill(entireProcessTree: true);
            }

            throw;
        }

        return new(process.ExitCode, await output.ConfigureAwait(false), await error.ConfigureAwait(false));
    }

    /// <summary>Runs a program that takes moments, and waits for it on this thread.</summary>
    public static CommandResult Run(Command command)
    {
        using var process = new Process { StartInfo = StartInfo(command) };
        try
        {
            process.Start();
        }
        catch (Win32Exception e)
        {
            throw new PgdException(ExitCode.MachineLacks, $"{command.Program} cannot be started: {e.Message}", inner: e);
        }

        process.StandardInput.Close();
        // Read beside the other: a full pipe would stop the program.
        var error = process.StandardError.ReadToEndAsync(CancellationToken.None);
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return new(process.ExitCode, output, error.GetAwaiter().GetResult());
    }

    public static string LastLines(string text, int lines = 8) =>
        string.Join('\n', text.Split('\n', StringSplitOptions.RemoveEmptyEntries).TakeLast(lines)).Trim();

    private static ProcessStartInfo StartInfo(Command command)
    {
        var info = new ProcessStartInfo(command.Program)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.UTF8,
            StandardErrorEncoding = Encoding.UTF8,
            WorkingDirectory = command.WorkingDirectory ?? "",
        };
        if (command.User is not null)
            info.UserName = command.User;
        foreach (var argument in command.Arguments)
            info.ArgumentList.Add(argument);
        foreach (var (name, value) in command.Environment)
            info.Environment[name] = value;
        return info;
    }
}
