using Xunit;

namespace Pgd.IntegrationTests;

/// <summary>A file system that has no room left, at several moments. The source lives on, and what was begun is gone.</summary>
public sealed class FullDisk
{
    [Fact]
    public async Task A_disk_that_fills_in_the_middle_of_a_copy_leaves_nothing_of_the_branch()
    {
        using var fileSystem = Lab.Current.FileSystems.New("ext4", 900);
        using var root = await ToolRoot.WithProjectAsync("copy", fileSystem.NewRoot());
        await root.SqlAsync(ToolRoot.Main, "create table large as select i, repeat(md5(i::text), 30) from generate_series(1, 150000) i");
        await AssertTakenBackAsync(root, fileSystem, "progress");
    }

    [Theory]
    [InlineData("copy", "ext4")]
    [InlineData("reflink", "xfs")]
    [InlineData("btrfs", "btrfs")]
    public async Task A_disk_that_fills_before_the_branch_s_server_starts_leaves_nothing_of_the_branch(string storage, string kind)
    {
        using var fileSystem = Lab.Current.FileSystems.New(kind, 500);
        using var root = await ToolRoot.WithProjectAsync(storage, fileSystem.NewRoot());
        await AssertTakenBackAsync(root, fileSystem, "starting shop/dev");
    }

    [Theory]
    [InlineData("copy", "ext4")]
    [InlineData("reflink", "xfs")]
    [InlineData("btrfs", "btrfs")]
    public async Task A_disk_without_room_is_refused_before_the_source_is_touched_and_branches_can_still_be_deleted(string storage, string kind)
    {
        using var fileSystem = Lab.Current.FileSystems.New(kind, 500);
        using var root = await ToolRoot.WithProjectAsync(storage, fileSystem.NewRoot());
        await root.MakeAsync("old");
        var filler = $"{fileSystem.MountPoint}/filler";
        var before = root.Listing();
        Fill(filler);

        var create = await root.InProcessAsync("branch", "create", "shop/dev");
        Assert.True(create.Status == (int)ExitCode.NoRoom, create.ToString());
        Assert.Equal(before, root.Listing());
        var project = await root.InProcessAsync("project", "create", "other");
        Assert.True(project.Status == (int)ExitCode.NoRoom, project.ToString());
        Assert.Equal(before, root.Listing());
        // The way out that the error proposes.
        var delete = await root.InProcessAsync("branch", "delete", "shop/old");
        Assert.True(delete.Status == 0, delete.ToString());

        File.Delete(filler);
        Assert.StartsWith("1000/", await root.ChecksumAsync(ToolRoot.Main), StringComparison.Ordinal);
        await root.MakeAsync("dev");
    }

    private static async Task AssertTakenBackAsync(ToolRoot root, LoopFileSystem fileSystem, string moment)
    {
        await root.MakeAsync("warm-up");
        await root.Workspace.Branches.DeleteAsync(ToolRoot.Branch("warm-up"), ifExists: false, default);
        await root.SqlAsync(ToolRoot.Main, "checkpoint");
        var content = await root.ChecksumAsync(ToolRoot.Main);
        var before = root.Listing();
        var filler = $"{fileSystem.MountPoint}/filler";
        root.Heard.OnStep = step =>
        {
            if (step == moment && !File.Exists(filler))
                Fill(filler);
        };

        var error = await Assert.ThrowsAsync<PgdException>(() => root.MakeAsync("dev"));

        root.Heard.OnStep = null;
        Assert.True(error.ExitCode == ExitCode.NoRoom, error.ToString());
        await Until.TrueAsync(() => !root.Listing().Any(entry => entry.Contains("/main/g1/data/pg_replslot/", StringComparison.Ordinal)), "the source has forgotten the copy");
        Assert.Equal(before, root.Listing());
        Assert.Empty(root.Heard.Warnings);
        Assert.Equal(content, await root.ChecksumAsync(ToolRoot.Main));
        File.Delete(filler);
        await root.SqlAsync(ToolRoot.Main, "update orders set note = note || '.'");
        await root.MakeAsync("dev");
        Assert.Equal(await root.ChecksumAsync(ToolRoot.Main), await root.ChecksumAsync(ToolRoot.Branch("dev")));
    }

    private static void Fill(string file)
    {
        // To the last block: preallocation would leave a rest.
        LabCommand.Try("dd", "if=/dev/zero", $"of={file}", "bs=1M");
        LabCommand.Try("dd", "if=/dev/zero", $"of={file}", "bs=4k", "oflag=append", "conv=notrunc");
        LabCommand.Run("sync", "--file-system", Path.GetDirectoryName(file)!);
    }
}
