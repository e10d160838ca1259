using System.Net;
using Pgd.Configuration;
using Pgd.IntegrationTests.Branches;
using Xunit;

namespace Pgd.IntegrationTests.Docker;

/// <summary>A job that itself runs in a container: it has the engine's socket and the root, and a loopback of its own.</summary>
public sealed class JobsInContainers(BtrfsDocker17 fixture) : IClassFixture<BtrfsDocker17>
{
    private readonly Shop _shop = fixture.Shop;

    [Fact]
    public async Task A_branch_is_reached_by_the_job_that_made_it_by_later_ones_and_from_the_machine()
    {
        var network = $"pgd-test-{Guid.NewGuid():N}";
        LabCommand.Run("docker", "network", "create", network);
        try
        {
            // In the engine's own network, and in one that a job has for itself.
            Assert.Contains("\"created\": true", Job("bridge", "dotnet", ToolRun.Program, "branch", "create", "shop/made", "--json"), StringComparison.Ordinal);
            var url = Job(network, "dotnet", ToolRun.Program, "branch", "url", "shop/made").Trim();

            var sum = (await _shop.SumAsync("main")).ToString(System.Globalization.CultureInfo.InvariantCulture);
            foreach (var asking in (string[])["bridge", network])
                Assert.Equal(sum, Job(asking, "psql", url, "-Atc", "select sum(amount) from orders").Trim());
            Assert.Equal(sum, (await _shop.SumAsync("made")).ToString(System.Globalization.CultureInfo.InvariantCulture));

            // Not on every address of the machine.
            var branch = await _shop.GetAsync("made");
            Assert.Contains($"{branch.Host}:{branch.Port}->", LabCommand.Run("docker", "ps", "--filter", $"label=pgd.id={branch.Id}", "--format", "{{.Ports}}"), StringComparison.Ordinal);
            Assert.False(IPAddress.IsLoopback(IPAddress.Parse(branch.Host)));

            Job(network, "dotnet", ToolRun.Program, "branch", "reset", "shop/made");
            Job("bridge", "dotnet", ToolRun.Program, "restart", "shop/made");
            Assert.Equal(url, (await _shop.ConnectAsync("made")).Format(Libpq.UrlFormat.Libpq));
            Job(network, "dotnet", ToolRun.Program, "branch", "delete", "shop/made");
        }
        finally
        {
            LabCommand.Run("docker", "network", "rm", network);
        }
    }

    [Fact]
    public async Task A_job_with_the_machines_own_network_gets_the_machines_loopback()
    {
        Job("host", "dotnet", ToolRun.Program, "branch", "create", "shop/local");

        Assert.Equal("127.0.0.1", (await _shop.GetAsync("local")).Host);
        await _shop.DeleteAsync("local");
    }

    [Fact]
    public async Task Outside_of_containers_auto_is_the_loopback()
    {
        var automatic = new Workspace(_shop.Workspace.Configuration with { Host = "auto" }, SilentReporter.Instance);

        var branch = (await automatic.Branches.CreateAsync(new() { Name = Shop.Name("outside") }, CancellationToken.None)).Branch;

        Assert.Equal("127.0.0.1", branch.Host);
        await _shop.DeleteAsync("outside");
    }

    private string Job(string network, params IReadOnlyList<string> command)
    {
        var dotnet = Path.GetDirectoryName(new FileInfo("/usr/bin/dotnet").ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? Environment.ProcessPath!)!;
        var artifacts = Path.GetDirectoryName(ToolRun.Program)!;
        return LabCommand.Run("docker", ["run", "--rm", "--network", network, "--entrypoint", "/usr/bin/env",
            "--volume", $"{DockerLab.Socket}:/var/run/docker.sock", "--volume", $"{_shop.Root}:{_shop.Root}",
            "--volume", $"{dotnet}:{dotnet}:ro", "--volume", $"{artifacts}:{artifacts}:ro",
            "--env", $"PGD_ROOT={_shop.Root}", "--env", $"PGD_PORT_RANGE={_shop.Workspace.Configuration.PortRange}", "--env", "HOME=/root", _shop.Image!,
            .. command[0] == "dotnet" ? (IReadOnlyList<string>)[$"{dotnet}/dotnet", .. command.Skip(1)] : command]);
    }
}
