using Pgd.IntegrationTests.Branches;
using Xunit;

namespace Pgd.IntegrationTests.Wal;

/// <summary>Archives come and go with their projects, whatever happens; and a full disk of theirs is not the source's.</summary>
public sealed class LifeOfAnArchive
{
    private const int Killed = 128 + ToolRoot.Sigkill;

    [Fact]
    public async Task Turned_on_or_off_and_killed_anywhere_it_is_on_or_off_after_the_doctor_and_after_repeating_it()
    {
        using var root = await ToolRoot.WithProjectAsync("btrfs");
        var faults = new List<string>();
        string[] on = ["project", "set", "shop", "--pitr", "7d"], off = ["project", "set", "shop", "--pitr", "off"];
        foreach (var (command, otherwise) in new[] { (on, off), (off, on) })
        {
            var places = Trace(root, command);
            foreach (var place in places)
            {
                foreach (var cure in (Func<Task>[])[async () => await FixAsync(root), async () => Expect((await root.InProcessAsync(command)).Status == 0, place, "repeated")])
                {
                    Assert.Equal(0, (await root.InProcessAsync(otherwise)).Status);
                    // As if for the first time.
                    if (command == on && Directory.Exists($"{root.Folder}/wal"))
                        Directory.Delete($"{root.Folder}/wal", recursive: true);
                    var killed = root.ToolWith(new() { ["PGD_KILL_AT"] = place }, command);
                    Expect(killed.Status == Killed, place, $"was not killed there: {killed}");
                    await cure();
                    var recorded = (await root.Workspace.Projects.GetAsync(ToolRoot.Project, default)).PointInTime is null ? "off" : "on";
                    var serves = await root.SqlAsync(ToolRoot.Main, "show archive_mode");
                    Expect(serves == recorded, place, $"the record says {recorded}, and the server {serves}");
                    Expect(recorded == "off" || File.Exists($"{root.Folder}/wal/shop/main/.pgd"), place, "there is no archive");
                    Expect((await root.Workspace.Doctor.FixAsync(dryRun: true, default)).Count == 0, place, "the doctor is not content");
                }
            }
        }

        Assert.True(faults.Count == 0, string.Join('\n', faults));

        void Expect(bool condition, string place, string text)
        {
            if (!condition)
                faults.Add($"{place}: {text}");
        }
    }

    [Fact]
    public async Task A_server_that_does_not_come_up_with_it_is_as_it_was_before()
    {
        using var root = await ToolRoot.WithProjectAsync("btrfs");
        var content = await root.ChecksumAsync(ToolRoot.Main);
        // Its files are read at a start alone.
        await root.SqlAsync(ToolRoot.Main, "alter system set shared_preload_libraries = 'no_such_library'");

        var refused = await root.InProcessAsync("project", "set", "shop", "--pitr", "7d");

        Assert.NotEqual(0, refused.Status);
        var data = (await root.Workspace.Branches.GetAsync(ToolRoot.Main, default)).DataDirectory;
        File.Delete($"{data}/postgresql.auto.conf");
        Assert.Null((await root.Workspace.Projects.GetAsync(ToolRoot.Project, default)).PointInTime);
        Assert.Equal(0, (await root.InProcessAsync("start", "shop/main")).Status);
        Assert.Equal(("off", content), (await root.SqlAsync(ToolRoot.Main, "show archive_mode"), await root.ChecksumAsync(ToolRoot.Main)));
        Assert.DoesNotContain(root.Listing(), entry => entry.Contains(" wal/shop/main", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_project_is_made_with_it_and_takes_it_along_when_it_goes_wherever_that_is_killed()
    {
        using var root = new ToolRoot("btrfs");
        string[] create = ["project", "create", "shop", "--pitr", "7d"], delete = ["project", "delete", "shop", "--force"];
        Assert.Equal(0, (await root.InProcessAsync("project", "create", "other")).Status);
        Directory.CreateDirectory($"{root.Folder}/wal");
        var without = root.Listing();
        await MakeAsync();
        foreach (var place in (string[])["archive:emptied", "archive:unmarked"])
        {
            var killed = root.ToolWith(new() { ["PGD_KILL_AT"] = place }, delete);
            Assert.True(killed.Status == Killed, killed.ToString());
            await FixAsync(root);
            Assert.Equal(without, root.Listing());
            await MakeAsync();
        }

        Assert.Equal(0, (await root.InProcessAsync(delete)).Status);
        Assert.Equal(without, root.Listing());
        Assert.Empty(await root.Workspace.Doctor.FixAsync(dryRun: true, default));

        async Task MakeAsync()
        {
            var made = await root.InProcessAsync(create);
            Assert.True(made.Status == 0, made.ToString());
            Assert.Contains("Archived:", made.Output, StringComparison.Ordinal);
            await root.SqlAsync(ToolRoot.Main, "create table t as select 1 i");
            await root.SqlAsync(ToolRoot.Main, "select pg_switch_wal()");
            await Eventually.TrueAsync(() => Directory.GetFiles($"{root.Folder}/wal/shop/main").Any(f => Path.GetFileName(f).StartsWith("0000", StringComparison.Ordinal)), "a part is archived");
        }
    }

    [Fact]
    public async Task An_archive_without_a_project_is_removed_by_the_doctor_if_it_is_empty_and_named_if_it_is_not()
    {
        using var root = await ToolRoot.WithProjectAsync("btrfs");
        Directory.CreateDirectory($"{root.Folder}/wal/gone/main");
        Directory.CreateDirectory($"{root.Folder}/wal/lost/main");
        await File.WriteAllTextAsync($"{root.Folder}/wal/lost/main/000000010000000000000001", "log");

        var planned = await root.Workspace.Doctor.FixAsync(dryRun: true, default);
        var repairs = await root.Workspace.Doctor.FixAsync(dryRun: false, default);

        Assert.Equal(planned, repairs);
        Assert.Equal([($"{root.Folder}/wal/gone", true), ($"{root.Folder}/wal/lost", false)], repairs.Select(r => (r.Subject, r.Done)));
        Assert.Contains($"rm -r {root.Folder}/wal/lost", repairs[1].Text, StringComparison.Ordinal);
        Assert.False(Directory.Exists($"{root.Folder}/wal/gone"));
        Assert.True(File.Exists($"{root.Folder}/wal/lost/main/000000010000000000000001"));
    }

    [Fact]
    public async Task A_cluster_that_was_adopted_is_refused_and_a_branch_has_none()
    {
        using var root = await ToolRoot.WithProjectAsync("btrfs");
        await root.MakeAsync("dev");
        await root.Workspace.Branches.StopAsync(ToolRoot.Main, default);
        var data = (await root.Workspace.Branches.GetAsync(ToolRoot.Main, default)).DataDirectory;
        Assert.Equal(0, (await root.InProcessAsync("project", "create", "theirs", "--adopt", data)).Status);

        var set = await root.InProcessAsync("project", "set", "theirs", "--pitr", "7d");
        Assert.Equal((int)ExitCode.Unsafe, set.Status);
        Assert.Contains("theirs/main was adopted", set.Error, StringComparison.Ordinal);
        Assert.Equal((int)ExitCode.Unsafe, (await root.InProcessAsync("project", "create", "more", "--adopt", data, "--pitr", "7d")).Status);
        foreach (var verb in (string[])["verify", "cleanup"])
        {
            var none = await root.InProcessAsync("wal", verb, "shop/dev");
            Assert.Equal((int)ExitCode.NotFound, none.Status);
            Assert.Contains("dotnet pgd project set shop --pitr 7d", none.Error, StringComparison.Ordinal);
        }

        Assert.Equal(0, (await root.InProcessAsync("wal", "info", "shop/dev")).Status);
    }

    [Fact]
    public async Task A_full_archive_disk_is_the_doctors_to_tell_and_the_source_goes_on_even_where_it_would_have_run_full_itself()
    {
        using var server = Lab.Current.FileSystems.New("ext4", 900);
        using var archive = Lab.Current.FileSystems.New("ext4", 150);
        using var root = await ToolRoot.WithProjectAsync("copy", server.NewRoot());
        var (folder, disk) = ($"{root.Folder}/wal/shop/main", archive.NewRoot());
        Directory.CreateDirectory($"{root.Folder}/wal/shop");
        File.SetUnixFileMode($"{root.Folder}/wal", LabFolder.Traversable);
        Directory.CreateSymbolicLink(folder, disk);
        Assert.Equal(0, (await root.InProcessAsync("project", "set", "shop", "--pitr", "7d")).Status);
        LabCommand.Run("dd", "if=/dev/zero", $"of={archive.MountPoint}/filler", "bs=1M", "count=80");
        LabCommand.Run("sync", "--file-system", archive.MountPoint);

        await root.SqlAsync(ToolRoot.Main, "select pg_switch_wal()");
        await Eventually.TrueAsync(async () => (await root.Workspace.Wal.InfoAsync(ToolRoot.Main, default)).Single().Archiver!.IsFailing, "it fails");
        var findings = (await root.Workspace.Doctor.CheckAsync(default)).Where(f => f is { Check: "write-ahead log", Severity: Severity.Problem }).ToList();
        Assert.Contains(findings, f => f.Text.Contains("nothing more is archived", StringComparison.Ordinal));
        Assert.Contains(findings, f => f.Text.Contains("could not hand over", StringComparison.Ordinal));
        await root.SqlAsync(ToolRoot.Main, "update orders set note = 'on'");

        // Now its own disk runs full of what it could not hand over.
        LabCommand.Run("fallocate", "--length", $"{Available(server.MountPoint) - (150 << 20)}", $"{server.MountPoint}/filler");
        await root.Workspace.Branches.RestartAsync(ToolRoot.Main, default);
        await root.SqlAsync(ToolRoot.Main, "select pg_switch_wal()");
        await Eventually.TrueAsync(() => Directory.GetFiles(folder, "*.given-up").Length > 0, "a part is given up");
        var before = Available(server.MountPoint);
        // More than there is room for: what was given up goes with a checkpoint.
        for (var i = 0; i < 15; i++)
        {
            await root.SqlAsync(ToolRoot.Main, $"create table t{i} as select generate_series(1, 100) i; select pg_switch_wal()");
            await root.SqlAsync(ToolRoot.Main, "checkpoint");
        }

        await Eventually.TrueAsync(async () => (await root.Workspace.Wal.InfoAsync(ToolRoot.Main, default)).Single().Archiver!.Waiting == 0, "all of it is given up");
        await root.SqlAsync(ToolRoot.Main, "checkpoint");
        Assert.True(before - Available(server.MountPoint) < 80 << 20, $"{before} before, {Available(server.MountPoint)} after");
        Assert.StartsWith("1000/", await root.ChecksumAsync(ToolRoot.Main), StringComparison.Ordinal);

        var gap = Assert.Single(await root.Workspace.Doctor.CheckAsync(default), f => f.Check == "write-ahead log" && f.Text.Contains("has a gap", StringComparison.Ordinal));
        Assert.Contains("given up", gap.Text, StringComparison.Ordinal);
    }

    private static long Available(string path) => new DriveInfo(path).AvailableFreeSpace;

    private static async Task FixAsync(ToolRoot root)
    {
        var done = await root.Workspace.Doctor.FixAsync(dryRun: false, default);
        Assert.All(done, repair => Assert.True(repair.Done, $"{repair.Kind} {repair.Subject}: {repair.Text}"));
    }

    private static List<string> Trace(ToolRoot root, string[] command)
    {
        var trace = Path.GetTempFileName();
        try
        {
            var run = root.ToolWith(new() { ["PGD_KILL_TRACE"] = trace }, command);
            Assert.True(run.Status == 0, run.ToString());
            var seen = new Dictionary<string, int>();
            // What is done over and over is done in the same way; but a record is first made and then replaced. How a server stops and starts is killed elsewhere, but for the
            // moments in which it is neither there nor gone.
            return [.. File.ReadAllLines(trace).Select(place => $"{place}#{seen[place] = seen.GetValueOrDefault(place) + 1}").Where(place => place.EndsWith("#1", StringComparison.Ordinal) || place == "record:beside#2")
                .Where(place => Soak.IsOn || place.Split(':')[0] is "archiving" or "archive" or "record" || place is "stop:asked#1" or "start:launched#1")];
        }
        finally
        {
            File.Delete(trace);
        }
    }
}
