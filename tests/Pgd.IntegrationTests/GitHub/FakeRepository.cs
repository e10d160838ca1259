using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Pgd.IntegrationTests.GitHub;

/// <summary>A repository on the stand-in.</summary>
internal sealed partial class FakeRepository(string fullName, long id)
{
    private const string ExampleOwner = "Codertocat";
    private const string ExampleName = "Hello-World";
    private const string ExampleId = "186853002";
    private const string ExampleApi = "https://api.github.com";
    private readonly Dictionary<int, FakePullRequest> _pullRequests = [];
    private readonly List<FakeComment> _comments = [];

    /// <summary><c>owner/name</c>.</summary>
    public string FullName { get; } = fullName;

    /// <summary>Its number, which survives a rename.</summary>
    public long Id { get; } = id;

    /// <summary>All comments, the oldest first.</summary>
    public IReadOnlyList<FakeComment> Comments => [.. _comments];

    /// <summary>What was said of commits, the oldest first.</summary>
    public List<FakeStatus> Statuses { get; } = [];

    /// <summary>All pull requests.</summary>
    public IReadOnlyCollection<FakePullRequest> PullRequests => _pullRequests.Values;

    /// <summary>Opens a pull request.</summary>
    public FakePullRequest Open(int number) => _pullRequests[number] = new(this, number);

    /// <summary>A pull request; null if there is none.</summary>
    public FakePullRequest? Find(int number) => _pullRequests.GetValueOrDefault(number);

    /// <summary>Writes a comment.</summary>
    public FakeComment Comment(int issue, FakeUser user, string body)
    {
        var comment = new FakeComment(FakeComment.NextId(), issue, user) { Body = body };
        _comments.Add(comment);
        return comment;
    }

    /// <summary>Removes a comment.</summary>
    public bool Remove(FakeComment comment) => _comments.Remove(comment);

    /// <summary>As <c>GET /repos/{owner}/{repo}</c> answers.</summary>
    public JsonObject ToJson(string api)
    {
        var json = JsonNode.Parse(Adapt(GitHubExamples.Payload("pull_request", 12), api, 1))!["repository"]!.DeepClone().AsObject();
        // What the API has and an event's payload lacks.
        json["has_discussions"] = false;
        json["network_count"] = 0;
        json["subscribers_count"] = 1;
        return json;
    }

    /// <summary>Puts this repository in the place of the examples' own, in every name and address.</summary>
    public string Adapt(string example, string api, int number)
    {
        var (owner, name) = (FullName.Split('/')[0], FullName.Split('/')[1]);
        var text = example.Replace(ExampleApi, api, StringComparison.Ordinal)
            .Replace(ExampleOwner, owner, StringComparison.Ordinal)
            .Replace(ExampleName, name, StringComparison.Ordinal)
            .Replace(ExampleId, Id.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal);
        return NumberInAddress().Replace(text, $"${{kind}}/{number}");
    }

    [GeneratedRegex(@"(?<kind>/(pulls|pull|issues))/2\b")]
    private static partial Regex NumberInAddress();
}

/// <summary>A mark on a commit.</summary>
internal sealed record FakeStatus(long Id, string Sha, FakeUser Creator, string State, string Context, string? Description, string? TargetUrl)
{
    /// <summary>As the API answers.</summary>
    public JsonObject ToJson(FakeRepository repository, string api) => new()
    {
        ["url"] = $"{api}/repos/{repository.FullName}/statuses/{Sha}",
        ["avatar_url"] = $"https://avatars.githubusercontent.com/u/{Creator.Id}",
        ["id"] = Id,
        ["node_id"] = $"SC_{Id}",
        ["state"] = State,
        ["description"] = Description,
        ["target_url"] = TargetUrl,
        ["context"] = Context,
        ["created_at"] = "2019-05-15T15:20:33Z",
        ["updated_at"] = "2019-05-15T15:20:33Z",
        ["creator"] = FakeComment.UserJson(Creator, api),
    };
}

/// <summary>A comment on the stand-in.</summary>
internal sealed class FakeComment(long id, int issue, FakeUser user)
{
    private static long _last = 3_000_000_000;

    /// <summary>Its number; larger than 32 bits, as GitHub's are.</summary>
    public long Id { get; } = id;

    /// <summary>The pull request's number.</summary>
    public int Issue { get; } = issue;

    /// <summary>Its author.</summary>
    public FakeUser User { get; } = user;

    /// <summary>Its text.</summary>
    public string Body { get; set; } = "";

    /// <summary>How often it was edited.</summary>
    public int Edits { get; set; }

    /// <summary>A number that no comment has had.</summary>
    public static long NextId() => Interlocked.Increment(ref _last);

    /// <summary>As the API answers.</summary>
    public JsonObject ToJson(FakeRepository repository, string api) => new()
    {
        ["id"] = Id,
        ["node_id"] = $"IC_{Id}",
        ["url"] = $"{api}/repos/{repository.FullName}/issues/comments/{Id}",
        ["html_url"] = $"https://github.com/{repository.FullName}/pull/{Issue}#issuecomment-{Id}",
        ["issue_url"] = $"{api}/repos/{repository.FullName}/issues/{Issue}",
        ["body"] = Body,
        ["user"] = UserJson(User, api),
        ["created_at"] = "2019-05-15T15:20:33Z",
        ["updated_at"] = "2019-05-15T15:20:33Z",
        ["author_association"] = "NONE",
    };

    /// <summary>An account as it appears inside other things.</summary>
    public static JsonObject UserJson(FakeUser user, string api)
    {
        var url = $"{api}/users/{Uri.EscapeDataString(user.Login)}";
        return new()
        {
            ["login"] = user.Login,
            ["id"] = user.Id,
            ["node_id"] = $"U_{user.Id}",
            ["avatar_url"] = $"https://avatars.githubusercontent.com/u/{user.Id}",
            ["gravatar_id"] = "",
            ["url"] = url,
            ["html_url"] = $"https://github.com/{Uri.EscapeDataString(user.Login)}",
            ["followers_url"] = $"{url}/followers",
            ["following_url"] = $"{url}/following{{/other_user}}",
            ["gists_url"] = $"{url}/gists{{/gist_id}}",
            ["starred_url"] = $"{url}/starred{{/owner}}{{/repo}}",
            ["subscriptions_url"] = $"{url}/subscriptions",
            ["organizations_url"] = $"{url}/orgs",
            ["repos_url"] = $"{url}/repos",
            ["events_url"] = $"{url}/events{{/privacy}}",
            ["received_events_url"] = $"{url}/received_events",
            ["type"] = user.Type,
            ["site_admin"] = false,
        };
    }
}
