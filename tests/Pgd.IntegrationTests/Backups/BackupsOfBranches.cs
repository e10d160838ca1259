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
        Succeed(encrypted, "init");
        var backup = JsonNode.Parse(Succeed(encrypted, "create", "shop/main", "--json"))!;
        Assert.Equal(("shop/main", "complete"), ($"{backup["source"]}", $"{backup["status"]}"));
        await _root.SqlAsync(ToolRoot.Main, "delete from orders where id = 1");
        Succeed(encrypted, "create", "shop/main");

        Assert.Contains(" is whole (restored)", Succeed(encrypted, "verify", $"{backup["id"]}", "--level", "restore"), StringComparison.Ordinal);
        Succeed(encrypted, "restore", $"{backup["id"]}", "--to-branch", "shop/restored");
        Assert.Equal(data, await _root.ChecksumAsync(ToolRoot.Branch("restored")));
        Succeed(encrypted, "restore", "latest", "--to-branch", "shop/newest");
        Assert.Equal(await _root.ChecksumAsync(ToolRoot.Main), await _root.ChecksumAsync(ToolRoot.Branch("newest")));
        Assert.Contains("shop/restored exists already", Run(encrypted, "restore", "latest", "--to-branch", "shop/restored").Error, StringComparison.Ordinal);
        var listed = JsonNode.Parse(Succeed(encrypted, "list", "shop", "--json"))!.AsArray();
        Assert.Equal(["restore", null], listed.Select(b => b!["verified"]?["level"]?.ToString()));

        var folder = Path.Combine(_folder.Path, "data");
        Succeed(encrypted, "restore", $"{backup["id"]}", "--to", folder);
        Assert.True(File.Exists(Path.Combine(folder, "PG_VERSION")));
        Assert.Contains("is not empty", Run(encrypted, "restore", "latest", "--to", folder).Error, StringComparison.Ordinal);

        if (encrypted)
        {
            var wrong = _root.ToolWith(new() { ["PGD_BACKUP_REPOSITORY"] = Repository, ["PGD_BACKUP_PASSPHRASE"] = "another one" }, "backup", "list");
            Assert.NotEqual(0, wrong.Status);
            Assert.DoesNotContain("shop", wrong.Output + wrong.Error, StringComparison.Ordinal);
            // Nothing in the repository tells what is in it.
            Assert.DoesNotContain(Directory.EnumerateFiles(Repository, "*", SearchOption.AllDirectories), file => File.ReadAllText(file).Contains("pg_control", StringComparison.Ordinal));
        }

        Assert.Contains("Would delete ", Succeed(encrypted, "prune", "--keep", "last=1", "--dry-run"), StringComparison.Ordinal);
        Assert.Contains($"Deleted {backup["id"]}", Succeed(encrypted, "prune", "--keep", "last=1"), StringComparison.Ordinal);
        Assert.Single(JsonNode.Parse(Succeed(encrypted, "list", "--json"))!.AsArray());
        _root.Succeed("branch", "delete", "shop/restored");
        _root.Succeed("branch", "delete", "shop/newest");
        await _root.SqlAsync(ToolRoot.Main, "insert into orders select 1, md5('1')");
        Assert.Equal(before, _root.SteadyListing());
    }

    [Fact]
    public void Whatever_is_flipped_or_missing_is_noticed_and_nothing_of_it_is_restored()
    {
        Succeed(encrypted: false, "init");
        Succeed(encrypted: false, "create", "shop/main");
        var before = _root.SteadyListing();
        var random = new Random(20261129);
        foreach (var file in Directory.EnumerateFiles(Path.Combine(Repository, "i"), "*", SearchOption.AllDirectories).ToList())
        {
            var whole = File.ReadAllBytes(file);
            foreach (var damage in (byte[][])[[.. whole.Select((b, i) => i == random.Next(1) + (whole.Length / 2) ? (byte)(b ^ 4) : b)], whole[..^1], []])
            {
                File.WriteAllBytes(file, damage);
                var verified = Run(encrypted: false, "verify", "latest");
                Assert.True(verified.Status != 0, $"{file}: {verified}");
                var restored = Run(encrypted: false, "restore", "latest", "--to-branch", "shop/restored");
                Assert.True(restored.Status != 0, $"{file}: {restored}");
                Assert.Equal(before, _root.SteadyListing());
            }

            File.Delete(file);
            Assert.NotEqual(0, Run(encrypted: false, "restore", "latest", "--to", Path.Combine(_folder.Path, "data")).Status);
            Assert.False(Directory.Exists(Path.Combine(_folder.Path, "data")));
            File.WriteAllBytes(file, whole);
            foreach (var kept in Directory.EnumerateFiles(Path.Combine(Repository, "i"), "*.json", SearchOption.AllDirectories).Where(f => f.Contains("/verified/", StringComparison.Ordinal)))
                File.Delete(kept);
        }

        Assert.Equal(0, Run(encrypted: false, "verify", "latest").Status);
    }

    [Theory]
    [InlineData("backup:snapshot")]
    [InlineData("backup:part")]
    [InlineData("backup:manifest")]
    [InlineData("backup:committed")]
    public void One_that_is_killed_is_none_and_leaves_nothing_that_is_not_taken_away(string place)
    {
        Succeed(encrypted: false, "init");
        var before = _root.SteadyListing();

        Assert.Equal(137, _root.ToolWith(Environment(encrypted: false, new() { ["PGD_KILL_AT"] = place }), "backup", "create", "shop/main").Status);

        var complete = place == "backup:committed";
        Assert.Equal(complete ? 0 : 4, Run(encrypted: false, "verify", "latest").Status);
        _root.Succeed("doctor", "--fix");
        Assert.Equal(before, _root.SteadyListing());
        Succeed(encrypted: false, "create", "shop/main");
        Succeed(encrypted: false, "prune", "--keep", "last=5");
        Assert.Equal(complete ? 2 : 1, JsonNode.Parse(Succeed(encrypted: false, "list", "--json"))!.AsArray().Count);
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

    private ToolResult Run(bool encrypted, params string[] arguments) => _root.ToolWith(Environment(encrypted), ["backup", .. arguments]);

    private string Succeed(bool encrypted, params string[] arguments)
    {
        var result = Run(encrypted, arguments);
        Assert.True(result.Status == 0, $"dotnet pgd backup {string.Join(' ', arguments)}: {result}");
        return result.Output;
    }
}
