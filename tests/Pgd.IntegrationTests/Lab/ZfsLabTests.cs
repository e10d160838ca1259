using Xunit;

namespace Pgd.IntegrationTests;

/// <summary>The lab's instruments for ZFS see what a copy, a clone and a snapshot differ by.</summary>
[Trait("Needs", "zfs")]
public sealed class ZfsLabTests
{
    private const int FileSize = 8 * 1024 * 1024;

    private readonly string _parent = Lab.Current.Zfs.NewParent();

    [Fact]
    public void A_clone_takes_no_room_and_a_copy_does()
    {
        var original = NewOriginal();
        var before = ZfsLab.Used(_parent);

        LabCommand.Run("zfs", "snapshot", $"{original}@s");
        LabCommand.Run("zfs", "clone", $"{original}@s", $"{_parent}/clone");
        var cloned = ZfsLab.Used(_parent);
        LabCommand.Run("cp", $"{ZfsLab.Folder(original)}/file", $"{ZfsLab.Folder(_parent)}/copy");
        var copied = ZfsLab.Used(_parent);

        Assert.Equal(new FileInfo($"{ZfsLab.Folder(original)}/file").Length, new FileInfo($"{ZfsLab.Folder($"{_parent}/clone")}/file").Length);
        Assert.InRange(cloned - before, 0, FileSize / 8);
        Assert.InRange(copied - cloned, FileSize, 2 * FileSize);
    }

    [Fact]
    public void A_listing_shows_datasets_snapshots_and_clones_below_one_and_nothing_beside_it()
    {
        var original = NewOriginal();
        var other = Lab.Current.Zfs.NewParent();

        LabCommand.Run("zfs", "snapshot", $"{original}@s");
        LabCommand.Run("zfs", "clone", $"{original}@s", $"{_parent}/clone");

        Assert.Equal([$"{_parent}/clone", original, $"{original}@s"], ZfsLab.Listing(_parent).Order(StringComparer.Ordinal));
        Assert.Empty(ZfsLab.Listing(other));
    }

    [Fact]
    public void A_dataset_is_mounted_on_ZFS_and_open_to_the_account_postgres()
    {
        var folder = ZfsLab.Folder(_parent);

        Assert.Equal("zfs", LabCommand.Run("stat", "--file-system", "--format=%T", folder).Trim());
        Lab.Require(LabCommand.Try("id", "postgres").Status == 0, "There is no account postgres");
        LabCommand.Run("runuser", "-u", "postgres", "--", "ls", folder);
    }

    private string NewOriginal()
    {
        LabCommand.Run("zfs", "create", $"{_parent}/original");
        var bytes = new byte[FileSize];
        // Zeroes, and whatever else can be compressed, would take no room.
        new Random(1).NextBytes(bytes);
        File.WriteAllBytes($"{ZfsLab.Folder($"{_parent}/original")}/file", bytes);
        return $"{_parent}/original";
    }
}
