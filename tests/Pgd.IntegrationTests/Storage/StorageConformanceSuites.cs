using Pgd.Postgres;
using Pgd.State;
using Pgd.Storage;
using Xunit;

namespace Pgd.IntegrationTests.Storage;

/// <summary>Subvolume snapshots.</summary>
public sealed class BtrfsConformance() : StorageConformance("btrfs", "btrfs", shares: true, isAtomic: true);

/// <summary>Shared extents, on the file system that most servers have.</summary>
public sealed class ReflinkOnXfsConformance() : StorageConformance("reflink", "xfs", shares: true, isAtomic: false);

/// <summary>Shared extents where snapshots could be had as well.</summary>
public sealed class ReflinkOnBtrfsConformance() : StorageConformance("reflink", "btrfs", shares: true, isAtomic: false);

/// <summary>Plain copies.</summary>
public sealed class CopyConformance() : StorageConformance("copy", "ext4", shares: false, isAtomic: false);

/// <summary>Snapshots and clones of datasets.</summary>
[Trait("Needs", "zfs")]
public sealed class ZfsConformance() : StorageConformance("zfs", "zfs", shares: true, isAtomic: true);

/// <summary>What only some storages do.</summary>
public sealed class StorageDifferences
{
    private readonly VolumeKey _main = new("shop", "main", "000000000001", 1), _dev = new("shop", "dev", "000000000002", 1);

    [Theory]
    [InlineData("btrfs", "btrfs")]
    [InlineData("xfs", "reflink")]
    [InlineData("ext4", "copy")]
    public void Without_a_choice_the_best_that_the_file_system_can_do_is_taken(string fileSystem, string expected)
    {
        var storages = new Storages(new(Lab.Current.FileSystem(fileSystem).NewRoot()), new());

        Assert.Equal(expected, storages.Choose("auto").Name);
        Assert.Equal(expected, storages.Choose(null).Name);
    }

    [Theory]
    [InlineData("btrfs", "xfs")]
    [InlineData("btrfs", "ext4")]
    [InlineData("reflink", "ext4")]
    public void A_storage_that_the_file_system_cannot_do_is_refused_and_no_other_one_taken(string storage, string fileSystem)
    {
        var layout = new Layout(Lab.Current.FileSystem(fileSystem).NewRoot());

        var error = Assert.Throws<PgdException>(() => new Storages(layout, new()).Choose(storage));

        Assert.Equal(ExitCode.MachineLacks, error.ExitCode);
        Assert.Contains(layout.Volumes, error.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(layout.Volumes));
    }

    [Fact]
    public async Task A_subvolume_inside_the_data_directory_is_refused_because_a_snapshot_would_lack_it()
    {
        var storage = new Storages(new(Lab.Current.FileSystem("btrfs").NewRoot()), new()).Named("btrfs");
        var source = storage.Create(_main);
        Directory.CreateDirectory($"{source.Data}/base");
        LabCommand.Run("btrfs", "subvolume", "create", $"{source.Data}/base/inner");

        var error = await Assert.ThrowsAsync<PgdException>(() => storage.CloneAsync(source, _dev, running: false, SilentReporter.Instance, CancellationToken.None));
        storage.Delete(_dev);

        Assert.Equal(ExitCode.Unsafe, error.ExitCode);
        Assert.Contains("base/inner", error.Message, StringComparison.Ordinal);
        Assert.Equal(_main, Assert.Single(storage.List()).Key);
    }

    [Fact]
    public async Task A_data_directory_that_is_no_subvolume_is_refused()
    {
        var layout = new Layout(Lab.Current.FileSystem("btrfs").NewRoot());
        var source = new Storages(layout, new()).Named("reflink").Create(_main);
        var storage = new Storages(layout, new()).Named("btrfs");

        var error = await Assert.ThrowsAsync<PgdException>(() => storage.CloneAsync(source, _dev, running: false, SilentReporter.Instance, CancellationToken.None));

        Assert.Equal(ExitCode.Unsafe, error.ExitCode);
        Assert.Null(storage.Find(_dev));
    }

    [Fact]
    public void A_volume_on_btrfs_is_a_subvolume_of_its_own()
    {
        var storage = new Storages(new(Lab.Current.FileSystem("btrfs").NewRoot()), new()).Named("btrfs");

        var volume = storage.Create(_main);

        LabCommand.Run("btrfs", "subvolume", "show", volume.Data);
    }

    [Theory]
    [InlineData("reflink", "xfs")]
    [InlineData("copy", "ext4")]
    public async Task A_copy_of_a_running_source_leaves_out_what_is_taken_later_or_belongs_to_its_run(string name, string fileSystem)
    {
        var storage = new Storages(new(Lab.Current.FileSystem(fileSystem).NewRoot()), new()).Named(name);
        var source = storage.Create(_main);
        string[] kept = ["PG_VERSION", "base/1/1259", "pg_xact/0000"];
        string[] leftOut = ["postmaster.pid", "backup_label", "global/pg_control", "pg_wal/000000010000000000000001", "pg_replslot/s/state", "pg_stat_tmp/x", "base/pgsql_tmp/pgsql_tmp1.0"];
        foreach (var file in kept.Concat(leftOut))
        {
            Directory.CreateDirectory(Path.GetDirectoryName($"{source.Data}/{file}")!);
            File.WriteAllText($"{source.Data}/{file}", file);
        }

        var clone = await storage.CloneAsync(source, _dev, running: true, SilentReporter.Instance, CancellationToken.None);

        Assert.Equal(kept, Directory.EnumerateFiles(clone.Data, "*", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(clone.Data, f)).Order(StringComparer.Ordinal));
        Assert.All(leftOut, f => Assert.True(DataDirectory.IsLeftOut(f)));
        // A server does not start without its empty folders.
        Assert.True(Directory.Exists($"{clone.Data}/pg_wal"));
        Assert.True(Directory.Exists($"{clone.Data}/pg_replslot"));
    }

    [Theory]
    [InlineData("reflink", "xfs")]
    [InlineData("copy", "ext4")]
    public async Task A_file_that_vanishes_after_it_was_listed_is_left_out_of_a_running_copy_and_an_error_of_another(string name, string fileSystem)
    {
        var storage = new Storages(new(Lab.Current.FileSystem(fileSystem).NewRoot()), new()).Named(name);
        var source = storage.Create(_main);
        foreach (var running in (bool[])[true, false])
        {
            for (var i = 0; i < 50; i++)
                File.WriteAllText($"{source.Data}/{i}", "x");
            void RemoveAll() => Directory.EnumerateFiles(source.Data).ToList().ForEach(File.Delete);
            var target = $"{source.Directory}/target-{running}";
            // The first file that is copied takes all others away.
            var copying = FileTree.CopyAsync(source.Data, target, running, (_, _, _, _) => RemoveAll(), reserve: false, SilentReporter.Instance, CancellationToken.None);

            if (running)
                await copying;
            else
                await Assert.ThrowsAsync<IOException>(() => copying);
            Assert.InRange(Directory.EnumerateFiles(target).Count(), 1, 49);
        }
    }
}
