using System.Globalization;
using Pgd.Linux;

namespace Pgd.Provisioning;

/// <summary>A device that a file system is to be made on. It is only read here, and refused whenever anybody may miss what is on it.</summary>
internal static class BlockDevice
{
    private const string Kernel = "/sys/class/block";

    /// <summary>Its own path, whatever links lead to it.</summary>
    /// <exception cref="PgdException">There is none (<see cref="ExitCode.MachineLacks"/>).</exception>
    public static string Real(string device)
    {
        var real = Resolve(device);
        return Path.GetDirectoryName(real) == "/dev" && Directory.Exists(InKernel(real)) ? real
            : throw new PgdException(ExitCode.MachineLacks, $"there is no block device {device}", "See what there is: lsblk. For a file system in a file: --loop SIZE");
    }

    /// <summary>What a path of a device leads to; the path itself where it is none.</summary>
    public static string Resolve(string device) => File.Exists(device) ? File.ResolveLinkTarget(device, returnFinalTarget: true)?.FullName ?? device : device;

    /// <summary>How large it is.</summary>
    public static long Size(string device) => long.Parse(File.ReadAllText(Path.Combine(InKernel(device), "size")).Trim(), CultureInfo.InvariantCulture) * 512;

    /// <summary>The file behind a loop device; null for other devices.</summary>
    public static string? ImageOf(string device) => Path.Combine(InKernel(device), "loop/backing_file") is var told && File.Exists(told) ? File.ReadAllText(told).TrimEnd('\n') : null;

    /// <summary>The id of the file system on it; null if there is none.</summary>
    public static Task<string?> IdAsync(string device, CancellationToken cancellationToken) => AskAsync(["--probe", "--match-tag", "UUID", "--output", "value", device], cancellationToken);

    /// <summary>The device that has a file system with that id; null if none is there.</summary>
    public static Task<string?> WithIdAsync(string id, CancellationToken cancellationToken) => AskAsync(["--cache-file", "/dev/null", "--uuid", id], cancellationToken);

    /// <summary>Refuses a device that is used, or that has anything on it that is known to be something.</summary>
    /// <exception cref="PgdException">So it is (<see cref="ExitCode.Unsafe"/>).</exception>
    public static async Task RefuseUsedAsync(string device, CancellationToken cancellationToken)
    {
        if (MountTable.Read().PointOf(device) is { } point)
            throw new PgdException(ExitCode.Unsafe, $"the device {device} is mounted at {point}", "It is left untouched. Choose another one: lsblk");
        if (Directory.EnumerateDirectories(InKernel(device)).FirstOrDefault(part => File.Exists(Path.Combine(part, "partition"))) is { } partition)
            throw new PgdException(ExitCode.Unsafe, $"the device {device} has partitions: {Path.GetFileName(partition)}", $"It is left untouched. Name one of them that is not used, or choose another device: lsblk {device}");
        if (Libc.IsInUse(device))
            throw new PgdException(ExitCode.Unsafe, $"the device {device} is in use: mounted, for swap, or as a part of something else", $"It is left untouched. See by what: lsblk {device}");
        // Without --all it only lists.
        var signatures = (await SystemPrograms.RunAsync("wipefs", ["--noheadings", "--output", "TYPE", device], cancellationToken).ConfigureAwait(false))
            .Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Distinct().ToList();
        if (signatures.Count > 0)
            throw new PgdException(ExitCode.Unsafe, $"the device {device} is not empty: it has the signature of {string.Join(", ", signatures)}", $"It is left untouched. If nobody needs what is on it, wipe it yourself: wipefs --all {device}");
    }

    private static async Task<string?> AskAsync(IReadOnlyList<string> arguments, CancellationToken cancellationToken)
    {
        const int nothing = 2;
        var said = await SystemPrograms.TryAsync("blkid", arguments, cancellationToken).ConfigureAwait(false);
        return said.Status is not (0 or nothing) ? throw new PgdException(ExitCode.Failed, $"blkid {string.Join(' ', arguments)} failed with status {said.Status}: {said.Error.Trim()}")
            : said.Output.Trim() is { Length: > 0 } answer ? answer : null;
    }

    private static string InKernel(string device) => Path.Combine(Kernel, Path.GetFileName(device));
}
