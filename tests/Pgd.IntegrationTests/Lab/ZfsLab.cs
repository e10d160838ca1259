using System.Collections.Concurrent;
using System.Globalization;

namespace Pgd.IntegrationTests;

/// <summary>Datasets on the one ZFS pool that tests may use: that of <c>PGD_TEST_POOL</c>. Tests that need it have the trait <c>Needs=zfs</c>.</summary>
public sealed class ZfsLab : IDisposable
{
    private readonly ConcurrentStack<string> _parents = [];
    private int _count;

    internal ZfsLab()
    {
    }

    /// <summary>A fresh dataset on the pool, such as <c>pool/t17-1</c>, mounted, and open to every account. It is removed at the end with all that is below it.</summary>
    public string NewParent()
    {
        var pool = Environment.GetEnvironmentVariable("PGD_TEST_POOL");
        Lab.Require(!string.IsNullOrEmpty(pool), "There is no ZFS pool for tests: PGD_TEST_POOL names none");
        // A pool that outlives its runs may hold what a killed one left.
        var parent = string.Create(CultureInfo.InvariantCulture, $"{pool}/t{Environment.ProcessId}-{Interlocked.Increment(ref _count)}");
        _parents.Push(parent);
        LabCommand.Run("zfs", "create", parent);
        File.SetUnixFileMode(Folder(parent), LabFolder.Traversable);
        return parent;
    }

    /// <summary>Where a dataset is mounted.</summary>
    public static string Folder(string dataset) => LabCommand.Run("zfs", "get", "-H", "-o", "value", "mountpoint", dataset).Trim();

    /// <summary>Bytes that a dataset and all below it hold, after everything written has reached the pool: what a byte copy would raise.</summary>
    public static long Used(string dataset)
    {
        // Space is counted when a group of writes is done.
        LabCommand.Run("zpool", "sync", dataset.Split('/')[0]);
        return long.Parse(LabCommand.Run("zfs", "get", "-H", "-p", "-o", "value", "used", dataset), CultureInfo.InvariantCulture);
    }

    /// <summary>The name of every dataset and snapshot below one.</summary>
    public static IReadOnlyList<string> Listing(string dataset) =>
        [.. LabCommand.Run("zfs", "list", "-H", "-r", "-t", "all", "-o", "name", dataset).Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(name => name != dataset)];

    /// <inheritdoc/>
    public void Dispose()
    {
        while (_parents.TryPop(out var parent))
        {
            if (LabCommand.Try("zfs", "list", parent).Status != 0)
                continue;
            var folder = Folder(parent);
            // What a failed test left running would keep it mounted.
            foreach (var server in LabProcess.All().Where(process => process.IsServer && LabFolder.Contains(folder, process.WorkingDirectory)))
                server.Kill();
            // One that is mounted inside another goes first: zfs takes them by their names.
            foreach (var place in File.ReadLines("/proc/mounts").Select(line => line.Split(' ')).Where(fields => fields[0].StartsWith(parent + "/", StringComparison.Ordinal)).Select(fields => fields[1]).OrderByDescending(place => place.Length).ToList())
                LabCommand.Try("umount", place);
            // -R: clones below it stand on snapshots below it.
            LabCommand.Run("zfs", "destroy", "-R", "-f", parent);
        }
    }
}
