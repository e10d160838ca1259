using System.Text.Json.Nodes;
using Pgd.IntegrationTests.GitHub;
using Xunit;

namespace Pgd.IntegrationTests.Rehearsals;

/// <summary>What is wrong with SQL files, and nothing else: nothing of the attempt is left.</summary>
public sealed class Linting : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Files_are_tried_on_a_branch_that_nobody_sees_and_squawk_has_its_say()
    {
        using var root = await ToolRoot.WithProjectAsync("reflink");
        // What is found out of its source once is kept.
        await root.MakeAsync("dev");
        var before = root.SteadyListing();
        _folder.Write("db/1.sql", "set lock_timeout = '3s';\ncreate index on orders (note);\nalter table orders\n  add column if not exists flag char(1);\n");

        var found = Lint(root, "--json");

        Assert.True(found.Status == 9, found.ToString());
        var findings = JsonNode.Parse(found.Output)!.AsArray().Select(f => ($"{f!["rule"]}", $"{f["file"]}:{f["line"]}", $"{f["level"]}")).ToList();
        Assert.Contains(("index-not-concurrent", "db/1.sql:2", "error"), findings);
        Assert.Contains(("squawk/ban-char-field", "db/1.sql:4", "warning"), findings);
        // It was seen, which is said once.
        Assert.DoesNotContain(findings, f => f.Item1 == "squawk/require-concurrent-index-creation");
        Assert.Equal(before, root.SteadyListing());

        _folder.Write("db/1.sql", "set lock_timeout = '3s';\nset statement_timeout = '1min';\nalter table orders add column if not exists flag text;\n");
        var nothing = Lint(root);
        Assert.Equal((0, "Nothing."), (nothing.Status, nothing.Output.Trim()));

        _folder.Write("db/1.sql", "select 1;\nselect nowhere;\n");
        var failed = Lint(root);
        Assert.Equal(8, failed.Status);
        Assert.Contains("db/1.sql:2: column \"nowhere\" does not exist", failed.Error, StringComparison.Ordinal);
        Assert.Equal(before, root.SteadyListing());
    }

    private ToolResult Lint(ToolRoot root, params IEnumerable<string> more)
    {
        using var run = root.StartAs(["env", $"--chdir={_folder.Path}"], new() { ["PATH"] = $"{NodePackages.File("@squawk-cli/linux-x64/bin")}:{Environment.GetEnvironmentVariable("PATH")}" }, ["migrate", "lint", "shop/main", "--files", "db/*.sql", "--role", "postgres", .. more]);
        return run.Wait();
    }
}
