using System.Text.Json.Nodes;

namespace Pgd.IntegrationTests.GitHub;

/// <summary>The real payloads that the demo needs, out of the npm package that the tests take all of theirs from: the demo runs without npm.</summary>
internal static class GitHubExamples
{
    private static readonly Lazy<JsonObject> All = new(() =>
    {
        using var stream = typeof(GitHubExamples).Assembly.GetManifestResourceStream("pull_request.json")!;
        return JsonNode.Parse(stream)!.AsObject();
    });

    /// <summary>A payload as text, by its place among the examples of its event.</summary>
    public static string Payload(string eventName, int index)
    {
        lock (All)
            return All.Value[index.ToString(System.Globalization.CultureInfo.InvariantCulture)]!.ToJsonString();
    }
}
