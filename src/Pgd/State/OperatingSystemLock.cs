using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;
using Pgd.Linux;

namespace Pgd.State;

/// <summary>
/// Locks of the operating system (flock): they end with the process that holds them, however it ends.
/// A set is taken in one order everywhere, so that two operations can never wait for each other.
/// </summary>
internal sealed class OperatingSystemLocks(Layout layout, TimeSpan wait, IReporter reporter)
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(2), LongestPause = TimeSpan.FromMilliseconds(50);

    /// <summary>Takes all of the locks, or none and throws <see cref="ExitCode.Locked"/> with the holder's name.</summary>
    public async Task<HeldLocks> AcquireAsync(CancellationToken cancellationToken, params IEnumerable<LockRequest> requests)
    {
        layout.Ensure();
        var held = new HeldLocks();
        try
        {
            foreach (var request in requests.GroupBy(r => r.Name, StringComparer.Ordinal).OrderBy(g => g.Key, StringComparer.Ordinal))
                held.Add(await AcquireOneAsync(new(request.Key, request.Any(r => r.Exclusive)), cancellationToken).ConfigureAwait(false));
            return held;
        }
        catch
        {
            held.Dispose();
            throw;
        }
    }

    /// <summary>Takes a lock if no one holds it; null otherwise.</summary>
    public HeldLocks? TryAcquire(LockRequest request)
    {
        layout.Ensure();
        var file = Open(request.Name);
        if (!TryLock(file, request.Exclusive))
        {
            file.Dispose();
            return null;
        }

        var held = new HeldLocks();
        held.Add(file);
        return held;
    }

    private async Task<SafeFileHandle> AcquireOneAsync(LockRequest request, CancellationToken cancellationToken)
    {
        var file = Open(request.Name);
        try
        {
            var clock = System.Diagnostics.Stopwatch.StartNew();
            var said = false;
            for (var pause = FirstPause; !TryLock(file, request.Exclusive); pause = pause * 2 < LongestPause ? pause * 2 : LongestPause)
            {
                if (clock.Elapsed >= wait)
                {
                    throw new PgdException(ExitCode.Locked, $"{request.Title} is locked by {Holder(request.Name)}",
                        $"Try again later, or wait longer than {wait.TotalSeconds:0} s with --wait-lock.");
                }

                if (!said && clock.Elapsed > TimeSpan.FromSeconds(1))
                {
                    said = true;
                    reporter.Step($"waiting for {request.Title}, locked by {Holder(request.Name)}");
                }

                await Task.Delay(pause, cancellationToken).ConfigureAwait(false);
            }

            if (request.Exclusive)
                WriteHolder(file);
            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    // Lock files are never removed: a lock on a removed file excludes no one.
    private SafeFileHandle Open(string name)
    {
        var path = LockFile(name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        return Libc.OpenLockFile(path);
    }

    private string LockFile(string name) => Path.Combine(layout.Locks, name + ".lock");

    private static bool TryLock(SafeFileHandle file, bool exclusive)
    {
        while (Libc.Flock(file, (exclusive ? Libc.LOCK_EX : Libc.LOCK_SH) | Libc.LOCK_NB) != 0)
        {
            var error = Marshal.GetLastPInvokeError();
            if (error == Libc.EAGAIN)
                return false;
            if (error != Libc.EINTR)
                throw Libc.LastError("flock");
        }

        return true;
    }

    private static void WriteHolder(SafeFileHandle file)
    {
        // GITHUB_RUN_ID leads the reader of the message to the run that he waits for.
        var run = Environment.GetEnvironmentVariable("GITHUB_RUN_ID") is { Length: > 0 } id
            ? $" of {Environment.GetEnvironmentVariable("GITHUB_SERVER_URL")}/{Environment.GetEnvironmentVariable("GITHUB_REPOSITORY")}/actions/runs/{id}"
            : "";
        RandomAccess.SetLength(file, 0);
        RandomAccess.Write(file, Encoding.UTF8.GetBytes($"process {Environment.ProcessId}{run} since {DateTimeOffset.UtcNow:u}\n"), 0);
    }

    private string Holder(string name)
    {
        try
        {
            using var file = Open(name);
            Span<byte> content = stackalloc byte[500];
            var text = Encoding.UTF8.GetString(content[..RandomAccess.Read(file, content, 0)]).Trim();
            return text.Length > 0 ? text : "another operation";
        }
        catch (IOException)
        {
            return "another operation";
        }
    }
}

/// <summary>A lock to take: on a branch, a project, or something that belongs to all of them.</summary>
internal sealed record LockRequest(string Name, bool Exclusive)
{
    public string Title => Name;

    // A project's lock sorts before those of its branches, because '!' sorts before all letters and digits.
    public static LockRequest Project(string project, bool exclusive) => new($"{project}/!project", exclusive);

    public static LockRequest Branch(BranchName name, bool exclusive) => new(name.ToString(), exclusive);

    /// <summary>Only one copy of a running source is taken at a time: each needs a replication slot, of which a server has few.</summary>
    public static LockRequest Copying(BranchName source) => new($"{source}~copying", Exclusive: true);

    public static LockRequest Ports { get; } = new("ports", Exclusive: true);
}

/// <summary>Locks that are held until this is disposed.</summary>
internal sealed class HeldLocks : IDisposable
{
    private readonly Stack<SafeFileHandle> _files = new();

    public void Add(SafeFileHandle file) => _files.Push(file);

    public void Add(HeldLocks others)
    {
        while (others._files.TryPop(out var file))
            _files.Push(file);
    }

    public void Dispose()
    {
        while (_files.TryPop(out var file))
            file.Dispose();
    }
}
