using Xunit;

namespace Pgd.IntegrationTests;

/// <summary>The tool without root: servers of one's own on a root of one's own, and nothing on someone else's.</summary>
public sealed class OrdinaryUser
{
    private static readonly string[] AsNobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"];

    [Theory]
    [InlineData("btrfs")]
    [InlineData("reflink")]
    [InlineData("copy")]
    public void An_ordinary_user_makes_resets_restarts_and_deletes_branches(string storage)
    {
        Lab.Require(Environment.IsPrivilegedProcess, "Becoming another user needs root");
        using var root = new ToolRoot(storage);
        LabCommand.Run("chown", "nobody:nogroup", root.Folder);

        foreach (string[] command in (string[][])[["project", "create", "shop"], ["branch", "create", "shop/dev"], ["branch", "reset", "shop/dev"], ["restart", "shop/dev"], ["branch", "create", "shop/child", "--from", "dev"]])
            Expect(0, root, command);
        var servers = LabProcess.All().Where(p => p.IsServer && p.CommandLine.Contains(root.Folder, StringComparison.Ordinal)).ToList();
        Assert.Equal(3, servers.Count);
        Assert.All(servers, server => Assert.Equal("65534", File.ReadLines($"/proc/{server.Id}/status").First(line => line.StartsWith("Uid:", StringComparison.Ordinal)).Split('\t')[1]));
        Assert.Contains("postgresql://shop:", Expect(0, root, "branch", "url", "shop/dev").Output, StringComparison.Ordinal);
        Assert.Contains("nothing of killed operations", Expect(0, root, "doctor").Output, StringComparison.Ordinal);

        Expect(0, root, "branch", "delete", "shop/child");
        Expect(0, root, "branch", "delete", "shop/dev");
        Expect(0, root, "project", "delete", "shop");
        Assert.Equal(["file host.key", "file locks/ports.lock", "folder locks", "folder s", "folder state", "folder volumes"], Inventory.Take(root.Folder).Entries);
    }

    [Fact]
    public void An_ordinary_user_who_may_use_Docker_runs_servers_in_containers_as_himself()
    {
        Lab.Require(Environment.IsPrivilegedProcess, "Becoming another user needs root");
        var image = Lab.Current.Docker.Image(17);
        using var root = new ToolRoot("btrfs");
        LabCommand.Run("chown", "nobody:nogroup", root.Folder);
        string[] member = ["setpriv", "--reuid=nobody", "--regid=nogroup", $"--groups={LabCommand.Run("stat", "--format=%g", DockerLab.Socket).Trim()}", "--"];

        foreach (string[] command in (string[][])[["project", "create", "shop", "--image", image], ["branch", "create", "shop/dev"], ["branch", "reset", "shop/dev"], ["stop", "shop/dev"], ["start", "shop/dev"]])
            ExpectAs(member, 0, root, command);
        Assert.Equal("65534", File.ReadLines($"/proc/{LabProcess.Server($"{root.Folder}/volumes/shop/dev/g2/data").Id}/status").First(line => line.StartsWith("Uid:", StringComparison.Ordinal)).Split('\t')[1]);
        Assert.Empty(LabCommand.Run("find", $"{root.Folder}/volumes", "!", "-user", "nobody").Trim());
        Assert.Contains("postgresql://shop:", ExpectAs(member, 0, root, "branch", "url", "shop/dev").Output, StringComparison.Ordinal);
        var forbidden = ExpectAs(AsNobody, (int)ExitCode.MachineLacks, root, "branch", "create", "shop/other");
        Assert.Contains("nobody may not use the Docker engine", forbidden.Error, StringComparison.Ordinal);
        Assert.Contains("usermod --append --groups docker", forbidden.Error, StringComparison.Ordinal);

        ExpectAs(member, 0, root, "project", "delete", "shop", "--force");
        Assert.Equal(["file host.key", "file locks/ports.lock", "folder locks", "folder s", "folder state", "folder volumes"], Inventory.Take(root.Folder).Entries);
    }

    [Fact]
    public void A_kill_is_repaired_by_an_ordinary_user_too()
    {
        Lab.Require(Environment.IsPrivilegedProcess, "Becoming another user needs root");
        using var root = new ToolRoot("btrfs");
        LabCommand.Run("chown", "nobody:nogroup", root.Folder);
        Expect(0, root, "project", "create", "shop");
        Expect(0, root, "branch", "create", "shop/dev");
        Expect(0, root, "branch", "delete", "shop/dev");
        var before = Inventory.Take(root.Folder);
        foreach (var place in (string[])["create:cloned", "settle:started"])
        {
            using var killed = root.StartAs(AsNobody, new() { ["PGD_KILL_AT"] = place }, "branch", "create", "shop/dev");
            Assert.Equal(137, killed.Wait().Status);
            Expect(0, root, "doctor", "--fix");
            Assert.Empty(Inventory.Difference(before, Inventory.Take(root.Folder)));
        }
    }

    [Fact]
    public async Task Another_user_s_root_is_refused_by_every_command_and_never_said_to_be_empty()
    {
        Lab.Require(Environment.IsPrivilegedProcess, "Becoming another user needs root");
        using var root = await ToolRoot.WithProjectAsync("btrfs");
        await root.MakeAsync("dev");
        var before = root.Listing();
        foreach (string[] command in (string[][])[["branch", "list"], ["status"], ["project", "list"], ["branch", "get", "shop/dev"], ["branch", "create", "shop/new"], ["branch", "delete", "shop/dev"],
            ["branch", "delete", "shop/dev", "--if-exists"], ["project", "create", "other"], ["branch", "url", "shop/dev"], ["doctor", "--fix"]])
        {
            var result = Expect((int)ExitCode.MachineLacks, root, command);
            Assert.DoesNotContain("looks like a bug", result.Error, StringComparison.Ordinal);
        }

        Assert.Equal((int)ExitCode.Failed, AsAnother(AsNobody, root, "doctor").Status);
        Assert.Equal(before, root.Listing());
    }

    [Fact]
    public void A_root_that_cannot_be_made_is_refused()
    {
        Lab.Require(Environment.IsPrivilegedProcess, "Becoming another user needs root");
        var folder = Lab.Current.FileSystem("btrfs").NewRoot() + "/closed/root";
        using var root = new ToolRoot("btrfs", folder);

        Expect((int)ExitCode.MachineLacks, root, "project", "create", "shop");

        Assert.False(Directory.Exists(folder));
    }

    private static ToolResult Expect(int status, ToolRoot root, params string[] command) => ExpectAs(AsNobody, status, root, command);

    private static ToolResult ExpectAs(string[] whom, int status, ToolRoot root, params string[] command)
    {
        var result = AsAnother(whom, root, command);
        Assert.True(result.Status == status, $"{string.Join(' ', command)}: {result}");
        return result;
    }

    private static ToolResult AsAnother(string[] whom, ToolRoot root, params string[] command)
    {
        using var run = root.StartAs(whom, [], command);
        return run.Wait();
    }
}
