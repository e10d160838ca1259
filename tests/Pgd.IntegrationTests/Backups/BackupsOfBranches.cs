using System.Text.Json.Nodes;
using Pgd.IntegrationTests.Branches;
using Pgd.IntegrationTests.GitHub;
using Xunit;

namespace Pgd.IntegrationTests.Backups;

/// <summary>Physical backups of branches in a folder, by the tool.</summary>
public sealed class BackupsOfBranches : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();
    private readonly Dictionary<string, string> _environment = [];
    private ToolRoot _root = null!;

    /// <inheritdoc/>
    public async ValueTask InitializeAsync()
    {
        _root = await ToolRoot.WithUsedProjectAsync("reflink");
        _environment["PGD_BACKUP_REPOSITORY"] = Repository;
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _root.Dispose();
        _folder.Dispose();
        return ValueTask.CompletedTask;
    }

    [Theory]
    [InlineData(null)]
    [InlineData("PGD_BACKUP_PASSPHRASE")]
    [InlineData("PGD_BACKUP_KEY_FILE")]
    public async Task A_branch_is_backed_up_proved_and_restored_as_a_branch_and_into_a_folder(string? key)
    {
        if (key is not null)
            _environment[key] = key == "PGD_BACKUP_KEY_FILE" ? KeyFile() : "correct horse battery staple";
        var before = _root.SteadyListing();
        var data = await _root.ChecksumAsync(ToolRoot.Main);
        await SucceedAsync("init");
        var backup = JsonNode.Parse(await SucceedAsync("create", "shop/main", "--json"))!;
        Assert.Equal(("shop/main", "complete"), ($"{backup["source"]}", $"{backup["status"]}"));
        await _root.SqlAsync(ToolRoot.Main, "delete from orders where id = 1");
        await SucceedAsync("create", "shop/main");

        Assert.Contains(" is whole (restored)", await SucceedAsync("verify", $"{backup["id"]}", "--level", "restore"), StringComparison.Ordinal);
        await SucceedAsync("restore", $"{backup["id"]}", "--to-branch", "shop/restored");
        Assert.Equal(data, await _root.ChecksumAsync(ToolRoot.Branch("restored")));
        await SucceedAsync("restore", "latest", "--to-branch", "shop/newest");
        Assert.Equal(await _root.ChecksumAsync(ToolRoot.Main), await _root.ChecksumAsync(ToolRoot.Branch("newest")));
        Assert.Contains("shop/restored exists already", (await RunAsync("restore", "latest", "--to-branch", "shop/restored")).Error, StringComparison.Ordinal);
        var listed = JsonNode.Parse(await SucceedAsync("list", "shop", "--json"))!.AsArray();
        Assert.Equal(["restore", null], listed.Select(b => b!["verified"]?["level"]?.ToString()));

        var folder = Path.Combine(_folder.Path, "data");
        await SucceedAsync("restore", $"{backup["id"]}", "--to", folder);
        Assert.Equal(data, ChecksumOfFolder(folder));
        Assert.Contains("is not empty", (await RunAsync("restore", "latest", "--to", folder)).Error, StringComparison.Ordinal);

        // Each object begins as one that is encrypted does, or as a zstd frame; a verification and digests are not compressed.
        byte[] encrypted = "pgdE"u8.ToArray(), frame = [0x28, 0xb5, 0x2f, 0xfd];
        Assert.All(Directory.EnumerateFiles(Path.Combine(Repository, "i"), "*", SearchOption.AllDirectories).Where(file => Path.GetFileName(file) != "COMMITTED" && (key is not null || !file.Contains("/blocks/", StringComparison.Ordinal))), file =>
            Assert.Equal(key is not null ? encrypted : file.Contains("/verified/", StringComparison.Ordinal) ? "{\"le"u8.ToArray() : frame, File.ReadAllBytes(file)[..4]));
        if (key is not null)
        {
            var wrong = _root.ToolWith(new() { ["PGD_BACKUP_REPOSITORY"] = Repository, ["PGD_BACKUP_PASSPHRASE"] = "another one" }, "backup", "list");
            Assert.Equal(2, wrong.Status);
            Assert.DoesNotContain("shop", wrong.Output + wrong.Error, StringComparison.Ordinal);
        }

        Assert.Contains("Would delete ", await SucceedAsync("prune", "--keep", "last=1", "--dry-run"), StringComparison.Ordinal);
        Assert.Contains($"Deleted {backup["id"]}", await SucceedAsync("prune", "--keep", "last=1"), StringComparison.Ordinal);
        Assert.Single(JsonNode.Parse(await SucceedAsync("list", "--json"))!.AsArray());
        _root.Succeed("branch", "delete", "shop/restored");
        _root.Succeed("branch", "delete", "shop/newest");
        await _root.SqlAsync(ToolRoot.Main, "insert into orders select 1, md5('1')");
        Assert.Equal(before, _root.SteadyListing());
        // Of what came and went nothing is left in the repository either.
        Assert.Equal(["i", "repo.json"], Directory.GetFileSystemEntries(Repository).Select(Path.GetFileName).Where(name => name![0] != '.').Order());
    }

    [Fact]
    public async Task A_machine_with_the_public_key_backs_up_what_only_the_private_one_restores()
    {
        var key = Path.Combine(_folder.Path, "backup.key");
        var (writes, reads) = (new Dictionary<string, string>(_environment) { ["PGD_BACKUP_PUBLIC_KEY_FILE"] = key + ".pub" }, new Dictionary<string, string>(_environment) { ["PGD_BACKUP_KEY_FILE"] = key });
        async Task<string> WritesAsync(params string[] arguments)
        {
            var result = await _root.InProcessWithAsync(writes, arguments);
            Assert.True(result.Status == 0, $"dotnet pgd {string.Join(' ', arguments)}: {result}");
            return result.Output;
        }

        await WritesAsync("backup", "keygen", "--to", key);
        Assert.Equal(5, (await RunAsync("keygen", "--to", key)).Status);
        await SucceedAsync("init", "--public-key", key + ".pub");
        var data = await _root.ChecksumAsync(ToolRoot.Main);
        var made = JsonNode.Parse(await WritesAsync("backup", "create", "shop/main", "--json"))!;
        Assert.Equal("complete", $"{made["status"]}");
        var id = $"{made["id"]}";
        var told = await WritesAsync("backup", "create", "shop/main", "--incremental");
        Assert.Contains("full, because what it could build on is read with the private key", told, StringComparison.Ordinal);
        Assert.Contains("--key-file PRIVATE-KEY", told, StringComparison.Ordinal);
        Assert.Contains("full, because", await WritesAsync("backup", "create", "shop/main", "--mode", "logical", "--incremental"), StringComparison.Ordinal);
        var listed = JsonNode.Parse(await WritesAsync("backup", "list", "--json"))!.AsArray();
        Assert.Equal(["complete", "complete", "complete"], listed.Select(b => $"{b!["status"]}"));
        Assert.All(listed, b => Assert.True((bool)b!["isSealed"]! && b["source"] is null && b["createdAt"] is not null));
        Assert.Matches($@"{id} +\(sealed\) +full ", await WritesAsync("backup", "list"));
        foreach (var file in Directory.EnumerateFiles(Path.Combine(Repository, "i"), "*", SearchOption.AllDirectories).Where(file => Path.GetFileName(file) != "COMMITTED"))
            Assert.Equal("pgdE\u0002"u8.ToArray(), File.ReadAllBytes(file)[..5]);

        foreach (var arguments in (string[][])[["restore", id, "--to-branch", "shop/never"], ["verify", id], ["prune", "--keep", "last=1"], ["pin", id], ["list", "--compat"], ["export", id, "--to", _folder.Path]])
        {
            var refused = await _root.InProcessWithAsync(writes, ["backup", .. arguments]);
            Assert.True(refused.Status == 2 && refused.Error.Contains("is read with its private key, and only the public one was given", StringComparison.Ordinal) && refused.Error.Contains("--key-file FILE", StringComparison.Ordinal), $"{arguments[0]}: {refused}");
        }

        // Without the file of the public key, as where the private one is.
        File.Delete(key + ".pub");
        var restored = await _root.InProcessWithAsync(reads, "backup", "restore", id, "--to-branch", "shop/restored");
        Assert.True(restored.Status == 0, restored.ToString());
        Assert.Equal(data, await _root.ChecksumAsync(ToolRoot.Branch("restored")));
        var incremental = await _root.InProcessWithAsync(reads, "backup", "create", "shop/main", "--incremental");
        Assert.True(incremental.Status == 0 && incremental.Output.Contains("incremental, built on", StringComparison.Ordinal), incremental.ToString());
        var proved = await _root.InProcessWithAsync(reads, "backup", "verify", "latest");
        Assert.True(proved.Status == 0, proved.ToString());
        Assert.Equal(0, (await _root.InProcessWithAsync(reads, "backup", "prune", "--keep", "last=1")).Status);
    }

    [Fact]
    public async Task The_repository_may_be_a_bucket()
    {
        await using var server = await S3Server.StartAsync();
        var environment = new Dictionary<string, string>(S3Server.Environment) { ["PGD_BACKUP_REPOSITORY"] = $"s3://{S3Server.Bucket}/shop?endpoint={server.Proxy.Address}&path-style=true" };
        foreach (var arguments in (string[][])[["init"], ["create", "shop/main"], ["verify", "latest", "--level", "restore"], ["restore", "latest", "--to-branch", "shop/restored"], ["prune", "--keep", "last=1"]])
        {
            var result = await _root.InProcessWithAsync(environment, ["backup", .. arguments]);
            Assert.True(result.Status == 0, $"dotnet pgd backup {string.Join(' ', arguments)}: {result}");
            Assert.DoesNotContain("S3RVER", result.Output + result.Error, StringComparison.Ordinal);
        }

        Assert.Equal(await _root.ChecksumAsync(ToolRoot.Main), await _root.ChecksumAsync(ToolRoot.Branch("restored")));
        Assert.Empty(server.OpenUploads());
        server.Proxy.IsConditional = false;
        Assert.Contains("cannot write only what is not there yet", (await _root.InProcessWithAsync(environment, "backup", "create", "shop/main")).Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Whatever_is_flipped_or_missing_is_noticed_and_nothing_of_it_is_restored()
    {
        await SucceedAsync("init");
        await SucceedAsync("create", "shop/main");
        var id = $"{JsonNode.Parse(await SucceedAsync("create", "shop/main", "--incremental", "--json"))!["id"]}";
        var before = _root.SteadyListing();
        foreach (var file in Directory.EnumerateFiles(Path.Combine(Repository, "i"), "*", SearchOption.AllDirectories).ToList())
        {
            var whole = File.ReadAllBytes(file);
            byte[][] damages = [[.. whole.Select((b, i) => i == whole.Length / 2 ? (byte)(b ^ 4) : b)], whole[..^1], []];
            // What it builds on is read in the same way.
            foreach (var damage in file.Contains(id, StringComparison.Ordinal) ? damages : damages[..1])
            {
                File.WriteAllBytes(file, damage);
                var verified = await RunAsync("verify", id);
                Assert.True(verified.Status != 0, $"{file}: {verified}");
                var restored = IsForLaterOnes(file) || damage != damages[0] ? null : await RunAsync("restore", id, "--to-branch", "shop/restored");
                Assert.True(restored?.Status != 0, $"{file}: {restored}");
            }

            Assert.Equal(before, _root.SteadyListing());
            File.Delete(file);
            Assert.NotEqual(0, (await RunAsync("verify", id, "--level", "objects")).Status);
            Assert.True(IsForLaterOnes(file) || 0 != (await RunAsync("restore", id, "--to", Path.Combine(_folder.Path, "data"))).Status);
            Assert.False(Directory.Exists(Path.Combine(_folder.Path, "data")));
            File.WriteAllBytes(file, whole);
            foreach (var kept in Directory.EnumerateFiles(Path.Combine(Repository, "i"), "*.json", SearchOption.AllDirectories).Where(f => f.Contains("/verified/", StringComparison.Ordinal)))
                File.Delete(kept);
        }

        Assert.Equal(0, (await RunAsync("verify", id)).Status);

        // A restore does without the digests of blocks; the next backup does not.
        static bool IsForLaterOnes(string file) => file.Contains("/blocks/", StringComparison.Ordinal);
    }

    [Fact]
    public async Task Of_what_changed_since_a_backup_the_changed_pages_are_stored_and_each_backup_gives_back_its_own_moment()
    {
        await SucceedAsync("init");
        await _root.SqlAsync(ToolRoot.Main, "insert into orders select i, md5(i::text) from generate_series(2000, 100000) i");
        var made = new List<(string? Data, JsonNode Backup)>();
        foreach (var (change, option) in ((string, string)[])[("update orders set note = 'first' where id = 1", "--incremental"), ("update orders set note = 'second' where id < 100", "--incremental"), ("delete from orders where id > 90000", "--differential"), ("vacuum full orders", "--incremental")])
        {
            await _root.SqlAsync(ToolRoot.Main, change);
            made.Add((await _root.ChecksumAsync(ToolRoot.Main), JsonNode.Parse(await SucceedAsync("create", "shop/main", option, "--json"))!));
        }

        Assert.Equal(["full", "incremental", "differential", "incremental"], made.Select(m => $"{m.Backup["kind"]}"));
        Assert.Equal("there is none to build on", $"{made[0].Backup["fullBecause"]}");
        Assert.Equal([$"{made[0].Backup["id"]}", $"{made[0].Backup["id"]}", $"{made[2].Backup["id"]}"], made[1..].Select(m => $"{m.Backup["parent"]}"));
        Assert.InRange((long)made[1].Backup["storedBytes"]!, 1, (long)made[0].Backup["storedBytes"]! / 4);
        await SucceedAsync("restore", $"{made[2].Backup["id"]}", "--to-branch", "shop/restored");
        Assert.Equal(made[2].Data, await _root.ChecksumAsync(ToolRoot.Branch("restored")));
        var folder = Path.Combine(_folder.Path, "data");
        await SucceedAsync("restore", $"{made[1].Backup["id"]}", "--to", folder);
        Assert.Equal(made[1].Data, ChecksumOfFolder(folder));
        Assert.Contains(" is whole (restored)", await SucceedAsync("verify", "latest", "--level", "restore"), StringComparison.Ordinal);
        // What is made again is another one, and so is what was reset.
        await SucceedAsync("create", "shop/restored");
        Assert.Equal(0, (await _root.InProcessAsync("branch", "reset", "shop/restored")).Status);
        Assert.Contains("its source was reset, restored or made again", await SucceedAsync("create", "shop/restored", "--incremental"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("backup:snapshot")]
    [InlineData("backup:part")]
    [InlineData("backup:manifest")]
    [InlineData("backup:committed")]
    [InlineData("backup:definitions", "--mode", "logical")]
    [InlineData("backup:part", "--mode", "logical")]
    [InlineData("backup:part", "--incremental")]
    [InlineData("backup:blocks", "--incremental")]
    [InlineData("backup:committed", "--incremental")]
    public async Task One_that_is_killed_is_none_and_leaves_nothing_that_is_not_taken_away(string place, params string[] options)
    {
        await SucceedAsync("init");
        var earlier = options.Contains("--incremental") ? 1 : 0;
        if (earlier > 0)
            await SucceedAsync("create", "shop/main");
        var before = _root.SteadyListing();

        Assert.Equal(137, Killed(place, ["create", "shop/main", .. options]));

        var complete = place == "backup:committed" ? 1 : 0;
        Assert.Equal(complete + earlier > 0 ? 0 : 4, (await RunAsync("verify", "latest")).Status);
        _root.Succeed("doctor", "--fix");
        Assert.Equal(before, _root.SteadyListing());
        await SucceedAsync(["create", "shop/main", .. options]);
        await SucceedAsync("prune", "--keep", "last=5");
        Assert.Equal(earlier + complete + 1, JsonNode.Parse(await SucceedAsync("list", "--json"))!.AsArray().Count);
        Assert.Equal(before, _root.SteadyListing());
    }

    [Fact]
    public async Task A_branchs_database_is_backed_up_as_well_and_no_backup_of_a_table_pushes_out_one_of_all()
    {
        await SucceedAsync("init");
        await SucceedAsync("create", "shop/main");
        await SucceedAsync("create", "shop/main", "--mode", "logical");
        await SucceedAsync("create", "shop/main", "--table", "orders");
        await SucceedAsync("create", "shop/main", "--table", "orders");
        Assert.Equal(3, JsonNode.Parse(await SucceedAsync("prune", "shop/main", "--keep", "last=1", "--json"))!["kept"]!.AsArray().Count);

        var left = JsonNode.Parse(await SucceedAsync("list", "shop", "--json"))!.AsArray();
        Assert.Equal([("physical", false), ("logical", false), ("logical", true)], left.Select(b => ($"{b!["mode"]}", (bool)b["isPartial"]!)));
        Assert.Matches(@"shop/main:shop, 1 table ", await SucceedAsync("list"));
        Assert.Contains("is whole (restored)", await SucceedAsync("verify", $"{left[1]!["id"]}", "--level", "restore"), StringComparison.Ordinal);
        await SucceedAsync("restore", $"{left[1]!["id"]}", "--to-branch", "shop/restored");
        Assert.Equal(await _root.ChecksumAsync(ToolRoot.Main), await _root.ChecksumAsync(ToolRoot.Branch("restored")));
    }

    [Fact]
    public async Task A_job_on_GitHub_shows_what_was_backed_up_and_what_is_damaged_on_its_page()
    {
        await SucceedAsync("init");
        var summary = _environment["GITHUB_STEP_SUMMARY"] = Path.Combine(_folder.Path, "summary.md");
        var id = $"{JsonNode.Parse(await SucceedAsync("create", "shop/main", "--mode", "logical", "--json"))!["id"]}";
        Assert.Matches($@"^### Backed up `shop/main`\n\n- `{id}`: 1 table, 1000 rows, [^\n]+ in the repository\n", await File.ReadAllTextAsync(summary));
        await SucceedAsync("verify", "latest");
        Assert.Contains($"### The backup `{id}` is whole\n\n- of `shop/main`: every byte was read\n", await File.ReadAllTextAsync(summary), StringComparison.Ordinal);

        File.Delete(Directory.EnumerateFiles(Repository, "00000.copy", SearchOption.AllDirectories).Single());
        Assert.Equal(1, (await RunAsync("verify", "latest")).Status);
        Assert.Contains($"### The backup `{id}` is damaged\n\n- ", await File.ReadAllTextAsync(summary), StringComparison.Ordinal);

        // A page that cannot be written takes nothing from the backup.
        _environment["GITHUB_STEP_SUMMARY"] = _folder.Path;
        var made = await RunAsync("create", "shop/main");
        Assert.True(made.Status == 0 && made.Error.Contains("the step summary cannot be written", StringComparison.Ordinal), made.ToString());
    }

    [Fact]
    public async Task A_pinned_backup_stays_whatever_the_rules_say_until_it_is_unpinned()
    {
        await SucceedAsync("init");
        var id = $"{JsonNode.Parse(await SucceedAsync("create", "shop/main", "--json"))!["id"]}";
        await SucceedAsync("create", "shop/main", "--mode", "logical");
        await SucceedAsync("create", "shop/main");
        Assert.Contains($"Pinned {id}: before the move", await SucceedAsync("pin", id, "--reason", "before the move"), StringComparison.Ordinal);

        Assert.Equal("before the move", $"{JsonNode.Parse(await SucceedAsync("list", "--json"))![0]!["pinned"]!["reason"]}");
        Assert.Contains("before the move", await SucceedAsync("list"), StringComparison.Ordinal);
        Assert.Contains($"Kept {id}: pinned: before the move", await SucceedAsync("prune", "--keep", "last=1"), StringComparison.Ordinal);
        Assert.Equal(0, (await RunAsync("verify", id)).Status);

        // Whatever happens to the note, it holds.
        var note = Directory.EnumerateFiles(Repository, "pinned.json", SearchOption.AllDirectories).Single();
        await File.WriteAllTextAsync(note, "{}");
        Assert.Contains($"Kept {id}: pinned: why cannot be read", await SucceedAsync("prune", "--keep", "last=1"), StringComparison.Ordinal);
        Assert.Equal(3, JsonNode.Parse(await SucceedAsync("list", "--json"))!.AsArray().Count);

        Assert.Null(JsonNode.Parse(await SucceedAsync("unpin", id, "--json"))!["pinned"]);
        Assert.Contains($"Deleted {id}", await SucceedAsync("prune", "--keep", "last=1"), StringComparison.Ordinal);
        Assert.Equal(4, (await RunAsync("pin", id)).Status);
        Assert.Equal(["i", "repo.json"], Directory.GetFileSystemEntries(Repository).Select(Path.GetFileName).Where(name => name![0] != '.').Order());
    }

    [Fact]
    public async Task A_prune_that_is_killed_is_done_by_the_next_one()
    {
        await SucceedAsync("init");
        await SucceedAsync("create", "shop/main");
        await SucceedAsync("create", "shop/main");

        Assert.Equal(137, Killed("backup-delete:mark", ["prune", "--keep", "last=1"]));

        Assert.Equal(["complete", "incomplete"], JsonNode.Parse(await SucceedAsync("list", "--json"))!.AsArray().Select(b => $"{b!["status"]}").Order());
        await SucceedAsync("prune", "--keep", "last=1");
        Assert.Single(JsonNode.Parse(await SucceedAsync("list", "--json"))!.AsArray());
    }

    [Fact]
    public async Task What_contradicts_itself_is_refused_and_a_secret_in_the_wrong_place_is_told_to_nobody()
    {
        await SucceedAsync("init");
        foreach (var (arguments, told) in (IReadOnlyList<(string[], string)>)[
            (["create", "shop/main", "--source", "postgresql://u@h/d"], "more than one is given"),
            (["create", "shop/main", "--mode", "physical", "--source", "postgresql://u@h/d"], "more than one is given"),
            (["create", "shop/main", "--mode", "physical", "--database", "shop"], "a physical backup is one of a whole cluster"),
            (["create", "--mode", "physical"], "no server is named"),
            (["create", "--mode", "physical", "--source", "postgresql://u@h/d", "--table", "t"], "a physical backup is one of a whole cluster"),
            (["restore", "latest", "--to", "/x", "--password-stdin"], "--password-stdin is for --to-url"),
            (["restore", "latest"], "it is not said where"),
            (["restore", "latest", "--to", "/x", "--to-branch", "shop/y"], "to one place at a time"),
            (["list", "--repo", "s3://key:s3cret@bucket/x"], "has a user's name or key in it"),
            (["prune", "--keep", "last=1", "--repo", "ftp://key:s3cret@host/x"], "a repository cannot be at ftp://"),
            (["create", "shop/main", "--password", "s3cret"], "--password is refused")])
        {
            var refused = await RunAsync(arguments);
            Assert.True(refused.Status == 2 && refused.Error.Contains(told, StringComparison.Ordinal), $"{string.Join(' ', arguments)}: {refused}");
            Assert.DoesNotContain("s3cret", refused.Output + refused.Error, StringComparison.Ordinal);
        }

        Assert.Empty(JsonNode.Parse(await SucceedAsync("list", "--json"))!.AsArray());
        var audited = await File.ReadAllTextAsync(_root.Workspace.Layout.AuditLog);
        Assert.Contains("backup list", audited, StringComparison.Ordinal);
        Assert.DoesNotContain("s3cret", audited, StringComparison.Ordinal);
    }

    private string Repository => Path.Combine(_folder.Path, "repository");

    private string KeyFile()
    {
        var file = Path.Combine(_folder.Path, "key");
        _folder.Write("key", Convert.ToBase64String(new byte[32]) + "\n");
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        return file;
    }

    // By a server of its own, and nothing else of ours.
    private string ChecksumOfFolder(string folder)
    {
        LabCommand.Run("chown", "-R", "postgres", folder);
        File.SetUnixFileMode(_folder.Path, LabFolder.Traversable);
        var (programs, port) = (Lab.Current.Servers.Folder(15), ScratchServer.FreePort());
        LabCommand.Run("runuser", "-u", "postgres", "--", $"{programs}/pg_ctl", "start", "-w", "-D", folder, "-l", $"{folder}/log.txt", "-o", $"-p {port} -k {folder} -c listen_addresses=");
        try
        {
            return LabCommand.Run("runuser", "-u", "postgres", "--", "psql", "-h", folder, "-p", $"{port}", "-U", "postgres", "-d", "shop", "-Atc", "select count(*) || '/' || sum(hashtextextended(o::text, 0)) from orders o").Trim();
        }
        finally
        {
            LabCommand.Run("runuser", "-u", "postgres", "--", $"{programs}/pg_ctl", "stop", "-w", "-D", folder, "-m", "immediate");
        }
    }

    private int Killed(string place, IReadOnlyList<string> arguments) => _root.ToolWith(new(_environment) { ["PGD_KILL_AT"] = place }, ["backup", .. arguments]).Status;

    private Task<ToolResult> RunAsync(params string[] arguments) => _root.InProcessWithAsync(_environment, ["backup", .. arguments]);

    private async Task<string> SucceedAsync(params string[] arguments)
    {
        var result = await RunAsync(arguments);
        Assert.True(result.Status == 0, $"dotnet pgd backup {string.Join(' ', arguments)}: {result}");
        return result.Output;
    }
}
