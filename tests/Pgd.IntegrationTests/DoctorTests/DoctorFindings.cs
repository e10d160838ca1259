using System.IO.Compression;
using System.Text.Json;
using Xunit;

namespace Pgd.IntegrationTests;

/// <summary>Each fault is arranged, found and named; what is safely ours is repaired, and what is not is left alone.</summary>
public sealed class DoctorFindings
{
    [Fact]
    public async Task A_root_where_everything_is_well_has_no_problem_and_nothing_to_repair()
    {
        using var root = await ToolRoot.WithProjectAsync("btrfs");
        await root.MakeAsync("dev");
        var before = root.Listing();

        var result = await root.InProcessAsync("doctor", "--fix", "--json");

        Assert.True(result.Status == 0, result.ToString());
        var diagnosis = JsonDocument.Parse(result.Output).RootElement;
        Assert.Empty(diagnosis.GetProperty("repairs").EnumerateArray());
        Assert.DoesNotContain(diagnosis.GetProperty("findings").EnumerateArray(), finding => finding.GetProperty("severity").GetString() == "problem");
        Assert.Equal(before, root.Listing());
    }

    [Fact]
    public async Task Missing_data_is_a_problem_that_only_its_owner_can_decide()
    {
        using var root = await ToolRoot.WithProjectAsync("reflink");
        var dev = await root.MakeAsync("dev");
        await root.Workspace.Branches.StopAsync(dev.Name, default);
        Directory.Delete(dev.Directory, recursive: true);

        var finding = await ProblemAsync(root, "branch shop/dev");

        Assert.Contains("data is missing", finding.Text, StringComparison.Ordinal);
        Assert.Equal("If it is gone for good: dotnet pgd branch delete shop/dev", finding.Remedy);
        await root.Workspace.Doctor.FixAsync(dryRun: false, default);
        Assert.Contains(await root.Workspace.Branches.ListAsync(ToolRoot.Project, default), branch => branch.Name == dev.Name);
        // What it advises works.
        Assert.Equal(0, (await root.InProcessAsync("branch", "delete", "shop/dev")).Status);
    }

    [Fact]
    public async Task A_server_that_died_is_a_problem_and_one_that_was_stopped_is_not()
    {
        using var root = await ToolRoot.WithProjectAsync("btrfs");
        var dev = await root.MakeAsync("dev");
        await root.MakeAsync("rest");
        await root.Workspace.Branches.StopAsync(ToolRoot.Branch("rest"), default);
        LabProcess.Server($"{dev.Directory}/data").Kill();
        await Until.TrueAsync(() => !LabProcess.All().Any(p => p.IsServer && LabFolder.Contains(dev.Directory, p.WorkingDirectory)), "it is gone");

        var finding = await ProblemAsync(root, "branch shop/dev");

        Assert.Equal("dotnet pgd start shop/dev", finding.Remedy);
        Assert.Contains(await root.Workspace.Doctor.CheckAsync(default), f => f is { Check: "branch shop/rest", Severity: Severity.Ok, Text: "stopped" });
        Assert.Equal(0, (await root.InProcessAsync("start", "shop/dev")).Status);
        Assert.DoesNotContain(await root.Workspace.Doctor.CheckAsync(default), f => f.Severity == Severity.Problem);
    }

    [Theory]
    [InlineData("dev.json")]
    [InlineData("_project.json")]
    public async Task A_record_that_cannot_be_read_is_one_problem_among_the_others_and_stops_every_repair(string file)
    {
        using var root = await ToolRoot.WithProjectAsync("btrfs");
        await root.MakeAsync("dev");
        await File.WriteAllTextAsync($"{root.Folder}/state/shop/{file}", "{");
        var before = root.Listing();

        var findings = await root.Workspace.Doctor.CheckAsync(default);

        Assert.Contains(findings, f => f.Severity == Severity.Problem && f.Text.Contains(file, StringComparison.Ordinal));
        Assert.Contains(findings, f => f is { Check: "platform", Severity: Severity.Ok });
        Assert.Contains(findings, f => f.Check == "disk space");
        await Assert.ThrowsAsync<PgdException>(() => root.Workspace.Doctor.FixAsync(dryRun: false, default));
        Assert.Equal(before, root.Listing());
    }

    [Theory]
    [InlineData("btrfs")]
    [InlineData("copy")]
    public async Task Data_of_ours_without_a_record_is_removed_and_a_stranger_s_is_not(string storage)
    {
        using var root = await ToolRoot.WithProjectAsync(storage);
        var before = root.Listing();
        var dev = await root.MakeAsync("dev");
        await root.Workspace.Branches.StopAsync(dev.Name, default);
        File.Delete($"{root.Folder}/state/shop/dev.json");
        Directory.CreateDirectory($"{root.Folder}/volumes/shop/other/g1/data");
        Directory.CreateDirectory($"{root.Folder}/volumes/notes");
        await File.WriteAllTextAsync($"{root.Folder}/volumes/notes/read.me", "mine");
        string[] theirs = ["file volumes/notes/read.me", "folder volumes/notes", "folder volumes/shop/other", "folder volumes/shop/other/g1", "folder volumes/shop/other/g1/data"];

        Assert.Contains(dev.Directory, (await ProblemAsync(root, "left over")).Text, StringComparison.Ordinal);
        var repair = Assert.Single(await root.Workspace.Doctor.FixAsync(dryRun: false, default));

        Assert.Equal(("data", dev.Directory, true), (repair.Kind, repair.Subject, repair.Done));
        Assert.Equal(before.Concat(theirs).Order(StringComparer.Ordinal), root.Listing());
    }

    [Fact]
    public async Task A_running_server_without_a_record_is_left_alone_with_its_data_and_its_socket()
    {
        using var root = await ToolRoot.WithProjectAsync("btrfs");
        var dev = await root.MakeAsync("dev");
        File.Delete($"{root.Folder}/state/shop/dev.json");
        var before = root.Listing();

        var result = await root.InProcessAsync("doctor", "--fix");

        Assert.True(result.Status == (int)ExitCode.Partial, result.ToString());
        Assert.Contains("pg_ctl", result.Output, StringComparison.Ordinal);
        Assert.Equal(before, root.Listing());

        // What it advises, and then the rest.
        LabCommand.Run("runuser", "-u", "postgres", "--", $"{Lab.Current.Servers.Folder(15)}/pg_ctl", "-D", $"{dev.Directory}/data", "-s", "-w", "stop");
        await root.Workspace.Doctor.FixAsync(dryRun: false, default);
        Assert.DoesNotContain(root.Listing(), entry => entry.Contains("shop/dev", StringComparison.Ordinal));
        Assert.Single(Directory.GetDirectories($"{root.Folder}/s"));
    }

    [Fact]
    public async Task Socket_folders_and_unfinished_records_and_files_of_the_moment_are_swept()
    {
        using var root = await ToolRoot.WithProjectAsync("btrfs");
        var before = root.Listing();
        const string noProcess = "4194305";
        Directory.CreateDirectory($"{root.Folder}/s/01234567");
        await File.WriteAllTextAsync($"{root.Folder}/s/01234567/.s.PGSQL.22000.lock", "");
        await File.WriteAllTextAsync($"{root.Folder}/state/shop/dev.json.new", "{");
        await File.WriteAllTextAsync($"{root.Folder}/host.key.{noProcess}", "");
        await File.WriteAllTextAsync($"{root.Folder}/volumes/.probe-{noProcess}-0", "");
        // One whose process lives may be in the middle of its moment.
        await File.WriteAllTextAsync($"{root.Folder}/volumes/.probe-{Environment.ProcessId}-0", "");

        Assert.Equal(4, (await root.Workspace.Doctor.CheckAsync(default)).Count(f => f is { Check: "left over", Severity: Severity.Problem }));
        Assert.Equal(4, (await root.Workspace.Doctor.FixAsync(dryRun: false, default)).Count(repair => repair.Done));

        Assert.Equal(before.Append($"file volumes/.probe-{Environment.ProcessId}-0").Order(StringComparer.Ordinal), root.Listing());
    }

    [Fact]
    public async Task What_another_operation_is_at_is_left_alone()
    {
        using var root = await ToolRoot.WithProjectAsync("btrfs");
        Assert.Equal(137, root.ToolWith(new() { ["PGD_KILL_AT"] = "create:cloned" }, "branch", "create", "shop/dev").Status);
        var before = root.Listing();
        using (root.Workspace.Locks.TryAcquire(State.LockRequest.Branch(ToolRoot.Branch("dev"), exclusive: true)))
            Assert.Empty(await root.Workspace.Doctor.FixAsync(dryRun: false, default));
        using (root.Workspace.Locks.TryAcquire(State.LockRequest.Project(ToolRoot.Project, exclusive: true)))
            Assert.Empty(await root.Workspace.Doctor.FixAsync(dryRun: false, default));

        Assert.Equal(before, root.Listing());
        Assert.NotEmpty(await root.Workspace.Doctor.FixAsync(dryRun: false, default));
    }

    [Fact]
    public async Task A_host_key_that_others_can_read_is_a_problem()
    {
        using var root = await ToolRoot.WithProjectAsync("btrfs");
        File.SetUnixFileMode($"{root.Folder}/host.key", UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherRead);

        var finding = await ProblemAsync(root, "root");

        Assert.Contains("host key", finding.Text, StringComparison.Ordinal);
        Assert.Equal($"chmod 0600 {root.Folder}/host.key", finding.Remedy);
    }

    [Fact]
    public async Task A_root_that_the_servers_account_cannot_enter_is_a_problem_with_its_remedy_and_so_is_making_a_project_there()
    {
        Lab.Require(Environment.IsPrivilegedProcess, "Only root has servers run as another account");
        var closed = Lab.Current.FileSystem("btrfs").NewRoot();
        File.SetUnixFileMode(closed, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        using var root = new ToolRoot("btrfs", $"{closed}/root");

        var finding = await ProblemAsync(root, "root");
        Assert.StartsWith($"chmod o+x {closed}", finding.Remedy, StringComparison.Ordinal);

        var create = await root.InProcessAsync("project", "create", "shop");
        Assert.True(create.Status == (int)ExitCode.MachineLacks, create.ToString());
        Assert.Contains(closed, create.Error, StringComparison.Ordinal);
        Assert.DoesNotContain(root.Listing(), entry => entry.Contains("shop", StringComparison.Ordinal));

        File.SetUnixFileMode(closed, LabFolder.Traversable);
        Assert.DoesNotContain(await root.Workspace.Doctor.CheckAsync(default), f => f.Severity == Severity.Problem);
    }

    [Fact]
    public async Task A_rehearsal_says_what_would_be_done_and_does_nothing()
    {
        using var root = await ToolRoot.WithProjectAsync("btrfs");
        Assert.Equal(137, root.ToolWith(new() { ["PGD_KILL_AT"] = "create:opened" }, "branch", "create", "shop/dev").Status);
        var before = root.Listing();

        var result = await root.InProcessAsync("doctor", "--fix", "--dry-run");

        Assert.Equal((int)ExitCode.Failed, result.Status);
        Assert.Contains("shop/dev", result.Output, StringComparison.Ordinal);
        Assert.Equal(before, root.Listing());
        var done = await root.InProcessAsync("doctor", "--fix");
        Assert.True(done.Status == 0, done.ToString());
        Assert.DoesNotContain(root.Listing(), entry => entry.Contains("shop/dev", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_report_holds_versions_findings_records_and_logs_and_no_secret()
    {
        using var root = await ToolRoot.WithProjectAsync("btrfs");
        await root.Workspace.Branches.CreateAsync(new() { Name = ToolRoot.Branch("dev"), Labels = new Dictionary<string, string> { ["owner"] = "ada.lovelace" } }, default);
        var url = await root.Workspace.Branches.ConnectAsync(ToolRoot.Branch("dev"), ToolRoot.Project, null, default);
        await root.SqlAsync(ToolRoot.Branch("dev"), "alter system set log_statement = 'all'; select pg_reload_conf()");
        foreach (var sql in (string[])["create role app login password 'hunter2-plain'", "alter role app password $$hunter3-dollar$$", "do $$ begin raise log 'postgresql://app:hunter4-url@db.example.org/shop'; end $$",
            $"do $$ begin raise log 'token=hunter5-token'; end $$", $"do $$ begin raise log '{url.Password}'; end $$"])
        {
            await using var connection = await root.OpenAsync(ToolRoot.Branch("dev"));
            foreach (var statement in (string[])["set log_statement = 'all'", sql])
            {
                await using var command = new Npgsql.NpgsqlCommand(statement, connection);
                await command.ExecuteNonQueryAsync();
            }
        }

        Assert.Contains("hunter2-plain", await File.ReadAllTextAsync($"{root.Folder}/volumes/shop/dev/g1/server.log"), StringComparison.Ordinal);
        var file = Path.Combine(Path.GetTempPath(), $"pgd-report-{Guid.NewGuid():N}.zip");
        try
        {
            Assert.Equal(0, (await root.InProcessAsync("doctor", "--report", file)).Status);
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
            using var zip = ZipFile.OpenRead(file);
            Assert.Equal(["findings.txt", "logs/shop/dev.log", "logs/shop/main.log", "records/shop/dev.json", "records/shop/main.json", "version.txt"], zip.Entries.Select(e => e.FullName).Order(StringComparer.Ordinal));
            var content = string.Concat(zip.Entries.Select(entry => new StreamReader(entry.Open()).ReadToEnd()));
            Assert.Contains("database system is ready", content, StringComparison.Ordinal);
            var key = await File.ReadAllBytesAsync($"{root.Folder}/host.key");
            foreach (var secret in (string[])["hunter", url.Password!, "ada.lovelace", Environment.MachineName, Convert.ToHexString(key), Convert.ToBase64String(key)])
                Assert.DoesNotContain(secret, content, StringComparison.OrdinalIgnoreCase);
        }
        finally
        {
            File.Delete(file);
            // The password in it is the test's own doing.
            await File.WriteAllTextAsync($"{root.Folder}/volumes/shop/dev/g1/server.log", "");
        }
    }

    private static async Task<Finding> ProblemAsync(ToolRoot root, string check) =>
        Assert.Single(await root.Workspace.Doctor.CheckAsync(default), finding => finding.Severity == Severity.Problem && finding.Check == check);
}
