using System.Text.RegularExpressions;
using Pgd.Linux;
using Pgd.Storage;

namespace Pgd.Provisioning;

/// <summary>A data directory on ZFS: a pool of its own, which a boot imports, with a dataset that it mounts. The pool's properties are the note of what was made.</summary>
internal sealed partial class PoolData(Fstab fstab)
{
    public const string DefaultPool = "pgdata", Install = "apt-get install zfsutils-linux";
    private const string Property = "pgd:data", FolderProperty = "pgd:folder", CloningParameter = Storage.Zfs.CloningParameter;

    public async Task<IReadOnlyList<Step>> StepsAsync(DataDirectoryRequest request, Account owner, List<string> notes, CancellationToken cancellationToken)
    {
        if (!ZfsHost.IsInstalled)
            throw new PgdException(ExitCode.MachineLacks, "ZFS is not installed on this machine", $"Install it, for example: {Install}");
        var (folder, pool, image) = (request.Directory, request.Pool ?? DefaultPool, DataFolder.Image(request.Directory));
        var (dataset, device) = (DatasetOf(pool), request.Device is { } named ? BlockDevice.Real(named) : null);
        if (fstab.Find(folder) is { } line)
            throw DataFolder.IsOtherwise(folder, line.Type, line.Source);
        var there = (await ZfsHost.PoolsAsync(cancellationToken).ConfigureAwait(false)).Any(p => p.Name == pool);
        if (there && (await ZfsHost.PropertiesAsync(pool, Property, cancellationToken).ConfigureAwait(false)).GetValueOrDefault(Property) is var (place, _) && place != folder)
            throw new PgdException(ExitCode.Exists, $"there is a pool {pool} already, and it was not made for {folder}", "It is left untouched. Name the new one with --pool.");
        if (there && !await IsOnAsync(pool, device ?? image, cancellationToken).ConfigureAwait(false))
            throw DataFolder.IsOtherwise(folder, "zfs", $"the pool {pool}");
        if (MountTable.Read().At(folder) is not { } mounted)
            DataFolder.RefuseUsed(folder);
        else if (!there || mounted.Source != dataset)
            throw DataFolder.IsTaken(mounted);
        if (!there)
            await CheckSourceAsync(image, request.ImageSize, device, notes, cancellationToken).ConfigureAwait(false);
        var source = device ?? DataFolder.Sparse(image, request.ImageSize!.Value, notes);
        IReadOnlyList<string> mark = [$"{Property}={folder}", .. (string[])(Directory.Exists(folder) ? [] : [$"{FolderProperty}=yes"])];
        // As for branches, and why: docs/decisions.md. Whoever mounts it with the next boot is root, so nothing in it has more power than its owner.
        var properties = Zfs.Defaults.Select(p => $"{p.Key}={p.Value}").Concat(["setuid=off", "devices=off"]).ToList();
        return
        [
            new("pool", $"pool {pool}", $"zpool create on {source}", async token => (await ZfsHost.PoolsAsync(token).ConfigureAwait(false)).Any(p => p.Name == pool), async token =>
            {
                if (device is null && !File.Exists(image))
                {
                    Directory.CreateDirectory(Path.GetDirectoryName(image)!);
                    using var made = Libc.CreateNew(image, UnixFileMode.UserRead | UnixFileMode.UserWrite);
                    RandomAccess.SetLength(made, request.ImageSize!.Value);
                }

                Fault.Here("data:image");
                try
                {
                    await SystemPrograms.RunAsync("zpool", ["create", "-o", "ashift=12", .. Each("-O", ["canmount=off", "mountpoint=none", .. mark]), pool, device ?? image], token).ConfigureAwait(false);
                }
                catch
                {
                    // Not that of a pool that was made before we were told.
                    if (device is null && !(await ZfsHost.PoolsAsync(CancellationToken.None).ConfigureAwait(false)).Any(p => p.Name == pool))
                        File.Delete(image);
                    throw;
                }

                Fault.Here("data:made");
            }),
            new("dataset", $"dataset {dataset}", $"zfs create {string.Join(' ', Each("-o", [$"mountpoint={folder}", .. properties]))} {dataset}", async token => (await ZfsHost.PoolsAsync(token).ConfigureAwait(false)).Any(p => p.Name == pool) && await ZfsHost.ExistsAsync(dataset, token).ConfigureAwait(false), async token =>
            {
                FstabData.MakeFolder(folder);
                await SystemPrograms.RunAsync("zfs", ["create", .. Each("-o", [$"mountpoint={folder}", .. properties]), dataset], token).ConfigureAwait(false);
                Fault.Here("data:mounted");
            }),
            new("mount", $"mount {folder}", $"of {dataset}", _ => Task.FromResult(MountTable.Read().At(folder) is not null), token => SystemPrograms.RunAsync("zfs", ["mount", dataset], token)),
            DataFolder.Ready(folder, owner, prove: false),
        ];
    }

    /// <summary>What keeps files of a pool from sharing their blocks.</summary>
    public static async Task<IReadOnlyList<string>> CloningNotesAsync(string pool, CancellationToken cancellationToken)
    {
        if (!(await ZfsHost.PoolsAsync(cancellationToken).ConfigureAwait(false)).Any(p => p.Name == pool))
            return [];
        var feature = await SystemPrograms.TryAsync("zpool", ["get", "-H", "-o", "value", "feature@block_cloning", pool], cancellationToken).ConfigureAwait(false);
        return CloningNotes(pool, feature.Status == 0 ? feature.Output.Trim() : "-", File.Exists(CloningParameter) ? (await File.ReadAllTextAsync(CloningParameter, cancellationToken).ConfigureAwait(false)).Trim() : null);
    }

    /// <summary>The same from the state of the feature <c>block_cloning</c> and the module's parameter.</summary>
    internal static IReadOnlyList<string> CloningNotes(string pool, string feature, string? parameter) =>
    [
        .. (string[])(feature is "enabled" or "active" ? []
            : feature == "disabled" ? [$"clones of databases in {pool} will be copies byte by byte: its feature block_cloning is disabled. Enable it: zpool set feature@block_cloning=enabled {pool}"]
            : [$"clones of databases in {pool} will be copies byte by byte: blocks are shared between files from OpenZFS 2.2 on, and this one is older"]),
        .. (string[])(feature is "enabled" or "active" or "disabled" && parameter == "0"
            ? [$"clones of databases in {pool} will be copies byte by byte: the module's zfs_bclone_enabled is 0. Set it: echo 1 > {CloningParameter}; and for the next boot: echo options zfs zfs_bclone_enabled=1 > /etc/modprobe.d/zfs-bclone.conf"] : []),
    ];

    /// <summary>The steps that take it away; null if there is no pool of ours for that folder.</summary>
    /// <exception cref="PgdException">It is not empty, or that cannot be told (<see cref="ExitCode.Unsafe"/>).</exception>
    public static async Task<IReadOnlyList<Step>?> UndoStepsAsync(string folder, CancellationToken cancellationToken)
    {
        foreach (var (pool, _, _, _) in ZfsHost.IsInstalled ? await ZfsHost.PoolsAsync(cancellationToken).ConfigureAwait(false) : [])
        {
            var properties = await ZfsHost.PropertiesAsync(pool, $"{Property},{FolderProperty}", cancellationToken).ConfigureAwait(false);
            if (properties.GetValueOrDefault(Property) != (folder, "local"))
                continue;
            var dataset = DatasetOf(pool);
            if (MountTable.Read().At(folder) is { } mounted)
            {
                if (mounted.Source != dataset)
                    throw DataFolder.IsTaken(mounted);
                DataFolder.RefuseData(folder);
            }
            else if (await ZfsHost.ExistsAsync(dataset, cancellationToken).ConfigureAwait(false))
            {
                throw DataFolder.IsNotMounted(folder, $"Mount it: zfs mount {dataset}");
            }

            var others = (await ZfsHost.BelowAsync(pool, cancellationToken).ConfigureAwait(false)).Where(name => name != dataset).ToList();
            if (others.Count > 0)
                throw new PgdException(ExitCode.Unsafe, $"the pool {pool} has more than {dataset}: {string.Join(", ", others.Take(5))}{(others.Count > 5 ? ", …" : "")}", "Remove them first, if nobody needs them. Branches: dotnet pgd project list; then sudo dotnet-pgd setup --undo");
            var image = await IsOnAsync(pool, DataFolder.Image(folder), cancellationToken).ConfigureAwait(false) ? DataFolder.Image(folder) : null;
            return
            [
                new("pool", $"pool {pool}", $"zpool destroy {pool}{(image is null ? "" : $", and {image} removed")}", async token => !(await ZfsHost.PoolsAsync(token).ConfigureAwait(false)).Any(p => p.Name == pool), async token =>
                {
                    await SystemPrograms.RunAsync("zpool", ["destroy", pool], token).ConfigureAwait(false);
                    if (image is not null)
                        File.Delete(image);
                }),
                .. (Step[])(properties[FolderProperty].Value == "yes" ? [DataFolder.Removed(folder)] : []),
            ];
        }

        return null;
    }

    // /dev/sdb1 is on /dev/sdb, and /dev/nvme0n1p1 on /dev/nvme0n1; /dev/sdba1 is not on /dev/sdb.
    [GeneratedRegex(@"\A(p?[0-9]+)?\z")]
    private static partial Regex Partition();

    private static string DatasetOf(string pool) => $"{pool}/data";

    private static IEnumerable<string> Each(string option, IEnumerable<string> values) => values.SelectMany(value => (string[])[option, value]);

    // Of a whole disk, ZFS itself takes a partition.
    private static async Task<bool> IsOnAsync(string pool, string source, CancellationToken cancellationToken) =>
        (await SystemPrograms.RunAsync("zpool", ["list", "-H", "-v", "-P", "-L", pool], cancellationToken).ConfigureAwait(false)).Split('\n')
            .Select(row => row.Split('\t', StringSplitOptions.RemoveEmptyEntries).FirstOrDefault()).Any(device => device == source || (device is ['/', ..] && source.StartsWith("/dev/", StringComparison.Ordinal) && Partition().IsMatch(device.StartsWith(source, StringComparison.Ordinal) ? device[source.Length..] : "no")));

    private static async Task CheckSourceAsync(string image, long? size, string? device, List<string> notes, CancellationToken cancellationToken)
    {
        if (device is not null)
        {
            await BlockDevice.RefuseUsedAsync(device, cancellationToken).ConfigureAwait(false);
            DataFolder.RefuseTooSmall(device, BlockDevice.Size(device));
        }
        else if (!File.Exists(image))
        {
            DataFolder.CheckImage(image, size!.Value, notes);
        }
        // What a killed run has left has nothing in it yet.
        else if (Libc.Status(image) is not { IsRegular: true, AllocatedBytes: 0 })
        {
            throw new PgdException(ExitCode.Exists, $"{image} exists already, and no pool for it is imported", $"If it has one: zpool import -d {Path.GetDirectoryName(image)}. Otherwise choose another folder with --data-dir, or move that file away.");
        }
    }
}
