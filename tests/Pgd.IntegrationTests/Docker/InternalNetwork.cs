using System.Globalization;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Pgd.IntegrationTests.Branches;
using Xunit;

namespace Pgd.IntegrationTests.Docker;

/// <summary>Branches in a network that leads nowhere: reached from this machine, and reaching nobody.</summary>
public sealed class InternalNetwork(InternalNetwork.Fenced fixture) : IClassFixture<InternalNetwork.Fenced>
{
    private readonly Shop _shop = fixture.Shop;

    [Fact]
    public async Task A_branch_reaches_nobody_and_is_reached_from_here()
    {
        // A server that every network with a way out leads to: published on an address of this machine.
        var bridge = LabCommand.Run("docker", "network", "inspect", "--format", "{{index .Options \"com.docker.network.bridge.name\"}}", "bridge").Trim();
        var gateway = NetworkInterface.GetAllNetworkInterfaces().Single(i => i.Name == bridge).GetIPProperties().UnicastAddresses.First(a => a.Address.AddressFamily == AddressFamily.InterNetwork).Address.ToString();
        var (elsewhere, port) = ($"pgd-test-{Guid.NewGuid():N}", ScratchServer.FreePort());
        LabCommand.Run("docker", "run", "--detach", "--name", elsewhere, "--publish", $"{gateway}:{port}:5432", "--env", "POSTGRES_PASSWORD=secret", Lab.Current.Docker.Image(17), "postgres", "-c", "listen_addresses=*");
        try
        {
            var (first, second) = (await _shop.CreateAsync("first"), await _shop.CreateAsync("second"));
            await Eventually.TrueAsync(async () => await CanReachAsync("main", gateway, port), "the parent reaches the other server");

            Assert.False(await CanReachAsync("first", gateway, port));
            Assert.False(await CanReachAsync("first", second.Host, second.Port));
            // Itself: so the program that asks works there as well.
            Assert.True(await CanReachAsync("first", first.Host, first.Port));
            Assert.Equal(await _shop.SumAsync("main"), await _shop.SumAsync("first"));
            Assert.NotEqual(first.Host, second.Host);
            Assert.Equal("127.0.0.1", (await _shop.GetAsync("main")).Host);
        }
        finally
        {
            LabCommand.Run("docker", "rm", "--force", "--volumes", elsewhere);
        }

        await _shop.DeleteAsync("first", "second");
    }

    [Fact]
    public async Task Address_and_password_stay_over_stop_reset_and_a_pruned_network()
    {
        await _shop.CreateAsync("kept");
        var url = await _shop.ConnectAsync("kept");

        await _shop.ResetAsync("kept");
        Assert.Equal(url, await _shop.ConnectAsync("kept"));
        await _shop.StopAsync("kept");
        LabCommand.Run("docker", "network", "rm", NetworkIn(_shop.Take()));
        await _shop.StartAsync("kept");

        Assert.Equal(url, await _shop.ConnectAsync("kept"));
        Assert.Equal(await _shop.SumAsync("main"), await _shop.SumAsync("kept"));
        Assert.False(await CanReachAsync("kept", "172.17.0.1", 1));
        await _shop.DeleteAsync("kept");
    }

    [Fact]
    public async Task A_branch_with_tls_is_verified_by_its_containers_address()
    {
        var branch = await _shop.CreateAsync("secured", with: c => c with { Tls = true });
        var url = await _shop.ConnectAsync("secured");

        Assert.Equal((branch.Host, "verify-full"), (url.Host, url.Parameters["sslmode"]));
        Assert.Equal("true", await Sql.AskAsync(url, "select ssl::text from pg_stat_ssl where pid = pg_backend_pid()"));
        await _shop.DeleteAsync("secured");
    }

    [Fact]
    public async Task The_network_goes_with_its_project()
    {
        var before = _shop.Take();
        await _shop.Workspace.Projects.CreateAsync(new() { Name = "other", Image = Lab.Current.Docker.Image(17), Network = "internal" }, CancellationToken.None);
        var project = await _shop.Workspace.Projects.GetAsync("other", CancellationToken.None);
        Assert.Equal("internal", project.Network);
        Assert.Contains(_shop.Since(before), line => line.StartsWith("+ network pgd-other-", StringComparison.Ordinal));

        await _shop.Workspace.Projects.DeleteAsync("other", force: false, CancellationToken.None);

        Assert.Empty(_shop.Since(before));
    }

    [Fact]
    public async Task A_network_of_a_project_that_is_gone_is_found_by_the_doctor()
    {
        var before = _shop.Take();
        var name = $"pgd-gone-{Guid.NewGuid():N}";
        LabCommand.Run("docker", "network", "create", "--label", $"pgd.root={_shop.Root}", "--label", "pgd.project=gone", name);

        Assert.Contains(await _shop.Workspace.Doctor.CheckAsync(CancellationToken.None), f => f.Text.StartsWith($"network {name}: belongs to no record", StringComparison.Ordinal));
        var repaired = Assert.Single(await _shop.Workspace.Doctor.FixAsync(dryRun: false, CancellationToken.None));

        Assert.Equal(("network", name, true), (repaired.Kind, repaired.Subject, repaired.Done));
        Assert.Empty(_shop.Since(before));
    }

    [Fact]
    public async Task What_would_open_the_network_or_cannot_have_one_is_refused()
    {
        var published = await _shop.RefusedAsync(ExitCode.Misuse, () => _shop.CreateAsync("open", with: c => c with { Host = "0.0.0.0" }));
        Assert.Contains("cannot be published on 0.0.0.0", published.Message, StringComparison.Ordinal);

        _ = Lab.Current.Servers.Folder(15);
        var native = await _shop.RefusedAsync(ExitCode.Misuse, () => _shop.Workspace.Projects.CreateAsync(new() { Name = "other", Runtime = "native", Network = "internal" }, CancellationToken.None));
        Assert.Contains("the runtime native has no networks of its own", native.Message, StringComparison.Ordinal);
    }

    private static string NetworkIn(Inventory inventory) => inventory.Entries.Single(entry => entry.StartsWith("network ", StringComparison.Ordinal))["network ".Length..];

    private async Task<bool> CanReachAsync(string branch, string host, int port)
    {
        var made = await _shop.GetAsync(branch);
        return LabCommand.Try("docker", "exec", $"pgd-{made.Id}-g{made.Generation}", "timeout", "3", "bash", "-c", string.Create(CultureInfo.InvariantCulture, $"exec 3<>/dev/tcp/{host}/{port}")).Status == 0;
    }

    /// <summary>A project whose branches are in a network of their own.</summary>
    public sealed class Fenced : IAsyncLifetime
    {
        private Shop? _shop;

        /// <summary>The project.</summary>
        public Shop Shop => _shop ?? throw new InvalidOperationException("The fixture has not been initialized.");

        /// <inheritdoc/>
        public async ValueTask InitializeAsync() => _shop = await Shop.OpenAsync("btrfs", "btrfs", 17, "docker", network: "internal");

        /// <inheritdoc/>
        public async ValueTask DisposeAsync()
        {
            if (_shop is not null)
                await _shop.DisposeAsync();
        }
    }
}
