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
    private const string Suffix = ".lock";
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(2), LongestPause = TimeSpan.FromMilliseconds(50);

    /// <summary>Takes all of the locks, or none and throws <see cref="ExitCode.Locked"/> with the holder's name.</summary>
    public async Task<HeldLocks> AcquireAsync(CancellationToken cancellationToken, params IEnumerable<LockRequest> requests)
    {
        layout.Ensure();
        var held = new HeldLocks();
        try
        {
            foreach (var same in requests.GroupBy(r => r.Name, StringComparer.Ordinal).OrderBy(g => g.Key, StringComparer.Ordinal))
                held.Add(await AcquireOneAsync(same.First() with { Exclusive = same.Any(r => r.Exclusive) }, cancellationToken).ConfigureAwait(false));
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
        if (TryTake(request) is not { } file)
            return null;
        var held = new HeldLocks();
        held.Add(file);
        return held;
    }

    /// <summary>Removes the files of locks on what is gone. What someone holds stays.</summary>
    public void Sweep()
    {
        foreach (var file in Directory.Exists(layout.Locks) ? Directory.GetFiles(layout.Locks, "*" + Suffix) : [])
            TryAcquire(LockRequest.Of(Path.GetFileName(file)[..^Suffix.Length].Replace('+', '/')))?.Dispose();
    }

    private async Task<LockFile> AcquireOneAsync(LockRequest request, CancellationToken cancellationToken)
    {
        var clock = System.Diagnostics.Stopwatch.StartNew();
        var said = false;
        for (var pause = FirstPause; ; pause = pause * 2 < LongestPause ? pause * 2 : LongestPause)
        {
            if (TryTake(request) is { } file)
                return file;
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
    }

    private LockFile? TryTake(LockRequest request)
    {
        var path = PathOf(request.Name);
        while (true)
        {
            var file = Open(path);
            try
            {
                if (!LockFile.TryLock(file, request.Exclusive))
                {
                    file.Dispose();
                    return null;
                }

                // Whoever released it last may have removed the file between our opening and our locking it: a lock on a removed file excludes no one.
                if (LockFile.IsStillAt(file, path))
                {
                    if (request.Exclusive)
                        WriteHolder(file);
                    return new(file, path, request.Subject?.Invoke(layout));
                }

                file.Dispose();
            }
            catch
            {
                file.Dispose();
                throw;
            }
        }
    }

    private SafeFileHandle Open(string path)
    {
        try
        {
            // Not .NET's own call: it takes a lock of its own, and fails where another process holds an exclusive one.
            var file = Libc.OpenOrCreate(path, layout.FileMode);
            layout.GiveToGroup(file);
            return file;
        }
        catch (Exception e) when (DiskFull.Is(e))
        {
            throw DiskFull.Error(path, e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new PgdException(ExitCode.MachineLacks, $"the lock {path} cannot be had: {e.Message}", "Run as the user who owns the root, or choose another root with --root or PGD_ROOT.", e);
        }
    }

    // All in one folder, because a full disk has no room for another one, and deleting a branch there must work.
    private string PathOf(string name) => Path.Combine(layout.Locks, name.Replace('/', '+') + Suffix);

    private static void WriteHolder(SafeFileHandle file)
    {
        // It leads the reader of the message to the run that he waits for.
        var run = Invocation.Run is { } url ? $" of {url}" : "";
        try
        {
            RandomAccess.SetLength(file, 0);
            RandomAccess.Write(file, Encoding.UTF8.GetBytes($"process {Environment.ProcessId}{run} since {DateTimeOffset.UtcNow:u}\n"), 0);
        }
        catch (IOException)
        {
            // On a full disk the lock still locks; deleting a branch there must work.
        }
    }

    // What the last exclusive holder wrote may be old; the kernel knows who holds it now.
    private string Holder(string name)
    {
        var path = PathOf(name);
        try
        {
            var inode = $":{Libc.Status(path).Inode} ";
            // 12: FLOCK  ADVISORY  WRITE 4711 fd:00:123 0 EOF
            var holders = File.ReadLines("/proc/locks").Where(line => line.Contains(" FLOCK ", StringComparison.Ordinal) && line.Contains(inode, StringComparison.Ordinal) && !line.Contains("->", StringComparison.Ordinal))
                .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[4]).Distinct().ToList();
            using var file = Libc.OpenForReading(path);
            var bytes = new byte[4096];
            var text = Encoding.UTF8.GetString(bytes, 0, RandomAccess.Read(file, bytes, 0)).Trim();
            return holders.Count == 0 || holders.Exists(holder => text.StartsWith($"process {holder} ", StringComparison.Ordinal))
                ? text.Length > 0 ? text : "another operation"
                : $"{(holders.Count == 1 ? "process" : "processes")} {string.Join(", ", holders)}";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "another operation";
        }
    }
}

/// <summary>
/// A lock that is held. Its file stays while there is what it locks, because a full disk has no room for a new one, and deleting a branch there must
/// work; and it goes with that, or there would be one for every branch that ever was.
/// </summary>
internal sealed class LockFile(SafeFileHandle file, string path, string? subject) : IDisposable
{
    public void Dispose()
    {
        try
        {
            // Only who has the file that is at the path, and has it alone, may remove it.
            if (!file.IsClosed && !File.Exists(subject) && TryLock(file, exclusive: true) && IsStillAt(file, path))
                File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // An empty file that stays locks as well as a new one.
        }

        // A program that is just being started may have the descriptor for a moment, and with it the lock.
        if (!file.IsClosed)
            _ = Libc.Flock(file, Libc.LOCK_UN);
        file.Dispose();
    }

    internal static bool TryLock(SafeFileHandle file, bool exclusive)
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

    internal static bool IsStillAt(SafeFileHandle file, string path)
    {
        try
        {
            return Libc.Status(path).Inode == Libc.Status(file).Inode;
        }
        catch (IOException e) when (e.HResult == Libc.ENOENT)
        {
            return false;
        }
    }
}

/// <summary>A lock to take: on a branch, a project, or something that belongs to all of them.</summary>
internal sealed record LockRequest(string Name, bool Exclusive)
{
    private const string ProjectSuffix = "/!project", CopyingSuffix = "~copying", InspectingSuffix = "~inspecting", LabelsSuffix = "~labels", DatabaseSuffix = "~database-", PortsName = "ports", CertificateAuthorityName = "ca";

    public string Title => Name;

    /// <summary>The file without which there is nothing to lock; null if the lock is for a moment only.</summary>
    public Func<Layout, string>? Subject { get; init; }

    // A project's lock sorts before those of its branches, because '!' sorts before all letters and digits.
    public static LockRequest Project(string project, bool exclusive) => new(project + ProjectSuffix, exclusive) { Subject = layout => layout.ProjectFile(project) };

    public static LockRequest Branch(BranchName name, bool exclusive) => new(name.ToString(), exclusive) { Subject = layout => layout.BranchFile(name) };

    /// <summary>The exclusive lock that a lock file belongs to.</summary>
    public static LockRequest Of(string name) =>
        name == PortsName ? Ports
        : name == CertificateAuthorityName ? CertificateAuthority
        : name.EndsWith(ProjectSuffix, StringComparison.Ordinal) ? Project(name[..^ProjectSuffix.Length], exclusive: true)
        : name.Split('/', '@') is [var owner, var source, var id] && BranchName.IsWellFormed(owner) && BranchName.IsWellFormed(source) ? Snapshot(BranchName.Of(owner, source), id, exclusive: true)
        : name.Split('/') is [var project, var branch] && BranchName.IsWellFormed(project) && BranchName.IsWellFormed(branch) ? Branch(BranchName.Of(project, branch), exclusive: true)
        : new(name, Exclusive: true);

    /// <summary>Only one copy of a running source is taken at a time: each needs a replication slot, of which a server has few.</summary>
    public static LockRequest Copying(BranchName source) => new(source + CopyingSuffix, Exclusive: true);

    /// <summary>Only one of the branches that are made at the same time tells what their source does.</summary>
    public static LockRequest Inspecting(string project) => new(project + InspectingSuffix, Exclusive: true);

    /// <summary>While a project's first branch is made anew: others may use it, and what it is not done with is nobody's to sweep.</summary>
    public static LockRequest Refreshing(string project) => new($"{project}~refreshing", Exclusive: true);

    /// <summary>On a snapshot: shared while something is made from it, exclusive while it is made or removed.</summary>
    public static LockRequest Snapshot(BranchName branch, string id, bool exclusive) => new($"{branch}@{id}", exclusive) { Subject = layout => layout.SnapshotFile(branch, id) };

    /// <summary>On a database of a branch's server, of which there may be none of that name yet.</summary>
    public static LockRequest Database(BranchName branch, string database) => DatabaseOf(branch, Layout.ShortHash(database));

    /// <summary>The same, by the hash of its name.</summary>
    public static LockRequest DatabaseOf(BranchName branch, string hash) => new(branch + DatabaseSuffix + hash, Exclusive: true);

    /// <summary>While a parent for a key is prepared: whoever needs the same one waits for it.</summary>
    public static LockRequest Preparing(string project, string key) => new($"{project}~preparing-{Layout.ShortHash(key)}", Exclusive: true);

    /// <summary>For a moment: two snapshots that are taken at the same time do not get one label.</summary>
    public static LockRequest Labels(BranchName branch) => new(branch + LabelsSuffix, Exclusive: true);

    public static LockRequest Ports { get; } = new(PortsName, Exclusive: true) { Subject = layout => layout.HostKey };

    public static LockRequest CertificateAuthority { get; } = new(CertificateAuthorityName, Exclusive: true) { Subject = layout => layout.CertificateAuthority };
}

/// <summary>Locks that are held until this is disposed.</summary>
internal sealed class HeldLocks : IDisposable
{
    private readonly Stack<LockFile> _files = new();

    public void Add(LockFile file) => _files.Push(file);

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
