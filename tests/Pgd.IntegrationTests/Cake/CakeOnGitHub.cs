using Pgd.IntegrationTests.GitHub;
using Xunit;

namespace Pgd.IntegrationTests.Cake;

/// <summary>A job at GitHub whose step is a Cake build.</summary>
public sealed class CakeOnGitHub(StoryFixture lab) : IClassFixture<StoryFixture>, IDisposable
{
    private readonly TemporaryFolder _action = new();

    public void Dispose() => _action.Dispose();

    [Fact]
    public async Task A_quiet_build_comments_masks_the_password_and_tears_down()
    {
        _action.Write("action.yml", """
            name: Build
            description: A build
            runs:
              using: composite
              steps:
                - shell: bash
                  env:
                    PGD_INPUT_GITHUB_TOKEN: ${{ github.token }}
                  run: dotnet cake --verbosity=quiet
            """);
        var job = new PullRequestJob(lab, 71, action: _action.Path);
        job.WriteFile(".config/dotnet-tools.json", await File.ReadAllTextAsync(Path.Combine(Checkout.Folder, ".config", "dotnet-tools.json")));
        job.WriteFile("pgd.yml", "project: shop\nmigrations:\n  files: db/*.sql\n");
        job.AddMigration("db/1.sql", "alter table customers add column email text;");
        job.WriteFile("build.cake", $$"""
            {{CakeScripts.AsFiles}}
            Task("Default").Does(() =>
            {
                var up = PgdPullRequestUp();
                System.Console.WriteLine("{0} has {1}", up.Branch, PgdBranchUrl(up.Branch).Password);
                PgdPullRequestDown();
            });
            RunTarget("Default");
            """);

        var result = await job.OpenedAsync();

        Assert.True(result.ExitCode == 0, result.Log.Text);
        // What the build printed of it is asterisks: the runner was told before.
        Assert.Contains("shop/pr-71 has ***", result.Log.Text, StringComparison.Ordinal);
        Assert.Contains("is deleted", Assert.Single(job.Pull.Comments).Body, StringComparison.Ordinal);
        Assert.False(lab.Exists("shop/pr-71"));
    }
}
