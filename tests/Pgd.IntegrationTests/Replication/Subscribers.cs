using System.Globalization;
using System.Text.Json.Nodes;
using Pgd.IntegrationTests.Branches;
using Xunit;

namespace Pgd.IntegrationTests.Replication;

/// <summary>Projects whose first branch follows a database of another server by logical replication.</summary>
public sealed class Subscribers
{
    [Theory]
    [InlineData(15)]
    [InlineData(17)]
    public async Task A_project_gets_what_is_committed_in_production_and_so_do_the_branches_that_are_made_of_it(int major)
    {
        using var servers = await TwoServers.FilledAsync();
        using var root = new ToolRoot("reflink");
        await using var traffic = Traffic.On(servers, seed: major, workers: 1);
        string[] create = ["project", "create", "prod", "--from", TwoServers.Url(servers.Source), "--follow", "logical", "--pg-version", major.ToString(CultureInfo.InvariantCulture)];
        Dictionary<string, string> programs = new() { ["PGD_POSTGRES_BINARIES"] = Lab.Current.Servers.Folder(major) };
        var made = await root.InProcessWithAsync(programs, create);
        Assert.True(made.Status == 0, made.ToString());

        var began = DateTimeOffset.UtcNow;
        await servers.AskSourceAsync("insert into coded values ('mark', 'just committed', -77)");
        await ArrivesAsync(root, -77);
        Succeed("branch", "create", "prod/pr-1");
        var branch = JsonNode.Parse(Succeed("branch", "get", "prod/pr-1", "--json"))!;
        Assert.True(DateTimeOffset.Parse($"{branch["dataAsOf"]}", CultureInfo.InvariantCulture) >= began.AddSeconds(-10), $"{branch}");
        Assert.Equal("1/0/0", await AskAsync(root, "prod/pr-1", "select (select count(*) from coded where n = -77) || '/' || (select count(*) from pg_subscription) || '/' || (select count(*) from pg_namespace where nspname like 'pgd%')"));
        await AskAsync(root, "prod/pr-1", "delete from coded");

        // The branch has taken nothing that the original has not.
        await servers.AskSourceAsync("insert into coded values ('mark', 'after the branch', -78)");
        await ArrivesAsync(root, -78);
        Assert.Equal("1", await servers.AskSourceAsync("select count(*) from pg_stat_replication"));
        Succeed("restart", "prod/main");
        Succeed("project", "rename", "prod", "other");
        Assert.True(await traffic.EndAsync() > 0);
        await servers.AskSourceAsync("insert into coded values ('mark', 'after it was moved', -79)");
        await ArrivesAsync(root, -79, "other");
        var status = JsonNode.Parse(Succeed("project", "status", "other", "--json"))!;
        status = status is JsonArray all ? all[0]! : status;
        Assert.True($"{status["status"]}" == "streaming" && $"{status["follow"]}" == "logical" && (double)status["lagSeconds"]! >= 0, $"{status}");
        Assert.Equal(await LogicalReplicas.DigestAsync(servers.AskSourceAsync), await LogicalReplicas.DigestAsync(sql => AskAsync(root, "other/main", sql)));

        Succeed("branch", "delete", "other/pr-1");
        servers.Source.Stop();
        var refused = await root.InProcessWithAsync(programs, "project", "delete", "other");
        Assert.True(refused.Status == 7 && refused.Error.Contains("would keep its log", StringComparison.Ordinal), refused.ToString());
        refused = await root.InProcessWithAsync(programs, "project", "delete", "other", "--force");
        Assert.True(refused.Status == 0 && refused.Error.Contains("SELECT pg_drop_replication_slot", StringComparison.Ordinal), refused.ToString());
        servers.Source.Start();
        Assert.Equal("1", await servers.AskSourceAsync("select count(*) from pg_replication_slots"));

        string Succeed(params string[] arguments)
        {
            var result = root.ToolWith(programs, arguments);
            Assert.True(result.Status == 0, $"{string.Join(' ', arguments)}: {result}");
            return result.Output;
        }
    }

    [Fact]
    public async Task One_that_is_killed_while_it_is_made_is_made_anew_and_leaves_nothing_in_production_when_it_is_deleted()
    {
        using var servers = await TwoServers.FilledAsync();
        using var root = new ToolRoot("reflink");
        string[] create = ["project", "create", "prod", "--from", TwoServers.Url(servers.Source), "--follow", "logical"];
        foreach (var step in (string[])["subscribe:password", "init:publication", "init:slot", "copy:rows", "subscribe:copied", "subscribe:subscribed", "project:proved"])
        {
            Assert.Equal(137, root.ToolWith(new() { ["PGD_KILL_AT"] = step }, create).Status);
            root.Succeed(create);
            await servers.AskSourceAsync($"insert into coded values ('mark', 'x{step.Length}', -{step.Length}) on conflict do nothing");
            await ArrivesAsync(root, -step.Length);
            root.Succeed("project", "delete", "prod");
            await servers.CleanSourceAsync();
        }
    }

    [Fact]
    public async Task What_cannot_follow_is_told_and_nothing_of_it_is_left()
    {
        using var servers = await TwoServers.StartAsync();
        using var root = new ToolRoot("reflink");
        servers.Fill("create table plain (id int)");
        var refused = await root.InProcessAsync("project", "create", "prod", "--from", TwoServers.Url(servers.Source), "--follow", "logical");
        Assert.True(refused.Status == 7 && refused.Error.Contains("REPLICA IDENTITY FULL", StringComparison.Ordinal), refused.ToString());
        Assert.Empty(root.Workspace.State.ProjectNames());
        await servers.CleanSourceAsync();
    }

    private static async Task<string?> AskAsync(ToolRoot root, string branch, string sql) => await Sql.AskAsync(await root.Workspace.Branches.ConnectAsync(BranchName.Parse(branch), "shop", "postgres", default), sql);

    private static Task ArrivesAsync(ToolRoot root, int id, string project = "prod") =>
        Eventually.TrueAsync(async () => await AskAsync(root, $"{project}/main", $"select count(*) from coded where n = {id.ToString(CultureInfo.InvariantCulture)}") == "1", $"row {id.ToString(CultureInfo.InvariantCulture)} in {project}/main");
}
