using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Pgd.IntegrationTests.Branches;
using Xunit;

namespace Pgd.IntegrationTests.Replication;

/// <summary>Addresses at which there is no server, or one that says nothing.</summary>
public sealed class UnreachableServers
{
    private static readonly string[] Verbs = ["validate", "init", "sync", "status", "cutover", "verify"];

    [Fact]
    public async Task A_name_that_is_not_known_and_a_port_that_nobody_listens_on_are_told_with_what_to_check()
    {
        using var servers = await StartAsync();
        await ToldAsync(servers, "postgresql://postgres@db.invalid/shop", "cannot connect to postgresql://postgres@db.invalid:5432/shop", "Check the name of the host");
        await ToldAsync(servers, string.Create(CultureInfo.InvariantCulture, $"postgresql://postgres@127.0.0.1:{ScratchServer.FreePort()}/shop"), "Check host and port", "listen_addresses");
        await ToldAsync(servers, "postgresql://postgres@/shop?host=/nowhere", "there is no socket of a server", "unix_socket_directories");
    }

    [Fact]
    public async Task A_server_that_says_nothing_is_waited_for_as_long_as_is_said()
    {
        using var servers = await StartAsync();
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        var url = string.Create(CultureInfo.InvariantCulture, $"postgresql://postgres@127.0.0.1:{((IPEndPoint)silent.LocalEndpoint).Port}/shop?connect_timeout=1");

        var began = Stopwatch.GetTimestamp();
        await ToldAsync(servers, url, "it did not answer within 1 s", "connect_timeout=60");
        Assert.InRange(Stopwatch.GetElapsedTime(began).TotalSeconds, 1, 40);

        // Nor does the target's server wait for ever for one that only it cannot reach, and the copy waits for it.
        await servers.SucceedAsync("init");
        await servers.RefusedAsync(1, "sync", ["--publisher", url], "does not reach", "no answer within 1 s", "--publisher URL");
        Assert.Equal("0/0", await servers.AskTargetAsync("select (select count(*) from pg_subscription) || '/' || (select count(*) from pg_stat_activity where query like '%create subscription%' and pid <> pg_backend_pid())"));
        await servers.SucceedAsync("sync");
        await servers.SucceedAsync("status", "--fail-above", "30s");
    }

    private static async Task<TwoServers> StartAsync()
    {
        var servers = await TwoServers.StartAsync();
        servers.Fill("create table things (id int primary key); insert into things values (1)");
        return servers;
    }

    // On either side, and nothing is begun on the other.
    private static async Task ToldAsync(TwoServers servers, string url, params string[] told)
    {
        foreach (var verb in Verbs)
        {
            Refused(await servers.Root.InProcessAsync("replicate", verb, "--source", url, "--target", TwoServers.Url(servers.Target)), told);
            Refused(await servers.Root.InProcessAsync("replicate", verb, "--source", TwoServers.Url(servers.Source), "--target", url), told);
        }

        Refused(await servers.Root.InProcessAsync("project", "create", "prod", "--from", url), told);
        await servers.CleanSourceAsync();
        Assert.Equal("0", await servers.Target.AskAsync("select count(*) from pg_database where datname = 'shop'"));
    }

    private static void Refused(ToolResult result, string[] told) =>
        Assert.True(result.Status == 1 && told.All(text => result.Error.Contains(text, StringComparison.Ordinal)) && !result.Error.Contains("bug in pgd", StringComparison.Ordinal), result.ToString());
}
