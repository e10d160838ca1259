using System.Text.Json.Nodes;
using Pgd.IntegrationTests.GitHub;
using Xunit;

namespace Pgd.IntegrationTests.Backups;

/// <summary>Physical backups of branches in a folder, by the tool.</summary>
public sealed class BackupsOfBranches : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();
    private ToolRoot _root = null!;

    /// <inheritdoc/>
    public async ValueTask InitializeAsync() => _root = await ToolRoot.WithUsedProjectAsync("reflink");

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _root.Dispose();
        _folder.Dispose();
        return ValueTask.CompletedTask;
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_branch_is_backed_up_proved_and_restored_as_a_branch_and_into_a_folder(bool encrypted)
    {
        var before = _root.SteadyListing();
        var data = await _root.ChecksumAsync(ToolRoot.Main);
        await SucceedAsync(encrypted, "init");
        var backup = JsonNode.Parse(await SucceedAsync(encrypted, "create", "shop/main", "--json"))!;
        Assert.Equal(("shop/main", "complete"), ($"{backup["source"]}", $"{backup["status"]}"));
        await _root.SqlAsync(ToolRoot.Main, "delete from orders where id = 1");
        await SucceedAsync(encrypted, "create", "shop/main");

        Assert.Contains(" is whole (restored)", await SucceedAsync(encrypted, "verify", $"{backup["id"]}", "--level", "restore"), StringComparison.Ordinal);
        await SucceedAsync(encrypted, "restore", $"{backup["id"]}", "--to-branch", "shop/restored");
        Assert.Equal(data, await _root.ChecksumAsync(ToolRoot.Branch("restored")));
        await SucceedAsync(encrypted, "restore", "latest", "--to-branch", "shop/newest");
        Assert.Equal(await _root.ChecksumAsync(ToolRoot.Main), await _root.ChecksumAsync(ToolRoot.Branch("newest")));
        Assert.Contains("shop/restored exists already", (await RunAsync(encrypted, "restore", "latest", "--to-branch", "shop/restored")).Error, StringComparison.Ordinal);
        var listed = JsonNode.Parse(await SucceedAsync(encrypted, "list", "shop", "--json"))!.AsArray();
        Assert.Equal(["restore", null], listed.Select(b => b!["verified"]?["level"]?.ToString()));

        var folder = Path.Combine(_folder.Path, "data");
        await SucceedAsync(encrypted, "restore", $"{backup["id"]}", "--to", folder);
        Assert.True(File.Exists(Path.Combine(folder, "PG_VERSION")));
        Assert.Contains("is not empty", (await RunAsync(encrypted, "restore", "latest", "--to", folder)).Error, StringComparison.Ordinal);

        if (encrypted)
        {
            var wrong = _root.ToolWith(new() { ["PGD_BACKUP_REPOSITORY"] = Repository, ["PGD_BACKUP_PASSPHRASE"] = "another one" }, "backup", "list");
            Assert.NotEqual(0, wrong.Status);
            Assert.DoesNotContain("shop", wrong.Output + wrong.Error, StringComparison.Ordinal);
            // Nothing in the repository tells what is in it.
            Assert.DoesNotContain(Directory.EnumerateFiles(Repository, "*", SearchOption.AllDirectories), file => File.ReadAllText(file).Contains("pg_control", StringComparison.Ordinal));
        }

        Assert.Contains("Would delete ", await SucceedAsync(encrypted, "prune", "--keep", "last=1", "--dry-run"), StringComparison.Ordinal);
        Assert.Contains($"Deleted {backup["id"]}", await SucceedAsync(encrypted, "prune", "--keep", "last=1"), StringComparison.Ordinal);
        Assert.Single(JsonNode.Parse(await SucceedAsync(encrypted, "list", "--json"))!.AsArray());
        _root.Succeed("branch", "delete", "shop/restored");
        _root.Succeed("branch", "delete", "shop/newest");
        await _root.SqlAsync(ToolRoot.Main, "insert into orders select 1, md5('1')");
        Assert.Equal(before, _root.SteadyListing());
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
    }

    [Fact]
    public async Task Whatever_is_flipped_or_missing_is_noticed_and_nothing_of_it_is_restored()
    {
        await SucceedAsync(encrypted: false, "init");
        await SucceedAsync(encrypted: false, "create", "shop/main");
        var before = _root.SteadyListing();
        var random = new Random(20261129);
        foreach (var file in Directory.EnumerateFiles(Path.Combine(Repository, "i"), "*", SearchOption.AllDirectories).ToList())
        {
            var whole = File.ReadAllBytes(file);
            foreach (var damage in (byte[][])[[.. whole.Select((b, i) => i == random.Next(1) + (whole.Length / 2) ? (byte)(b ^ 4) : b)], whole[..^1], []])
            {
                File.WriteAllBytes(file, damage);
                var verified = await RunAsync(encrypted: false, "verify", "latest");
                Assert.True(verified.Status != 0, $"{file}: {verified}");
                var restored = await RunAsync(encrypted: false, "restore", "latest", "--to-branch", "shop/restored");
                Assert.True(restored.Status != 0, $"{file}: {restored}");
                Assert.Equal(before, _root.SteadyListing());
            }

            File.Delete(file);
            Assert.NotEqual(0, (await RunAsync(encrypted: false, "restore", "latest", "--to", Path.Combine(_folder.Path, "data"))).Status);
            Assert.False(Directory.Exists(Path.Combine(_folder.Path, "data")));
            File.WriteAllBytes(file, whole);
            foreach (var kept in Directory.EnumerateFiles(Path.Combine(Repository, "i"), "*.json", SearchOption.AllDirectories).Where(f => f.Contains("/verified/", StringComparison.Ordinal)))
                File.Delete(kept);
        }

        Assert.Equal(0, (await RunAsync(encrypted: false, "verify", "latest")).Status);
    }

    [Theory]
    [InlineData("backup:snapshot")]
    [InlineData("backup:part")]
    [InlineData("backup:manifest")]
    [InlineData("backup:committed")]
    public async Task One_that_is_killed_is_none_and_leaves_nothing_that_is_not_taken_away(string place)
    {
        await SucceedAsync(encrypted: false, "init");
        var before = _root.SteadyListing();

        Assert.Equal(137, _root.ToolWith(Environment(encrypted: false, new() { ["PGD_KILL_AT"] = place }), "backup", "create", "shop/main").Status);

        var complete = place == "backup:committed";
        Assert.Equal(complete ? 0 : 4, (await RunAsync(encrypted: false, "verify", "latest")).Status);
        _root.Succeed("doctor", "--fix");
        Assert.Equal(before, _root.SteadyListing());
        await SucceedAsync(encrypted: false, "create", "shop/main");
        await SucceedAsync(encrypted: false, "prune", "--keep", "last=5");
        Assert.Equal(complete ? 2 : 1, JsonNode.Parse(await SucceedAsync(encrypted: false, "list", "--json"))!.AsArray().Count);
        Assert.Equal(before, _root.SteadyListing());
    }

    private string Repository => Path.Combine(_folder.Path, "repository");

    private Dictionary<string, string> Environment(bool encrypted, Dictionary<string, string>? more = null)
    {
        var all = more ?? [];
        all["PGD_BACKUP_REPOSITORY"] = Repository;
        if (encrypted)
            all["PGD_BACKUP_PASSPHRASE"] = "correct horse battery staple";
        return all;
    }

    private Task<ToolResult> RunAsync(bool encrypted, params string[] arguments) => _root.InProcessWithAsync(Environment(encrypted), ["backup", .. arguments]);

    private async Task<string> SucceedAsync(bool encrypted, params string[] arguments)
    {
        var result = await RunAsync(encrypted, arguments);
        Assert.True(result.Status == 0, $"dotnet pgd backup {string.Join(' ', arguments)}: {result}");
        return result.Output;
    }
}
