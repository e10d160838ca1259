using Xunit;

namespace Pgd.IntegrationTests;

/// <summary>SIGINT and SIGTERM, as a terminal or a CI system sends them, and SIGKILL while another program works for the tool.</summary>
public sealed class Interruptions
{
    [Theory]
    [InlineData(ToolRoot.Sigint, 130)]
    [InlineData(ToolRoot.Sigterm, 143)]
    public async Task A_create_that_is_interrupted_while_it_copies_takes_everything_back(int signal, int status)
    {
        using var root = await ToolRoot.WithProjectAsync("copy");
        await root.SqlAsync(ToolRoot.Main, "create table large as select i, repeat(md5(i::text), 30) from generate_series(1, 300000) i");
        await root.MakeAsync("warm-up");
        await root.Workspace.Branches.DeleteAsync(ToolRoot.Branch("warm-up"), ifExists: false, default);
        var before = root.Listing();

        using var run = root.Start([], "branch", "create", "shop/dev");
        await Until.TrueAsync(() => Directory.Exists($"{root.Folder}/volumes/shop/dev/g1/data/base") || run.HasEnded, "the copy has begun");
        run.Signal(signal);
        var result = run.Wait();

        Assert.True(result.Status == status, result.ToString());
        Assert.Contains("undone", result.Error, StringComparison.Ordinal);
        await SourceHasForgottenAsync(root);
        Assert.Equal(before, root.Listing());
    }

    [Theory]
    [InlineData("btrfs", ToolRoot.Sigint, 130)]
    [InlineData("reflink", ToolRoot.Sigterm, 143)]
    public async Task A_create_that_is_interrupted_while_its_server_starts_takes_everything_back(string storage, int signal, int status)
    {
        using var root = await ToolRoot.WithProjectAsync(storage);
        await root.MakeAsync("warm-up");
        await root.Workspace.Branches.DeleteAsync(ToolRoot.Branch("warm-up"), ifExists: false, default);
        var before = root.Listing();

        using var run = root.Start([], "branch", "create", "shop/dev");
        await Until.TrueAsync(() => LabProcess.All().Any(p => p.CommandLine.Contains($"{root.Folder}/volumes/shop/dev/g1/data", StringComparison.Ordinal)) || run.HasEnded, "a server is launched");
        run.Signal(signal);
        var result = run.Wait();

        Assert.True(result.Status == status, result.ToString());
        await SourceHasForgottenAsync(root);
        Assert.Equal(before, root.Listing());
    }

    [Fact]
    public async Task A_reset_that_is_interrupted_leaves_the_branch_as_it_was()
    {
        using var root = await ToolRoot.WithProjectAsync("btrfs");
        await root.MakeAsync("dev");
        await root.SqlAsync(ToolRoot.Branch("dev"), "delete from orders where id > 10");
        var before = root.SteadyListing();

        using var run = root.Start([], "branch", "reset", "shop/dev");
        await Until.TrueAsync(() => LabProcess.All().Any(p => p.CommandLine.Contains($"{root.Folder}/volumes/shop/dev/g2/data", StringComparison.Ordinal)) || run.HasEnded, "the new server is launched");
        run.Signal(ToolRoot.Sigterm);
        var result = run.Wait();

        Assert.True(result.Status == 143, result.ToString());
        Assert.StartsWith("10/", await root.ChecksumAsync(ToolRoot.Branch("dev")), StringComparison.Ordinal);
        Assert.Equal(before, root.SteadyListing());
    }

    [Theory]
    [InlineData(ToolRoot.Sigint, 130)]
    [InlineData(ToolRoot.Sigterm, 143)]
    public async Task A_project_whose_initdb_is_interrupted_was_never_there(int signal, int status)
    {
        using var root = new ToolRoot("btrfs");
        using var run = root.Start([], "project", "create", "shop");
        await Until.TrueAsync(() => Initdb(root) || run.HasEnded, "initdb runs");
        run.Signal(signal);
        var result = run.Wait();

        Assert.True(result.Status == status, result.ToString());
        Assert.Equal(["folder locks", "folder s", "folder state", "folder volumes"], Inventory.Take(root.Folder).Entries);
    }

    [Fact]
    public async Task An_initdb_whose_tool_was_killed_is_ended_by_the_doctor_with_all_of_its_files()
    {
        using var root = new ToolRoot("copy");
        using var run = root.Start([], "project", "create", "shop");
        await Until.TrueAsync(() => Initdb(root) || run.HasEnded, "initdb runs");
        run.Signal(ToolRoot.Sigkill);
        run.Wait();

        Assert.DoesNotContain(await root.Workspace.Doctor.FixAsync(dryRun: false, default), repair => !repair.Done);

        Assert.Equal(["folder locks", "folder s", "folder state", "folder volumes"], Inventory.Take(root.Folder).Entries);
    }

    [Fact]
    public async Task A_server_that_a_killed_tool_has_just_launched_is_ended_by_the_doctor_however_slowly_it_starts()
    {
        using var root = await ToolRoot.WithProjectAsync("btrfs");
        var slow = SlowServerBinaries(root);
        await root.MakeAsync("warm-up");
        await root.Workspace.Branches.DeleteAsync(ToolRoot.Branch("warm-up"), ifExists: false, default);
        var before = Inventory.Take(root.Folder);
        var killed = root.ToolWith(new() { ["PGD_KILL_AT"] = "start:launched", ["PGD_POSTGRES_BINARIES"] = slow }, "branch", "create", "shop/dev");
        Assert.True(killed.Status == 137, killed.ToString());

        Assert.DoesNotContain(await root.Workspace.Doctor.FixAsync(dryRun: false, default), repair => !repair.Done);

        Assert.Empty(Inventory.Difference(before, Inventory.Take(root.Folder)));
    }

    [Fact]
    public async Task A_create_whose_server_starts_slowly_can_be_interrupted_before_the_server_has_written_anything()
    {
        using var root = await ToolRoot.WithProjectAsync("btrfs");
        var slow = SlowServerBinaries(root);
        await root.MakeAsync("warm-up");
        await root.Workspace.Branches.DeleteAsync(ToolRoot.Branch("warm-up"), ifExists: false, default);
        var before = Inventory.Take(root.Folder);
        using var run = root.Start(new() { ["PGD_POSTGRES_BINARIES"] = slow }, "branch", "create", "shop/dev");
        await Until.TrueAsync(() => LabProcess.All().Any(p => p.CommandLine.Contains($"-D {root.Folder}/volumes/shop/dev/g1/data", StringComparison.Ordinal)) || run.HasEnded, "a server is launched");
        run.Signal(ToolRoot.Sigint);
        var result = run.Wait();

        Assert.True(result.Status == 130, result.ToString());
        Assert.Empty(Inventory.Difference(before, Inventory.Take(root.Folder)));
    }

    // The server's own program behind a pause that no test waits for.
    private static string SlowServerBinaries(ToolRoot root)
    {
        var real = Lab.Current.Servers.Folder(15);
        var folder = $"{Path.GetDirectoryName(root.Folder)}/slow-binaries";
        Directory.CreateDirectory(folder);
        File.WriteAllText($"{folder}/postgres", $"#!/bin/sh\n[ \"$1\" = --version ] || sleep 30\nexec {real}/postgres \"$@\"\n");
        File.WriteAllText($"{folder}/initdb", $"#!/bin/sh\nexec {real}/initdb \"$@\"\n");
        foreach (var program in Directory.GetFiles(folder))
            File.SetUnixFileMode(program, LabFolder.Traversable);
        return folder;
    }

    private static bool Initdb(ToolRoot root) =>
        LabProcess.All().Any(p => p.WorkingDirectory?.StartsWith($"{root.Folder}/volumes/shop/main/g1/data", StringComparison.Ordinal) == true);

    private static Task SourceHasForgottenAsync(ToolRoot root) =>
        Until.TrueAsync(() => !root.Listing().Any(entry => entry.Contains("/main/g1/data/pg_replslot/", StringComparison.Ordinal)), "the source's session of the dead client is gone");
}
