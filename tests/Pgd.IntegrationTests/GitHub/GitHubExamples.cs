using System.Text.Json.Nodes;

namespace Pgd.IntegrationTests.GitHub;

/// <summary>Real payloads, from npm's <c>@octokit/webhooks-examples</c>.</summary>
internal static class GitHubExamples
{
    private static readonly Lazy<JsonArray> All = new(() =>
        JsonNode.Parse(File.ReadAllText(NodePackages.File("@octokit/webhooks-examples/api.github.com/index.json")))!.AsArray());

    /// <summary>A payload as text: the <paramref name="index"/>th example of its event.</summary>
    public static string Payload(string eventName, int index)
    {
        lock (All)
            return All.Value.Single(entry => entry!["name"]!.GetValue<string>() == eventName)!["examples"]![index]!.ToJsonString();
    }
}
