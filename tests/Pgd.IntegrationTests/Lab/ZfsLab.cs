using System.Globalization;

namespace Pgd.IntegrationTests;

/// <summary>Datasets for tests, in the pool that the machine gives them: never in a stranger's.</summary>
public sealed class ZfsLab : IDisposable
{
    private readonly Lock _lock = new();
    private readonly List<string> _parents = [];

    /// <summary>The pool that tests may use.</summary>
    public static string? Pool => Environment.GetEnvironmentVariable("PGD_TEST_POOL") is { Length: > 0 } pool ? pool : null;

    /// <summary>A fresh dataset in it, mounted nowhere.</summary>
    public string NewParent()
    {
        Lab.Require(Pool is not null, "PGD_TEST_POOL names no ZFS pool that tests may use");
        lock (_lock)
        {
            var parent = $"{Pool}/t{Environment.ProcessId}-{_parents.Count.ToString(CultureInfo.InvariantCulture)}";
            LabCommand.Run("zfs", "create", "-o", "canmount=off", parent);
            _parents.Add(parent);
            return parent;
        }
    }

    /// <summary>Bytes that a dataset takes with all below it, after everything written has reached the pool.</summary>
    public static long Used(string dataset)
    {
        LabCommand.Run("zpool", "sync", Pool!);
        return long.Parse(LabCommand.Run("zfs", "list", "-Hp", "-o", "used", dataset).Trim(), CultureInfo.InvariantCulture);
    }

    /// <summary>Every dataset and snapshot below a dataset.</summary>
    public static IReadOnlyList<string> Listing(string parent) =>
        [.. LabCommand.Run("zfs", "list", "-H", "-t", "all", "-o", "name", "-r", parent).Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(name => name != parent)];

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var parent in _parents)
            LabCommand.Try("zfs", "destroy", "-R", "-f", parent);
    }
}
