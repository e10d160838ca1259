using System.Text.Json.Nodes;
using Pgd.IntegrationTests.Branches;
using Pgd.IntegrationTests.GitHub;
using Xunit;

namespace Pgd.IntegrationTests.Backups;

/// <summary>
/// Incremental backups of a server that knows what was written, of PostgreSQL 17 in Docker. This machine's own programs are older: those of the image do their work, and what they send is kept beside, so that
/// the server's own pg_combinebackup can be asked what has to come of it.
/// </summary>
public sealed class IncrementsOfServers : IDisposable
{
    private const string Password = "o'dd $p\"w";

    private readonly TemporaryFolder _folder = new();
    private readonly ToolRoot _root = new("reflink");
    private readonly Dictionary<string, string> _environment;
    private readonly string _image = Lab.Current.Docker.Image(17), _server = $"pgd-test-{Guid.NewGuid():N}";
    private readonly int _port = ScratchServer.FreePort();

    public IncrementsOfServers()
    {
        File.SetUnixFileMode(_folder.Path, LabFolder.Traversable);
        var programs = Directory.CreateDirectory($"{_folder.Path}/programs").FullName;
        Script("pg_basebackup", $$"""
            n=$(ls {{_folder.Path}}/*.tar 2>/dev/null | wc -l)
            names=$(env | sed -n 's/^\(PG[A-Z]*\)=.*/--env \1/p')
            docker run --rm --interactive --network host --volume "${TMPDIR:-/tmp}:${TMPDIR:-/tmp}" --volume /tmp:/tmp $names {{_image}} pg_basebackup "$@" | tee "{{_folder.Path}}/$n.tar"
            """);
        Script("psql", "echo 'psql (PostgreSQL) 17.0'");
        Script("pg_restore", "exit 1");
        _environment = new() { ["PGD_BACKUP_REPOSITORY"] = Path.Combine(_folder.Path, "repository"), ["PATH"] = $"{programs}:{Environment.GetEnvironmentVariable("PATH")}" };
        LabCommand.Run("docker", "run", "--detach", "--name", _server, "--publish", $"127.0.0.1:{_port}:5432", "--env", $"POSTGRES_PASSWORD={Password}", _image, "postgres", "-c", "listen_addresses=*", "-c", "autovacuum=off");

        void Script(string name, string text)
        {
            File.WriteAllText($"{programs}/{name}", $"#!/bin/bash\nset -o pipefail\n{text}\n");
            LabCommand.Run("chmod", "755", $"{programs}/{name}");
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        LabCommand.Run("docker", "rm", "--force", "--volumes", _server);
        _root.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task What_a_server_sends_of_its_changes_comes_to_what_its_own_program_makes_of_them()
    {
        await BeginAsync();
        await SucceedAsync("init");
        var refused = Run("create", "--source", Url, "--mode", "physical");
        Assert.True(refused.Status == 7 && refused.Error.ReplaceLineEndings(" ").Contains("to its pg_hba.conf", StringComparison.Ordinal), refused.ToString());
        LabCommand.Run("docker", "exec", _server, "sh", "-c", "echo 'host replication all all scram-sha-256' >> $PGDATA/pg_hba.conf");
        Ask("select pg_reload_conf()");
        foreach (var table in (string[])["orders", "cut", "rewritten", "dropped", "shrunk"])
            Ask($"create table {table} as select i id, repeat(md5(i::text), 3) note from generate_series(1, 60000) i; create index on {table} (id)");
        var full = await CreateAsync();
        var chain = new List<(string Data, JsonNode Backup, int[] Sent)> { (Ask(Checksum), full, Array.Empty<int>()) };

        Ask("update orders set note = 'second' where id % 3000 = 7");
        Ask("truncate cut; insert into cut select i, 'new' from generate_series(1, 50) i");
        Ask("delete from shrunk where id > 20000");
        Ask("vacuum shrunk");
        Ask("drop table dropped; create table more as select i id from generate_series(1, 30000) i; update rewritten set note = note || 'x'");
        await AddAsync("--incremental", 0, 1);
        Ask("insert into shrunk select i, 'grown' from generate_series(1, 70000) i; insert into orders select i, 'third' from generate_series(1, 5000) i");
        Ask("vacuum full cut");
        await AddAsync("--incremental", 0, 1, 2);
        Ask("delete from shrunk where id <> 5; delete from orders where id < 30");
        Ask("vacuum shrunk, orders");
        await AddAsync("--incremental", 0, 1, 2, 3);
        await AddAsync("--incremental", 0, 1, 2, 3, 4);
        await AddAsync("--differential", 0, 5);
        Assert.InRange((long)chain[4].Backup["storedBytes"]!, 1, (long)full["storedBytes"]! / 4);
        Assert.Contains("INCREMENTAL FROM LSN", LabCommand.Run("tar", "-xOf", $"{_folder.Path}/5.tar", "backup_label"), StringComparison.Ordinal);

        for (var n = 0; n < chain.Count; n++)
            LabCommand.Run("sh", "-c", $"mkdir {_folder.Path}/sent{n} && tar -xf {_folder.Path}/{n}.tar -C {_folder.Path}/sent{n}");
        for (var n = 0; n < chain.Count; n++)
        {
            var (data, backup, sent) = chain[n];
            var (restored, combined) = ($"{_folder.Path}/restored{n}", $"{_folder.Path}/combined{n}");
            await SucceedAsync("verify", $"{backup["id"]}", "--level", "content");
            await SucceedAsync("restore", $"{backup["id"]}", "--to", restored);
            if (n == 0)
                LabCommand.Run("cp", "-a", $"{_folder.Path}/sent0", combined);
            else
                LabCommand.Run("docker", ["run", "--rm", "--volume", $"{_folder.Path}:{_folder.Path}", _image, "pg_combinebackup", .. sent.Select(i => $"{_folder.Path}/sent{i}"), "--output", combined]);
            // Where nothing is left out, its own manifest is there as well.
            Assert.Equal("", LabCommand.Run("sh", "-c", $"diff -rq {(n == 0 ? "" : "--exclude backup_manifest ")}{combined} {restored} || true"));
            if (n == 0)
                LabCommand.Run("docker", "run", "--rm", "--volume", $"{restored}:{restored}", _image, "pg_verifybackup", restored);
            Assert.Equal(data, ChecksumOfFolder(restored));
        }

        async Task AddAsync(string kind, params int[] sent)
        {
            var data = Ask(Checksum);
            chain.Add((data, await CreateAsync(kind), sent));
            Assert.Equal(kind[2..], $"{chain[^1].Backup["kind"]}");
        }
    }

    [Fact]
    public async Task Where_a_server_does_not_know_what_was_written_all_is_read_and_the_chain_goes_on()
    {
        await BeginAsync();
        LabCommand.Run("docker", "exec", _server, "sh", "-c", "echo 'host replication all all scram-sha-256' >> $PGDATA/pg_hba.conf");
        Ask("select pg_reload_conf()");
        Ask("create table orders as select i id, repeat(md5(i::text), 3) note from generate_series(1, 60000) i");
        await SucceedAsync("init");
        await CreateAsync();
        var data = new List<(string Data, JsonNode Backup)>();

        Ask("alter system set summarize_wal = off");
        Ask("select pg_reload_conf()");
        await AddAsync("its summarize_wal is off");
        Ask("alter system set summarize_wal = on");
        Ask("select pg_reload_conf()");
        // It goes on where it ended.
        await AddAsync(null);
        LabCommand.Run("docker", "exec", _server, "sh", "-c", "rm $PGDATA/pg_wal/summaries/*");
        await AddAsync("its summaries of the write-ahead log begin after that backup");
        await AddAsync(null);
        foreach (var (expected, backup) in data)
        {
            await SucceedAsync("restore", $"{backup["id"]}", "--to", $"{_folder.Path}/{backup["id"]}");
            Assert.Equal(expected, ChecksumOfFolder($"{_folder.Path}/{backup["id"]}"));
        }

        async Task AddAsync(string? why)
        {
            Ask($"update orders set note = '{data.Count}' where id % 1000 = {data.Count}; insert into orders select i, 'more' from generate_series(1, 3000) i");
            var sum = Ask(Checksum);
            var made = Run("create", "--source", Url, "--mode", "physical", "--json", "--incremental");
            Assert.True(made.Status == 0 && (why is null ? !made.Error.Contains("all files of", StringComparison.Ordinal) : made.Error.ReplaceLineEndings(" ").Contains(why, StringComparison.Ordinal)), made.ToString());
            data.Add((sum, JsonNode.Parse(made.Output)!));
        }
    }

    private const string Checksum = "select count(*) || '/' || sum(hashtextextended(o::text, 0)) from orders o";

    private string Url => $"postgresql://postgres:{Uri.EscapeDataString(Password)}@127.0.0.1:{_port}/postgres";

    private async Task BeginAsync()
    {
        await Eventually.TrueAsync(async () => LabCommand.Try("docker", "exec", _server, "pg_isready", "-h", "127.0.0.1").Status == 0);
        Ask("alter system set summarize_wal = on");
        Ask("select pg_reload_conf()");
    }

    private string Ask(string sql) => LabCommand.Run("docker", "exec", _server, "psql", "-h", "/var/run/postgresql", "-U", "postgres", "-Atqc", sql).Trim();

    private static string ChecksumOfFolder(string folder)
    {
        LabCommand.Run("chown", "-R", "postgres", folder);
        var (programs, port) = (Lab.Current.Servers.Folder(17), ScratchServer.FreePort());
        File.WriteAllText($"{folder}/pg_hba.conf", "local all all trust\n");
        LabCommand.Run("runuser", "-u", "postgres", "--", $"{programs}/pg_ctl", "start", "-w", "-D", folder, "-l", $"{folder}/log.txt", "-o", $"-p {port} -k {folder} -c listen_addresses=");
        try
        {
            return LabCommand.Run("runuser", "-u", "postgres", "--", "psql", "-h", folder, "-p", $"{port}", "-U", "postgres", "-Atqc", Checksum).Trim();
        }
        finally
        {
            LabCommand.Run("runuser", "-u", "postgres", "--", $"{programs}/pg_ctl", "stop", "-w", "-D", folder, "-m", "immediate");
        }
    }

    private async Task<JsonNode> CreateAsync(params string[] options) => JsonNode.Parse(await SucceedAsync(["create", "--source", Url, "--mode", "physical", "--json", .. options]))!;

    private ToolResult Run(params string[] arguments) => _root.ToolWith(_environment, ["backup", .. arguments]);

    private Task<string> SucceedAsync(params string[] arguments)
    {
        var result = Run(arguments);
        Assert.True(result.Status == 0, $"dotnet pgd backup {string.Join(' ', arguments)}: {result}");
        return Task.FromResult(result.Output);
    }
}
