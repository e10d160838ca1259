using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Npgsql;
using Pgd.Configuration;
using Pgd.IntegrationTests.Branches;
using Pgd.Postgres;
using Xunit;

namespace Pgd.IntegrationTests.Replication;

/// <summary>Projects whose first branch is a standby of another server.</summary>
public abstract class FollowerSuite(string storage) : IDisposable
{
    private readonly ToolRoot _root = new(storage);
    private readonly Production _production = new();

    private static BranchName Main { get; } = BranchName.Of("prod", "main");

    /// <inheritdoc/>
    public void Dispose()
    {
        _root.Dispose();
        _production.Dispose();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task Branches_of_a_standby_have_what_was_just_committed_and_production_hears_nothing_of_them()
    {
        await using var load = await WriteLoad.StartAsync(_production.ConnectionString, writers: 2, seed: 7);
        _root.Succeed("project", "create", "prod", "--from", _production.Url, "--follow", "physical");
        var walSender = await _production.WalSendersAsync();

        for (var i = 1; i <= 2; i++)
        {
            var name = BranchName.Of("prod", $"pr-{i}");
            var before = load.Acknowledged;
            var committed = DateTimeOffset.UtcNow;
            await CaughtUpAsync();

            _root.Succeed("branch", "create", name.ToString());

            for (var writer = 0; writer < before.Length; writer++)
            {
                var (count, highest) = Pair(await BranchAsync(name, $"select count(*) || ' ' || max(number) from events where writer = {writer}"));
                Assert.True(highest >= before[writer] && count == highest, $"{name} has {count} rows up to {highest} of the {before[writer]} that were acknowledged");
            }

            // Nobody's moment is later than what its data has, and none of the rows that were there then is missing.
            var asOf = (await _root.Workspace.Branches.GetAsync(name, default)).DataAsOf!.Value;
            Assert.InRange(asOf, committed.AddSeconds(-1), DateTimeOffset.UtcNow);
            Assert.Contains("Data as of: ", _root.Succeed("branch", "get", name.ToString()), StringComparison.Ordinal);
            Assert.Equal("false", await BranchAsync(name, "select pg_is_in_recovery()::text"));
            Assert.Equal("", await BranchAsync(name, "show primary_conninfo"));
            Assert.Equal("0", await BranchAsync(name, "select count(*) from pg_replication_slots"));
            await _root.Workspace.Branches.RestartAsync(name, default);
        }

        await load.StillRunsAsync();
        // The one that was there before any branch was made is the only one.
        Assert.Equal(walSender, await _production.WalSendersAsync());
        Assert.Equal("1 true", await _production.AskAsync("select count(*) || ' ' || bool_and(temporary and active)::text from pg_replication_slots"));
        await load.StopAsync();
        var written = load.Acknowledged;
        for (var writer = 0; writer < written.Length; writer++)
            Assert.Equal((written[writer], written[writer]), Pair(await _production.AskAsync($"select count(*) || ' ' || max(number) from events where writer = {writer} and number <= {written[writer]}")));
        var listed = JsonNode.Parse(_root.Succeed("branch", "list", "prod", "--json"))!.AsArray();
        Assert.All(listed, b => Assert.NotNull(b!["dataAsOf"]));
        Assert.True((DateTimeOffset)listed.Single(b => $"{b!["name"]}" == "prod/pr-1")!["dataAsOf"]! < (DateTimeOffset)listed.Single(b => $"{b!["name"]}" == "prod/pr-2")!["dataAsOf"]!);
        _root.Succeed("project", "delete", "prod", "--force");
        await Eventually.TrueAsync(async () => await _production.TracesAsync() == "0/0", "production is left alone");
    }

    [Fact]
    public async Task A_standby_that_fell_behind_says_so_and_a_refresh_mends_it_while_branches_stay_as_they_are()
    {
        await FollowAsync();
        await _production.AskAsync("insert into t values (1, 'early')");
        await CaughtUpAsync();
        _root.Succeed("branch", "create", "prod/early");
        _root.Succeed("snapshot", "create", "prod/main", "--label", "early");
        _root.Succeed("stop", "prod/main");
        Assert.Equal(FollowStatus.Stopped, (await StatusAsync()).Status);
        await _production.ForgetLogAsync();
        await _production.AskAsync("insert into t values (2, 'late')");
        _root.Succeed("start", "prod/main");

        await Eventually.TrueAsync(async () => (await StatusAsync()).Status == FollowStatus.FellBehind, "it is noticed");
        var told = _root.Succeed("project", "status");
        Assert.Contains("fell behind", told, StringComparison.Ordinal);
        Assert.Contains("dotnet pgd project refresh prod", told, StringComparison.Ordinal);
        Assert.Contains("has already been removed", told, StringComparison.Ordinal);
        // What it has is there nevertheless.
        _root.Succeed("branch", "create", "prod/behind");
        Assert.Equal("early", await BranchAsync(BranchName.Of("prod", "behind"), "select string_agg(name, ' ') from t"));

        // One that fails leaves what there is.
        _production.Server.Stop();
        var failed = _root.Tool("project", "refresh", "prod");
        Assert.True(failed.Status == 1 && failed.Error.Contains("cannot connect to", StringComparison.Ordinal), failed.ToString());
        _production.Server.Start();
        _root.Succeed("branch", "create", "prod/again");

        _root.Succeed("project", "refresh", "prod");

        Assert.Equal(FollowStatus.Streaming, (await StatusAsync()).Status);
        Assert.Equal(2, (await _root.Workspace.Branches.GetAsync(Main, default)).Generation);
        _root.Succeed("branch", "create", "prod/late");
        Assert.Equal("early late", await BranchAsync(BranchName.Of("prod", "late"), "select string_agg(name, ' ' order by id) from t"));
        foreach (var name in (string[])["early", "behind", "again"])
            Assert.Equal("early", await BranchAsync(BranchName.Of("prod", name), "select string_agg(name, ' ') from t"));
        _root.Succeed("branch", "create", "prod/of-snapshot", "--from", "main@early");
        Assert.Equal("early", await BranchAsync(BranchName.Of("prod", "of-snapshot"), "select string_agg(name, ' ') from t"));
        Assert.Equal("1/1", await _production.TracesAsync());
        Assert.Single(Directory.GetDirectories($"{_root.Folder}/volumes/prod/main", "g*"));
        _root.Succeed("branch", "delete", "prod/of-snapshot");
        _root.Succeed("snapshot", "delete", "prod/main@early");
        _root.Succeed("branch", "reset", "prod/early");
        Assert.Equal("early late", await BranchAsync(BranchName.Of("prod", "early"), "select string_agg(name, ' ' order by id) from t"));
    }

    [Fact]
    public async Task A_standby_stays_one_over_a_restart_a_new_name_and_a_primary_that_was_given_more()
    {
        await FollowAsync();
        _root.Succeed("restart", "prod/main");
        await CaughtUpAsync();
        Assert.True(File.Exists($"{await DataAsync()}/standby.signal"));
        _root.Succeed("project", "rename", "prod", "shop");
        _root.Succeed("project", "rename", "shop", "prod");
        await CaughtUpAsync();

        // Until it has been given as much, it does not go on, and says what to type.
        await _production.AskAsync("alter system set max_connections = 345");
        _production.Server.Stop();
        _production.Server.Start();
        await Eventually.TrueAsync(async () => (await StatusAsync()) is { Status: FollowStatus.Waiting, Next: "dotnet pgd restart prod/main" }, "it waits to be restarted");
        _root.Succeed("restart", "prod/main");
        await CaughtUpAsync();
        _root.Succeed("branch", "create", "prod/pr-1");
        Assert.Equal("3", await BranchAsync(BranchName.Of("prod", "pr-1"), "select count(*) from shop"));
    }

    private async Task FollowAsync() => await _root.Workspace.Projects.CreateAsync(new() { Name = "prod", From = Libpq.ConnectionUrl.Parse(_production.Url), Follow = FollowMode.Physical }, default);

    private Task<Freshness> StatusAsync() => _root.Workspace.Projects.GetFreshnessAsync("prod", default);

    private async Task<string> DataAsync() => (await _root.Workspace.Branches.GetAsync(Main, default)).DataDirectory;

    /// <summary>Waits until the standby has replayed what production has written so far.</summary>
    private async Task CaughtUpAsync()
    {
        var position = await _production.AskAsync("select pg_current_wal_flush_lsn()::text");
        await Eventually.TrueAsync(async () => (await StatusAsync()).ReplayedLsn is { } replayed && await _production.AskAsync($"select ('{replayed}'::pg_lsn >= '{position}'::pg_lsn)::text") == "true", "the standby has it");
        Assert.Equal(FollowStatus.Streaming, (await StatusAsync()).Status);
    }

    private async Task<string?> BranchAsync(BranchName name, string sql) => await Sql.AskAsync(await _root.Workspace.Branches.ConnectAsync(name, "shop", "postgres", default), sql);

    private static (long, long) Pair(string? text) => (long.Parse(text!.Split(' ')[0], CultureInfo.InvariantCulture), long.Parse(text.Split(' ')[1], CultureInfo.InvariantCulture));
}

/// <summary>Where files are copied one by one while the standby goes on.</summary>
public sealed class FollowersOnCopies() : FollowerSuite("copy");

/// <summary>Where a snapshot is of one moment.</summary>
public sealed class FollowersOnBtrfs() : FollowerSuite("btrfs");

/// <summary>The same on ZFS, where what branches came from outlives what it was.</summary>
[Trait("Needs", "zfs")]
public sealed class FollowersOnZfs() : FollowerSuite("zfs");

/// <summary>What does not depend on where the files are.</summary>
public sealed class Followers : IDisposable
{
    private const string Password = "p:a\\ss 'w\"%rd";

    private readonly ToolRoot _root = new("reflink");
    private readonly Production _production = new();

    /// <inheritdoc/>
    public void Dispose()
    {
        _root.Dispose();
        _production.Dispose();
    }

    [Fact]
    public async Task Nobody_logs_into_a_standby_or_writes_to_it_and_each_refusal_says_what_to_type_instead()
    {
        Succeed(await CreateAsync());
        Succeed(await _root.InProcessAsync("backup", "init", "--repo", $"{_root.Folder}/backups"));
        string[][] refused =
        [
            ["branch", "url", "prod/main"], ["branch", "rotate", "prod/main"], ["sql", "prod/main", "-c", "select 1"], ["database", "branch", "prod/main:shop", "copy"],
            ["project", "set", "prod", "--pitr", "1d"], ["migrate", "run", "prod/main", "--", "true"], ["backup", "create", "prod/main", "--mode", "logical", "--repo", $"{_root.Folder}/backups"],
        ];
        foreach (var arguments in refused)
        {
            var result = await _root.InProcessAsync(arguments);
            Assert.True(result.Status == 7 && Flat(result.Error).Contains("prod/main is a standby of postgresql://", StringComparison.Ordinal) && Flat(result.Error).Contains("dotnet pgd ", StringComparison.Ordinal), $"{string.Join(' ', arguments)}: {result}");
        }

        foreach (var arguments in (string[][])[["branch", "reset", "prod/main"], ["branch", "promote", "prod/main", "other"], ["branch", "rename", "prod/main", "other"]])
            Assert.Equal(2, (await _root.InProcessAsync(arguments)).Status);
        var main = await _root.Workspace.Branches.GetAsync(BranchName.Parse("prod/main"), default);
        Assert.Contains($"Standby of: ", (await _root.InProcessAsync("branch", "get", "prod/main")).Output, StringComparison.Ordinal);
        // Not even those who know its passwords.
        await Assert.ThrowsAsync<NpgsqlException>(() => Sql.AskAsync("127.0.0.1", main.Port, "shop", "postgres", null, "select 1"));
        Assert.Equal(FollowStatus.Streaming, (await StatusAsync()).Status);

        // What only looks at it, or takes it as it is, works.
        Succeed(await _root.InProcessAsync("branch", "create", "prod/pr-1"));
        await Sql.AskAsync(await _root.Workspace.Branches.ConnectAsync(BranchName.Parse("prod/pr-1"), "shop", "postgres", default), "alter table t add more int");
        Assert.Contains("more", Succeed(await _root.InProcessAsync("branch", "diff", "prod/pr-1")), StringComparison.Ordinal);
        Succeed(await _root.InProcessAsync("backup", "create", "prod/main", "--repo", $"{_root.Folder}/backups"));
        Succeed(await _root.InProcessAsync("status", "prod"));
        Succeed(await _root.InProcessAsync("branch", "tree", "prod"));
        Succeed(await _root.InProcessAsync("snapshot", "run", "prod/main"));
        Assert.DoesNotContain("problem", Succeed(await _root.InProcessAsync("doctor")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_password_is_in_one_file_that_is_the_servers_alone_and_is_told_nowhere()
    {
        await _production.AskAsync($"create role follower login replication password '{Password.Replace("'", "''", StringComparison.Ordinal)}'");
        await _production.AllowAsync("host all follower 127.0.0.1/32 scram-sha-256", "host replication follower 127.0.0.1/32 scram-sha-256", "host all postgres 127.0.0.1/32 trust");
        var url = $"postgresql://follower@127.0.0.1:{_production.Server.Port}/shop";
        var wrong = await CreateAsync(url, ("PGPASSWORD", "not this one"));
        Assert.True(wrong.Status == 1 && wrong.Error.Contains("refuses the login", StringComparison.Ordinal) && !wrong.ToString().Contains("not this one", StringComparison.Ordinal), wrong.ToString());
        Assert.Empty(_root.Workspace.State.ProjectNames());

        var made = await CreateAsync(url, ("PGPASSWORD", Password));
        Succeed(made);
        Succeed(await _root.InProcessAsync("branch", "create", "prod/pr-1"));
        Succeed(await _root.InProcessAsync("snapshot", "create", "prod/main", "--label", "s"));

        var holding = LabCommand.Run("grep", "--recursive", "--files-with-matches", "--fixed-strings", "-e", Password, "-e", Password.Replace("\\", "\\\\", StringComparison.Ordinal).Replace(":", "\\:", StringComparison.Ordinal), "-e", Uri.EscapeDataString(Password), _root.Folder).Trim();
        Assert.Equal($"{_root.Folder}/volumes/prod/main/g1/primary.pgpass", holding);
        Assert.Equal("600 postgres", LabCommand.Run("stat", "--format=%a %U", holding).Trim());
        Assert.Equal([holding], Directory.GetFiles(_root.Folder, "primary.*", SearchOption.AllDirectories));
        Assert.DoesNotContain(Directory.GetDirectories("/proc").Where(p => int.TryParse(Path.GetFileName(p), out _)), p => CommandLine(p).Contains("ss 'w", StringComparison.Ordinal));
        foreach (var said in (ToolResult[])[made, await _root.InProcessAsync("project", "get", "prod", "--json"), await _root.InProcessAsync("branch", "logs", "prod/main"), await _root.InProcessAsync("project", "status", "--json")])
            Assert.DoesNotContain("ss 'w", said.ToString(), StringComparison.Ordinal);

        // Production gives another one: it is waited for, and goes on when it is told.
        await _production.AskAsync("alter role follower password 'another'");
        await _production.AskAsync("select pg_terminate_backend(pid) from pg_stat_replication");
        await Eventually.TrueAsync(async () => (await StatusAsync()) is { Status: FollowStatus.Waiting, Reason: var why } && why!.Contains("password authentication failed", StringComparison.Ordinal), "it is locked out");
        Assert.Contains("project set prod --password-stdin", (await StatusAsync()).Next!, StringComparison.Ordinal);
        await _root.Workspace.Projects.SetAsync(new() { Name = "prod", Password = "another" }, default);
        await Eventually.TrueAsync(async () => (await StatusAsync()).Status == FollowStatus.Streaming, "it is let in again");
    }

    [Fact]
    public async Task A_source_that_does_not_answer_is_waited_for_and_one_that_is_another_or_was_left_says_so()
    {
        Succeed(await CreateAsync());
        _production.Server.Stop();
        await Eventually.TrueAsync(async () => (await StatusAsync()) is { Status: FollowStatus.Waiting, Reason: var why } && why!.Contains("does not answer", StringComparison.Ordinal), "it waits");
        Succeed(await _root.InProcessAsync("branch", "create", "prod/meanwhile"));
        Succeed(await _root.InProcessAsync("restart", "prod/main"));
        _production.Server.Start();
        await Eventually.TrueAsync(async () => (await StatusAsync()).Status == FollowStatus.Streaming, "it goes on");

        // By hand, as an administrator could.
        await AdministerAsync("select pg_promote()");
        await Eventually.TrueAsync(async () => (await StatusAsync()) is { Status: FollowStatus.Promoted, Next: "dotnet pgd project refresh prod" }, "it has left");
        Assert.Equal(7, (await _root.InProcessAsync("branch", "url", "prod/main")).Status);
        Succeed(await _root.InProcessAsync("project", "refresh", "prod"));
        Assert.Equal(FollowStatus.Streaming, (await StatusAsync()).Status);
        // Of a server that cannot be asked nothing is said but that.
        File.Move($"{_root.Folder}/volumes/prod/main/g2/volume.json", $"{_root.Folder}/volumes/prod/main/g2/volume.away");
        Assert.Equal((FollowStatus?)FollowStatus.Stopped, (await StatusAsync()).Status);
        File.Move($"{_root.Folder}/volumes/prod/main/g2/volume.away", $"{_root.Folder}/volumes/prod/main/g2/volume.json");
    }

    [Fact]
    public async Task What_cannot_be_followed_is_told_with_what_to_type_and_leaves_nothing()
    {
        await _production.AskAsync("create role plain login");
        await RefusedAsync(7, $"postgresql://plain@127.0.0.1:{_production.Server.Port}/shop", ["ALTER ROLE \"plain\" REPLICATION;"]);
        await RefusedAsync(1, $"postgresql://postgres@127.0.0.1:{ScratchServer.FreePort()}/shop", ["cannot connect to"]);
        await RefusedAsync(4, $"postgresql://postgres@127.0.0.1:{_production.Server.Port}/nothing", ["nothing"]);
        await RefusedAsync(2, _production.Url, ["a standby of it cannot be of 17", "Leave out --pg-version"], "--pg-version", "17");
        await RefusedAsync(7, _production.Url, ["write-ahead log is that one's"], "--pitr", "1d");
        await RefusedAsync(2, $"{_production.Url}?sslkey=/nowhere&sslpassword=s3cret", ["has a sslpassword"]);
        await RefusedAsync(1, $"{_production.Url}?sslmode=require", ["cannot connect to"]);
        await _production.AskAsync("alter system set synchronous_standby_names = 'ANY 1 (\"*\")'; select pg_reload_conf()");
        await Eventually.TrueAsync(async () => await _production.AskAsync("show synchronous_standby_names") != "");
        await RefusedAsync(7, _production.Url, ["commits on", "wait for any standby", "ALTER SYSTEM SET synchronous_standby_names"]);
        await _production.AskAsync("alter system reset synchronous_standby_names; select pg_reload_conf()");
        // As much of it is let in as copies the files, and then no more.
        await _production.AllowAsync("host all postgres 127.0.0.1/32 trust");
        await RefusedAsync(7, _production.Url, ["Add the line \"host replication postgres 127.0.0.1/32"]);
        var alone = await _root.InProcessAsync("project", "create", "prod", "--follow", "physical");
        Assert.True(alone.Status == 2 && alone.Error.Contains("Add --from URL", StringComparison.Ordinal), alone.ToString());
        Assert.Equal("0/0", await _production.TracesAsync());
    }

    [Fact]
    public async Task Branches_are_made_while_main_is_made_anew_and_the_doctor_leaves_what_is_being_made_alone()
    {
        Succeed(await CreateAsync());
        await _production.AskAsync("insert into t values (1, 'new')");
        var second = (ToolResult?)null;
        _root.Heard.OnStep = step =>
        {
            if (!step.StartsWith("copying the files of", StringComparison.Ordinal))
                return;
            _root.Heard.OnStep = null;
            _root.Succeed("branch", "create", "prod/meanwhile");
            _root.Succeed("doctor", "--fix");
            second = _root.Tool("project", "refresh", "prod", "--wait-lock", "0s");
        };

        await _root.Workspace.Projects.RefreshAsync(new() { Name = "prod" }, default);

        Assert.Equal(10, second!.Status);
        Assert.Equal(2, (await _root.Workspace.Branches.GetAsync(BranchName.Parse("prod/main"), default)).Generation);
        Assert.Equal(FollowStatus.Streaming, (await StatusAsync()).Status);
        Assert.Equal(BranchStatus.Running, (await _root.Workspace.Branches.GetAsync(BranchName.Parse("prod/meanwhile"), default)).Status);
        Assert.Equal("1/1", await _production.TracesAsync());
    }

    [Theory]
    [InlineData(14)]
    [InlineData(15)]
    [InlineData(17)]
    [InlineData(18)]
    public async Task What_a_standby_must_not_have_less_of_is_in_the_control_file_of_each_version(int major)
    {
        using var server = ScratchServer.Start(major, "max_connections = 137", "max_worker_processes = 9", "max_wal_senders = 7", "max_prepared_transactions = 3", "max_locks_per_transaction = 65");
        Assert.Equal([("max_connections", 137), ("max_worker_processes", 9), ("max_wal_senders", 7), ("max_prepared_transactions", 3), ("max_locks_per_transaction", 65)], ControlData.LimitsOf(server.Data));
        Assert.Equal("137", await server.AskAsync("show max_connections"));
    }

    [Theory]
    [InlineData(14)]
    [InlineData(15)]
    public async Task An_older_version_can_be_followed_also_where_its_configuration_is_elsewhere(int major)
    {
        using var production = new Production(major);
        // Distributions keep it outside of the data directory.
        File.Delete($"{production.Server.Data}/postgresql.conf");
        var workspace = new Workspace(new HostConfiguration { Root = _root.Folder, Storage = "reflink", Runtime = "native", PortRange = _root.Ports, PostgresBinaries = [Lab.Current.Servers.Folder(major)] }, SilentReporter.Instance);

        await workspace.Projects.CreateAsync(new() { Name = "prod", From = Libpq.ConnectionUrl.Parse(production.Url), Follow = FollowMode.Physical }, default);

        // As many as production has, or it would not have come up.
        Assert.Equal("137", ControlData.LimitsOf((await workspace.Branches.GetAsync(BranchName.Parse("prod/main"), default)).DataDirectory)[0].Least.ToString(CultureInfo.InvariantCulture));
        await production.AskAsync("insert into t values (1, 'new')");
        var position = await production.AskAsync("select pg_current_wal_flush_lsn()::text");
        await Eventually.TrueAsync(async () => (await workspace.Projects.GetFreshnessAsync("prod", default)).ReplayedLsn is { } replayed && await production.AskAsync($"select ('{replayed}'::pg_lsn >= '{position}'::pg_lsn)::text") == "true", "the standby has it");
        await workspace.Branches.CreateAsync(new() { Name = BranchName.Parse("prod/pr-1") }, default);
        Assert.Equal("new", await Sql.AskAsync(await workspace.Branches.ConnectAsync(BranchName.Parse("prod/pr-1"), "shop", "postgres", default), "select string_agg(name, ' ') from t"));
        await workspace.Projects.DeleteAsync("prod", force: true, default);
    }

    [Theory]
    [InlineData("project:record")]
    [InlineData("project:port")]
    [InlineData("follow:volume")]
    [InlineData("follow:password")]
    [InlineData("follow:files")]
    [InlineData("follow:signal")]
    [InlineData("start:launched")]
    [InlineData("follow:started")]
    [InlineData("follow:streams")]
    public async Task A_standby_whose_making_is_killed_is_made_anew_and_nothing_of_it_is_left(string place)
    {
        Assert.Equal(137, _root.ToolWith(new() { ["PGD_KILL_AT"] = place }, ["project", "create", "prod", "--from", _production.Url, "--follow", "physical"]).Status);

        _root.Succeed("project", "create", "prod", "--from", _production.Url, "--follow", "physical");

        Assert.Equal(FollowStatus.Streaming, (await StatusAsync()).Status);
        await Eventually.TrueAsync(async () => await _production.TracesAsync() == "1/1", "production has one standby");
        Assert.Single(Directory.GetDirectories($"{_root.Folder}/volumes/prod/main"));
        _root.Succeed("project", "delete", "prod");
        await Eventually.TrueAsync(async () => await _production.TracesAsync() == "0/0", "production is left alone");
        Assert.False(Directory.Exists($"{_root.Folder}/volumes/prod"));
    }

    [Theory]
    [InlineData("refresh:record", true)]
    [InlineData("follow:volume", false)]
    [InlineData("follow:files", true)]
    [InlineData("follow:started", false)]
    [InlineData("follow:streams", true)]
    [InlineData("refresh:switched", false)]
    [InlineData("destroy:stopped", true)]
    public async Task A_refresh_that_is_killed_leaves_a_standby_and_nothing_else(string place, bool doctor)
    {
        Succeed(await CreateAsync());
        _root.Succeed("branch", "create", "prod/pr-1");
        Assert.Equal(137, _root.ToolWith(new() { ["PGD_KILL_AT"] = place }, ["project", "refresh", "prod"]).Status);

        if (doctor)
            _root.Succeed("doctor", "--fix");
        else
            _root.Succeed("project", "refresh", "prod");

        await Eventually.TrueAsync(async () => (await StatusAsync()).Status == FollowStatus.Streaming, "it streams");
        await Eventually.TrueAsync(async () => await _production.TracesAsync() == "1/1", "production has one standby");
        Assert.Single(Directory.GetDirectories($"{_root.Folder}/volumes/prod/main"));
        _root.Succeed("branch", "create", "prod/pr-2");
        _root.Succeed("branch", "url", "prod/pr-1", "-d", "shop", "-r", "postgres");
    }

    private Task<Freshness> StatusAsync() => _root.Workspace.Projects.GetFreshnessAsync("prod", default);

    private Task<ToolResult> CreateAsync(string? url = null, params (string Name, string Value)[] environment) =>
        _root.InProcessWithAsync(environment.ToDictionary(v => v.Name, v => v.Value), "project", "create", "prod", "--from", url ?? _production.Url, "--follow", "physical");

    private async Task RefusedAsync(int status, string url, string[] told, params string[] options)
    {
        var refused = await _root.InProcessAsync(["project", "create", "prod", "--from", url, "--follow", "physical", .. options]);
        Assert.True(refused.Status == status && told.All(text => Flat(refused.Error).Contains(text, StringComparison.Ordinal)) && !refused.Error.Contains("s3cret", StringComparison.Ordinal), $"{url}: {refused}");
        Assert.Empty(_root.Workspace.State.ProjectNames());
        Assert.False(Directory.Exists($"{_root.Folder}/volumes/prod"));
    }

    private async Task AdministerAsync(string sql)
    {
        var main = _root.Workspace.State.RequireBranch(BranchName.Parse("prod/main"));
        var socket = _root.Workspace.Layout.SocketFolder(main.Id, main.Generation);
        await Task.Run(() => LabCommand.Run("psql", "-qXAt", "-h", socket, "-p", main.Port.ToString(CultureInfo.InvariantCulture), "-U", "postgres", "-d", "postgres", "-c", sql));
    }

    private static string CommandLine(string process)
    {
        try
        {
            return File.ReadAllText($"{process}/cmdline");
        }
        catch (IOException)
        {
            return "";
        }
    }

    private static string Flat(string text) => text.ReplaceLineEndings(" ");

    private static string Succeed(ToolResult result)
    {
        Assert.True(result.Status == 0, result.ToString());
        return result.Output;
    }
}

/// <summary>Where servers are in containers: what they follow is outside, and the program that copies its files is in the image.</summary>
public sealed class FollowersInContainers : IDisposable
{
    private readonly string _image = Lab.Current.Docker.Image(17);
    private readonly ToolRoot _root = new("btrfs");
    private readonly Production _production = new(17);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var name in _root.Workspace.State.ProjectNames())
            _root.Workspace.Projects.DeleteAsync(name, force: true, default).GetAwaiter().GetResult();
        _root.Dispose();
        _production.Dispose();
    }

    [Fact]
    public async Task A_standby_in_a_container_follows_a_server_outside_and_its_branches_are_primaries()
    {
        await using var relay = Relay.To(_production.Server.Port);
        var bridge = LabCommand.Run("docker", "network", "inspect", "bridge", "--format", "{{index .Options \"com.docker.network.bridge.name\"}}").Trim();
        var gateway = NetworkInterface.GetAllNetworkInterfaces().Single(i => i.Name == bridge).GetIPProperties().UnicastAddresses.First(a => a.Address.AddressFamily == AddressFamily.InterNetwork).Address;
        var url = $"postgresql://postgres@{gateway}:{relay.Port}/shop";

        _root.Succeed("project", "create", "prod", "--from", url, "--follow", "physical", "--image", _image);

        await _production.AskAsync("insert into t values (1, 'new')");
        await CaughtUpAsync();
        _root.Succeed("branch", "create", "prod/pr-1");
        Assert.Equal("new false", await Sql.AskAsync(await _root.Workspace.Branches.ConnectAsync(BranchName.Parse("prod/pr-1"), "shop", "postgres", default), "select string_agg(name, ' ') || ' ' || pg_is_in_recovery()::text from t"));
        Assert.Equal(7, _root.Tool("branch", "url", "prod/main").Status);
        Assert.DoesNotContain("->", LabCommand.Run("docker", "ps", "--filter", $"label=pgd.branch=main", "--filter", $"label=pgd.root={_root.Folder}", "--format", "{{.Ports}}"), StringComparison.Ordinal);
        _root.Succeed("restart", "prod/main");
        await _production.AskAsync("insert into t values (2, 'newer')");
        await CaughtUpAsync();
        _root.Succeed("project", "refresh", "prod");
        Assert.Equal("1/1", await _production.TracesAsync());
        _root.Succeed("branch", "reset", "prod/pr-1");
        Assert.Equal("new newer", await Sql.AskAsync(await _root.Workspace.Branches.ConnectAsync(BranchName.Parse("prod/pr-1"), "shop", "postgres", default), "select string_agg(name, ' ' order by id) from t"));

        // To a container, this machine's own address is its own.
        var lost = _root.Tool("project", "create", "lost", "--from", _production.Url, "--follow", "physical", "--image", _image);
        Assert.True(lost.Status == 2 && lost.Error.Contains("containers reach", StringComparison.Ordinal), lost.ToString());
        _root.Succeed("project", "delete", "prod", "--force");
        await Eventually.TrueAsync(async () => await _production.TracesAsync() == "0/0", "production is left alone");
        Assert.Equal("", LabCommand.Run("docker", "ps", "--all", "--filter", $"label=pgd.root={_root.Folder}", "--format", "{{.Names}}").Trim());
    }

    private async Task CaughtUpAsync()
    {
        var position = await _production.AskAsync("select pg_current_wal_flush_lsn()::text");
        await Eventually.TrueAsync(async () => (await _root.Workspace.Projects.GetFreshnessAsync("prod", default)).ReplayedLsn is { } replayed && await _production.AskAsync($"select ('{replayed}'::pg_lsn >= '{position}'::pg_lsn)::text") == "true", "the standby has it");
    }
}

/// <summary>Projects that began as a copy, and are brought up to date.</summary>
public sealed class RefreshedCopies : IDisposable
{
    private readonly ToolRoot _root = new("reflink");
    private readonly Production _production = new();

    private static BranchName Main { get; } = BranchName.Parse("prod/main");

    /// <inheritdoc/>
    public void Dispose()
    {
        _root.Dispose();
        _production.Dispose();
    }

    [Fact]
    public async Task A_copy_is_made_anew_beside_the_old_one_and_branches_say_from_when_their_data_is()
    {
        await _production.AskAsync("insert into t values (1, 'old')");
        _root.Succeed("project", "create", "prod", "--from", _production.Url);
        var (copied, url) = ((await _root.Workspace.Branches.GetAsync(Main, default)).DataAsOf, await _root.Workspace.Branches.ConnectAsync(Main, "shop", "postgres", default));
        await Task.Delay(20);
        _root.Succeed("branch", "create", "prod/old");
        _root.Succeed("snapshot", "create", "prod/main", "--label", "old");
        // Not when it was copied here, but when it came from there.
        Assert.Equal(copied, (await _root.Workspace.Branches.GetAsync(BranchName.Parse("prod/old"), default)).DataAsOf);
        var status = await _root.Workspace.Projects.GetFreshnessAsync("prod", default);
        Assert.Equal((copied, (FollowStatus?)null, "dotnet pgd project refresh prod"), (status.DataAsOf, status.Status, status.Next));
        await _production.AskAsync("insert into t values (2, 'new')");

        _production.Server.Stop();
        Assert.Equal(1, _root.Tool("project", "refresh", "prod").Status);
        Assert.Equal("old", await AskAsync(url));
        _production.Server.Start();

        _root.Succeed("project", "refresh", "prod");

        Assert.Equal("old new", await AskAsync(url));
        Assert.Equal("old", await AskAsync(await _root.Workspace.Branches.ConnectAsync(BranchName.Parse("prod/old"), "shop", "postgres", default)));
        var refreshed = (await _root.Workspace.Branches.GetAsync(Main, default)).DataAsOf;
        Assert.True(refreshed > copied);
        _root.Succeed("branch", "create", "prod/new");
        _root.Succeed("branch", "create", "prod/of-snapshot", "--from", "main@old");
        Assert.Equal((refreshed, copied), ((await _root.Workspace.Branches.GetAsync(BranchName.Parse("prod/new"), default)).DataAsOf, (await _root.Workspace.Branches.GetAsync(BranchName.Parse("prod/of-snapshot"), default)).DataAsOf));
        Assert.Equal("0/0", await _production.TracesAsync());

        // A log that is archived ends with the data that it is of.
        _root.Succeed("project", "set", "prod", "--pitr", "1d");
        var archived = _root.Tool("project", "refresh", "prod");
        Assert.True(archived.Status == 7 && archived.Error.Contains("--pitr off", StringComparison.Ordinal), archived.ToString());
        _root.Succeed("project", "set", "prod", "--pitr", "off");
        _root.Succeed("project", "refresh", "prod");
        _root.Succeed("project", "set", "prod", "--pitr", "1d");
        await Sql.AskAsync(url, "select pg_switch_wal()");
        await Eventually.TrueAsync(async () => await Sql.AskAsync(url, "select (archived_count > 0 and failed_count = 0)::text from pg_stat_archiver") == "true", "the new log is archived");
        _root.Succeed("project", "create", "own");
        var own = _root.Tool("project", "refresh", "own");
        Assert.True(own.Status == 2 && own.Error.Contains("comes from no other server", StringComparison.Ordinal), own.ToString());
    }

    [Theory]
    [InlineData("refresh:volume", "old")]
    [InlineData("copy:rows", "old")]
    [InlineData("refresh:copied", "old")]
    [InlineData("reset:switching", "old")]
    [InlineData("reset:proved", "old")]
    [InlineData("refresh:switched", "old new")]
    public async Task A_refresh_of_a_copy_that_is_killed_leaves_one_of_both(string place, string expected)
    {
        await _production.AskAsync("insert into t values (1, 'old')");
        _root.Succeed("project", "create", "prod", "--from", _production.Url);
        await _production.AskAsync("insert into t values (2, 'new')");
        Assert.Equal(137, _root.ToolWith(new() { ["PGD_KILL_AT"] = place }, ["project", "refresh", "prod"]).Status);

        _root.Succeed("doctor", "--fix");

        Assert.Equal(expected, await AskAsync(await _root.Workspace.Branches.ConnectAsync(Main, "shop", "postgres", default)));
        Assert.Single(Directory.GetDirectories($"{_root.Folder}/volumes/prod/main"));
        await Eventually.TrueAsync(async () => await _production.AskAsync("select count(*) from pg_stat_activity where application_name like 'pgd%'") == "0", "production is left alone");
        _root.Succeed("project", "refresh", "prod");
        Assert.Equal("old new", await AskAsync(await _root.Workspace.Branches.ConnectAsync(Main, "shop", "postgres", default)));
    }

    private static Task<string?> AskAsync(Libpq.ConnectionUrl url) => Sql.AskAsync(url, "select string_agg(name, ' ' order by id) from t");
}

/// <summary>A server that is somebody else's: it keeps little of its log, and has little room for connections.</summary>
internal sealed class Production : IDisposable
{
    public Production(int major = 15)
    {
        Server = ScratchServer.Start(major, "max_connections = 137", "max_wal_size = 64MB", "min_wal_size = 32MB", "wal_keep_size = 0", "autovacuum = off", "shared_preload_libraries = ''");
        Server.AskAsync("create database shop").GetAwaiter().GetResult();
        AskAsync("create table t (id int primary key, name text); create table shop as select i id, md5(i::text) note from generate_series(1, 3) i").GetAwaiter().GetResult();
    }

    public ScratchServer Server { get; }

    public string Url => string.Create(CultureInfo.InvariantCulture, $"postgresql://postgres@127.0.0.1:{Server.Port}/shop");

    public string ConnectionString => string.Create(CultureInfo.InvariantCulture, $"Host=127.0.0.1;Port={Server.Port};Username=postgres;Database=shop;Pooling=false;CommandTimeout=120");

    public Task<string?> AskAsync(string sql) => Sql.AskAsync("127.0.0.1", Server.Port, "shop", "postgres", null, sql);

    /// <summary>Which processes send its log.</summary>
    public async Task<string?> WalSendersAsync() => await AskAsync("select string_agg(pid::text, ' ') from pg_stat_replication");

    /// <summary>How many there are, and how many slots.</summary>
    public async Task<string?> TracesAsync() => await AskAsync("select (select count(*) from pg_stat_replication) || '/' || (select count(*) from pg_replication_slots)");

    /// <summary>Writes and recycles so much of its log that nothing of what there was is left.</summary>
    public async Task ForgetLogAsync()
    {
        var first = await AskAsync("select pg_walfile_name(pg_current_wal_lsn())");
        await AskAsync("create table if not exists filler (i int, text text)");
        await Eventually.TrueAsync(async () =>
        {
            await AskAsync("insert into filler select i, repeat('x', 1000) from generate_series(1, 20000) i");
            await AskAsync("checkpoint; select pg_switch_wal()");
            return await AskAsync($"select count(*) from pg_ls_waldir() where name = '{first}'") == "0";
        }, "its log is recycled");
    }

    /// <summary>Lets in who these lines say, and nobody else.</summary>
    public async Task AllowAsync(params string[] lines)
    {
        File.WriteAllLines($"{Server.Data}/pg_hba.conf", ["local all all trust", .. lines]);
        await AskAsync("select pg_reload_conf()");
        await Eventually.TrueAsync(async () => await AskAsync("select count(*) from pg_hba_file_rules") == (lines.Length + 1).ToString(CultureInfo.InvariantCulture) && await AskAsync("select (pg_conf_load_time() > now() - interval '1 minute')::text") == "true");
    }

    public void Dispose() => Server.Dispose();
}
