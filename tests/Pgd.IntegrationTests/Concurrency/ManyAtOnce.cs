using System.Globalization;
using System.Text.Json;
using Xunit;

namespace Pgd.IntegrationTests;

/// <summary>Many runs of the tool on one project at the same time, each a process of its own as in CI.</summary>
public sealed class ManyAtOnce
{
    private const int Runs = 20;

    [Theory]
    [InlineData("btrfs")]
    [InlineData("reflink")]
    [InlineData("copy")]
    public async Task Twenty_creates_at_once_all_succeed_and_what_is_listed_is_what_runs(string storage)
    {
        using var root = await ToolRoot.WithProjectAsync(storage);
        var source = await root.ChecksumAsync(ToolRoot.Main);
        // Twenty at once on two processors: the last copy waits for nineteen others.
        var runs = Enumerable.Range(1, Runs).Select(i => root.Start(new() { ["PGD_WAIT_LOCK"] = "5m" }, "branch", "create", $"shop/b{i}")).ToList();
        var looks = 0;
        while (runs.Exists(run => !run.HasEnded))
        {
            // Whoever lists meanwhile sees branches come, and never an error.
            var list = root.Tool("branch", "list", "shop", "--json");
            Assert.True(list.Status == 0, list.ToString());
            looks++;
        }

        Assert.All(runs.Select(run => run.Wait()), result => Assert.True(result.Status == 0, result.ToString()));
        Assert.True(looks > 0);
        AssertListedIsWhatRuns(root, Runs + 1);
        Assert.Equal(source, await root.ChecksumAsync(ToolRoot.Branch("b1")));
        Assert.Equal(source, await root.ChecksumAsync(ToolRoot.Branch($"b{Runs}")));
        Assert.Empty(root.StrayLocks());
        Assert.Empty(await root.Workspace.Doctor.FixAsync(dryRun: true, default));
    }

    [Fact]
    public async Task Twenty_mixed_operations_on_a_few_names_succeed_or_fail_cleanly()
    {
        using var root = await ToolRoot.WithProjectAsync("btrfs");
        foreach (var name in (string[])["a", "b", "c"])
            await root.MakeAsync(name);
        string[][] commands =
        [
            ["branch", "create", "shop/a", "--ensure"], ["branch", "reset", "shop/a"], ["branch", "delete", "shop/a"], ["branch", "create", "shop/a"],
            ["branch", "reset", "shop/b"], ["branch", "delete", "shop/b", "--if-exists"], ["branch", "create", "shop/b", "--from", "a"], ["branch", "list"],
            ["branch", "delete", "shop/c"], ["branch", "create", "shop/c"], ["branch", "reset", "shop/c"], ["branch", "create", "shop/d", "--from", "c"],
            ["branch", "delete", "shop/c"], ["status"], ["branch", "create", "shop/e"], ["branch", "delete", "shop/e", "--if-exists"],
            ["stop", "shop/b"], ["start", "shop/b"], ["branch", "list", "shop"], ["doctor", "--fix"],
        ];
        var runs = commands.Select(command => (Command: string.Join(' ', command), Run: root.Start(new() { ["PGD_WAIT_LOCK"] = "5m" }, command))).ToList();

        foreach (var (command, run) in runs)
        {
            var result = run.Wait();
            // What another one of them has deleted, made or made a branch from is a clean answer. The doctor may see a server between its stop and its start.
            int[] clean = command.StartsWith("doctor", StringComparison.Ordinal) ? [0, 1] : command.Contains("list", StringComparison.Ordinal) || command == "status" ? [0]
                : [0, (int)ExitCode.NotFound, (int)ExitCode.Exists, (int)ExitCode.Unsafe];
            Assert.True(clean.Contains(result.Status), $"{command}: {result}");
            Assert.DoesNotContain("looks like a bug", result.Error, StringComparison.Ordinal);
        }

        Assert.Empty(await root.Workspace.Doctor.FixAsync(dryRun: true, default));
        foreach (var branch in await root.Workspace.Branches.ListAsync(ToolRoot.Project, default))
            await root.Workspace.Branches.StartAsync(branch.Name, default);
        AssertListedIsWhatRuns(root, null);
        Assert.Empty(root.StrayLocks());
    }

    [Fact]
    public async Task Of_two_creates_of_one_name_one_wins_and_the_other_is_told_that_it_exists()
    {
        using var root = await ToolRoot.WithProjectAsync("reflink");
        using var one = root.Start([], "branch", "create", "shop/dev");
        using var other = root.Start([], "branch", "create", "shop/dev");

        int[] statuses = [one.Wait().Status, other.Wait().Status];

        Assert.Equal([0, (int)ExitCode.Exists], statuses.Order());
        AssertListedIsWhatRuns(root, 2);
    }

    [Fact]
    public async Task Of_two_creates_of_one_name_with_ensure_one_makes_it_and_both_are_fine()
    {
        using var root = await ToolRoot.WithProjectAsync("btrfs");
        using var one = root.Start([], "branch", "create", "shop/dev", "--ensure", "--json");
        using var other = root.Start([], "branch", "create", "shop/dev", "--ensure", "--json");
        ToolResult[] results = [one.Wait(), other.Wait()];

        Assert.All(results, result => Assert.True(result.Status == 0, result.ToString()));
        Assert.Equal([false, true], results.Select(result => JsonDocument.Parse(result.Output).RootElement.GetProperty("created").GetBoolean()).Order());
        AssertListedIsWhatRuns(root, 2);
    }

    [Fact]
    public async Task Two_projects_of_one_name_made_at_once_are_one_project()
    {
        using var root = new ToolRoot("copy");
        using var one = root.Start([], "project", "create", "shop");
        using var other = root.Start([], "project", "create", "shop");

        int[] statuses = [one.Wait().Status, other.Wait().Status];

        Assert.Equal([0, (int)ExitCode.Exists], statuses.Order());
        AssertListedIsWhatRuns(root, 1);
        await root.SqlAsync(ToolRoot.Main, "select 1");
    }

    [Fact]
    public async Task Who_waits_too_long_for_a_lock_is_told_by_whom_it_is_held()
    {
        using var root = await ToolRoot.WithProjectAsync("btrfs");
        await root.MakeAsync("dev");
        using var holder = Held(root, "shop/dev");

        var result = root.Tool("branch", "reset", "shop/dev", "--wait-lock", "1s");

        Assert.Equal((int)ExitCode.Locked, result.Status);
        Assert.Contains($"shop/dev is locked by process {Environment.ProcessId}", result.Error, StringComparison.Ordinal);
        Assert.Contains("--wait-lock", result.Error, StringComparison.Ordinal);
        Assert.Equal(0, root.Tool("branch", "list").Status);
    }

    [Fact]
    public async Task A_parent_cannot_be_deleted_while_a_child_is_made_from_it_and_the_message_names_the_one_who_makes_it()
    {
        using var root = await ToolRoot.WithProjectAsync("btrfs");
        await root.MakeAsync("parent");
        var parent = ToolRoot.Branch("parent");
        using (root.Workspace.Locks.TryAcquire(State.LockRequest.Branch(parent, exclusive: false)))
        {
            var waited = root.Tool("branch", "delete", "shop/parent", "--wait-lock", "1s");
            Assert.Equal((int)ExitCode.Locked, waited.Status);
            Assert.Contains(string.Create(CultureInfo.InvariantCulture, $"process {Environment.ProcessId}"), waited.Error, StringComparison.Ordinal);
        }

        using var create = root.Start([], "branch", "create", "shop/child", "--from", "parent");
        await Until.TrueAsync(() => File.Exists($"{root.Folder}/state/shop/child.json") || create.HasEnded, "the child is being made");
        var refused = root.Tool("branch", "delete", "shop/parent");

        Assert.Equal(0, create.Wait().Status);
        Assert.Equal((int)ExitCode.Unsafe, refused.Status);
        Assert.Contains("shop/child", refused.Error, StringComparison.Ordinal);
        AssertListedIsWhatRuns(root, 3);
    }

    [Fact]
    public async Task A_branch_that_was_locked_by_a_killed_process_is_free()
    {
        using var root = await ToolRoot.WithProjectAsync("btrfs");
        var killed = root.ToolWith(new() { ["PGD_KILL_AT"] = "create:record" }, "branch", "create", "shop/dev");
        Assert.Equal(137, killed.Status);

        Assert.Equal(0, root.Tool("branch", "create", "shop/dev", "--wait-lock", "1s").Status);
    }

    private static State.HeldLocks Held(ToolRoot root, string branch) =>
        root.Workspace.Locks.TryAcquire(State.LockRequest.Branch(BranchName.Parse(branch), exclusive: true))!;

    private static void AssertListedIsWhatRuns(ToolRoot root, int? count)
    {
        var listed = JsonDocument.Parse(root.Succeed("branch", "list", "--json")).RootElement.EnumerateArray()
            .Select(b => (Name: b.GetProperty("name").GetString()!, Port: b.GetProperty("port").GetInt32(), Status: b.GetProperty("status").GetString(), Folder: b.GetProperty("directory").GetString()!)).ToList();
        var inventory = Inventory.Take(root.Folder).Entries;

        if (count is not null)
            Assert.Equal(count, listed.Count);
        Assert.All(listed, branch => Assert.Equal("running", branch.Status));
        Assert.Equal(listed.Select(b => $"port {b.Port}").Order(), inventory.Where(e => e.StartsWith("port ", StringComparison.Ordinal)).Order());
        Assert.Equal(listed.Count, listed.Select(b => b.Port).Distinct().Count());
        var servers = inventory.Where(e => e.StartsWith("process ", StringComparison.Ordinal)).ToList();
        Assert.Equal(listed.Count, servers.Count);
        Assert.All(listed, branch => Assert.Single(servers, server => server.Contains($" -D {branch.Folder}/data ", StringComparison.Ordinal)));
        var volumes = inventory.Where(e => e.EndsWith("/data", StringComparison.Ordinal)).Select(e => $"{root.Folder}/{e.Split(' ')[1]}");
        Assert.Equal(listed.Select(b => $"{b.Folder}/data").Order(), volumes.Order());
    }
}
