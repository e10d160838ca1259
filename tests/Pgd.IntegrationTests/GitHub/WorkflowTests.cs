using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Xunit;

namespace Pgd.IntegrationTests.GitHub;

/// <summary>What people copy from <c>examples/workflows</c> is understood by GitHub.</summary>
public sealed partial class WorkflowTests
{
    private const string OurAction = "your-org/pgd-action@v1";

    public static TheoryData<string> Examples =>
        [.. Directory.GetFiles(Path.Combine(Checkout.Folder, "examples", "workflows"), "*.yml").Select(path => Path.GetFileName(path)).Order()];

    [Theory]
    [MemberData(nameof(Examples))]
    public void An_example_is_understood_by_GitHubs_parser(string name) =>
        Assert.Empty(ActionsParser.Current.Workflow(Example(name))["errors"]!.AsArray());

    [Theory]
    [MemberData(nameof(Examples))]
    public void An_example_passes_actionlint(string name) =>
        Assert.Empty(ActionsParser.Current.Lint(Example(name))["errors"]!.AsArray());

    [Theory]
    [MemberData(nameof(Examples))]
    public void An_example_gives_the_action_only_inputs_that_it_has_and_reads_only_outputs_that_it_has(string name)
    {
        var workflow = ActionsParser.Current.Workflow(Example(name));
        var action = ActionsParser.Current.Action(Path.Combine(Checkout.Folder, "action.yml"));
        var steps = Steps(workflow).Where(step => step["uses"]?.GetValue<string>() == OurAction).ToList();

        Assert.NotEmpty(steps);
        Assert.Empty(steps.SelectMany(step => step["with"]?.AsObject().Select(input => input.Key) ?? []).Except(Names(action["inputs"])));
        var ids = steps.Select(step => step["id"]?.GetValue<string>()).OfType<string>();
        var read = workflow["uses"]!.AsArray().Select(use => use!.GetValue<string>()).Where(use => use.StartsWith("steps.", StringComparison.Ordinal));
        Assert.Empty(read.Except(from id in ids from output in Names(action["outputs"]) select $"steps.{id}.outputs.{output}"));
    }

    [Theory]
    [MemberData(nameof(Examples))]
    public void An_example_starts_without_any_right_and_each_job_asks_for_what_it_needs(string name)
    {
        var content = ActionsParser.Current.Workflow(Example(name))["content"]!;

        Assert.Empty(content["permissions"]!.AsObject());
        foreach (var (_, job) in content["jobs"]!.AsObject())
        {
            var permissions = job!["permissions"]!.AsObject().Select(permission => $"{permission.Key}: {permission.Value}").ToList();
            var checksOut = Steps(job).Any(step => step["uses"]?.GetValue<string>().StartsWith("actions/checkout@", StringComparison.Ordinal) == true);
            Assert.Equal(checksOut ? ["contents: read", "pull-requests: write", "statuses: write"] : ["pull-requests: write"], permissions);
        }
    }

    [Theory]
    [MemberData(nameof(Examples))]
    public void An_example_pins_the_actions_of_others_by_commit(string name) =>
        Assert.All(Uses(ActionsParser.Current.Workflow(Example(name))["content"]!).Where(uses => uses != OurAction), uses => Assert.Matches(PinnedByCommit(), uses));

    [Fact]
    public void Nothing_of_a_pull_request_is_checked_out_where_its_close_is_handled()
    {
        var down = ActionsParser.Current.Workflow(Example("pull-request.yml"))["content"]!["jobs"]!["down"]!;

        Assert.Equal("github.event_name == 'pull_request_target'", down["if"]!.GetValue<string>());
        Assert.Equal([OurAction], Uses(down));
    }

    [Fact]
    public void Up_and_down_of_a_pull_request_wait_for_each_other()
    {
        var concurrency = ActionsParser.Current.Workflow(Example("pull-request.yml"))["content"]!["concurrency"]!;

        Assert.Equal("pgd-${{ github.repository }}-pr-${{ github.event.pull_request.number }}", concurrency["group"]!.GetValue<string>());
        Assert.False(concurrency["cancel-in-progress"]!.GetValue<bool>());
    }

    [Fact]
    public void The_workflow_on_the_page_about_backups_is_understood_and_starts_without_any_right()
    {
        var page = File.ReadAllText(Path.Combine(Checkout.Folder, "docs/backups.md"));
        using var folder = new TemporaryFolder();
        folder.Write("backup.yml", page.Split("```yaml\n")[1].Split("```")[0]);

        Assert.Empty(ActionsParser.Current.Lint(Path.Combine(folder.Path, "backup.yml"))["errors"]!.AsArray());
        var workflow = ActionsParser.Current.Workflow(Path.Combine(folder.Path, "backup.yml"));
        Assert.Empty(workflow["errors"]!.AsArray());
        Assert.Empty(workflow["content"]!["permissions"]!.AsObject());
    }

    [Fact]
    public void A_mistake_in_a_workflow_is_noticed()
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "wrong.yml");
        File.WriteAllText(path, "on: pull_requests\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - runs: true\n");

        Assert.NotEmpty(ActionsParser.Current.Workflow(path)["errors"]!.AsArray());
        Assert.NotEmpty(ActionsParser.Current.Lint(path)["errors"]!.AsArray());
    }

    private static string Example(string name) => Path.Combine(Checkout.Folder, "examples", "workflows", name);

    private static IEnumerable<JsonNode> Steps(JsonNode node) => node switch
    {
        JsonObject map when map["steps"] is JsonArray steps => steps.OfType<JsonNode>(),
        JsonObject map => map.Where(entry => entry.Value is JsonObject).SelectMany(entry => Steps(entry.Value!)),
        _ => [],
    };

    private static IEnumerable<string> Uses(JsonNode node) => Steps(node).Select(step => step["uses"]?.GetValue<string>()).OfType<string>();

    private static IEnumerable<string> Names(JsonNode? map) => map!.AsObject().Select(entry => entry.Key);

    [GeneratedRegex("@[0-9a-f]{40}$")]
    private static partial Regex PinnedByCommit();
}
