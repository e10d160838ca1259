using System.Globalization;
using System.Runtime.InteropServices;

namespace Pgd.IntegrationTests;

/// <summary>
/// File systems of this run, under one folder named by its process id and locked while it lives.
/// The kernel drops the lock of a killed run, which is how the next one knows what to sweep.
/// </summary>
public sealed class FileSystemLab : IDisposable
{
    private const int SharedMegabytes = 16 * 1024;
    private const long PlentyOfMemory = 16L << 30;

    // Hundreds of servers start and sync here: with the memory for it, none of them waits for a disk that it shares with all the others.
    private static readonly string Home = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes >= PlentyOfMemory && Directory.Exists("/dev/shm") && new DriveInfo("/dev/shm").AvailableFreeSpace >= PlentyOfMemory
        ? "/dev/shm/pgd-lab" : "/var/tmp/pgd-lab";

    private readonly Lock _lock = new();
    private readonly Dictionary<string, LoopFileSystem> _shared = [];
    private readonly List<LoopFileSystem> _all = [];
    private FileStream? _ownership;
    private string? _folder;
    private IReadOnlyList<PosixSignalRegistration> _signals = [];
    private bool _disposed;

    /// <summary>The run's own file system of a kind, made when first asked for. Sparse: it takes what is written.</summary>
    public LoopFileSystem Shared(string kind)
    {
        lock (_lock)
        {
            if (!_shared.TryGetValue(kind, out var fileSystem))
                _shared[kind] = fileSystem = New(kind, SharedMegabytes);
            return fileSystem;
        }
    }

    /// <summary>One more file system, for a test that fills it. XFS needs 300 MB, btrfs 110 MB.</summary>
    public LoopFileSystem New(string kind, int megabytes)
    {
        Lab.Require(Environment.IsPrivilegedProcess, "Mounting a file system needs root");
        Lab.Require(LabCommand.Exists($"mkfs.{kind}"), $"mkfs.{kind} is not installed");
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            _folder ??= Open();
            var fileSystem = new LoopFileSystem(kind, Path.Combine(_folder, $"{kind}{_all.Count}"), megabytes);
            _all.Add(fileSystem);
            return fileSystem;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock)
        {
            if (_disposed)
                return;
            _disposed = true;
            if (_folder is null)
                return;
            var failures = _all.Select(Remove).OfType<Exception>().ToList();
            if (failures.Count > 0)
                throw new AggregateException($"{_folder} could not be cleared; the next run tries again.", failures);
            Directory.Delete(_folder, recursive: true);
            _ownership?.Dispose();
            foreach (var signal in _signals)
                signal.Dispose();
        }

        // One that is stuck must not keep the others mounted.
        static Exception? Remove(LoopFileSystem fileSystem)
        {
            try
            {
                fileSystem.Dispose();
                return null;
            }
            catch (Exception error)
            {
                return error;
            }
        }
    }

    // Tests still run and may write where a file system was a moment ago. What they leave, the next run sweeps; an error here
    // would keep the process from ending.
    private void DisposeInAHurry()
    {
        try
        {
            Dispose();
        }
        catch (Exception)
        {
            // See above.
        }
    }

    private string Open()
    {
        Directory.CreateDirectory(Home, LabFolder.Traversable);
        File.SetUnixFileMode(Home, LabFolder.Traversable);
        using var oneAtATime = LabFolder.WaitForLock(Path.Combine(Home, "lock"));
        foreach (var folder in Directory.GetDirectories(Home))
            SweepIfDead(folder);
        var own = Path.Combine(Home, Environment.ProcessId.ToString(CultureInfo.InvariantCulture));
        Directory.CreateDirectory(own, LabFolder.Traversable);
        File.SetUnixFileMode(own, LabFolder.Traversable);
        _ownership = LabFolder.TryLock(Path.Combine(own, "lock")) ?? throw new InvalidOperationException($"{own} belongs to another run.");
        // The end of the process by a signal skips the fixture, and from .NET 10 on ProcessExit as well.
        _signals = [.. new[] { PosixSignal.SIGTERM, PosixSignal.SIGHUP }.Select(signal => PosixSignalRegistration.Create(signal, _ => DisposeInAHurry()))];
        return own;
    }

    private static void SweepIfDead(string folder)
    {
        using var abandoned = LabFolder.TryLock(Path.Combine(folder, "lock"));
        if (abandoned is null)
            return;
        foreach (var mountPoint in Directory.GetDirectories(folder))
            LoopFileSystem.Remove(mountPoint);
        Directory.Delete(folder, recursive: true);
    }
}
