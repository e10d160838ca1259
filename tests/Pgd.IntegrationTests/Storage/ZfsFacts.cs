using System.Globalization;
using Pgd.Configuration;
using Pgd.State;
using Pgd.Storage;
using Xunit;

namespace Pgd.IntegrationTests.Storage;

/// <summary>What only the storage <c>zfs</c> does, asked of <c>zfs</c> itself.</summary>
[Trait("Needs", "zfs")]
public sealed class ZfsFacts : IDisposable
{
    private static readonly CancellationToken Never = CancellationToken.None;
    private readonly VolumeKey _main = new("shop", "main", "000000000001", 1), _dev = new("shop", "dev", "000000000002", 1), _child = new("shop", "child", "000000000003", 1);
    private readonly string _parent = Lab.Current.Zfs.NewParent();
    private readonly Layout _layout = new(Directory.CreateTempSubdirectory("pgd").FullName);
    private readonly List<string> _pools = [];

    private string Base => $"{_parent}/pgd";

    [Fact]
    public async Task Every_volume_has_its_properties_and_says_whose_it_is()
    {
        var storage = Open(new() { Properties = new Dictionary<string, string> { ["compression"] = "zstd" }, BranchQuota = "64M", SourceReservation = "8M" });
        var source = storage.Create(_main);
        var clone = await CloneAsync(storage, source, _dev);

        foreach (var (volume, key) in (IEnumerable<(Volume, VolumeKey)>)[(source, _main), (clone, _dev)])
        {
            var dataset = $"{Base}/shop/{key.Branch}/g1";
            Assert.Equal(dataset, Assert.Single(volume.Mounts).Dataset);
            Assert.Equal([key.BranchId, "shop", key.Branch, "1", "noauto", "zstd", "32K", "off"], Get(dataset, "pgd:id", "pgd:project", "pgd:branch", "pgd:generation", "canmount", "compression", "recordsize", "atime"));
            // Set there, and not only inherited.
            Assert.All(LabCommand.Run("zfs", "get", "-H", "-o", "source", "pgd:id,compression,recordsize,atime,canmount", dataset).Trim().Split('\n'), s => Assert.Equal("local", s));
        }

        Assert.Equal(["8M", "none"], Get($"{Base}/shop/main/g1", "refreservation", "refquota"));
        Assert.Equal(["none", "64M"], Get($"{Base}/shop/dev/g1", "refreservation", "refquota"));
        Assert.Equal([_layout.Root, "off", "off"], Get(Base, "pgd:root", "canmount", "com.sun:auto-snapshot").Select(v => v == "false" ? "off" : v));
        var full = Assert.Throws<IOException>(() =>
        {
            using var file = File.Create($"{clone.Data}/much");
            for (var i = 0; i < 100; i++)
            {
                file.Write(RandomBytes(1 << 20));
                file.Flush(flushToDisk: true);
            }
        });
        Assert.True(DiskFull.Is(full));
    }

    [Fact]
    public async Task The_snapshot_of_the_source_goes_with_the_clone()
    {
        var storage = Open();
        var source = storage.Create(_main);
        var before = ZfsLab.Listing(_parent);
        await CloneAsync(storage, source, _dev);
        var snapshot = Assert.Single(ZfsLab.Listing(_parent), d => d.Contains('@', StringComparison.Ordinal));

        Assert.Equal($"{Base}/shop/main/g1@pgd-{_dev.BranchId}-g1", snapshot);
        Assert.Equal(["on"], Get(snapshot, "defer_destroy"));
        storage.Delete(_dev);

        Assert.Equal(before, ZfsLab.Listing(_parent));
    }

    [Fact]
    public async Task Ten_clones_leave_the_space_that_was_used_where_it_was()
    {
        var storage = Open();
        var source = storage.Create(_main);
        await File.WriteAllBytesAsync($"{source.Data}/1234", RandomBytes(4 << 20), Never);
        var before = ZfsLab.Used(_parent);
        var rounds = Environment.GetEnvironmentVariable("PGD_SOAK") is null ? 10 : 100;
        VolumeKey Key(int i) => new("shop", $"b{i}", i.ToString("x12", CultureInfo.InvariantCulture), 1);
        for (var i = 10; i < 10 + rounds; i++)
            await File.WriteAllBytesAsync($"{(await CloneAsync(storage, source, Key(i))).Data}/5678", RandomBytes(1 << 20), Never);
        Assert.True(ZfsLab.Used(_parent) > before + (rounds << 20));
        foreach (var i in Enumerable.Range(10, rounds).OrderBy(i => i * 7 % 11))
            storage.Delete(Key(i));

        Assert.InRange(ZfsLab.Used(_parent) - before, long.MinValue, 256 * 1024);
    }

    [Fact]
    public async Task A_dataset_that_somebody_else_made_is_neither_taken_nor_touched()
    {
        var storage = Open();
        var source = storage.Create(_main);
        LabCommand.Run("zfs", "create", "-p", "-o", "canmount=off", $"{Base}/shop/dev/g1");
        var before = ZfsLab.Listing(_parent);

        Assert.Equal(ExitCode.Exists, (await Assert.ThrowsAsync<PgdException>(() => CloneAsync(storage, source, _dev))).ExitCode);
        Assert.Equal(ExitCode.Exists, Assert.Throws<PgdException>(() => storage.Create(_dev)).ExitCode);
        storage.Delete(_dev);

        Assert.Equal(before, ZfsLab.Listing(_parent));
        Assert.Equal([source], storage.List());
        // Nor one that says that it is another's.
        var clone = await CloneAsync(storage, source, _child);
        LabCommand.Run("zfs", "set", "pgd:id=00000000000f", clone.Mounts[0].Dataset);
        Assert.Equal(ExitCode.Unsafe, Assert.Throws<PgdException>(() => storage.Delete(_child)).ExitCode);
        Assert.True(Directory.Exists(clone.Data));
    }

    [Fact]
    public async Task Somebody_elses_snapshot_or_clone_stops_a_deletion_by_its_name()
    {
        var storage = Open();
        var clone = await CloneAsync(storage, storage.Create(_main), _dev);
        var dataset = clone.Mounts[0].Dataset;
        LabCommand.Run("zfs", "snapshot", $"{dataset}@mine");
        Assert.Contains($"{dataset}@mine", Assert.Throws<PgdException>(() => storage.Delete(_dev)).Message, StringComparison.Ordinal);
        LabCommand.Run("zfs", "destroy", $"{dataset}@mine");

        LabCommand.Run("zfs", "snapshot", $"{dataset}@pgd-00000000000a-g1");
        LabCommand.Run("zfs", "clone", "-o", "canmount=off", $"{dataset}@pgd-00000000000a-g1", $"{_parent}/mine");
        Assert.Contains($"{_parent}/mine", Assert.Throws<PgdException>(() => storage.Delete(_dev)).Message, StringComparison.Ordinal);
        Assert.True(Directory.Exists(clone.Data));
        LabCommand.Run("zfs", "destroy", $"{_parent}/mine");
        storage.Delete(_dev);

        Assert.DoesNotContain(ZfsLab.Listing(_parent), d => d.Contains("/dev", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_volume_can_go_before_those_that_were_cloned_from_it()
    {
        var storage = Open();
        var source = storage.Create(_main);
        await File.WriteAllTextAsync($"{source.Data}/file", "first", Never);
        var first = await CloneAsync(storage, source, _dev);
        await File.WriteAllTextAsync($"{source.Data}/file", "second", Never);
        var second = await CloneAsync(storage, source, _child);
        var grandchild = await CloneAsync(storage, first, new("shop", "grandchild", "000000000004", 1));

        storage.Delete(_main);
        storage.Delete(_dev);

        Assert.Equal("second", await File.ReadAllTextAsync($"{second.Data}/file", Never));
        Assert.Equal("first", await File.ReadAllTextAsync($"{grandchild.Data}/file", Never));
        storage.Delete(_child);
        Assert.Equal("first", await File.ReadAllTextAsync($"{grandchild.Data}/file", Never));
        storage.Delete(grandchild.Key);
        Assert.Equal([Base, $"{Base}/shop"], ZfsLab.Listing(_parent));
    }

    [Fact]
    public async Task What_a_start_of_the_machine_has_unmounted_is_mounted_again()
    {
        var storage = Open();
        var source = storage.Create(_main);
        await File.WriteAllTextAsync($"{source.Data}/file", "here", Never);
        LabCommand.Run("umount", source.Mounts[0].Folder);
        Assert.False(File.Exists($"{source.Data}/file"));

        storage.Attach(storage.Find(_main)!);
        storage.Attach(storage.Find(_main)!);

        Assert.Equal("here", await File.ReadAllTextAsync($"{source.Data}/file", Never));
        LabCommand.Run("umount", source.Mounts[0].Folder);
        // A stopped source need not be mounted to be cloned, nor anything to be deleted.
        var clone = await CloneAsync(storage, source, _dev);
        Assert.Equal("here", await File.ReadAllTextAsync($"{clone.Data}/file", Never));
        LabCommand.Run("umount", source.Mounts[0].Folder, clone.Mounts[0].Folder);
        storage.Delete(_dev);
        storage.Delete(_main);
        Assert.Equal([Base], ZfsLab.Listing(_parent));
    }

    [Fact]
    public async Task A_pool_that_is_nearly_full_is_warned_of_and_a_fuller_one_refused()
    {
        var source = Open().Create(_main);
        var heard = new Heard();
        await Open(new() { WarnAbove = 0 }).CloneAsync(source, _dev, running: false, heard, Never);
        Assert.Contains("% full; from 85 % on nothing is branched", Assert.Single(heard.Warnings), StringComparison.Ordinal);

        var before = ZfsLab.Listing(_parent);
        var error = await Assert.ThrowsAsync<PgdException>(() => CloneAsync(Open(new() { RefuseAbove = 0 }), source, _child));
        Assert.Equal(ExitCode.NoRoom, error.ExitCode);
        Assert.Equal(before, ZfsLab.Listing(_parent));
    }

    [Fact]
    public async Task A_database_bigger_than_the_free_space_can_be_branched()
    {
        // 300 MB, of which 160 are taken by what does not compress.
        var pool = NewPool("big", 300);
        var storage = new Storages(_layout, new() { Zfs = new() { Pool = pool } }).Choose("zfs");
        var source = storage.Create(_main);
        await File.WriteAllBytesAsync($"{source.Data}/large", RandomBytes(150 << 20), Never);
        LabCommand.Run("zpool", "sync", pool);
        var (size, free) = (150L << 20, long.Parse(LabCommand.Run("zfs", "get", "-Hp", "-o", "value", "available", pool), CultureInfo.InvariantCulture));
        Assert.True(size > free, $"{size} > {free}");

        var clone = await CloneAsync(storage, source, _dev);

        Assert.Equal(size, new FileInfo($"{clone.Data}/large").Length);
        var space = storage.Space("shop");
        Assert.InRange(space[("main", 1)].Used, size, size + (8 << 20));
        Assert.InRange(space[("dev", 1)].Used, 0, 1 << 20);
        Assert.InRange(space[("dev", 1)].Referenced, size, size + (8 << 20));
    }

    [Fact]
    public void Without_a_choice_among_several_pools_none_is_taken()
    {
        var other = NewPool("other", 100);

        var error = Assert.Throws<PgdException>(() => new Storages(_layout, new()).Choose("zfs"));
        Assert.Equal(ExitCode.MachineLacks, error.ExitCode);
        Assert.Contains(other, error.Message, StringComparison.Ordinal);
        Assert.Contains("--pool", error.Hint, StringComparison.Ordinal);
        // auto never makes a dataset in a pool.
        Assert.NotEqual("zfs", new Storages(_layout, new()).Choose("auto").Name);
        Assert.False(File.Exists(_layout.Dataset));

        Assert.Equal("zfs", new Storages(_layout, new()).Choose("auto", other).Name);
        Assert.Equal("zfs", new Storages(_layout, new()).Choose("auto").Name);
        Assert.Equal(ExitCode.Unsafe, Assert.Throws<PgdException>(() => new Storages(_layout, new()).Choose("zfs", _parent)).ExitCode);
        var stranger = new Layout(Directory.CreateTempSubdirectory("pgd").FullName);
        Assert.Contains($"belongs to {_layout.Root}", Assert.Throws<PgdException>(() => new Storages(stranger, new()).Choose("zfs", other)).Message, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Misuse, Assert.Throws<PgdException>(() => new Storages(stranger, new()).Choose("btrfs", other)).ExitCode);
    }

    [Fact]
    public async Task Data_and_log_in_two_pools_are_refused_because_no_command_snapshots_both()
    {
        var (other, mounts) = (NewPool("log", 100), Directory.CreateTempSubdirectory("pgd").FullName);
        LabCommand.Run("zfs", "create", "-o", $"mountpoint={mounts}/data", $"{_parent}/data");
        LabCommand.Run("zfs", "create", "-o", $"mountpoint={mounts}/wal", $"{other}/wal");
        File.CreateSymbolicLink($"{mounts}/data/pg_wal", $"{mounts}/wal");
        var storage = Open();
        var source = new Storages(_layout, new()).Folders.Make(new Volume(_main, $"{_layout.Volumes}/shop/main/g1") { Data = $"{mounts}/data", IsAdopted = true });

        var error = await Assert.ThrowsAsync<PgdException>(() => CloneAsync(storage, source, _dev));

        Assert.Equal(ExitCode.Unsafe, error.ExitCode);
        Assert.Contains(other, error.Message, StringComparison.Ordinal);
        Assert.Null(storage.Find(_dev));
        Assert.DoesNotContain(ZfsLab.Listing(_parent), d => d.Contains('@', StringComparison.Ordinal));
        storage.Delete(_main);
        Assert.True(File.Exists($"{mounts}/data/pg_wal") || new FileInfo($"{mounts}/data/pg_wal").LinkTarget is not null);
    }

    [Fact]
    public async Task A_pool_that_is_read_only_is_refused_and_a_degraded_one_warned_of()
    {
        var pool = NewPool("worn", 100, mirror: true);
        var storage = new Storages(_layout, new() { Zfs = new() { Pool = pool } }).Choose("zfs");
        var source = storage.Create(_main);
        LabCommand.Run("zpool", "offline", pool, $"/var/tmp/{pool}.1");
        var heard = new Heard();
        await storage.CloneAsync(source, _dev, running: false, heard, Never);
        Assert.Contains("DEGRADED", Assert.Single(heard.Warnings), StringComparison.Ordinal);
        storage.Delete(_dev);

        LabCommand.Run("umount", source.Mounts[0].Folder);
        LabCommand.Run("zpool", "export", pool);
        LabCommand.Run("zpool", "import", "-d", "/var/tmp", "-o", "readonly=on", pool);
        var error = await Assert.ThrowsAsync<PgdException>(() => CloneAsync(storage, source, _dev));
        Assert.Equal(ExitCode.MachineLacks, error.ExitCode);
        Assert.Contains("read-only", error.Message, StringComparison.Ordinal);
        Assert.Null(storage.Find(_dev));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var pool in _pools)
        {
            LabCommand.Try("zpool", "destroy", "-f", pool);
            File.Delete($"/var/tmp/{pool}.0");
            File.Delete($"/var/tmp/{pool}.1");
        }
    }

    private static byte[] RandomBytes(int size)
    {
        var bytes = new byte[size];
        new Random(size).NextBytes(bytes);
        return bytes;
    }

    private static Task<Volume> CloneAsync(IStorage storage, Volume source, VolumeKey key) => storage.CloneAsync(source, key, running: false, SilentReporter.Instance, Never);

    private static IReadOnlyList<string> Get(string dataset, params string[] properties) => [.. properties.Select(p => LabCommand.Run("zfs", "get", "-H", "-o", "value", p, dataset).Trim())];

    private IStorage Open(ZfsConfiguration? settings = null) => new Storages(_layout, new() { Zfs = (settings ?? new()) with { Pool = _parent } }).Choose("zfs");

    private string NewPool(string name, int megabytes, bool mirror = false)
    {
        Lab.Require(Environment.IsPrivilegedProcess, "Making a pool needs root");
        var pool = $"pgd-{name}-{Environment.ProcessId}";
        _pools.Add(pool);
        foreach (var file in (string[])[$"/var/tmp/{pool}.0", $"/var/tmp/{pool}.1"])
            LabCommand.Run("truncate", "--size", $"{megabytes}M", file);
        LabCommand.Run("zpool", ["create", "-O", "mountpoint=none", pool, .. mirror ? (string[])["mirror", $"/var/tmp/{pool}.0", $"/var/tmp/{pool}.1"] : [$"/var/tmp/{pool}.0"]]);
        return pool;
    }
}
