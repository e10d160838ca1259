using System.Globalization;
using Pgd.IntegrationTests.Branches;
using Pgd.IntegrationTests.Replication;
using Xunit;

namespace Pgd.IntegrationTests.GitHub;

/// <summary>
/// Two self-hosted runners on machines of their own, each with its own root, storage and standby of the one production; GitHub gives jobs to either.
/// The machines are network namespaces: neither reaches the other's loopback interface, and both use the same ports.
/// </summary>
public sealed class TwoMachines : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();
    private PrivateNetwork? _network;
    private Production? _production;
    private FakeGitHub? _fake;
    private Machine? _a, _b;
    private FakeRepository? _repository;
    private FakeToken? _token;

    private Machine A => _a!;

    private Machine B => _b!;

    private FakeRepository Repository => _repository!;

    /// <inheritdoc/>
    public async ValueTask InitializeAsync()
    {
        _network = new();
        _production = new();
        _production.Server.Stop();
        _production.Server.Addresses = $"127.0.0.1,{_network.Address}";
        _production.Server.Start();
        await _production.AllowAsync("host all all 127.0.0.1/32 trust", $"host all all {_network.Subnet} trust", $"host replication all {_network.Subnet} trust");
        _fake = await FakeGitHub.StartAsync(_network.Address);
        (_repository, _token) = (_fake.AddRepository("octo-org/shop", 186_853_777), _fake.WorkflowToken());
        _a = Add("runner-a", "btrfs");
        _b = Add("runner-b", "reflink");
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _a?.Root.Dispose();
        _b?.Root.Dispose();
        _production?.Dispose();
        if (_fake is not null)
            await _fake.DisposeAsync();
        _network?.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task Jobs_of_pull_requests_go_to_either_machine_and_none_touches_what_is_on_the_other()
    {
        var url = string.Create(CultureInfo.InvariantCulture, $"postgresql://postgres@{_network!.Address}:{_production!.Server.Port}/shop");
        foreach (var machine in (Machine[])[A, B])
            Succeed(Run(machine, [], "project", "create", "shop", "--from", url, "--follow", "physical"));
        Assert.Equal("2/2", await _production.TracesAsync());
        await _production.AskAsync("insert into t values (1, 'written in production')");
        foreach (var machine in (Machine[])[A, B])
            await CaughtUpAsync(machine);
        var (first, second, third) = (Repository.Open(1), Repository.Open(2), Repository.Open(3));

        // They alternate, and each branch has what was just committed, on its own machine's address; the ports are the same.
        await AloneAsync(A, "opened", first);
        await AloneAsync(B, "opened", second);
        await AloneAsync(A, "opened", third);
        foreach (var (machine, pull) in ((Machine, FakePullRequest)[])[(A, first), (B, second), (A, third)])
        {
            Assert.Equal("written in production", await AskAsync(machine, pull));
            Assert.Contains($"A full copy of `shop/main` on `{machine.Name}`", Assert.Single(pull.Comments).Body, StringComparison.Ordinal);
            Assert.Contains($"| `{machine.Address}` |", Assert.Single(pull.Comments).Body, StringComparison.Ordinal);
        }

        Assert.Equal((await GetAsync(A, first))!.Port, (await GetAsync(B, second))!.Port);
        Assert.Equal(("runner-a", "runner-b"), ((await GetAsync(A, first))!.HostName, (await GetAsync(B, second))!.HostName));

        // A push that runs on the other machine: a branch of its own there, with what production has by now.
        await _production.AskAsync("update t set name = 'changed in production'");
        await CaughtUpAsync(B);
        await AloneAsync(B, "synchronize", first);
        Assert.Equal(("written in production", "changed in production"), (await AskAsync(A, first), await AskAsync(B, first)));
        Assert.Contains("on `runner-b`", Assert.Single(first.Comments).Body, StringComparison.Ordinal);
        Assert.Contains("Another branch of this pull request is on `runner-a`", Assert.Single(first.Comments).Body, StringComparison.Ordinal);

        // A teardown on the wrong machine says where to go; on the right one it deletes.
        second.Closed = true;
        var before = Assert.Single(second.Comments).Body;
        var wrong = await AloneAsync(A, "closed", second);
        Assert.Contains("Pull request 2 has no database branch on runner-a; shop/pr-2 stays: it lives on runner-b: dotnet pgd pr down", wrong.Output, StringComparison.Ordinal);
        Assert.Equal(before, Assert.Single(second.Comments).Body);
        Assert.Equal("written in production", await AskAsync(B, second));
        await AloneAsync(B, "closed", second);
        Assert.Null(await GetAsync(B, second));
        Assert.Contains("### 🧹 `shop/pr-2` is deleted\n", Assert.Single(second.Comments).Body, StringComparison.Ordinal);

        // Of two branches one goes by its teardown, the other by the sweep of its own machine.
        first.Closed = true;
        await AloneAsync(A, "closed", first);
        Assert.Equal((null, "changed in production"), (await GetAsync(A, first), await AskAsync(B, first)));
        Assert.DoesNotContain("Another branch", Assert.Single(first.Comments).Body, StringComparison.Ordinal);
        Assert.DoesNotContain("is deleted", Assert.Single(first.Comments).Body, StringComparison.Ordinal);
        Assert.Contains("Nothing swept", (await AloneAsync(A, "sweep", first)).Output, StringComparison.Ordinal);
        Assert.Contains("Swept 1 branch: shop/pr-1", (await AloneAsync(B, "sweep", first)).Output, StringComparison.Ordinal);
        Assert.Contains("### 🧹 `shop/pr-1` is deleted\n", Assert.Single(first.Comments).Body, StringComparison.Ordinal);

        // What is open stayed, and production has had two connections all the time.
        Assert.Equal("written in production", await AskAsync(A, third));
        Assert.DoesNotContain("is deleted", Assert.Single(third.Comments).Body, StringComparison.Ordinal);
        Assert.Equal(["shop/main"], (await B.Root.Workspace.Branches.ListAsync(null, default)).Select(b => b.Name.ToString()));
        Assert.Equal("2/2", await _production.TracesAsync());
    }

    private Machine Add(string name, string storage)
    {
        var (address, through) = _network!.AddMachine();
        return new(name, address, through, new(storage));
    }

    /// <summary>A job on a machine, which must leave everything on the other one as it was.</summary>
    private async Task<ToolResult> AloneAsync(Machine machine, string what, FakePullRequest pull)
    {
        var other = machine == A ? B : A;
        var before = await StateAsync(other);
        var result = Run(machine, Job(machine, what, pull), "pr", "auto");
        Assert.True(result.Status == 0, $"{what} on {machine.Name}: {result}");
        Assert.Equal(before, await StateAsync(other));
        return result;
    }

    private Dictionary<string, string> Job(Machine machine, string what, FakePullRequest pull)
    {
        var name = what switch { "sweep" => "schedule", "closed" => "pull_request_target", _ => "pull_request" };
        if (what == "synchronize")
            pull.Push();
        var folder = Directory.CreateDirectory(Path.Combine(_folder.Path, Guid.NewGuid().ToString("N"))).FullName;
        File.WriteAllText($"{folder}/event.json", what == "sweep" ? Payloads.Schedule(Repository, _fake!.Api) : Payloads.PullRequest(what, pull, _fake!.Api));
        return new()
        {
            ["GITHUB_ACTIONS"] = "true",
            ["GITHUB_API_URL"] = _fake.Api,
            ["GITHUB_SERVER_URL"] = "https://github.com",
            ["GITHUB_EVENT_NAME"] = name,
            ["GITHUB_EVENT_PATH"] = $"{folder}/event.json",
            ["GITHUB_REPOSITORY"] = Repository.FullName,
            ["GITHUB_REPOSITORY_ID"] = Repository.Id.ToString(CultureInfo.InvariantCulture),
            ["GITHUB_WORKSPACE"] = folder,
            ["GITHUB_OUTPUT"] = $"{folder}/output",
            ["GITHUB_STEP_SUMMARY"] = $"{folder}/summary",
            ["RUNNER_TEMP"] = folder,
            ["RUNNER_NAME"] = machine.Name,
            ["PGD_INPUT_PROJECT"] = "shop",
            ["PGD_INPUT_DATABASE"] = "shop",
            ["PGD_INPUT_ROLE"] = "postgres",
            ["PGD_INPUT_GITHUB_TOKEN"] = _token!.Value,
        };
    }

    private ToolResult Run(Machine machine, Dictionary<string, string> environment, params string[] arguments)
    {
        environment["PGD_HOST"] = machine.Address;
        environment["PGD_HOST_NAME"] = machine.Name;
        environment["PGD_PORT_RANGE"] = A.Root.Ports.ToString();
        using var run = machine.Root.StartAs(machine.Through, environment, arguments);
        return run.Wait();
    }

    private static void Succeed(ToolResult result) => Assert.True(result.Status == 0, result.ToString());

    private static async Task<IReadOnlyList<string>> StateAsync(Machine machine) =>
        [.. (await machine.Root.Workspace.Branches.ListAsync(null, default)).Select(b => $"{b.Name} {b.Id} {b.Generation} {b.Status} {b.ExpiresAt:O} {File.ReadLines($"{b.DataDirectory}/postmaster.pid").First()}")];

    private static async Task<Branch?> GetAsync(Machine machine, FakePullRequest pull) =>
        (await machine.Root.Workspace.Branches.ListAsync("shop", default)).SingleOrDefault(b => b.PullRequest?.Number == pull.Number);

    private static async Task<string?> AskAsync(Machine machine, FakePullRequest pull)
    {
        var url = await machine.Root.Workspace.Branches.ConnectAsync((await GetAsync(machine, pull))!.Name, "shop", "postgres", default);
        Assert.Equal(machine.Address, url.Host);
        return await Sql.AskAsync(url, "select name from t");
    }

    private async Task CaughtUpAsync(Machine machine)
    {
        var position = await _production!.AskAsync("select pg_current_wal_flush_lsn()::text");
        await Eventually.TrueAsync(async () => (await machine.Root.Workspace.Projects.GetFreshnessAsync("shop", default)).ReplayedLsn is { } replayed
            && await _production.AskAsync($"select ('{replayed}'::pg_lsn >= '{position}'::pg_lsn)::text") == "true", $"{machine.Name} has what production has");
    }

    private sealed record Machine(string Name, string Address, IReadOnlyList<string> Through, ToolRoot Root);
}
