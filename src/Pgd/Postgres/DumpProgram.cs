using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;

namespace Pgd.Postgres;

/// <summary>One run of a client program on a dump.</summary>
internal static class DumpProgram
{
    private const int ErrorLines = 12;

    /// <summary>Runs a program and returns its standard output.</summary>
    public static async Task<string> OutputAsync(string program, IReadOnlyList<string> arguments, CancellationToken cancellationToken)
    {
        using var output = new MemoryStream();
        await RunAsync(Start(program, arguments), null, stream => stream.CopyToAsync(output, cancellationToken), null, cancellationToken);
        return System.Text.Encoding.UTF8.GetString(output.GetBuffer(), 0, (int)output.Length);
    }

    public static ProcessStartInfo Start(string program, IReadOnlyList<string> arguments) => new(program, arguments)
    {
        RedirectStandardInput = true,
        RedirectStandardOutput = true,
        RedirectStandardError = true,
    };

    /// <summary>Runs a program, feeding and reading it; when it fails, its last error lines are the message.</summary>
    /// <param name="start">From <see cref="Start"/>.</param>
    /// <param name="feed">Writes its standard input.</param>
    /// <param name="read">Reads its standard output; null throws it away.</param>
    /// <param name="watch">Hears every second how many bytes it and its workers have read.</param>
    /// <param name="cancellationToken">Kills it.</param>
    public static async Task RunAsync(
        ProcessStartInfo start, Func<Stream, Task>? feed, Func<Stream, Task>? read, Action<long>? watch, CancellationToken cancellationToken)
    {
        var name = Path.GetFileName(start.FileName);
        using var process = Launch(start, name);
        try
        {
            var errors = LastLinesAsync(process.StandardError, cancellationToken);
            var output = process.StandardOutput.BaseStream;
            var reading = OrKillAsync(process, read is null ? output.CopyToAsync(Stream.Null, cancellationToken) : read(output));
            var feeding = OrKillAsync(process, FeedAsync(process, feed));
            await WatchAsync(process, watch, cancellationToken);
            await Task.WhenAll(feeding, reading, errors);
            if (process.ExitCode != 0)
                throw new PgdException(ExitCode.Failed, $"{name} ended with status {process.ExitCode}: {string.Join('\n', await errors)}");
        }
        catch
        {
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
            throw;
        }
    }

    public static Process Launch(ProcessStartInfo start, string name)
    {
        try
        {
            return Process.Start(start)!;
        }
        catch (Win32Exception exception)
        {
            throw new PgdException(ExitCode.MachineLacks, $"the program {name} cannot be started: {exception.Message}", $"Install the package {name}.", exception);
        }
    }

    // Without its input, or with nobody to take its output, the program would wait for ever; and a closed input would tell psql to commit.
    private static async Task OrKillAsync(Process process, Task task)
    {
        try
        {
            await task;
        }
        catch
        {
            process.Kill(entireProcessTree: true);
            throw;
        }
    }

    // A program that fails stops reading; its own words matter then, not our broken pipe.
    private static async Task FeedAsync(Process process, Func<Stream, Task>? feed)
    {
        try
        {
            if (feed is not null)
                await feed(process.StandardInput.BaseStream);
            process.StandardInput.Close();
        }
        catch (IOException) when (process.WaitForExit(TimeSpan.FromSeconds(10)) && process.ExitCode != 0)
        {
        }
    }

    private static async Task<IReadOnlyCollection<string>> LastLinesAsync(StreamReader reader, CancellationToken cancellationToken)
    {
        var lines = new Queue<string>();
        while (await reader.ReadLineAsync(cancellationToken) is { } line)
        {
            if (lines.Count == ErrorLines)
                lines.Dequeue();
            lines.Enqueue(line.Length > 1000 ? line[..1000] + "…" : line);
        }

        return lines;
    }

    private static async Task WatchAsync(Process process, Action<long>? watch, CancellationToken cancellationToken)
    {
        var exit = process.WaitForExitAsync(cancellationToken);
        var read = new Dictionary<string, long>(StringComparer.Ordinal);
        while (watch is not null && await Task.WhenAny(exit, Task.Delay(TimeSpan.FromSeconds(1), cancellationToken)) != exit)
        {
            AddBytesRead(process.Id.ToString(CultureInfo.InvariantCulture), read);
            watch(read.Values.Sum());
        }

        await exit;
    }

    // Workers of pg_restore --jobs are processes of their own. Where there is no /proc there is no progress.
    private static void AddBytesRead(string process, Dictionary<string, long> read)
    {
        try
        {
            foreach (var line in File.ReadLines($"/proc/{process}/io"))
            {
                if (line.StartsWith("rchar: ", StringComparison.Ordinal) && long.TryParse(line.AsSpan("rchar: ".Length), out var bytes))
                    read[process] = bytes;
            }

            foreach (var child in File.ReadAllText($"/proc/{process}/task/{process}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries))
                AddBytesRead(child, read);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
        }
    }
}
