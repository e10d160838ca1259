using System.Text.Json.Nodes;
using Xunit;

namespace Pgd.IntegrationTests.GitHub;

/// <summary>The story in a bare shell, as any CI system runs it: who the pull request is, is told, and nobody is asked.</summary>
public sealed class PullRequestsByHand : IDisposable
{
    private static readonly string[] About = ["--provider", "none", "--repository", "octo/shop", "--number", "42"];
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_branch_is_made_migrated_told_of_and_deleted()
    {
        using var root = await ToolRoot.WithUsedProjectAsync("reflink");
        var before = root.SteadyListing();
        _folder.Write("pgd.yml", "project: shop\nrole: postgres\nmigrations:\n  files: db/*.sql\n  ledger: public.ledger\nbudget:\n  deny: [drop-column]\n");
        _folder.Write("db/1.sql", "set lock_timeout = '3s';\nalter table orders add column flag text;\n");

        var up = Run(root, ["pr", "up", .. About, "--sha", "abc", "--comment-file", "comment.md", "--results", "out", "--json"]);

        Assert.True(up.Status == 0, up.ToString());
        var result = JsonNode.Parse(up.Output)!;
        Assert.Equal(("shop/pr-42", "Created"), ($"{result["branch"]}", $"{result["outcome"]}"));
        Assert.Contains("### ✅ 1 migration ran on `shop/pr-42`", Text("comment.md"), StringComparison.Ordinal);
        Assert.Contains("DATABASE_URL=", Text("out/pgd-shop-pr-42.env"), StringComparison.Ordinal);
        Assert.True(File.Exists(Path.Combine(_folder.Path, "out/pgd-migration-shop-pr-42/report.html")));
        Assert.Equal("out/pgd-up-42.json", Path.GetRelativePath(_folder.Path, $"{result["reportFile"]}"));
        Assert.DoesNotContain("github-token", up.Error, StringComparison.Ordinal);

        _folder.Write("db/2.sql", "alter table orders drop column note;\n");
        var over = Run(root, ["pr", "up", .. About, "--sha", "abd", "--comment-file", "comment.md"]);
        Assert.Equal(9, over.Status);
        Assert.Contains("over 1 budget", Text("comment.md"), StringComparison.Ordinal);
        Assert.DoesNotContain("### ✅", Text("comment.md"), StringComparison.Ordinal);

        Assert.Equal(0, Run(root, ["pr", "down", .. About]).Status);
        Assert.Equal(before, root.SteadyListing());
    }

    [Fact]
    public async Task One_that_fails_in_the_middle_leaves_nothing_and_what_is_wrong_is_named()
    {
        using var root = await ToolRoot.WithUsedProjectAsync("reflink");
        var before = root.SteadyListing();
        _folder.Write("pgd.yml", "project: shop\nmigrations:\n  command: 'echo no; exit 3'\n");

        Assert.Equal(8, Run(root, ["pr", "up", .. About, "--comment-file", "comment.md"]).Status);
        Assert.Contains("status 3", Text("comment.md"), StringComparison.Ordinal);
        Assert.Equal(0, Run(root, ["pr", "up", .. About, "--state", "closed"]).Status);
        foreach (var (arguments, told) in ((string[], string)[])[(["--number", "42"], "--repository GROUP/NAME"), (["--repository", "octo/shop"], "--number N"), (["--repository", "octo/shop", "--number", "x"], "\"x\" is not the number"),
            (["--provider", "github", "--number", "42"], "--number is for where nobody is asked")])
        {
            var refused = Run(root, ["pr", "up", .. arguments]);
            Assert.Equal(2, refused.Status);
            Assert.Contains(told, refused.Error, StringComparison.Ordinal);
        }

        Assert.Equal(0, Run(root, ["pr", "sweep", "--provider", "none", "--repository", "octo/shop"]).Status);
        Assert.Equal(before, root.SteadyListing());
    }

    private ToolResult Run(ToolRoot root, IReadOnlyList<string> arguments)
    {
        using var run = root.StartAs(["env", $"--chdir={_folder.Path}"], [], arguments);
        return run.Wait();
    }

    private string Text(string path) => File.ReadAllText(Path.Combine(_folder.Path, path));
}
