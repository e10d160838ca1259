using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using Pgd.Configuration;
using Pgd.Linux;
using Pgd.Processes;
using Pgd.State;

namespace Pgd.Storage;

/// <summary>
/// Each volume's data is a dataset <c>POOL/pgd/PROJECT/BRANCH/gN</c>, or <c>sID</c> for a snapshot; a clone is a snapshot and a clone of it: atomic over all datasets of a source, and of
/// any size in milliseconds. What the data is, its dataset says in user properties.
/// </summary>
internal sealed partial class Zfs(VolumeFolders folders, Layout layout, HostConfiguration configuration) : IStorage
{
    /// <summary>The property that says which root a dataset serves.</summary>
    public const string RootProperty = "pgd:root";

    private const string IdProperty = "pgd:id", Helper = "/usr/local/libexec/pgd-zfs", Leaf = "pgd";
    private const int LongestName = 255, DefaultRefuseAbove = 85, DefaultWarnAbove = 80;
    private static readonly TimeSpan LongestBusy = TimeSpan.FromSeconds(5), LongestCopied = TimeSpan.FromSeconds(20);

    // A clone has none of its origin's properties, so each gets all of them. Why these: docs/decisions.md.
    public static readonly IReadOnlyDictionary<string, string> Defaults = new Dictionary<string, string> { ["compression"] = "lz4", ["recordsize"] = "32K", ["atime"] = "off" };

    public string Name => "zfs";

    public bool IsAtomic => true;

    // From OpenZFS 2.2 on, if the pool has the feature and the module is not told otherwise.
    public bool SharesCopies => ZfsProgram.TryRun("zpool", "get", "-H", "-o", "value", "feature@block_cloning", Pool()) is { Status: 0 } feature && feature.Output.Trim() is "enabled" or "active"
        && File.Exists(CloningParameter) && File.ReadAllText(CloningParameter).Trim() == "1";

    /// <summary>The module's parameter that turns the sharing of blocks off.</summary>
    public const string CloningParameter = "/sys/module/zfs/parameters/zfs_bclone_enabled";

    public long? SavedByCopies()
    {
        // What was written since the last transaction group is not counted yet.
        ZfsProgram.TryRun("zpool", "sync", Pool());
        return ZfsProgram.TryRun("zpool", "get", "-Hp", "-o", "value", "bclonesaved", Pool()) is { Status: 0 } saved && long.TryParse(saved.Output.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var bytes) ? bytes : 0;
    }

    private string Pool() => Base().Split('/')[0];

    private ZfsConfiguration Settings => configuration.Zfs ?? ZfsConfiguration.Nothing;

    /// <summary>Whether <c>auto</c> may take it: a dataset of ours is there. A stranger's pool is not ours to choose.</summary>
    public string? Unavailable()
    {
        try
        {
            if ((File.Exists(layout.Dataset) ? Base() : FindBase()) is not { } dataset)
                return NoDataset;
            ZfsProgram.Run("zfs", "list", "-H", "-o", "name", dataset);
            return null;
        }
        catch (PgdException e)
        {
            return e.Message;
        }
    }

    /// <summary>Finds the dataset for the volumes of this root, or makes it.</summary>
    /// <param name="parent">The pool to make it in, or a dataset; null for the only pool.</param>
    /// <exception cref="PgdException">
    /// There is no pool, or several (<see cref="ExitCode.MachineLacks"/>); the root's volumes are in another one, or the dataset's name is taken
    /// (<see cref="ExitCode.Unsafe"/>).
    /// </exception>
    public void Prepare(string? parent)
    {
        parent ??= Settings.Pool;
        var found = FindBase();
        if (found is not null && parent is not null && found != $"{parent}/{Leaf}")
        {
            throw new PgdException(ExitCode.Unsafe, $"the volumes of {layout.Root} are in {found}, not in {parent}/{Leaf}",
                "A root has one dataset: leave out --pool, or choose another root with --root.");
        }

        var dataset = found ?? Make(parent ?? OnlyPool());
        layout.Ensure();
        // Setup made both, in a folder that only root writes in.
        if (File.Exists(layout.Dataset) && File.ReadAllText(layout.Dataset).Trim() == dataset)
            return;
        Directory.CreateDirectory(layout.Mounts);
        File.WriteAllText(layout.Dataset + ".new", dataset + "\n");
        File.Move(layout.Dataset + ".new", layout.Dataset, overwrite: true);
    }

    /// <summary>The same for the branches of a source that is there already: only in its pool can they share its blocks.</summary>
    public void PrepareFor(string source, string? parent) => Prepare(parent ?? Settings.Pool ?? (FindBase() is null ? PoolOf(source) : null));

    /// <summary>The pool that holds a dataset.</summary>
    public static string PoolOf(string dataset) => dataset.Split('/', '@')[0];

    public bool Follows(string link) => link == "pg_wal" || link.StartsWith("pg_tblspc/", StringComparison.Ordinal);

    public Volume Create(VolumeKey key)
    {
        var dataset = DatasetOf(key, "");
        CheckRoom(dataset, null);
        var mount = MountOf(dataset);
        var volume = folders.Make(new Volume(key, folders.Folder(key)) { Data = Path.Combine(mount.Folder, "data"), Mounts = [mount] });
        MakeParents(key);
        MakeDataset(key, ["create", .. Properties(key), .. Reservation(), dataset], []);
        Fault.Here("volume:dataset");
        Attach(volume);
        Directory.CreateDirectory(volume.Data, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return volume;
    }

    public Task<Volume> CloneAsync(Volume source, VolumeKey key, bool running, IReporter reporter, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        CheckRoom(DatasetOf(key, ""), reporter);
        Attach(source);
        var parts = Parts(source);
        var snapshot = $"pgd-{key.BranchId}-g{key.Generation}";
        var data = parts[0];
        var mounts = parts.Select(p => p.Suffix).Distinct().Select(s => MountOf(DatasetOf(key, s))).ToList();
        var origins = parts.Select(p => $"{p.Dataset}@{snapshot}").Distinct().ToList();
        var volume = folders.Make(new Volume(key, folders.Folder(key)) { Data = Path.Combine(mounts[0].Folder, data.Inside).TrimEnd('/'), Mounts = mounts, Origins = origins });
        MakeParents(key);
        // One command: all of them show the same moment. Two would lose transactions without a word.
        ZfsProgram.Run("zfs", ["snapshot", "-o", $"{IdProperty}={key.BranchId}", .. origins]);
        Fault.Here("clone:snapshot");
        // One that becomes a project's first, under a new name, is a source.
        string[] quota = key.IsSnapshot ? [] : key.Branch == BranchName.Main ? Reservation() : Settings.BranchQuota is { } size ? ["-o", $"refquota={size}"] : [];
        foreach (var (mount, origin) in mounts.Zip(origins))
        {
            MakeDataset(key, ["clone", .. Properties(key), .. quota, origin, mount.Dataset], origins);
            Fault.Here("clone:dataset");
            // From now on it goes with the last clone of it.
            ZfsProgram.Run("zfs", "destroy", "-d", origin);
            Fault.Here("clone:origin");
        }

        Attach(volume);
        foreach (var part in parts.Where(p => p.Link is not null))
            Relink(volume, part, MountOf(DatasetOf(key, part.Suffix)).Folder);
        // Asked of the clone, in which nothing comes or goes.
        var links = FolderListing.FoldersAndLinks(volume.Data, changing: false).Where(e => e.IsLink).Select(e => Path.GetRelativePath(volume.Data, e.Path));
        if (links.FirstOrDefault(l => !Follows(l)) is { } other)
            throw FileTree.IsLink(Path.Combine(source.Data, other));
        return Task.FromResult(volume);
    }

    public void Attach(Volume volume)
    {
        if (volume.Mounts.Count == 0)
            return;
        var table = MountTable.Read();
        foreach (var mount in volume.Mounts)
        {
            if (table.At(mount.Folder) is { } there)
            {
                if (there.Source != mount.Dataset)
                    throw new PgdException(ExitCode.Unsafe, $"{there.Source} is mounted on {mount.Folder}, where {mount.Dataset} belongs", $"umount {mount.Folder}");
                continue;
            }

            Mount(mount);
            Fault.Here("volume:mounted");
        }
    }

    // Two files of one dataset could share blocks only where the pool's block cloning is on: here single files are copied.
    public void CopyFile(string source, string target) => new Copy(folders).CopyFile(source, target);

    /// <summary>
    /// By a clone: an ordinary user may not rename a dataset, and a clone that nothing was written to costs nothing. When the old place is deleted, the clone gets the
    /// blocks. Of a cluster that was adopted only the folder with the mark is ours.
    /// </summary>
    public async Task<Volume> MoveAsync(VolumeKey from, VolumeKey to, IReporter reporter, CancellationToken cancellationToken)
    {
        if (folders.Find(from) is not { Mounts.Count: > 0 } source)
            return folders.Move(from, to);
        var moved = await CloneAsync(source, to, running: false, reporter, cancellationToken).ConfigureAwait(false);
        // What its server said so far.
        if (File.Exists(source.Log))
            Keep(source.Log, moved.Log);
        // By which a standby gets in where it streams from: nobody else has them.
        foreach (var file in Directory.EnumerateFiles(source.Directory, Volume.PrimaryPrefix + "*"))
            Keep(file, Path.Combine(moved.Directory, Path.GetFileName(file)));
        return moved;
    }

    public void MoveBack(VolumeKey from, VolumeKey to)
    {
        if (folders.Find(from) is { Mounts.Count: > 0 })
        {
            if (folders.Find(to) is not null || !Directory.Exists(folders.Folder(to)))
                Delete(to);
        }
        else
        {
            folders.MoveBack(from, to);
        }
    }

    public void Delete(VolumeKey key)
    {
        // One that was adopted has no dataset of ours, whose removal would end with the project's.
        var withoutDataset = key.Branch == BranchName.Main && folders.Find(key) is null or { IsAdopted: true };
        folders.Delete(key, Destroy);
        if (withoutDataset && File.Exists(layout.Dataset))
            RemoveProject(key.Project);
    }

    private static void Keep(string file, string copy)
    {
        var owner = Libc.Status(file);
        File.Copy(file, copy, overwrite: true);
        if (Libc.EffectiveUserId() == 0 && Libc.LChown(copy, owner.Owner, owner.Group) != 0)
            throw Libc.LastError(copy);
    }

    private string[] Reservation() => Settings.SourceReservation is { } size ? ["-o", $"refreservation={size}"] : [];

    public Volume? Find(VolumeKey key) => folders.Find(key);

    public IReadOnlyList<Volume> List() => folders.List();

    public IReadOnlyList<Volume> List(BranchName branch) => folders.List(branch);

    /// <summary>Datasets that carry this root's mark and that no volume here knows.</summary>
    public IReadOnlyList<string> Strays()
    {
        if (!File.Exists(layout.Dataset))
            return [];
        var known = folders.List().SelectMany(v => v.Mounts).Select(m => m.Dataset).ToHashSet(StringComparer.Ordinal);
        return [.. ZfsProgram.Rows(ZfsProgram.Run("zfs", "list", "-H", "-o", $"name,{IdProperty}", "-t", "filesystem", "-r", Base()))
            .Where(row => row[1] != "-" && !known.Contains(row[0])).Select(row => row[0])];
    }

    public IReadOnlyDictionary<(string Branch, int Generation), BranchSpace> Space(string project)
    {
        var spaces = new Dictionary<(string, int), BranchSpace>();
        var top = $"{Base()}/{project}";
        var result = ZfsProgram.TryRun("zfs", "list", "-Hp", "-o", "name,used,usedbysnapshots,written,referenced,logicalreferenced", "-t", "filesystem", "-r", top);
        foreach (var row in ZfsProgram.Rows(result.Output))
        {
            // BRANCH/gN, and BRANCH/gN.wal beside it.
            if (row[0].Length <= top.Length || row[0][(top.Length + 1)..].Split('/') is not [var branch, ['g', .. var rest]] || !int.TryParse(rest.Split('.')[0], NumberStyles.None, CultureInfo.InvariantCulture, out var generation))
                continue;
            var before = spaces.GetValueOrDefault((branch, generation));
            spaces[(branch, generation)] = new()
            {
                Used = Bytes(row[1]) + (before?.Used ?? 0),
                Pinned = Bytes(row[2]) + (before?.Pinned ?? 0),
                Written = Bytes(row[3]) + (before?.Written ?? 0),
                Referenced = Bytes(row[4]) + (before?.Referenced ?? 0),
                Logical = Bytes(row[5]) + (before?.Logical ?? 0),
            };
        }

        return spaces;

        static long Bytes(string text) => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var bytes) ? bytes : 0;
    }

    [GeneratedRegex("@pgd-[0-9a-f]{12}-g[0-9]+$")]
    private static partial Regex OwnSnapshot();

    private string Base()
    {
        try
        {
            return File.ReadAllText(layout.Dataset).Trim();
        }
        catch (FileNotFoundException)
        {
            return FindBase() ?? throw new PgdException(ExitCode.MachineLacks, NoDataset, "See what is there: zfs get -s local pgd:root");
        }
    }

    private string NoDataset => $"no dataset belongs to {layout.Root}; sudo dotnet-pgd setup makes one, and so does root with --storage zfs";

    private string? FindBase()
    {
        var rows = ZfsProgram.Rows(ZfsProgram.Run("zfs", "get", "-H", "-o", "name,value", "-s", "local", "-t", "filesystem", RootProperty)).Where(row => row[1] == layout.Root).Select(row => row[0]).ToList();
        return rows.Count > 1 ? throw new PgdException(ExitCode.Unsafe, $"several datasets say that they belong to {layout.Root}: {string.Join(", ", rows)}",
            $"Keep one: zfs inherit {RootProperty} DATASET takes the mark from the other.") : rows.FirstOrDefault();
    }

    private static string OnlyPool() => ZfsProgram.Rows(ZfsProgram.Run("zpool", "list", "-H", "-o", "name")).Select(row => row[0]).ToList() switch
    {
        [] => throw new PgdException(ExitCode.MachineLacks, "there is no ZFS pool on this machine", "Make one: zpool create tank DEVICE; or in a file: sudo dotnet-pgd setup --pool-file PATH --size 20G"),
        [var only] => only,
        var several => throw new PgdException(ExitCode.MachineLacks, $"there are several ZFS pools: {string.Join(", ", several)}", $"Choose one: --pool {several[0]}"),
    };

    private string Make(string parent)
    {
        var dataset = $"{parent}/{Leaf}";
        if (ZfsProgram.TryRun("zfs", "list", "-H", "-o", $"name,{RootProperty}", dataset) is { Status: 0 } there)
        {
            var owner = ZfsProgram.Rows(there.Output).First()[1];
            throw new PgdException(ExitCode.Unsafe, owner == "-" ? $"the dataset {dataset} exists and was not made by pgd" : $"the dataset {dataset} belongs to {owner}, not to {layout.Root}",
                "It is left untouched. Choose another pool or a dataset in it with --pool, or another root with --root.");
        }

        // It holds datasets, and no files of its own. Tools that snapshot everything by the hour would keep what was deleted.
        ZfsProgram.Run("zfs", "create", "-o", "canmount=off", "-o", "mountpoint=none", "-o", "com.sun:auto-snapshot=false", "-o", $"{RootProperty}={layout.Root}", dataset);
        return dataset;
    }

    private string DatasetOf(VolumeKey key, string suffix)
    {
        var name = $"{Base()}/{key.Project}/{key.Branch}/{key.Leaf}{suffix}";
        return name.Length + "@pgd-000000000000-g0000".Length <= LongestName ? name
            : throw new PgdException(ExitCode.Misuse, $"the name of the dataset {name} is too long for ZFS", "Choose shorter names.");
    }

    // By us alone: what mounts everything at a boot must find nothing to mount.
    private DatasetMount MountOf(string dataset) => new(dataset, Path.Combine(layout.Mounts, dataset[(Base().Length + 1)..]));

    private string[] Properties(VolumeKey key)
    {
        var properties = new Dictionary<string, string>(Defaults);
        foreach (var (name, value) in Settings.Properties)
            properties[name] = value;
        // Mounted by us alone, when it is needed: an ordinary user may not, and a machine that starts must not.
        properties["canmount"] = "noauto";
        properties[IdProperty] = key.BranchId;
        properties["pgd:project"] = key.Project;
        properties["pgd:branch"] = key.Branch;
        properties["pgd:generation"] = key.Generation.ToString(CultureInfo.InvariantCulture);
        if (key.IsSnapshot)
            properties["pgd:snapshot"] = "yes";
        return [.. properties.SelectMany(p => (string[])["-o", $"{p.Key}={p.Value}"])];
    }

    private void MakeParents(VolumeKey key)
    {
        var project = $"{Base()}/{key.Project}";
        // One that is there already is fine, also when another branch's operation has just made it. Where something of the project is mounted, its own is there.
        if (!Directory.Exists(Path.Combine(layout.Mounts, key.Project)))
            ZfsProgram.Run("zfs", "create", "-p", "-o", "canmount=off", project);
        ZfsProgram.Run("zfs", "create", "-p", "-o", "canmount=off", $"{project}/{key.Branch}");
        Fault.Here("volume:parents");
    }

    /// <summary>Makes a dataset. If something that is not ours has its name, nothing of ours stays beside it.</summary>
    private void MakeDataset(VolumeKey key, IReadOnlyList<string> arguments, IReadOnlyList<string> origins)
    {
        var result = ZfsProgram.TryRun("zfs", arguments);
        if (result.Status == 0)
            return;
        if (!result.Error.Contains("already exists", StringComparison.Ordinal))
            throw ZfsProgram.Refusal("zfs", arguments, result.Error);
        foreach (var origin in origins)
            _ = ZfsProgram.TryRun("zfs", "destroy", "-d", origin);
        folders.Delete(key, _ => { });
        throw new PgdException(ExitCode.Exists, $"the dataset {arguments[^1]} exists and was not made by pgd", "It is left untouched. Destroy or rename it, or choose another name.");
    }

    /// <summary>Refuses when the pool could fill up: a full pool stops every source on it.</summary>
    private void CheckRoom(string dataset, IReporter? reporter)
    {
        var pool = PoolOf(dataset);
        var row = ZfsProgram.Rows(ZfsProgram.Run("zpool", "list", "-Hp", "-o", "capacity,health,readonly", pool)).First();
        // A command on a suspended pool would wait for ever.
        if (row[1] is "SUSPENDED" or "FAULTED" or "UNAVAIL")
            throw new PgdException(ExitCode.MachineLacks, $"the pool {pool} is {row[1]}", $"See zpool status {pool}; when its devices are back: zpool clear {pool}");
        if (row[2] == "on")
            throw new PgdException(ExitCode.MachineLacks, $"the pool {pool} was imported read-only", $"Import it again for writing: zpool export {pool} && zpool import {pool}");
        if (row[1] != "ONLINE")
            reporter?.Warn($"the pool {pool} is {row[1]}; see zpool status {pool}");
        if (!int.TryParse(row[0].TrimEnd('%'), NumberStyles.None, CultureInfo.InvariantCulture, out var capacity))
            return;
        var (refuse, warn) = (Settings.RefuseAbove ?? DefaultRefuseAbove, Settings.WarnAbove ?? DefaultWarnAbove);
        if (capacity >= refuse)
        {
            throw new PgdException(ExitCode.NoRoom, $"the pool {pool} is {capacity} % full, and from {refuse} % on nothing is branched: a full pool stops every server on it",
                "Delete branches: dotnet pgd branch list; or raise zfs: refuse-above in config.yaml.");
        }

        if (capacity >= warn)
            reporter?.Warn($"the pool {pool} is {capacity} % full; from {refuse} % on nothing is branched");
    }

    /// <summary>The datasets of a source: that of its data first, then those that its links and nested mounts lead to.</summary>
    private List<Part> Parts(Volume source)
    {
        var table = MountTable.Read();
        var parts = new List<Part>();
        Add(source.Data, null);
        foreach (var nested in table.Below(source.Data))
        {
            var inside = Path.GetRelativePath(source.Data, nested.Point);
            if (inside != "pg_wal")
                throw new PgdException(ExitCode.Unsafe, $"{nested.Source} is mounted inside the data directory, on {nested.Point}; a snapshot does not contain it", "Move its files into a plain folder first.");
            Add(nested.Point, inside);
        }

        foreach (var link in (string[])["pg_wal", .. Links(Path.Combine(source.Data, "pg_tblspc"))])
        {
            var file = new FileInfo(Path.Combine(source.Data, link));
            if (file.LinkTarget is null)
                continue;
            // In a container its target may be another place than here.
            var target = Libc.RealFolder(file.FullName)
                ?? throw new PgdException(ExitCode.Unsafe, $"{file.FullName} leads to {file.LinkTarget}, which is not on this machine", "If the server runs in a container, its folders must have the same paths outside.");
            Add(target, link);
        }

        var pools = parts.Select(p => PoolOf(p.Dataset)).Append(PoolOf(Base())).Distinct().ToList();
        return pools.Count == 1 ? parts : throw new PgdException(ExitCode.Unsafe,
            $"{source.Key.Project}/{source.Key.Branch} is spread over the pools {string.Join(", ", pools)}, and only one pool can be snapshotted at one moment",
            pools.Count == 2 && parts.All(p => PoolOf(p.Dataset) == pools[0]) ? $"Keep branches in the source's pool: --pool {pools[0]} with another --root." : "Move data and write-ahead log into one pool.");

        void Add(string path, string? link)
        {
            if (table.Of(path) is not { Type: "zfs" } mount)
                throw new PgdException(ExitCode.Unsafe, link is null ? $"{path} is not on ZFS" : $"{link} of {source.Data} leads to {path}, which is not on ZFS", link is null ? "Make the project again with another --storage." : "Move it into the same pool as the data.");
            var known = parts.FirstOrDefault(p => p.Dataset == mount.Source);
            parts.Add(new(mount.Source, known?.Suffix ?? (link is null ? "" : link == "pg_wal" ? ".wal" : $".{Path.GetFileName(link)}"), mount.Inside(path), link));
        }

        static IEnumerable<string> Links(string tablespaces) => Directory.Exists(tablespaces) ? Directory.EnumerateFileSystemEntries(tablespaces).Select(f => $"pg_tblspc/{Path.GetFileName(f)}") : [];
    }

    private static void Relink(Volume volume, Part part, string folder)
    {
        var link = Path.Combine(volume.Data, part.Link!);
        // Of a nested mount a snapshot has the empty folder that it was mounted on.
        if (new FileInfo(link).LinkTarget is null)
            Directory.Delete(link);
        else
            File.Delete(link);
        File.CreateSymbolicLink(link, Path.Combine(folder, part.Inside));
    }

    private static void Mount(DatasetMount mount)
    {
        if (Libc.EffectiveUserId() != 0)
        {
            Help("mount", mount.Dataset);
            return;
        }

        Directory.CreateDirectory(mount.Folder);
        if (Libc.Mount(mount.Dataset, mount.Folder, "zfs", Libc.MS_NOSUID | Libc.MS_NODEV, "") != 0)
        {
            var error = Libc.LastError($"mounting {mount.Dataset} on {mount.Folder}");
            throw error.HResult == Libc.ENOENT
                ? new PgdException(ExitCode.Failed, $"the dataset {mount.Dataset} is missing", "See what is there: dotnet pgd doctor", error)
                : new PgdException(ExitCode.MachineLacks, error.Message, "See zpool status, and zfs get mounted,readonly " + mount.Dataset, error);
        }

        // Servers run under another account: they may pass through.
        const UnixFileMode passable = UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;
        if (File.GetUnixFileMode(mount.Folder) is var mode && (mode & passable) != passable)
            File.SetUnixFileMode(mount.Folder, mode | passable);
    }

    private static void Unmount(DatasetMount mount)
    {
        if (Libc.EffectiveUserId() != 0)
        {
            Help("unmount", mount.Dataset);
            return;
        }

        // A killed server's children hold their folder until the kernel has taken them apart.
        for (var clock = Stopwatch.StartNew(); Libc.Unmount(mount.Folder, Libc.UMOUNT_NOFOLLOW) != 0; Thread.Sleep(10))
        {
            if (Marshal.GetLastPInvokeError() != Libc.EBUSY || clock.Elapsed > LongestBusy)
            {
                throw new PgdException(ExitCode.Failed, Libc.LastError($"unmounting {mount.Folder}").Message, $"See who is in it: fuser -vm {mount.Folder}");
            }
        }
    }

    private static void Help(string verb, string dataset)
    {
        if (!File.Exists(Helper))
            throw new PgdException(ExitCode.MachineLacks, $"only root may {verb} {dataset}, and {Helper} is not installed", "Let an administrator arrange it once: sudo dotnet-pgd setup");
        var result = Shell.Run(new("sudo", "-n", Helper, verb, dataset));
        if (result.Status != 0)
        {
            throw new PgdException(ExitCode.MachineLacks, $"{Helper} {verb} {dataset} failed: {Shell.LastLines(result.Error)}",
                "See what is missing: dotnet pgd doctor; an administrator arranges it: sudo dotnet-pgd setup");
        }
    }

    private void Destroy(Volume volume)
    {
        var parent = volume.Mounts[0].Dataset[..volume.Mounts[0].Dataset.LastIndexOf('/')];
        var (rows, table) = (ListBelow(parent, volume.Origins), MountTable.Read());
        foreach (var mount in volume.Mounts)
        {
            if (rows.FirstOrDefault(r => r.Name == mount.Dataset) is not { } dataset)
            {
                // An earlier removal was killed between the two.
                if (table.At(mount.Folder) is null)
                    RemoveFolder(mount.Folder);
                continue;
            }

            if (dataset.Id != volume.Key.BranchId)
                throw new PgdException(ExitCode.Unsafe, $"the dataset {dataset.Name} does not carry the mark of {volume.Key}; it is left untouched", "If you know that it can go, destroy it yourself.");
            rows = HandOver(dataset.Name, parent, volume.Origins, rows);
            if (table.At(mount.Folder) is not null)
                Unmount(mount);
            Fault.Here("remove:unmounted");
            DestroyIdle(dataset.Name);
            Fault.Here("remove:dataset");
            RemoveFolder(mount.Folder);
        }

        // One that a killed operation did not get as far as giving to its clone.
        foreach (var origin in rows.Where(r => volume.Origins.Contains(r.Name) && !r.IsDeferred))
            ZfsProgram.Run("zfs", "destroy", "-d", origin.Name);
        RemoveParents(volume, parent, rows);
    }

    // A container that is just being started has a copy of all mounts for a moment, also of the one that is gone here.
    private static void DestroyIdle(string dataset)
    {
        for (var clock = Stopwatch.StartNew(); ; Thread.Sleep(50))
        {
            var result = ZfsProgram.TryRun("zfs", "destroy", dataset);
            if (result.Status == 0)
                return;
            if (!result.Error.Contains("busy", StringComparison.Ordinal) || clock.Elapsed > LongestCopied)
                throw ZfsProgram.Refusal("zfs", ["destroy", dataset], result.Error);
        }
    }

    /// <summary>Gives what others were cloned from to them: ZFS keeps a dataset while clones of its snapshots live.</summary>
    private List<Row> HandOver(string dataset, string parent, IReadOnlyList<string> origins, List<Row> rows)
    {
        while (rows.FindLast(r => r.Name.StartsWith(dataset + "@", StringComparison.Ordinal)) is { } last)
        {
            if (!OwnSnapshot().IsMatch(last.Name))
                throw new PgdException(ExitCode.Unsafe, $"the snapshot {last.Name} was not made by pgd; it is left untouched, and so is {dataset}", $"If it can go: zfs destroy {last.Name}");
            if (last.Clones is [var clone, ..])
            {
                if (!clone.StartsWith(Base() + "/", StringComparison.Ordinal))
                    throw new PgdException(ExitCode.Unsafe, $"{clone} was cloned from {last.Name}, and not by pgd; both are left untouched", $"If it shall stay: zfs promote {clone}; if not: zfs destroy {clone}");
                ZfsProgram.Run("zfs", "promote", clone);
                Fault.Here("remove:promoted");
            }
            else
            {
                ZfsProgram.Run("zfs", "destroy", last.Name);
            }

            rows = ListBelow(parent, origins);
        }

        return rows;
    }

    private void RemoveParents(Volume volume, string parent, List<Row> before)
    {
        if (before.Any(r => r.Name != parent && !r.Name.Contains('@', StringComparison.Ordinal) && volume.Mounts.All(m => m.Dataset != r.Name)))
            return;
        // Another generation, or a former branch of that name, may have come since: then it is not empty, and stays.
        _ = ZfsProgram.TryRun("zfs", "destroy", parent);
        RemoveFolder(Path.Combine(layout.Mounts, volume.Key.Project, volume.Key.Branch));
        if (volume.Key.Branch != BranchName.Main)
            return;
        RemoveProject(volume.Key.Project);
    }

    private void RemoveProject(string project)
    {
        _ = ZfsProgram.TryRun("zfs", "destroy", $"{Base()}/{project}");
        RemoveFolder(Path.Combine(layout.Mounts, project));
    }

    // Where setup made it, it is root's; empty folders do no harm.
    private static void RemoveFolder(string folder)
    {
        try
        {
            Directory.Delete(folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Not empty, gone, or not ours to remove.
        }
    }

    private static List<Row> ListBelow(string parent, IReadOnlyList<string> origins)
    {
        // In the order in which they were made. Of those that are not there it says so, and lists the others.
        var result = ZfsProgram.TryRun("zfs", ["list", "-Hp", "-o", $"name,{IdProperty},defer_destroy,clones", "-s", "createtxg", "-t", "filesystem,snapshot", "-r", "-d", "2", parent, .. origins]);
        return result.Status == 0 || result.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries).All(line => line.Contains("does not exist", StringComparison.Ordinal))
            ? [.. ZfsProgram.Rows(result.Output).Select(row => new Row(row[0], row[1], row[2] == "on", row[3] is "-" or "" ? [] : row[3].Split(',')))]
            : throw ZfsProgram.Refusal("zfs", ["list", parent], result.Error);
    }

    private sealed record Part(string Dataset, string Suffix, string Inside, string? Link);

    private sealed record Row(string Name, string Id, bool IsDeferred, IReadOnlyList<string> Clones);
}
