using Pgd.State;

namespace Pgd.Storage;

/// <summary>The storages, in the order in which <c>auto</c> asks them.</summary>
internal sealed class Storages
{
    private readonly IReadOnlyList<IStorage> _storages;

    public Storages(Layout layout)
    {
        var folders = new VolumeFolders(layout);
        _storages = [new Btrfs(folders), new Reflink(folders), new Copy(folders)];
    }

    public IReadOnlyList<string> Names => [.. _storages.Select(s => s.Name)];

    public IReadOnlyList<IStorage> All => _storages;

    /// <summary>The storage of that name.</summary>
    public IStorage Named(string name) => _storages.FirstOrDefault(s => s.Name == name)
        ?? throw new PgdException(ExitCode.Misuse, $"there is no storage \"{name}\"", $"Choose one of auto, {string.Join(", ", Names)}.");

    /// <summary>The storage of that name, or for <c>auto</c> the first that can be used on this root.</summary>
    public IStorage Choose(string? name)
    {
        if (name is null or "auto")
            return _storages.First(s => s.Unavailable() is null);
        var storage = Named(name);
        return storage.Unavailable() is { } reason
            ? throw new PgdException(ExitCode.MachineLacks, $"the storage {name} cannot be used: {reason}", "Choose another root with --root, or --storage auto.")
            : storage;
    }
}
