using System.Text;
using System.Text.Json.Nodes;
using Pgd.IntegrationTests.Branches;
using Pgd.IntegrationTests.GitHub;
using Xunit;

namespace Pgd.IntegrationTests.Backups;

/// <summary>Physical backups of servers that are no branches, over their replication protocol.</summary>
public sealed class PhysicalBackupsOfServers : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly ToolRoot _root = new("reflink");
    private readonly Dictionary<string, string> _environment;

    public PhysicalBackupsOfServers()
    {
        File.SetUnixFileMode(_folder.Path, LabFolder.Traversable);
        _environment = new() { ["PGD_BACKUP_REPOSITORY"] = Path.Combine(_folder.Path, "repository") };
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _root.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task A_server_comes_back_as_it_was_at_each_backup_in_a_folder_and_as_a_branch()
    {
        using var server = ScratchServer.Start(15);
        await server.AskAsync("create table orders as select i id, md5(i::text) note from generate_series(1, 200000) i");
        await SucceedAsync("init");
        using var writing = new CancellationTokenSource();
        var (writer, slots) = (WriteAsync(server, writing.Token), SlotsAsync(server, writing.Token));

        var full = await CreateAsync(server);
        await writing.CancelAsync();
        await writer;
        Assert.True(await slots > 0, "No slot kept the write-ahead log.");
        Assert.Equal(("physical", "full", 15, false), ($"{full["mode"]}", $"{full["kind"]}", (int)full["postgresMajor"]!, (bool)full["isOfStandby"]!));
        Assert.Equal("0", await server.AskAsync("select count(*) from pg_replication_slots"));
        await server.AskAsync("update orders set note = 'second' where id <= 1000; create table more as select 1 id");
        var second = (await ChecksumAsync(server), await CreateAsync(server, "--incremental"));
        await server.AskAsync("delete from orders where id > 100000; drop table more");
        await server.AskAsync("vacuum orders");
        var third = (await ChecksumAsync(server), await CreateAsync(server, "--incremental"));
        await server.AskAsync("insert into orders select i, 'fourth' from generate_series(1, 1000) i");
        var fourth = (await ChecksumAsync(server), await CreateAsync(server, "--differential"));

        Assert.Equal([$"{full["id"]}", $"{second.Item2["id"]}", $"{full["id"]}"], new[] { second, third, fourth }.Select(made => $"{made.Item2["parent"]}"));
        Assert.InRange((long)second.Item2["storedBytes"]!, 1, (long)full["storedBytes"]! / 2);
        await _root.MakeProjectAsync();
        foreach (var (data, backup) in new[] { second, third, fourth })
        {
            var folder = Path.Combine(_folder.Path, $"{backup["id"]}");
            await SucceedAsync("restore", $"{backup["id"]}", "--to", folder);
            Assert.Equal(data, ChecksumOfFolder(folder));
        }

        await SucceedAsync("restore", $"{third.Item2["id"]}", "--to-branch", "shop/restored");
        Assert.Equal(third.Item1, await RestoredChecksumAsync());
        Assert.Contains(" is whole (restored)", await SucceedAsync("verify", "latest", "--level", "restore", "--project", "shop"), StringComparison.Ordinal);
        var pruned = Flat(await SucceedAsync("prune", "--keep", "last=2"));
        Assert.Contains($"{full["id"]}: {fourth.Item2["id"]} is built on it", pruned, StringComparison.Ordinal);
        Assert.Contains($"{second.Item2["id"]}: {third.Item2["id"]} is built on it", pruned, StringComparison.Ordinal);
        Assert.Contains("not said in which project", (await RunAsync("verify", "latest", "--level", "restore")).Error, StringComparison.Ordinal);

        // What is killed leaves neither a backup nor a slot.
        Assert.Equal(137, _root.ToolWith(new(_environment) { ["PGD_KILL_AT"] = "backup:part" }, "backup", "create", "--source", Url(server), "--mode", "physical").Status);
        Assert.Equal("incomplete", $"{JsonNode.Parse(await SucceedAsync("list", "--json"))!.AsArray()[^1]!["status"]}");
        await Eventually.TrueAsync(async () => await server.AskAsync("select count(*) from pg_replication_slots") == "0");
    }

    [Fact]
    public async Task A_standby_and_an_older_server_can_be_backed_up_and_what_comes_back_is_no_standby()
    {
        using ScratchServer server = ScratchServer.Start(14);
        await server.AskAsync("create table orders as select i id, md5(i::text) note from generate_series(1, 1000) i");
        await SucceedAsync("init");
        await CreateAsync(server);
        var folder = Path.Combine(_folder.Path, "older");
        await SucceedAsync("restore", "latest", "--to", folder);
        Assert.Equal(await ChecksumAsync(server), ChecksumOfFolder(folder, 14));

        using var primary = ScratchServer.Start(15);
        await primary.AskAsync("create table orders as select i id, md5(i::text) note from generate_series(1, 2000) i");
        var root = Directory.CreateDirectory(Path.Combine(_folder.Path, "standby")).FullName;
        using var standby = primary.NewStandby(root, $"{root}/data", ScratchServer.FreePort());
        Assert.True((bool)(await CreateAsync(standby))["isOfStandby"]!);
        folder = Path.Combine(_folder.Path, "restored");
        await SucceedAsync("restore", "latest", "--to", folder);
        Assert.Equal(await ChecksumAsync(primary), ChecksumOfFolder(folder));
        await _root.MakeProjectAsync();
        await SucceedAsync("restore", "latest", "--to-branch", "shop/restored");
        Assert.Equal(await ChecksumAsync(primary), await RestoredChecksumAsync());
    }

    /// <summary>As distributions do: what is there does not come, and without it no server starts.</summary>
    [Fact]
    public async Task A_server_whose_configuration_is_elsewhere_comes_back_with_one_that_lets_it_start()
    {
        using var server = ScratchServer.Start(15);
        await server.AskAsync("create table orders as select 1 id, 'x' note");
        server.Stop();
        var elsewhere = Directory.CreateDirectory(Path.Combine(_folder.Path, "etc")).FullName;
        foreach (var file in (string[])["postgresql.conf", "pg_hba.conf", "pg_ident.conf"])
            File.Move(Path.Combine(server.Data, file), Path.Combine(elsewhere, file));
        File.WriteAllText(Path.Combine(server.Data, "postgresql.conf"), $"hba_file='{elsewhere}/pg_hba.conf'\nident_file='{elsewhere}/pg_ident.conf'\n");
        LabCommand.Run("chown", "-R", "postgres", elsewhere, server.Data);
        server.Start();
        File.Delete(Path.Combine(server.Data, "postgresql.conf"));
        await SucceedAsync("init");

        var made = await RunAsync("create", "--source", Url(server), "--mode", "physical");
        Assert.True(made.Status == 0 && made.Error.Contains("has its postgresql.conf outside of its data directory", StringComparison.Ordinal), made.ToString());
        var folder = Path.Combine(_folder.Path, "restored");
        await SucceedAsync("restore", "latest", "--to", folder);
        Assert.Equal("peer", LabCommand.Run("grep", "-om1", "peer", $"{folder}/pg_hba.conf").Trim());
        Assert.Equal(await ChecksumAsync(server), ChecksumOfFolder(folder));
    }

    [Fact]
    public async Task What_does_not_allow_it_is_told_with_what_to_type_and_there_is_no_backup()
    {
        using var server = ScratchServer.Start(15, "max_wal_senders = 1", "max_replication_slots = 1");
        await SucceedAsync("init");
        await server.AskAsync("create role plain login; create role \"odd \"\"one\" login replication");
        await RefusedAsync(7, $"postgresql://plain@127.0.0.1:{server.Port}/postgres", "ALTER ROLE \"plain\" REPLICATION;");
        // One is for the slot, and none for the files.
        await RefusedAsync(7, Url(server), "has no connection for replication left", "raise max_wal_senders");
        await server.AskAsync("select pg_create_physical_replication_slot('taken')");
        await RefusedAsync(7, Url(server), "all replication slots are in use", "Raise its max_replication_slots");
        File.WriteAllText($"{server.Data}/pg_hba.conf", "host all all 127.0.0.1/32 trust\n");
        await server.AskAsync("select pg_reload_conf()");
        await Eventually.TrueAsync(async () => (await server.AskAsync("select count(*) from pg_hba_file_rules")) == "1");
        await RefusedAsync(7, $"postgresql://odd%20%22one@127.0.0.1:{server.Port}/postgres", "Add the line \"host replication \"odd \"\"one\" 127.0.0.1/32 scram-sha-256\" to its pg_hba.conf");
        await using (var pooler = Relay.Pooler(server.Port))
            await RefusedAsync(1, $"postgresql://postgres@127.0.0.1:{pooler.Port}/postgres?sslmode=disable", "not through a pooler");
        LabCommand.Run("install", "-d", "-o", "postgres", "-m", "700", $"{_folder.Path}/space");
        await server.AskAsync($"create tablespace \"Elsewhere\" location '{_folder.Path}/space'");
        await RefusedAsync(7, Url(server), "has the tablespaces \"Elsewhere\"");
        using var newer = ScratchServer.Start(17);
        await RefusedAsync(3, Url(newer), "no pg_basebackup that can read a server of PostgreSQL 17", "postgresql-client-17");
        await RefusedAsync(2, $"postgresql://postgres@127.0.0.1:{server.Port},127.0.0.1:{newer.Port}/postgres", "names several servers");
        await RefusedAsync(2, "mariadb://root@127.0.0.1/shop", "of MariaDB there are logical backups only");
        Assert.DoesNotContain(JsonNode.Parse(await SucceedAsync("list", "--json"))!.AsArray(), b => $"{b!["status"]}" == "complete");
        Assert.Equal("1", await server.AskAsync("select count(*) from pg_replication_slots"));
    }

    private const string Checksum = "select count(*) || '/' || sum(hashtextextended(o::text, 0)) from orders o";

    private static string Url(ScratchServer server) => $"postgresql://postgres@127.0.0.1:{server.Port}/postgres";

    private static Task<string?> ChecksumAsync(ScratchServer server) => server.AskAsync(Checksum);

    private async Task<string?> RestoredChecksumAsync() => await Sql.AskAsync(await _root.Workspace.Branches.ConnectAsync(ToolRoot.Branch("restored"), "postgres", "postgres", default), Checksum);

    private static string Flat(string text) => text.ReplaceLineEndings(" ");

    private static async Task WriteAsync(ScratchServer server, CancellationToken end)
    {
        for (var i = 0; !end.IsCancellationRequested; i++)
            await server.AskAsync($"insert into orders select i, 'meanwhile' from generate_series(1, 500) i; update orders set note = '{i}' where id % 100 = {i % 100}");
    }

    private static async Task<int> SlotsAsync(ScratchServer server, CancellationToken end)
    {
        var seen = 0;
        while (!end.IsCancellationRequested)
            seen += int.Parse((await server.AskAsync("select count(*) from pg_replication_slots where temporary and restart_lsn is not null and slot_name like 'pgd%'"))!);
        return seen;
    }

    private static string ChecksumOfFolder(string folder, int major = 15)
    {
        LabCommand.Run("chown", "-R", "postgres", folder);
        var (programs, port) = (Lab.Current.Servers.Folder(major), ScratchServer.FreePort());
        File.WriteAllText($"{folder}/pg_hba.conf", "local all all trust\n");
        LabCommand.Run("runuser", "-u", "postgres", "--", $"{programs}/pg_ctl", "start", "-w", "-D", folder, "-l", $"{folder}/log.txt", "-o", $"-p {port} -k {folder} -c listen_addresses=");
        try
        {
            return LabCommand.Run("runuser", "-u", "postgres", "--", "psql", "-h", folder, "-p", $"{port}", "-U", "postgres", "-Atc", $"create table written (); {Checksum}").Trim().Split('\n')[^1];
        }
        finally
        {
            LabCommand.Run("runuser", "-u", "postgres", "--", $"{programs}/pg_ctl", "stop", "-w", "-D", folder, "-m", "immediate");
        }
    }

    private async Task<JsonNode> CreateAsync(ScratchServer server, params string[] options) => JsonNode.Parse(await SucceedAsync(["create", "--source", Url(server), "--mode", "physical", "--json", .. options]))!;

    private async Task RefusedAsync(int status, string url, params string[] told)
    {
        var refused = await RunAsync("create", "--source", url, "--mode", "physical");
        Assert.True(refused.Status == status && told.All(text => Flat(refused.Error).Contains(text, StringComparison.Ordinal)), refused.ToString());
    }

    private Task<ToolResult> RunAsync(params string[] arguments) => _root.InProcessWithAsync(_environment, ["backup", .. arguments]);

    private async Task<string> SucceedAsync(params string[] arguments)
    {
        var result = await RunAsync(arguments);
        Assert.True(result.Status == 0, $"dotnet pgd backup {string.Join(' ', arguments)}: {result}");
        return result.Output;
    }
}
