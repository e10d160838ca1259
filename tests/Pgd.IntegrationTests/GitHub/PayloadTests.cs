using System.Text.Json.Nodes;
using Xunit;

namespace Pgd.IntegrationTests.GitHub;

/// <summary>The payloads that the tests deliver are GitHub's: real ones with other names and numbers, and derived ones that its schemas allow.</summary>
public sealed class PayloadTests
{
    private const string Api = "http://127.0.0.1:1";
    private readonly FakePullRequest _pull = new FakeRepository("octo-org/shop", 4711).Open(42);

    [Theory]
    [InlineData("opened")]
    [InlineData("reopened")]
    [InlineData("synchronize")]
    [InlineData("ready_for_review")]
    [InlineData("labeled")]
    [InlineData("closed")]
    public void A_payload_is_valid_also_from_a_fork(string action)
    {
        _pull.Closed = action == "closed";
        _pull.Labels.Add("database");
        Assert.Empty(Errors(action, Payloads.PullRequest(action, _pull, Api)));

        _pull.Fork = "mallory/shop";

        Assert.Empty(Errors(action, Payloads.PullRequest(action, _pull, Api)));
    }

    [Fact]
    public void A_payload_without_its_number_is_noticed()
    {
        var payload = JsonNode.Parse(Payloads.PullRequest("opened", _pull, Api))!.AsObject();
        payload.Remove("number");

        Assert.NotEmpty(Errors("opened", payload.ToJsonString()));
    }

    [Fact]
    public void A_payload_is_about_our_pull_request_in_every_place()
    {
        var text = Payloads.PullRequest("synchronize", _pull, Api);
        var payload = JsonNode.Parse(text)!;

        Assert.Equal(4711, payload["repository"]!["id"]!.GetValue<long>());
        Assert.Equal(4711, payload["pull_request"]!["base"]!["repo"]!["id"]!.GetValue<long>());
        Assert.Equal((42, 42), (payload["number"]!.GetValue<int>(), payload["pull_request"]!["number"]!.GetValue<int>()));
        Assert.Equal((_pull.HeadSha, _pull.HeadSha), (payload["after"]!.GetValue<string>(), payload["pull_request"]!["head"]!["sha"]!.GetValue<string>()));
        Assert.EndsWith("/octo-org/shop/pulls/42", payload["pull_request"]!["url"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.DoesNotContain("Codertocat", text, StringComparison.Ordinal);
        Assert.DoesNotContain("Hello-World", text, StringComparison.Ordinal);
        Assert.DoesNotContain("api.github.com", text, StringComparison.Ordinal);
    }

    private static JsonArray Errors(string action, string payload) => ActionsParser.Current.Payload(action, payload)["errors"]!.AsArray();
}
