using System.Text.RegularExpressions;
using Pgd.IntegrationTests.GitHub;
using Xunit;
using YamlDotNet.RepresentationModel;

namespace Pgd.IntegrationTests.CiSystems;

/// <summary>
/// The complete examples, played on a real project: GitLab's file by gitlab-ci-local, which checks it against GitLab's schema first, the other two by their shell steps with what their systems put into
/// the environment. No checker of Azure's files is to be had from a registry, and Jenkins' own is a part of its server; that Jenkins' file is Groovy is checked by a grammar.
/// </summary>
public sealed partial class CiExamples : IDisposable
{
    private const string Tests = "test -n \"$DATABASE_URL\" -a \"$PGDATABASE\" = shop";
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("gitlab")]
    [InlineData("azure")]
    [InlineData("jenkins")]
    public async Task Each_makes_the_branch_shows_what_the_migration_does_tests_and_tears_down_also_after_a_failure(string system)
    {
        using var root = await ToolRoot.WithUsedProjectAsync("reflink");
        var before = root.SteadyListing();
        _folder.Write("pgd.yml", "project: shop\nrole: postgres\nmigrations:\n  files: db/*.sql\n  ledger: public.ledger\n");
        _folder.Write("db/1.sql", "set lock_timeout = '3s';\nalter table orders add column flag text;\n");
        _folder.Write("bin/dotnet-pgd", $"#!/bin/sh\nexec dotnet '{ToolRun.Program}' \"$@\"\n");
        File.SetUnixFileMode(Path.Combine(_folder.Path, "bin/dotnet-pgd"), LabFolder.Traversable);
        Prepare(system);

        foreach (var (test, fails) in ((string, bool)[])[(Tests, false), (Tests + " && exit 3", true)])
        {
            // Its name in the examples is npm; to start that takes longer than all the rest.
            _folder.Write("bin/npm", $"#!/bin/sh\n{test}\n");
            File.SetUnixFileMode(Path.Combine(_folder.Path, "bin/npm"), LabFolder.Traversable);
            var (status, output) = Play(system, root, down: false);
            Assert.True(status == 0 != fails, output);
            Assert.Contains("shop/pr-42", output, StringComparison.Ordinal);
            Assert.Contains("### ✅ 1 migration ran on `shop/pr-42`", await File.ReadAllTextAsync(Path.Combine(_folder.Path, "comment.md")), StringComparison.Ordinal);
            PasswordScan.Refuse(system, output);
            if (system == "gitlab")
            {
                Assert.Contains(root.Listing(), entry => entry.Contains("pr-42", StringComparison.Ordinal));
                (status, output) = Play(system, root, down: true);
                Assert.True(status == 0, output);
            }

            Assert.Equal(before, root.SteadyListing());
        }
    }

    [Fact]
    public void A_file_that_is_wrong_is_found_wrong()
    {
        Prepare("gitlab");
        var file = Path.Combine(_folder.Path, ".gitlab-ci.yml");
        File.WriteAllText(file, File.ReadAllText(file).Replace("interruptible: false", "interruptible: perhaps", StringComparison.Ordinal));
        var (status, output, error) = GitLab([], "--list");
        Assert.True(status != 0 && (output + error).Contains("interruptible", StringComparison.Ordinal), output + error);

        Assert.Equal("", Groovy(Example("Jenkinsfile")));
        _folder.Write("Jenkinsfile", File.ReadAllText(Example("Jenkinsfile")).Replace("stages {", "stages {{", StringComparison.Ordinal));
        Assert.NotEmpty(Groovy(Path.Combine(_folder.Path, "Jenkinsfile")));
    }

    private static string Example(string name) => Path.Combine(Checkout.Folder, "examples", name);

    private static string Groovy(string file)
    {
        var (status, output, error) = LabCommand.Try("node", Path.Combine(NodePackages.Folder, "groovy.mjs"), file);
        return status == 0 ? "" : output + error;
    }

    private void Prepare(string system)
    {
        if (system != "gitlab")
            return;
        File.Copy(Example("gitlab-ci.yml"), Path.Combine(_folder.Path, ".gitlab-ci.yml"));
        foreach (var arguments in (string[][])[["init", "--quiet"], ["remote", "add", "origin", "git@gitlab.example:octo/shop.git"], ["-c", "user.name=Mona", "-c", "user.email=mona@example.org", "commit", "--quiet", "--allow-empty", "--message", "Begin"]])
            LabCommand.Run("git", ["-C", _folder.Path, .. arguments]);
    }

    private (int Status, string Output) Play(string system, ToolRoot root, bool down) => system switch
    {
        "gitlab" => Joined(GitLab(root.Variables, down ? "database-down" : "database")),
        "azure" => Steps(root, AzureSteps(), new()
        {
            ["TF_BUILD"] = "True",
            ["BUILD_REPOSITORY_NAME"] = "octo/shop",
            ["BUILD_SOURCEVERSION"] = "abc",
            ["BUILD_SOURCESDIRECTORY"] = _folder.Path,
            ["SYSTEM_PULLREQUEST_PULLREQUESTID"] = "42",
            ["SYSTEM_PULLREQUEST_ISFORK"] = "False",
        }),
        _ => Steps(root, JenkinsSteps(), new()
        {
            ["JENKINS_URL"] = "https://jenkins.example/",
            ["CHANGE_ID"] = "42",
            ["CHANGE_URL"] = "https://host.example/octo/shop/pull/42",
            ["GIT_COMMIT"] = "abc",
            ["WORKSPACE"] = _folder.Path,
        }),
    };

    private (int Status, string Output, string Error) GitLab(IEnumerable<KeyValuePair<string, string>> variables, params string[] arguments) => LabCommand.Try(
        "env",
        [
            $"--chdir={_folder.Path}", $"PATH={Path.Combine(_folder.Path, "bin")}:{Environment.GetEnvironmentVariable("PATH")}", $"HOME={_folder.Path}", .. variables.Select(v => $"{v.Key}={v.Value}"),
            "node", NodePackages.File("gitlab-ci-local/dist/index.js"), "--shell-executor-no-image", .. arguments,
            .. ((string[])["CI_PIPELINE_SOURCE=merge_request_event", "CI_MERGE_REQUEST_IID=42", "CI_MERGE_REQUEST_PROJECT_ID=7", "CI_MERGE_REQUEST_SOURCE_PROJECT_ID=7", "CI_MERGE_REQUEST_PROJECT_PATH=octo/shop"])
                .SelectMany(v => (string[])["--variable", v]),
        ]);

    private static (int Status, string Output) Joined((int Status, string Output, string Error) result) => (result.Status, result.Output + result.Error);

    // After a failure only those run that always do.
    private (int Status, string Output) Steps(ToolRoot root, IEnumerable<(string Script, bool Always)> steps, Dictionary<string, string> environment)
    {
        var (status, output) = (0, "");
        foreach (var (script, always) in steps)
        {
            if (status != 0 && !always)
                continue;
            var (ended, said, error) = LabCommand.Try("env", [$"--chdir={_folder.Path}", $"PATH={Path.Combine(_folder.Path, "bin")}:{Environment.GetEnvironmentVariable("PATH")}", .. root.Variables.Concat(environment).Select(v => $"{v.Key}={v.Value}"), "bash", "-e", "-c", script]);
            status = status == 0 ? ended : status;
            output += said + error;
        }

        return (status, output);
    }

    private List<(string Script, bool Always)> AzureSteps()
    {
        var yaml = new YamlStream();
        using (var reader = File.OpenText(Example("azure-pipelines.yml")))
            yaml.Load(reader);
        var steps = (YamlSequenceNode)yaml.Documents[0].RootNode["steps"];
        return [.. steps.OfType<YamlMappingNode>().Where(step => step.Children.ContainsKey("bash"))
            .Select(step => ($"{step["bash"]}".Replace("$(Agent.TempDirectory)", _folder.Path, StringComparison.Ordinal), step.Children.TryGetValue("condition", out var condition) && $"{condition}" == "always()"))];
    }

    private static List<(string Script, bool Always)> JenkinsSteps()
    {
        var file = File.ReadAllText(Example("Jenkinsfile"));
        var post = file.IndexOf("post {", StringComparison.Ordinal);
        return [.. ShellStep().Matches(file).Select(step => (step.Groups[1].Value, step.Index > post))];
    }

    [GeneratedRegex(@"\bsh '([^']*)'")]
    private static partial Regex ShellStep();
}
