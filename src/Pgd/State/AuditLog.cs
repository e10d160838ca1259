using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.Json;
using Microsoft.Win32.SafeHandles;
using Pgd.Linux;

namespace Pgd.State;

/// <summary>
/// Who did what to which branch: one line of JSON for each operation, once it has ended. Only its subject, its outcome and where it came from are told, so there is no secret in it.
/// </summary>
internal sealed class AuditLog(Layout layout, IReporter reporter)
{
    /// <summary>A file of this size is set aside, and a new one begun.</summary>
    public const long LargestFile = 10 << 20;

    /// <summary>How many files are kept beside the present one.</summary>
    public const int Kept = 4;

    /// <summary>Does it, and writes down how it ended. That it cannot be written down does not keep it from being done.</summary>
    public async Task<T> RecordAsync<T>(string operation, string subject, PullRequestKey? pullRequest, Func<Task<T>> work)
    {
        var (at, clock) = (DateTimeOffset.UtcNow, Stopwatch.StartNew());
        try
        {
            var result = await work().ConfigureAwait(false);
            Append(operation, subject, pullRequest, at, clock.Elapsed, null);
            return result;
        }
        catch (Exception e)
        {
            Append(operation, subject, pullRequest, at, clock.Elapsed, e);
            throw;
        }
    }

    private void Append(string operation, string subject, PullRequestKey? pullRequest, DateTimeOffset at, TimeSpan took, Exception? failure)
    {
        try
        {
            // Where there is no root nothing happened in it; and elsewhere than on Linux there are no branches.
            if (!OperatingSystem.IsLinux() || !Directory.Exists(layout.State))
                return;
            using var file = OpenLocked();
            var end = RandomAccess.GetLength(file);
            try
            {
                RandomAccess.Write(file, Line(operation, subject, pullRequest, at, took, failure), end);
            }
            catch (IOException)
            {
                // Half a line would spoil the next one.
                RandomAccess.SetLength(file, end);
                throw;
            }
        }
        catch (IOException e) when (DiskFull.Is(e))
        {
            // That is told by whatever else had no room; and to delete is the way out of it.
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            reporter.Warn($"the operation is not in {layout.AuditLog}: {e.Message}");
        }
    }

    // Its own lock: who sets it aside must be alone with it, and what is written must be one line.
    private SafeFileHandle OpenLocked()
    {
        while (true)
        {
            var file = Libc.OpenOrCreate(layout.AuditLog, layout.FileMode);
            try
            {
                layout.GiveToGroup(file);
                while (Libc.Flock(file, Libc.LOCK_EX) != 0)
                {
                    if (Marshal.GetLastPInvokeError() != Libc.EINTR)
                        throw Libc.LastError(layout.AuditLog);
                }

                if (LockFile.IsStillAt(file, layout.AuditLog))
                {
                    if (RandomAccess.GetLength(file) < LargestFile)
                        return file;
                    for (var number = Kept - 1; number > 0; number--)
                    {
                        if (File.Exists(SetAside(number)))
                            File.Move(SetAside(number), SetAside(number + 1), overwrite: true);
                    }

                    File.Move(layout.AuditLog, SetAside(1), overwrite: true);
                }
            }
            catch
            {
                file.Dispose();
                throw;
            }

            file.Dispose();
        }
    }

    private string SetAside(int number) => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{layout.AuditLog}.{number}");

    private static byte[] Line(string operation, string subject, PullRequestKey? pullRequest, DateTimeOffset at, TimeSpan took, Exception? failure)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            json.WriteString("at", at);
            json.WriteString("operation", operation);
            json.WriteString("subject", subject);
            if (pullRequest is not null)
                json.WriteString("pullRequest", string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{pullRequest.Repository}#{pullRequest.Number}"));
            json.WriteString("user", Environment.UserName);
            // Who became root by sudo is somebody.
            if (Environment.GetEnvironmentVariable("SUDO_USER") is { Length: > 0 } invoker)
                json.WriteString("sudoUser", invoker);
            json.WriteNumber("process", Environment.ProcessId);
            if (Invocation.Run is { } run)
                json.WriteString("run", run);
            json.WriteNumber("milliseconds", (long)took.TotalMilliseconds);
            json.WriteNumber("exitCode", failure switch { null => 0, PgdException known => (int)known.ExitCode, OperationCanceledException => (int)ExitCode.Interrupted, _ => (int)ExitCode.Failed });
            // Only our own words, and of those the first line: what follows may be a server's, which quotes what it was asked.
            if (failure is PgdException { Message: var message })
                json.WriteString("error", message.Split('\n')[0]);
            else if (failure is not null)
                json.WriteString("error", failure.GetType().Name);
            json.WriteEndObject();
        }

        stream.WriteByte((byte)'\n');
        return stream.ToArray();
    }
}
