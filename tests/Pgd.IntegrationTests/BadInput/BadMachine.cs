using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Xunit;

namespace Pgd.IntegrationTests;

/// <summary>A machine that lacks something: ports, accounts, programs, rights; and servers that die.</summary>
public sealed class BadMachine
{
    [Fact]
    public async Task A_stopped_branch_whose_port_was_taken_meanwhile_says_so_and_starts_when_it_is_free()
    {
        using var root = await ToolRoot.WithProjectAsync("btrfs");
        var dev = await root.MakeAsync("dev");
        await root.Workspace.Branches.StopAsync(dev.Name, default);
        var before = root.Listing();
        using (Listen(dev.Port))
        {
            foreach (string[] command in (string[][])[["start", "shop/dev"], ["restart", "shop/dev"], ["branch", "create", "shop/dev", "--ensure"]])
            {
                var result = await root.InProcessAsync(command);
                Assert.True(result.Status == (int)ExitCode.Failed, result.ToString());
                Assert.Contains(string.Create(CultureInfo.InvariantCulture, $"port {dev.Port} of shop/dev is taken"), result.Error, StringComparison.Ordinal);
                Assert.Contains("ss -ltnp", result.Error, StringComparison.Ordinal);
            }
        }

        Assert.Equal(before, root.Listing());
        Assert.Equal(0, (await root.InProcessAsync("start", "shop/dev")).Status);
        Assert.Equal(dev.Port, (await root.Workspace.Branches.GetAsync(dev.Name, default)).Port);
    }

    [Fact]
    public async Task A_machine_without_ZFS_says_so_and_makes_nothing()
    {
        using var root = new ToolRoot("btrfs");

        var result = await root.InProcessAsync("project", "create", "shop", "--storage", "zfs", "--pool", "nowhere");

        Assert.Equal((int)ExitCode.MachineLacks, result.Status);
        Assert.Contains("zfs", result.Error, StringComparison.Ordinal);
        Assert.Contains("hint: ", result.Error, StringComparison.Ordinal);
        Assert.Null(root.Workspace.State.FindProject("shop"));
        Assert.Contains("storage zfs", (await root.InProcessAsync("doctor")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_port_that_another_program_has_is_passed_over_and_a_range_without_a_free_port_is_no_room()
    {
        using var root = new ToolRoot("btrfs");
        var first = root.Ports.First;
        using (Listen(first))
            await root.Workspace.Projects.CreateAsync(new() { Name = "shop", Ports = new(first, first + 2) }, default);
        var main = await root.Workspace.Branches.GetAsync(ToolRoot.Main, default);
        Assert.Equal(first + 1, main.Port);
        await root.MakeAsync("dev");
        var before = root.Listing();
        using (Listen(first + 2))
        {
            var result = await root.InProcessAsync("branch", "create", "shop/other");
            Assert.True(result.Status == (int)ExitCode.NoRoom, result.ToString());
            Assert.Contains("all ports", result.Error, StringComparison.Ordinal);
        }

        Assert.Equal(before, root.Listing());
        await root.MakeAsync("other");
    }

    [Fact]
    public async Task A_port_that_is_taken_between_the_choice_and_the_start_leads_to_the_next_one()
    {
        using var root = await ToolRoot.WithProjectAsync("btrfs");
        Socket? thief = null;
        root.Heard.OnStep = step =>
        {
            if (thief is null && step.StartsWith("starting", StringComparison.Ordinal))
                thief = Listen(root.Ports.First + 1);
        };

        var dev = await root.MakeAsync("dev");

        thief!.Dispose();
        Assert.Equal(root.Ports.First + 2, dev.Port);
        Assert.Equal(0, (await root.InProcessAsync("branch", "url", "shop/dev")).Status);
        Assert.Empty(await root.Workspace.Doctor.FixAsync(dryRun: true, default));
    }

    [Theory]
    [InlineData("btrfs")]
    [InlineData("reflink")]
    public async Task A_server_that_dies_while_it_starts_shows_the_last_lines_of_its_log_and_leaves_nothing(string storage)
    {
        using var root = await ToolRoot.WithProjectAsync(storage);
        await root.MakeAsync("dev");
        // Not restarted since: the source runs, its clone will not.
        await root.SqlAsync(ToolRoot.Main, "alter system set max_locks_per_transaction = 2147483647");
        var before = root.SteadyListing();

        var create = await root.InProcessAsync("branch", "create", "shop/other");
        Assert.True(create.Status == (int)ExitCode.Failed, create.ToString());
        Assert.Contains("shared memory", create.Error, StringComparison.Ordinal);
        Assert.Equal(before, root.SteadyListing());

        var reset = await root.InProcessAsync("branch", "reset", "shop/dev");
        Assert.True(reset.Status == (int)ExitCode.Failed, reset.ToString());
        Assert.Contains("shared memory", reset.Error, StringComparison.Ordinal);
        Assert.Equal(before, root.SteadyListing());
        Assert.Equal(await root.ChecksumAsync(ToolRoot.Main), await root.ChecksumAsync(ToolRoot.Branch("dev")));
    }

    [Fact]
    public async Task A_server_that_was_killed_from_outside_is_shown_as_stopped_and_can_be_started()
    {
        using var root = await ToolRoot.WithProjectAsync("btrfs");
        await root.MakeAsync("dev");
        for (var round = 0; round < 3; round++)
        {
            var server = Server(root, "dev");
            server.Kill();
            await Until.TrueAsync(() => !LabProcess.All().Any(p => p.Id == server.Id), "it is gone");
            // At once: the server's children need a moment to notice that.
            var start = await root.InProcessAsync("start", "shop/dev");
            Assert.True(start.Status == 0, start.ToString());
        }

        Server(root, "dev").Kill();
        await Until.TrueAsync(() => !LabProcess.All().Any(p => p.IsServer && p.CommandLine.Contains("/volumes/shop/dev/", StringComparison.Ordinal) && LabFolder.Contains(root.Folder, p.WorkingDirectory)), "it is gone");
        Assert.Contains("stopped", (await root.InProcessAsync("branch", "list")).Output, StringComparison.Ordinal);
        Assert.Contains("stopped", (await root.InProcessAsync("status", "shop/dev")).Output, StringComparison.Ordinal);
        var url = await root.InProcessAsync("branch", "url", "shop/dev");
        Assert.Equal((int)ExitCode.Failed, url.Status);
        Assert.Contains("dotnet pgd start shop/dev", url.Error, StringComparison.Ordinal);
        Assert.Equal(0, (await root.InProcessAsync("branch", "reset", "shop/dev")).Status);
        Assert.Equal(await root.ChecksumAsync(ToolRoot.Main), await root.ChecksumAsync(ToolRoot.Branch("dev")));
    }

    [Fact]
    public async Task A_source_that_was_killed_from_outside_can_be_branched_nevertheless()
    {
        using var root = await ToolRoot.WithProjectAsync("copy");
        var content = await root.ChecksumAsync(ToolRoot.Main);
        Server(root, "main").Kill();
        await Until.TrueAsync(() => !LabProcess.All().Any(p => p.IsServer && LabFolder.Contains(root.Folder, p.WorkingDirectory)), "it is gone");

        await root.MakeAsync("dev");

        Assert.Equal(content, await root.ChecksumAsync(ToolRoot.Branch("dev")));
    }

    [Fact]
    public async Task A_root_that_is_too_long_for_a_socket_is_refused_before_anything_is_made()
    {
        var folder = Path.Combine(Lab.Current.FileSystem("btrfs").NewRoot(), new string('x', 90));
        using var root = new ToolRoot("btrfs", folder);

        var result = await root.InProcessAsync("project", "create", "shop");

        Assert.Equal((int)ExitCode.MachineLacks, result.Status);
        Assert.Contains("too long", result.Error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder));
    }

    [Fact]
    public void An_account_for_servers_that_does_not_exist_is_what_the_machine_lacks()
    {
        Lab.Require(Environment.IsPrivilegedProcess, "Only root has servers run as another account");
        using var root = new ToolRoot("btrfs");

        var result = root.ToolWith(new() { ["PGD_POSTGRES_USER"] = "no-such-account" }, "project", "create", "shop");

        Assert.Equal((int)ExitCode.MachineLacks, result.Status);
        Assert.Contains("useradd", result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain(root.Listing(), entry => entry.Contains("shop", StringComparison.Ordinal));
        var doctor = root.ToolWith(new() { ["PGD_POSTGRES_USER"] = "no-such-account" }, "doctor");
        Assert.Equal((int)ExitCode.Failed, doctor.Status);
        Assert.Contains("no account no-such-account", doctor.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_machine_without_server_binaries_is_told_what_to_install()
    {
        Lab.Require(Environment.IsPrivilegedProcess, "Hiding the server binaries needs root");
        using var root = new ToolRoot("btrfs");

        var result = Hidden(root, "project", "create", "shop");
        Assert.True(result.Status == (int)ExitCode.MachineLacks, result.ToString());
        Assert.Contains("apt-get install postgresql", result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain(root.Listing(), entry => entry.Contains("shop", StringComparison.Ordinal));
        Assert.Contains("no PostgreSQL server binaries", Hidden(root, "doctor").Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_read_only_file_system_can_be_looked_at_and_not_written()
    {
        using var fileSystem = Lab.Current.FileSystems.New("ext4", 400);
        using var root = await ToolRoot.WithProjectAsync("copy", fileSystem.NewRoot());
        await root.Workspace.Branches.StopAsync(ToolRoot.Main, default);
        LabCommand.Run("mount", "-o", "remount,ro", fileSystem.MountPoint);

        foreach (string[] command in (string[][])[["branch", "create", "shop/dev"], ["project", "create", "other"], ["start", "shop/main"], ["project", "delete", "shop"]])
        {
            var result = await root.InProcessAsync(command);
            Assert.True(result.Status == (int)ExitCode.MachineLacks, $"{string.Join(' ', command)}: {result}");
            Assert.Contains("ead-only", result.Error, StringComparison.Ordinal);
        }

        Assert.Equal(0, (await root.InProcessAsync("branch", "list")).Status);
        Assert.Equal(0, (await root.InProcessAsync("status")).Status);
        Assert.Equal((int)ExitCode.Failed, (await root.InProcessAsync("doctor")).Status);
        LabCommand.Run("mount", "-o", "remount,rw", fileSystem.MountPoint);
        Assert.Equal(0, (await root.InProcessAsync("start", "shop/main")).Status);
    }

    private static ToolResult Hidden(ToolRoot root, params string[] arguments)
    {
        // In a mount namespace of its own: no one else notices. And without an engine that could run servers instead.
        using var run = root.StartAs(["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /usr/lib/postgresql && exec \"$@\"", "sh"], new() { ["DOCKER_HOST"] = "unix:///nonexistent/docker.sock" }, arguments);
        return run.Wait();
    }

    private static LabProcess Server(ToolRoot root, string branch) => LabProcess.Server($"{root.Folder}/volumes/shop/{branch}/g1/data");

    private static Socket Listen(int port)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, port));
        socket.Listen(1);
        return socket;
    }
}
