using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Xunit;

namespace Pgd.IntegrationTests.GitHub;

/// <summary>The stand-in answers as GitHub does: each answer passes Prism, which knows GitHub's description of its API.</summary>
public sealed class GitHubContractTests(GitHubFixture github) : IClassFixture<GitHubFixture>, IDisposable
{
    private readonly HttpClient _client = new(new SocketsHttpHandler { AllowAutoRedirect = false }) { BaseAddress = github.Prism.Address };
    private readonly FakeRepository _repository = github.NewRepository();

    [Fact]
    public async Task A_pull_request_is_answered_with_its_head_and_state()
    {
        var pull = _repository.Open(42);
        As(github.Fake.WorkflowToken());

        var json = await GetAsync($"repos/{_repository.FullName}/pulls/42");

        Assert.Equal(pull.HeadSha, json["head"]!["sha"]!.GetValue<string>());
        Assert.Equal("open", json["state"]!.GetValue<string>());
        Assert.Equal(_repository.Id, json["base"]!["repo"]!["id"]!.GetValue<long>());
        pull.Closed = true;
        pull.Push();
        json = await GetAsync($"repos/{_repository.FullName}/pulls/42");
        Assert.Equal("closed", json["state"]!.GetValue<string>());
        Assert.Equal(pull.HeadSha, json["head"]!["sha"]!.GetValue<string>());
    }

    [Fact]
    public async Task A_pull_request_of_a_fork_has_another_head_repository()
    {
        _repository.Open(7).Fork = "mallory/shop";
        As(github.Fake.WorkflowToken());

        var json = await GetAsync($"repos/{_repository.FullName}/pulls/7");

        Assert.Equal("mallory/shop", json["head"]!["repo"]!["full_name"]!.GetValue<string>());
        Assert.Equal(_repository.FullName, json["base"]!["repo"]!["full_name"]!.GetValue<string>());
        Assert.NotEqual(_repository.Id, json["head"]!["repo"]!["id"]!.GetValue<long>());
    }

    [Fact]
    public async Task Labels_and_drafts_are_answered()
    {
        var pull = _repository.Open(1);
        pull.Draft = true;
        pull.Labels.Add("database");
        As(github.Fake.WorkflowToken());

        var json = await GetAsync($"repos/{_repository.FullName}/pulls/1");

        Assert.True(json["draft"]!.GetValue<bool>());
        Assert.Equal("database", json["labels"]![0]!["name"]!.GetValue<string>());
    }

    [Fact]
    public async Task Pull_requests_are_listed_by_state()
    {
        _repository.Open(1).Closed = true;
        _repository.Open(2);
        As(github.Fake.WorkflowToken());

        var open = await GetArrayAsync($"repos/{_repository.FullName}/pulls");
        var all = await GetArrayAsync($"repos/{_repository.FullName}/pulls?state=all");

        Assert.Equal([2], open.Select(pull => pull!["number"]!.GetValue<int>()));
        Assert.Equal([2, 1], all.Select(pull => pull!["number"]!.GetValue<int>()));
    }

    [Fact]
    public async Task Files_come_in_pages_of_thirty_that_links_lead_through()
    {
        var pull = _repository.Open(3);
        for (var i = 0; i < 65; i++)
            pull.Files.Add(($"db/{i:D3}.sql", i == 0 ? "modified" : "added"));
        As(github.Fake.WorkflowToken());

        var names = new List<string>();
        var pages = 0;
        for (var next = $"repos/{_repository.FullName}/pulls/3/files"; next is not null; pages++)
        {
            using var response = await _client.GetAsync(next);
            response.EnsureSuccessStatusCode();
            names.AddRange((await response.Content.ReadFromJsonAsync<JsonArray>())!.Select(file => file!["filename"]!.GetValue<string>()));
            next = Next(response);
        }

        Assert.Equal(3, pages);
        Assert.Equal(pull.Files.Select(file => file.Path), names);
    }

    [Fact]
    public async Task A_page_may_be_larger_and_the_last_one_has_no_next()
    {
        var pull = _repository.Open(4);
        for (var i = 0; i < 101; i++)
            _repository.Comment(4, FakeUser.ActionsBot, $"comment {i}");
        As(github.Fake.WorkflowToken());

        using var first = await _client.GetAsync($"repos/{_repository.FullName}/issues/4/comments?per_page=100");
        Assert.Equal(100, (await first.Content.ReadFromJsonAsync<JsonArray>())!.Count);
        using var last = await _client.GetAsync(Next(first));

        Assert.Equal("comment 100", (await last.Content.ReadFromJsonAsync<JsonArray>())!.Single()!["body"]!.GetValue<string>());
        Assert.Null(Next(last));
    }

    [Fact]
    public async Task A_comment_is_written_read_edited_and_deleted()
    {
        var pull = _repository.Open(5);
        As(github.Fake.WorkflowToken());

        using var created = await _client.PostAsJsonAsync($"repos/{_repository.FullName}/issues/5/comments", new { body = "one" });
        Assert.Equal(HttpStatusCode.Created, created.StatusCode);
        var id = (await created.Content.ReadFromJsonAsync<JsonObject>())!["id"]!.GetValue<long>();
        Assert.Equal("github-actions[bot]", (await GetAsync($"repos/{_repository.FullName}/issues/comments/{id}"))["user"]!["login"]!.GetValue<string>());
        using var edited = await _client.PatchAsJsonAsync($"repos/{_repository.FullName}/issues/comments/{id}", new { body = "two" });
        Assert.Equal(HttpStatusCode.OK, edited.StatusCode);
        Assert.Equal("two", Assert.Single(pull.Comments).Body);
        using var deleted = await _client.DeleteAsync($"repos/{_repository.FullName}/issues/comments/{id}");
        Assert.Equal(HttpStatusCode.NoContent, deleted.StatusCode);
        Assert.Empty(pull.Comments);
    }

    [Fact]
    public async Task A_commit_is_marked_and_a_description_of_more_than_140_characters_is_refused()
    {
        var pull = _repository.Open(10);
        As(github.Fake.WorkflowToken());

        using var marked = await _client.PostAsJsonAsync($"repos/{_repository.FullName}/statuses/{pull.HeadSha}", new { state = "success", context = "pgd/migration", description = new string('x', 140), target_url = "https://ci.example/1" });
        using var tooLong = await _client.PostAsJsonAsync($"repos/{_repository.FullName}/statuses/{pull.HeadSha}", new { state = "success", context = "pgd/migration", description = new string('x', 141) });
        using var noState = await _client.PostAsJsonAsync($"repos/{_repository.FullName}/statuses/{pull.HeadSha}", new { state = "fine" });
        using var elsewhere = await _client.PostAsJsonAsync($"repos/{_repository.FullName}/statuses/{new string('0', 40)}", new { state = "success", context = "x" });

        Assert.True(marked.StatusCode == HttpStatusCode.Created, await marked.Content.ReadAsStringAsync());
        Assert.Equal(("success", "pgd/migration"), (Assert.Single(_repository.Statuses).State, _repository.Statuses[0].Context));
        Assert.Equal("pgd/migration", Assert.Single(await GetArrayAsync($"repos/{_repository.FullName}/commits/{pull.HeadSha}/statuses"))!["context"]!.GetValue<string>());
        Assert.Equal((HttpStatusCode.UnprocessableEntity, HttpStatusCode.UnprocessableEntity, HttpStatusCode.NotFound), (tooLong.StatusCode, noState.StatusCode, elsewhere.StatusCode));
    }

    [Fact]
    public async Task A_comment_longer_than_65536_characters_is_refused()
    {
        _repository.Open(6);
        As(github.Fake.WorkflowToken());

        using var tooLong = await _client.PostAsJsonAsync($"repos/{_repository.FullName}/issues/6/comments", new { body = new string('x', 65537) });
        using var justFits = await _client.PostAsJsonAsync($"repos/{_repository.FullName}/issues/6/comments", new { body = new string('x', 65536) });

        Assert.Equal(HttpStatusCode.UnprocessableEntity, tooLong.StatusCode);
        Assert.Contains("too long", await tooLong.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.Created, justFits.StatusCode);
    }

    [Fact]
    public async Task A_repository_is_answered_with_its_number() =>
        Assert.Equal(_repository.Id, (await As(github.Fake.WorkflowToken()).GetAsync($"repos/{_repository.FullName}"))["id"]!.GetValue<long>());

    [Fact]
    public async Task A_persons_token_says_whose_it_is() =>
        Assert.Equal("hubot", (await As(github.Fake.PersonalToken(new("hubot", 480938))).GetAsync("user"))["login"]!.GetValue<string>());

    [Fact]
    public async Task A_workflows_token_may_not_ask_whose_it_is()
    {
        As(github.Fake.WorkflowToken());

        using var response = await _client.GetAsync("user");

        Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
    }

    [Fact]
    public async Task A_token_without_the_right_may_read_and_not_write()
    {
        _repository.Open(8);
        As(github.Fake.WorkflowToken(mayComment: false));

        Assert.Empty(await GetArrayAsync($"repos/{_repository.FullName}/issues/8/comments"));
        using var refused = await _client.PostAsJsonAsync($"repos/{_repository.FullName}/issues/8/comments", new { body = "one" });

        Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
    }

    [Fact]
    public async Task An_unknown_token_is_refused()
    {
        _client.DefaultRequestHeaders.Authorization = new("Bearer", "ghs_guessed");

        using var response = await _client.GetAsync($"repos/{_repository.FullName}");

        Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
    }

    [Fact]
    public async Task What_is_not_there_is_not_found()
    {
        As(github.Fake.WorkflowToken());

        foreach (var path in new[] { $"repos/{_repository.FullName}/pulls/999", "repos/octo-org/nowhere", $"repos/{_repository.FullName}/issues/comments/1" })
        {
            using var response = await _client.GetAsync(path);
            Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
        }
    }

    [Fact]
    public async Task The_rate_limit_says_when_to_try_again_and_then_it_works()
    {
        _repository.Open(9);
        As(github.Fake.WorkflowToken());
        github.Fake.Fail(Fault.RateLimit(1), IsOurs, times: 1);

        using var limited = await _client.GetAsync($"repos/{_repository.FullName}/pulls/9");
        using var answered = await _client.GetAsync($"repos/{_repository.FullName}/pulls/9");

        Assert.Equal(HttpStatusCode.Forbidden, limited.StatusCode);
        Assert.Equal(TimeSpan.FromSeconds(1), limited.Headers.RetryAfter!.Delta);
        Assert.Equal(HttpStatusCode.OK, answered.StatusCode);
    }

    [Theory]
    [InlineData(404)]
    [InlineData(409)]
    [InlineData(500)]
    [InlineData(502)]
    [InlineData(503)]
    public async Task A_bad_day_has_the_status_that_was_ordered(int status)
    {
        As(github.Fake.WorkflowToken());
        github.Fake.Fail(status switch { 404 => Fault.NotFound(), 409 => Fault.Conflict(), _ => Fault.ServerError(status) }, IsOurs, times: 1);

        using var response = await _client.GetAsync($"repos/{_repository.FullName}/pulls/9");

        Assert.Equal(status, (int)response.StatusCode);
    }

    [Fact]
    public async Task A_connection_is_cut_or_kept_silent_on_demand()
    {
        using var direct = new HttpClient { BaseAddress = github.Fake.Address, Timeout = TimeSpan.FromMilliseconds(300) };
        github.Fake.Fail(Fault.Dropped(), IsOurs, times: 1);
        await Assert.ThrowsAsync<HttpRequestException>(() => direct.GetAsync($"repos/{_repository.FullName}"));
        github.Fake.Fail(Fault.Silence(), IsOurs, times: 1);
        await Assert.ThrowsAsync<TaskCanceledException>(() => direct.GetAsync($"repos/{_repository.FullName}"));
    }

    [Fact]
    public async Task GitHub_Enterprise_has_the_same_behind_a_path()
    {
        using var enterprise = new HttpClient { BaseAddress = new(github.Fake.Address, "api/v3/") };
        var token = github.Fake.WorkflowToken();
        enterprise.DefaultRequestHeaders.Authorization = new("Bearer", token.Value);
        enterprise.DefaultRequestHeaders.UserAgent.ParseAdd("pgd-tests");

        Assert.Equal(_repository.Id, (await enterprise.GetFromJsonAsync<JsonObject>($"repos/{_repository.FullName}"))!["id"]!.GetValue<long>());
    }

    [Fact]
    public async Task An_invalid_request_does_not_get_through()
    {
        await using var prism = await Prism.StartAsync(github.Fake.Address);
        using var client = new HttpClient { BaseAddress = prism.Address };

        using var withoutBody = await client.PostAsJsonAsync($"repos/{_repository.FullName}/issues/1/comments", new { text = "no body" });
        using var unknownRoute = await client.GetAsync("repos/a/b/nothing/like/that");

        Assert.Equal(HttpStatusCode.UnprocessableEntity, withoutBody.StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, unknownRoute.StatusCode);
        Assert.DoesNotContain(github.Fake.Requests, request => request.Body.Contains("no body", StringComparison.Ordinal));
        Assert.NotEmpty(await prism.ViolationsAsync());
    }

    [Fact]
    public async Task An_answer_that_GitHub_would_not_give_does_not_get_through()
    {
        await using var liar = await FakeGitHub.StartAsync();
        await using var prism = await Prism.StartAsync(liar.Address);
        // Without the number, an answer is no pull request.
        liar.AddRepository("octo-org/liar", 1).Open(1);
        liar.Tamper = json => (json as JsonObject)?.Remove("number");
        using var client = new HttpClient { BaseAddress = prism.Address };
        client.DefaultRequestHeaders.Authorization = new("Bearer", liar.WorkflowToken().Value);
        client.DefaultRequestHeaders.UserAgent.ParseAdd("pgd-tests");

        using var response = await client.GetAsync("repos/octo-org/liar/pulls/1");

        Assert.Equal(HttpStatusCode.InternalServerError, response.StatusCode);
        Assert.NotEmpty(await prism.ViolationsAsync());
    }

    /// <inheritdoc/>
    public void Dispose() => _client.Dispose();

    private static string? Next(HttpResponseMessage response) =>
        response.Headers.TryGetValues("Link", out var values)
            ? string.Join(", ", values).Split(", ").SingleOrDefault(link => link.EndsWith("rel=\"next\"", StringComparison.Ordinal))?.Split('<', '>')[1]
            : null;

    private bool IsOurs(FakeRequest request) => request.Path.Contains(_repository.FullName, StringComparison.Ordinal);

    private GitHubContractTests As(FakeToken token)
    {
        _client.DefaultRequestHeaders.Authorization = new("Bearer", token.Value);
        _client.DefaultRequestHeaders.UserAgent.ParseAdd("pgd-tests");
        _client.DefaultRequestHeaders.Accept.Add(new MediaTypeWithQualityHeaderValue("application/vnd.github+json"));
        return this;
    }

    private async Task<JsonObject> GetAsync(string path) => JsonNode.Parse(await GetTextAsync(path))!.AsObject();

    private async Task<JsonArray> GetArrayAsync(string path) => JsonNode.Parse(await GetTextAsync(path))!.AsArray();

    private async Task<string> GetTextAsync(string path)
    {
        using var response = await _client.GetAsync(path);
        var text = await response.Content.ReadAsStringAsync();
        // A violation's text says more than its status.
        Assert.True(response.IsSuccessStatusCode, text);
        return text;
    }
}
