using System.Runtime.Versioning;
using Pgd.Provisioning;
using Pgd.Tool.Output;
using Xunit;

namespace Pgd.Tests.Provisioning;

/// <summary>What setup writes and says for a data directory.</summary>
public sealed class DataDirectories : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("pgd-fstab-").FullName;

    private string Table => Path.Combine(_folder, "fstab");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    [SupportedOSPlatform("linux")]
    public void A_line_comes_into_the_table_of_mounts_and_leaves_it_as_it_was()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "The table is root's");
        const string before = "# <file system> <mount point>\n\nUUID=1b2c\t/  ext4 errors=remount-ro 0 1\n/dev/sdc1 /mnt/a\\040b/ xfs defaults";
        File.WriteAllText(Table, before);
        File.SetUnixFileMode(Table, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        var (fstab, line) = (new Fstab(Table), FstabLine.OfImage("/srv/pg.img", "/srv/pg", DataFileSystem.Xfs, madeFolder: true));

        fstab.Add(line);
        var text = File.ReadAllText(Table);
        var found = fstab.Find("/srv/pg");
        fstab.Remove("/srv/pg");
        fstab.Remove("/mnt/a b");

        Assert.Equal($"{before}\n/srv/pg.img /srv/pg xfs loop,discard,noatime,nosuid,nodev,nofail,x-pgd.data,x-pgd.folder 0 0\n", text);
        Assert.Equal(line.ToString(), found?.ToString());
        Assert.True(found is { IsOurs: true, MadeFolder: true, Id: null });
        Assert.Equal(before + "\n", File.ReadAllText(Table));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead, File.GetUnixFileMode(Table));
        Assert.True(fstab.Find("/mnt/a b") is { IsOurs: false, Source: "/dev/sdc1" });
        Assert.Null(fstab.Find("/srv/other"));
    }

    [Fact]
    public void Without_a_table_of_mounts_there_is_no_line_in_it() => Assert.Null(new Fstab(Table).Find("/srv/pg"));

    [Fact]
    public void A_device_is_named_by_the_id_of_what_is_on_it()
    {
        var id = Guid.Parse("0a1b2c3d-0000-4000-8000-0123456789ab");
        var line = FstabLine.OfDevice(id, "/srv/pg", DataFileSystem.Btrfs, madeFolder: false);

        Assert.Equal("UUID=0a1b2c3d-0000-4000-8000-0123456789ab /srv/pg btrfs noatime,nosuid,nodev,nofail,x-pgd.data 0 0", line.ToString());
        Assert.Equal($"{id}", FstabLine.Parse(line.ToString())?.Id);
    }

    [Theory]
    [InlineData("enabled", "1", null)]
    [InlineData("active", null, null)]
    [InlineData("enabled", "0", "echo 1 > /sys/module/zfs/parameters/zfs_bclone_enabled")]
    [InlineData("disabled", "1", "zpool set feature@block_cloning=enabled pgdata")]
    [InlineData("-", null, "from OpenZFS 2.2 on")]
    public void What_keeps_a_pool_from_sharing_blocks_is_told_with_what_to_set(string feature, string? parameter, string? told)
    {
        var notes = PoolData.CloningNotes("pgdata", feature, parameter);

        if (told is null)
            Assert.Empty(notes);
        else
            Assert.Contains(told, Assert.Single(notes), StringComparison.Ordinal);
    }

    [Fact]
    public void The_report_for_programs() => Snapshot.Match(JsonText.Of(
        new DataDirectoryReport("/srv/pg", DataFileSystem.Btrfs, "postgres", true, [new("mount /srv/pg", "of /srv/pg.img", SetupOutcome.Planned)], ["/srv/pg.img is sparse"]), JsonShapes.All.DataDirectoryReport));
}
