using System.Text.Json.Nodes;

namespace Pgd.IntegrationTests.GitHub;

/// <summary>What GitHub puts into the file at <c>GITHUB_EVENT_PATH</c>: real payloads, with the stand-in's repository and pull request in them.</summary>
internal static class Payloads
{
    // Their places among the examples of the event pull_request.
    private static readonly Dictionary<string, int> Examples = new()
    {
        ["opened"] = 12,
        ["reopened"] = 18,
        ["synchronize"] = 22,
        ["ready_for_review"] = 15,
        ["converted_to_draft"] = 5,
        ["labeled"] = 8,
        ["unlabeled"] = 25,
        ["closed"] = 3,
        ["assigned"] = 1,
    };

    /// <summary>An event of a pull request, in its present state.</summary>
    public static string PullRequest(string action, FakePullRequest pullRequest, string api)
    {
        var json = pullRequest.Example("pull_request", Examples[action], api);
        var before = json["pull_request"]!["head"]!["sha"]!.GetValue<string>();
        json["pull_request"] = pullRequest.ToJson(api);
        if (action == "synchronize")
        {
            json["before"] = before;
            json["after"] = pullRequest.HeadSha;
        }

        // The runner adds nothing, GitHub does: an event of a workflow has no installation.
        json.Remove("installation");
        return json.ToJsonString();
    }

    /// <summary>The timer.</summary>
    public static string Schedule(FakeRepository repository, string api) =>
        new JsonObject { ["schedule"] = "17 3 * * *", ["repository"] = repository.ToJson(api), ["workflow"] = ".github/workflows/sweep.yml" }.ToJsonString();

    /// <summary>The button.</summary>
    public static string WorkflowDispatch(FakeRepository repository, string api)
    {
        var json = JsonNode.Parse(GitHubExamples.Payload("workflow_dispatch", 0))!.AsObject();
        json["repository"] = repository.ToJson(api);
        return json.ToJsonString();
    }

    /// <summary>A push, which has no pull request.</summary>
    public static string Push(FakeRepository repository, string api)
    {
        var json = JsonNode.Parse(GitHubExamples.Payload("push", 0))!.AsObject();
        json["repository"] = repository.ToJson(api);
        return json.ToJsonString();
    }
}
