using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Xunit;

namespace Pgd.IntegrationTests.GitHub;

/// <summary><c>action.yml</c> says what it means: no parser of GitHub's notices a misspelled input inside a composite action.</summary>
public sealed partial class ActionMetadataTests
{
    private static string Path { get; } = System.IO.Path.Combine(Checkout.Folder, "action.yml");

    private static JsonObject Action => ActionsParser.Current.Action(Path);

    private static IEnumerable<JsonObject> Steps => Action["steps"]!.AsArray().Select(step => step!.AsObject());

    [Fact]
    public void The_action_is_understood_by_GitHubs_parser() => Assert.Empty(Action["errors"]!.AsArray());

    [Fact]
    public void Every_input_that_is_read_is_declared() =>
        Assert.Empty(Uses("inputs").Except(Names("inputs").Select(name => $"inputs.{name}")));

    [Fact]
    public void Every_step_that_is_read_is_there_and_comes_before()
    {
        var before = new HashSet<string>();
        foreach (var step in Steps)
        {
            var text = step.ToJsonString();
            Assert.Empty(StepReference().Matches(text).Select(match => match.Groups[1].Value).Except(before));
            if (step["id"]?["text"]?.GetValue<string>() is { } id)
                before.Add(id);
        }

        Assert.Empty(Uses("steps").Select(use => use.Split('.')[1]).Except(before));
    }

    [Fact]
    public void Every_input_reaches_the_tool_as_environment_and_under_its_own_name()
    {
        var environment = Steps.Single(step => step["id"]?["text"]?.GetValue<string>() == "pgd")["env"]!.AsObject();

        Assert.Equal(
            Names("inputs").Select(name => $"PGD_INPUT_{name.ToUpperInvariant().Replace('-', '_')}=inputs.{name}").Order(),
            environment.Select(variable => $"{variable.Key}={variable.Value!["expression"]}").Order());
    }

    [Fact]
    public void Every_output_is_the_tools_of_the_same_name() =>
        Assert.All(Action["outputs"]!.AsObject(), output => Assert.Equal($"steps.pgd.outputs.{output.Key}", output.Value!["expression"]!.GetValue<string>()));

    [Fact]
    public void The_interface_is_what_the_documentation_promises()
    {
        Assert.Equal(
            [
                "command", "project", "parent", "branch", "database", "role", "roles", "migrate", "migrate-files", "migrate-ledger", "migrate-working-directory", "migrate-down", "migrate-deadline",
                "anonymize", "on-push", "ttl", "comment", "fork-policy", "label", "drafts", "github-token", "host", "keep-on-failure", "sweep-limit", "version",
            ],
            Names("inputs"));
        Assert.Equal(
            ["branch", "created", "host", "port", "database", "user", "url", "env-file", "expires-at", "migration", "migration-report", "report-file", "comment-url", "skipped"],
            Names("outputs"));
    }

    [Fact]
    public void No_script_contains_an_expression() =>
        Assert.All(Steps.Where(step => step.ContainsKey("run")), step => Assert.True(step["run"]!.AsObject().ContainsKey("text"), step["run"]!.ToJsonString()));

    [Fact]
    public void The_tool_takes_the_place_of_the_last_steps_shell() =>
        Assert.Equal("exec dotnet-pgd pr auto", Steps.Last()["run"]!["text"]!.GetValue<string>().Split('\n').Last(line => line.Length > 0));

    [Fact]
    public void Actions_of_others_are_pinned_by_commit() =>
        Assert.All(Steps.Where(step => step.ContainsKey("uses")), step => Assert.Matches("@[0-9a-f]{40}$", step["uses"]!["text"]!.GetValue<string>()));

    private static IEnumerable<string> Names(string section) => Action[section]!.AsObject().Select(entry => entry.Key);

    private static IEnumerable<string> Uses(string context) =>
        Action["uses"]!.AsArray().Select(use => use!.GetValue<string>()).Where(use => use.StartsWith($"{context}.", StringComparison.Ordinal));

    [GeneratedRegex(@"steps\.([A-Za-z0-9_-]+)")]
    private static partial Regex StepReference();
}
