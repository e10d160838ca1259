using Pgd.Configuration;
using Pgd.State;

namespace Pgd.Storage;

/// <summary>The storages, in the order in which <c>auto</c> asks them.</summary>
internal sealed class Storages
{
    private readonly IReadOnlyList<IStorage> _storages;

    public Storages(Layout layout, HostConfiguration configuration)
    {
        Folders = new(layout);
        Zfs = new(Folders, layout, configuration);
        _storages = [Zfs, new Btrfs(Folders), new Reflink(Folders), new Copy(Folders)];
    }

    public VolumeFolders Folders { get; }

    public Zfs Zfs { get; }

    public IReadOnlyList<string> Names => [.. _storages.Select(s => s.Name)];

    public IReadOnlyList<IStorage> All => _storages;

    /// <summary>The storage of that name.</summary>
    public IStorage Named(string name) => _storages.FirstOrDefault(s => s.Name == name)
        ?? throw new PgdException(ExitCode.Misuse, $"there is no storage \"{name}\"", $"Choose one of auto, {string.Join(", ", Names)}.");

    /// <summary>The storage of that name, or for <c>auto</c> the first that can be used on this root.</summary>
    /// <param name="name">Its name, <c>auto</c> or null.</param>
    /// <param name="pool">For ZFS the pool, or a dataset in it; null for the only one. Naming one chooses ZFS.</param>
    public IStorage Choose(string? name, string? pool = null)
    {
        if (pool is not null && name is not (null or "auto" or "zfs"))
            throw new PgdException(ExitCode.Misuse, $"the storage {name} is in no pool", "Leave out --pool, or choose --storage zfs.");
        var storage = name is not (null or "auto") ? Named(name) : pool is not null ? Zfs : _storages.First(s => s.Unavailable() is null);
        if (storage == Zfs)
        {
            Zfs.Prepare(pool);
            return storage;
        }
        return storage.Unavailable() is { } reason
            ? throw new PgdException(ExitCode.MachineLacks, $"the storage {name} cannot be used: {reason}", "Choose another root with --root, or --storage auto.")
            : storage;
    }
}
