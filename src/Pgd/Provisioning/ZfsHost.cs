using Pgd.Storage;

namespace Pgd.Provisioning;

/// <summary>ZFS on this machine as far as setup and the doctor ask: pools and the base dataset.</summary>
internal static class ZfsHost
{
    public static bool IsInstalled => SystemPrograms.Find("zpool") is not null && SystemPrograms.Find("zfs") is not null;

    public static async Task<IReadOnlyList<Pool>> PoolsAsync(CancellationToken cancellationToken) =>
        [.. ZfsProgram.Rows(await SystemPrograms.RunAsync("zpool", ["list", "-H", "-o", "name,health,readonly,delegation"], cancellationToken).ConfigureAwait(false))
            .Select(row => new Pool(row[0], row[1], row[2] == "on", row[3] == "on"))];

    /// <summary>Whether there is such a file system. Asked of its parent: that a dataset cannot be read does not mean that it is not there.</summary>
    public static async Task<bool> ExistsAsync(string dataset, CancellationToken cancellationToken) =>
        ZfsProgram.Rows(await SystemPrograms.RunAsync("zfs", ["list", "-H", "-t", "filesystem,volume", "-d", "1", "-o", "name", dataset[..dataset.LastIndexOf('/')]], cancellationToken).ConfigureAwait(false))
            .Any(row => row[0] == dataset);

    /// <summary>Values and where they come from, for example <c>local</c>.</summary>
    public static async Task<IReadOnlyDictionary<string, (string Value, string Source)>> PropertiesAsync(string dataset, string properties, CancellationToken cancellationToken) =>
        ZfsProgram.Rows(await SystemPrograms.RunAsync("zfs", ["get", "-H", "-o", "property,value,source", properties, dataset], cancellationToken).ConfigureAwait(false))
            .Where(row => row.Length == 3).ToDictionary(row => row[0], row => (row[1], row[2]));

    /// <summary>Everything below a dataset.</summary>
    public static async Task<IReadOnlyList<string>> BelowAsync(string dataset, CancellationToken cancellationToken) =>
        [.. ZfsProgram.Rows(await SystemPrograms.RunAsync("zfs", ["list", "-H", "-r", "-t", "all", "-o", "name", dataset], cancellationToken).ConfigureAwait(false)).Select(row => row[0]).Where(name => name != dataset)];

    /// <summary>The versions of the programs and of the kernel's module.</summary>
    public static async Task<(string Programs, string Module)?> VersionsAsync(CancellationToken cancellationToken)
    {
        var said = await SystemPrograms.TryAsync("zfs", ["version"], cancellationToken).ConfigureAwait(false);
        return ParseVersions(said.Output);
    }

    internal static (string Programs, string Module)? ParseVersions(string text)
    {
        var lines = text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return lines.FirstOrDefault(line => line.StartsWith("zfs-kmod-", StringComparison.Ordinal)) is { } module
            && lines.FirstOrDefault(line => line.StartsWith("zfs-", StringComparison.Ordinal) && line != module) is { } programs
            ? (programs["zfs-".Length..], module["zfs-kmod-".Length..])
            : null;
    }
}

/// <summary>A pool of this machine.</summary>
internal sealed record Pool(string Name, string Health, bool IsReadOnly, bool Delegates);
