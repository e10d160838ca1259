using Pgd.Action;
using Pgd.Action.Events;
using Xunit;

namespace Pgd.Tests.Action;

public sealed class EventTests : IDisposable
{
    // The fields that are used of GitHub's own example of the event, with the names and numbers that it has there.
    private const string Opened = """
        {
          "action": "opened", "number": 2,
          "pull_request": {
            "number": 2, "state": "open", "updated_at": "2019-05-15T15:20:33Z", "title": "Update the README with new information.", "draft": false,
            "labels": [ { "id": 1362934389, "name": "bug" } ],
            "head": { "ref": "changes", "sha": "ec26c3e57ca3a959ca5aad62de7213c562f8c821", "repo": { "id": 186853002, "full_name": "Codertocat/Hello-World" } }
          },
          "repository": { "id": 186853002, "full_name": "Codertocat/Hello-World" }
        }
        """;

    private readonly string file = Path.GetTempFileName();

    public void Dispose() => File.Delete(file);

    private TriggeringEvent Read(string name, string payload, params (string Name, string Value)[] more)
    {
        File.WriteAllText(file, payload);
        var environment = more.ToDictionary(m => m.Name, m => m.Value);
        environment["GITHUB_EVENT_NAME"] = name;
        environment["GITHUB_EVENT_PATH"] = file;
        return TriggeringEvent.FromEnvironment(environment);
    }

    private PgdException Refused(string name, string payload)
    {
        var refused = Assert.Throws<PgdException>(() => Read(name, payload));
        Assert.Equal(ExitCode.Misuse, refused.ExitCode);
        return refused;
    }

    [Fact]
    public void An_opened_pull_request_is_read()
    {
        var happened = Read("pull_request", Opened);
        Assert.Equal(new DateTimeOffset(2019, 5, 15, 15, 20, 33, TimeSpan.Zero), happened.PullRequest!.UpdatedAt);

        Assert.Equal(("pull_request", "opened", 186853002L, "Codertocat/Hello-World", false), (happened.Name, happened.Action, happened.RepositoryId, happened.Repository, happened.IsFork));
        Assert.Equal((2, "ec26c3e57ca3a959ca5aad62de7213c562f8c821", "bug"), (happened.PullRequest!.Number, happened.PullRequest.HeadSha, Assert.Single(happened.PullRequest.Labels)));
    }

    [Theory]
    [InlineData("\"id\": 186853002, \"full_name\": \"Codertocat/Hello-World\" } }", "\"id\": 7, \"full_name\": \"someone/Hello-World\" } }")]
    [InlineData("{ \"id\": 186853002, \"full_name\": \"Codertocat/Hello-World\" } }", "null }")]
    public void A_head_in_another_or_in_no_repository_is_a_fork(string own, string other) =>
        Assert.True(Read("pull_request", Opened.Replace(own, other, StringComparison.Ordinal)).IsFork);

    [Fact]
    public void A_schedule_takes_the_repository_from_the_environment() =>
        Assert.Equal((9L, "octo/shop"), Read("schedule", """{ "schedule": "0 3 * * *" }""", ("GITHUB_REPOSITORY_ID", "9"), ("GITHUB_REPOSITORY", "octo/shop")) is var e ? (e.RepositoryId, e.Repository) : default);

    [Theory]
    [InlineData("not json")]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("{ \"pull_request\": 7 }")]
    public void A_payload_that_is_not_the_events_json_is_refused(string payload) => Assert.Contains("pull_request", Refused("pull_request", payload).Message, StringComparison.Ordinal);

    [Fact]
    public void A_payload_without_a_pull_request_is_refused() =>
        Assert.Equal("the payload of the event pull_request has no pull_request", Refused("pull_request", """{ "action": "opened", "repository": { "id": 1, "full_name": "a/b" } }""").Message);

    [Fact]
    public void A_payload_without_a_repository_is_refused() =>
        Assert.Contains("has no repository", Refused("schedule", "{}").Message, StringComparison.Ordinal);

    [Fact]
    public void Another_event_is_refused_with_those_that_work()
    {
        var refused = Refused("push", """{ "ref": "refs/heads/main" }""");

        Assert.Equal("pgd has nothing to do on the event push", refused.Message);
        Assert.Contains("pull_request_target with types: [closed]", refused.Hint, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_an_event_the_way_by_hand_is_named() =>
        Assert.Contains("dotnet pgd pr up", Assert.Throws<PgdException>(() => TriggeringEvent.FromEnvironment(new Dictionary<string, string>())).Hint, StringComparison.Ordinal);

    [Fact]
    public void A_payload_that_is_missing_is_refused() =>
        Assert.Contains("cannot be read", Assert.Throws<PgdException>(() => TriggeringEvent.FromEnvironment(new Dictionary<string, string>
        {
            ["GITHUB_EVENT_NAME"] = "pull_request",
            ["GITHUB_EVENT_PATH"] = file + ".missing",
        })).Message, StringComparison.Ordinal);

    [Fact]
    public void In_a_workflow_an_empty_token_is_refused()
    {
        File.WriteAllText(file, Opened);
        var refused = Assert.Throws<PgdException>(() => PullRequestStory.SetupFrom(new Dictionary<string, string>
        {
            ["GITHUB_ACTIONS"] = "true",
            ["GITHUB_EVENT_NAME"] = "pull_request",
            ["GITHUB_EVENT_PATH"] = file,
        }, new()));

        Assert.Equal((ExitCode.Misuse, "the input github-token is empty"), (refused.ExitCode, refused.Message));
    }
}
