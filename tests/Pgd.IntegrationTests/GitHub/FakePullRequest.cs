using System.Globalization;
using System.Text.Json.Nodes;

namespace Pgd.IntegrationTests.GitHub;

/// <summary>A pull request on the stand-in.</summary>
internal sealed class FakePullRequest(FakeRepository repository, int number)
{
    private (string? Api, JsonObject? Json) _example;

    /// <summary>Its repository.</summary>
    public FakeRepository Repository { get; } = repository;

    /// <summary>Its number.</summary>
    public int Number { get; } = number;

    /// <summary>The commit at its head.</summary>
    public string HeadSha { get; set; } = NewSha();

    /// <summary>Whether it has been closed.</summary>
    public bool Closed { get; set; }

    /// <summary>Whether it is a draft.</summary>
    public bool Draft { get; set; }

    /// <summary>When something last happened to it; null for when that was in GitHub's example.</summary>
    public DateTimeOffset? UpdatedAt { get; set; }

    /// <summary>Its title, which anybody may have written.</summary>
    public string Title { get; set; } = "Update the README with new information.";

    /// <summary>The fork that it comes from; null if it is from the repository itself.</summary>
    public string? Fork { get; set; }

    /// <summary>Its labels.</summary>
    public IList<string> Labels { get; } = [];

    /// <summary>The files that it changes: name and <c>added</c>, <c>modified</c>, <c>removed</c> or <c>renamed</c>.</summary>
    public IList<(string Path, string Status)> Files { get; } = [];

    /// <summary>Its comments.</summary>
    public IEnumerable<FakeComment> Comments => Repository.Comments.Where(comment => comment.Issue == Number);

    /// <summary>A new commit at the head.</summary>
    public void Push() => HeadSha = NewSha();

    /// <summary>As the payload of an event has it, and as the API answers.</summary>
    public JsonObject ToJson(string api)
    {
        if (_example.Api != api)
            _example = (api, Example("pull_request", 12, api)["pull_request"]!.AsObject());
        var json = _example.Json!.DeepClone().AsObject();
        json["title"] = Title;
        json["draft"] = Draft;
        if (UpdatedAt is { } time)
            json["updated_at"] = time.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
        json["state"] = Closed ? "closed" : "open";
        json["closed_at"] = Closed ? json["updated_at"]!.DeepClone() : null;
        json["changed_files"] = Files.Count;
        json["comments"] = Comments.Count();
        json["head"]!["sha"] = HeadSha;
        json["labels"] = new JsonArray([.. Labels.Select((label, index) => (JsonNode)Label(label, index, api))]);
        if (Fork is not null)
            MakeFork(json["head"]!.AsObject(), Fork);
        return json;
    }

    /// <summary>An example, with our repository and number in the place of its own everywhere: in addresses, too.</summary>
    public JsonObject Example(string eventName, int index, string api)
    {
        var json = JsonNode.Parse(Repository.Adapt(GitHubExamples.Payload(eventName, index), api, Number))!.AsObject();
        json["number"] = Number;
        json["pull_request"]!["number"] = Number;
        json["pull_request"]!["id"] = (Repository.Id * 1000) + Number;
        return json;
    }

    /// <summary>A file as <c>GET …/files</c> answers.</summary>
    public JsonObject FileJson((string Path, string Status) file, string api) => new()
    {
        ["sha"] = NewSha(),
        ["filename"] = file.Path,
        ["status"] = file.Status,
        ["additions"] = 1,
        ["deletions"] = 0,
        ["changes"] = 1,
        ["blob_url"] = $"{api}/{Repository.FullName}/blob/{HeadSha}/{file.Path}",
        ["raw_url"] = $"{api}/{Repository.FullName}/raw/{HeadSha}/{file.Path}",
        ["contents_url"] = $"{api}/repos/{Repository.FullName}/contents/{file.Path}?ref={HeadSha}",
        ["patch"] = "@@ -0,0 +1 @@\n+x",
    };

    private static void MakeFork(JsonObject head, string fork)
    {
        // The payloads have none from a fork: theirs differ in the head's repository and its owner, and nowhere else.
        var (owner, name) = (fork.Split('/')[0], fork.Split('/')[1]);
        var from = head["repo"]!["full_name"]!.GetValue<string>();
        var text = head["repo"]!.ToJsonString().Replace(from, fork, StringComparison.Ordinal)
            .Replace($"\"{from.Split('/')[0]}\"", $"\"{owner}\"", StringComparison.Ordinal);
        var repository = JsonNode.Parse(text)!.AsObject();
        repository["id"] = repository["id"]!.GetValue<long>() + 1;
        repository["name"] = name;
        repository["fork"] = true;
        head["repo"] = repository;
        head["label"] = $"{owner}:{head["ref"]!.GetValue<string>()}";
        head["user"]!["login"] = owner;
    }

    private JsonObject Label(string name, int index, string api) => new()
    {
        ["id"] = (Repository.Id * 100) + index,
        ["node_id"] = "MDU6TGFiZWwx",
        ["url"] = $"{api}/repos/{Repository.FullName}/labels/{name}",
        ["name"] = name,
        ["color"] = "ededed",
        ["default"] = false,
        ["description"] = null,
    };

    private static string NewSha() => Convert.ToHexStringLower(System.Security.Cryptography.RandomNumberGenerator.GetBytes(20));
}
