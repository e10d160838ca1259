using System.Net;
using System.Net.Http.Headers;
using Pgd.Action;
using Pgd.Action.GitHub;
using Xunit;

namespace Pgd.Tests.Action;

public sealed class GitHubClientTests : IDisposable
{
    private const string Token = "ghs_16C7e42F292c6912E7710c838347Ae178B4a";
    private const string Comment = """{ "id": 5, "body": "hello", "user": { "login": "github-actions[bot]" }, "html_url": "https://github.example/c/5" }""";
    private const string Pull = """{ "number": 42, "state": "open", "draft": true, "head": { "sha": "abc" }, "labels": [ { "name": "database" } ] }""";

    private readonly FakeTime time = new(DateTimeOffset.UnixEpoch) { LimitOf = GitHubRetry.RequestTimeout };
    private readonly StubGitHub github = new();
    private readonly GitHubPullRequests client;

    public GitHubClientTests() => client = new(github, "https://ghe.example/api/v3", "octo/shop", Token, time);

    public void Dispose()
    {
        client.Dispose();
        github.Dispose();
    }

    private static async Task<PgdException> FailsAsync(Func<Task> call)
    {
        var error = await Assert.ThrowsAsync<PgdException>(call);
        Assert.DoesNotContain(Token, error.ToString(), StringComparison.Ordinal);
        return error;
    }

    [Fact]
    public async Task A_request_says_who_asks_and_which_version_it_speaks()
    {
        github.Answer(200, Pull);

        var pull = await client.GetAsync(42, default);

        Assert.Equal((42, true, "abc", true, "database"), (pull!.Number, pull.IsOpen, pull.HeadSha, pull.IsDraft, Assert.Single(pull.Labels)));
        var request = Assert.Single(github.Requests);
        Assert.Equal("GET https://ghe.example/api/v3/repos/octo/shop/pulls/42", request.Line);
        Assert.Equal(("Bearer " + Token, "application/vnd.github+json", "2022-11-28"), (request.Header("Authorization"), request.Header("Accept"), request.Header("X-GitHub-Api-Version")));
        Assert.StartsWith("pgd/", request.Header("User-Agent"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task All_pages_are_read_and_the_token_stays_with_its_host()
    {
        github.Answer(200, $"[{Comment}]", ("Link", "<https://elsewhere.example/api/v3/repositories/1/issues/42/comments?page=2>; rel=\"next\", <https://elsewhere.example/x?page=2>; rel=\"last\""));
        github.Answer(200, $"[{Comment.Replace("5,", "3,", StringComparison.Ordinal)}]", ("Link", "<https://ghe.example/x?page=1>; rel=\"prev\""));

        var comments = await client.ListCommentsAsync(42, default);

        Assert.Equal([3, 5], comments.Select(c => c.Id));
        Assert.Equal(
            ["GET https://ghe.example/api/v3/repos/octo/shop/issues/42/comments?per_page=100", "GET https://ghe.example/api/v3/repositories/1/issues/42/comments?page=2"],
            github.Requests.Select(r => r.Line));
    }

    [Fact]
    public async Task A_renamed_repository_is_followed_with_the_token()
    {
        github.Answer(301, "{}", ("Location", "https://ghe.example/api/v3/repositories/1/pulls/42"));
        github.Answer(200, Pull);

        await client.GetAsync(42, default);

        Assert.Equal("GET https://ghe.example/api/v3/repositories/1/pulls/42", github.Requests[1].Line);
        Assert.Equal("Bearer " + Token, github.Requests[1].Header("Authorization"));
    }

    [Fact]
    public async Task What_happened_to_each_file_is_told()
    {
        github.Answer(200, """
            [ { "filename": "a", "status": "added" }, { "filename": "b", "status": "modified" }, { "filename": "c", "status": "renamed", "previous_filename": "d" },
              { "filename": "e", "status": "removed" }, { "filename": "f", "status": "copied" }, { "filename": "g", "status": "unchanged" } ]
            """);

        Assert.Equal(
            [new("a", FileChange.Added), new("b", FileChange.Modified), new("c", FileChange.Renamed, "d"), new("e", FileChange.Removed), new("f", FileChange.Added)],
            await client.ListFilesAsync(42, default));
    }

    [Fact]
    public async Task A_list_of_files_that_GitHub_cut_off_is_an_error()
    {
        github.Answer(200, $"[{string.Join(',', Enumerable.Repeat("""{ "filename": "a", "status": "added" }""", 3000))}]");

        Assert.Contains("migrate-ledger", (await FailsAsync(() => client.ListFilesAsync(42, default))).Hint, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_commit_is_marked_in_no_more_words_than_GitHub_takes()
    {
        github.Answer(200, """[ { "state": "success", "context": "pgd/migration" }, { "state": "failure", "context": "other" } ]""");
        github.Answer(201, "{}");

        await client.SetStatusAsync("abc", new("pgd/migration", Succeeded: false, new string('x', 200), "https://ci.example/1"), default);

        var sent = github.Requests[1];
        Assert.EndsWith("/statuses/abc", sent.Line, StringComparison.Ordinal);
        var body = System.Text.Json.JsonDocument.Parse(sent.Body).RootElement;
        Assert.Equal(("failure", "pgd/migration", "https://ci.example/1", true), (body.GetProperty("state").GetString(), body.GetProperty("context").GetString(), body.GetProperty("target_url").GetString(), body.GetProperty("description").GetString()!.Length is > 130 and <= 140));
    }

    [Fact]
    public async Task A_commit_that_is_marked_so_already_is_left_alone()
    {
        github.Answer(200, """[ { "state": "success", "context": "pgd/migration", "description": "fine", "target_url": "https://ci.example/1" }, { "state": "failure", "context": "pgd/migration" } ]""");

        await client.SetStatusAsync("abc", new("pgd/migration", Succeeded: true, "fine", "https://ci.example/1"), default);

        Assert.StartsWith("GET ", Assert.Single(github.Requests).Line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Who_may_not_mark_a_commit_is_told_which_right_is_missing()
    {
        github.Answer(403, """{ "message": "Resource not accessible by integration" }""");

        Assert.Equal("Give the job the permission statuses: write.", (await FailsAsync(() => client.SetStatusAsync("abc", new("pgd/migration", true, "x", null), default))).Hint);
    }

    [Fact]
    public async Task An_error_of_the_server_passes_and_the_waits_grow()
    {
        github.Answer(502, "<html>");
        github.Drop();
        github.Answer(500, "{}");
        github.Answer(200, Pull);

        Assert.NotNull(await client.GetAsync(42, default));

        Assert.Equal([1, 2, 4], time.Waits.Select(w => w.TotalSeconds));
    }

    [Fact]
    public async Task A_server_that_stays_broken_is_an_error_in_the_end()
    {
        for (var i = 0; i < 5; i++)
            github.Answer(503, "<html>busy</html>");

        Assert.Equal("GitHub answered 503 (reading pull request 42)", (await FailsAsync(() => client.GetAsync(42, default))).Message);
    }

    [Fact]
    public async Task A_server_that_never_answers_is_an_error_in_the_end()
    {
        time.LimitStrikes = true;
        for (var i = 0; i < 5; i++)
            github.NeverAnswer();

        Assert.Contains("ghe.example did not answer within 20 s", (await FailsAsync(() => client.GetAsync(42, default))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_that_cannot_be_reached_is_named_without_the_token()
    {
        for (var i = 0; i < 5; i++)
            github.Drop();

        var error = await FailsAsync(() => client.GetAsync(42, default));

        Assert.Contains("ghe.example cannot be reached", error.Message, StringComparison.Ordinal);
        Assert.Contains("SSL_CERT_FILE", error.Hint, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(403)]
    [InlineData(429)]
    public async Task A_rate_limit_is_waited_for_as_long_as_it_says(int status)
    {
        github.Answer(status, """{ "message": "You have exceeded a secondary rate limit" }""", ("Retry-After", "60"));
        github.Answer(200, Pull);

        await client.GetAsync(42, default);

        Assert.Equal([60], time.Waits.Select(w => w.TotalSeconds));
    }

    [Fact]
    public async Task A_rate_limit_without_Retry_After_is_waited_for_until_it_resets()
    {
        github.Answer(403, "{}", ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "90"));
        github.Answer(200, Pull);

        await client.GetAsync(42, default);

        Assert.Equal([90], time.Waits.Select(w => w.TotalSeconds));
    }

    [Fact]
    public async Task A_rate_limit_that_lasts_too_long_is_an_error_at_once()
    {
        github.Answer(403, """{ "message": "API rate limit exceeded" }""", ("Retry-After", "3600"));

        var error = await FailsAsync(() => client.GetAsync(42, default));

        Assert.Equal("GitHub's rate limit is used up for another 3600 s (reading pull request 42): API rate limit exceeded", error.Message);
        Assert.Empty(time.Waits);
    }

    [Fact]
    public async Task Waits_are_limited_together_too()
    {
        for (var i = 0; i < 4; i++)
            github.Answer(429, "{}", ("Retry-After", "80"));

        await FailsAsync(() => client.GetAsync(42, default));

        Assert.Equal([80, 80], time.Waits.Select(w => w.TotalSeconds));
    }

    [Fact]
    public async Task A_token_that_is_refused_is_an_error_at_once()
    {
        github.Answer(401, """{ "message": "Bad credentials" }""");

        var error = await FailsAsync(() => client.GetAsync(42, default));

        Assert.Equal("GitHub refused the token in github-token (reading pull request 42): Bad credentials", error.Message);
        Assert.Single(github.Requests);
    }

    [Fact]
    public async Task A_token_without_the_permission_is_told_which_one()
    {
        github.Answer(403, """{ "message": "Resource not accessible by integration" }""");

        Assert.Equal("Give the job the permission pull-requests: write.", (await FailsAsync(() => client.CreateCommentAsync(42, "hello", default))).Hint);
    }

    [Fact]
    public async Task A_pull_request_that_is_not_there_is_null()
    {
        github.Answer(404, "{}");
        Assert.Null(await client.GetAsync(42, default));
    }

    [Fact]
    public async Task An_answer_that_is_no_GitHubs_is_an_error()
    {
        github.Answer(200, "<html>welcome</html>");
        Assert.Contains("GITHUB_API_URL", (await FailsAsync(() => client.GetAsync(42, default))).Hint, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_answer_that_lacks_what_the_API_promises_is_an_error()
    {
        github.Answer(200, """{ "number": 42, "state": "open" }""");
        Assert.Contains("not what its API promises", (await FailsAsync(() => client.GetAsync(42, default))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_certificate_that_is_not_trusted_is_an_error_at_once()
    {
        github.Refuse();
        Assert.Contains("SSL_CERT_FILE", (await FailsAsync(() => client.CreateCommentAsync(42, "hello", default))).Hint, StringComparison.Ordinal);
        Assert.Single(github.Requests);
    }

    [Fact]
    public async Task A_comment_is_posted_as_JSON()
    {
        github.Answer(201, Comment);

        var comment = await client.CreateCommentAsync(42, "hello\n\"you\"", default);

        Assert.Equal(new PullRequestComment(5, "github-actions[bot]", "hello", "https://github.example/c/5"), comment);
        var request = Assert.Single(github.Requests);
        Assert.Equal(("POST https://ghe.example/api/v3/repos/octo/shop/issues/42/comments", "application/json; charset=utf-8"), (request.Line, request.Header("Content-Type")));
        Assert.Equal("""{"body":"hello\n\u0022you\u0022"}""", request.Body);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_comment_that_arrived_although_the_answer_got_lost_is_not_posted_again(bool dropped)
    {
        if (dropped)
            github.Drop();
        else
            github.Answer(504, "{}");
        github.Answer(200, $"[{Comment}]");

        Assert.Equal(5, (await client.CreateCommentAsync(42, "hello", default)).Id);

        Assert.Equal(["POST", "GET"], github.Requests.Select(r => r.Line.Split(' ')[0]));
    }

    [Fact]
    public async Task A_comment_that_did_not_arrive_is_posted_once_more()
    {
        github.Drop();
        github.Answer(200, "[]");
        github.Answer(201, Comment);

        Assert.Equal(5, (await client.CreateCommentAsync(42, "hello", default)).Id);

        Assert.Equal(["POST", "GET", "POST"], github.Requests.Select(r => r.Line.Split(' ')[0]));
    }

    [Fact]
    public async Task A_comment_that_never_gets_through_is_an_error_after_two_attempts()
    {
        github.Drop();
        github.Answer(200, "[]");
        github.Drop();

        await FailsAsync(() => client.CreateCommentAsync(42, "hello", default));

        Assert.Equal(3, github.Requests.Count);
    }

    [Fact]
    public async Task A_comment_that_was_not_taken_because_of_a_rate_limit_is_posted_again()
    {
        github.Answer(403, "{}", ("Retry-After", "5"));
        github.Answer(201, Comment);

        Assert.Equal(5, (await client.CreateCommentAsync(42, "hello", default)).Id);

        Assert.Equal(["POST", "POST"], github.Requests.Select(r => r.Line.Split(' ')[0]));
    }

    [Fact]
    public async Task An_update_is_repeated_with_the_same_body()
    {
        github.Answer(502, "{}");
        github.Answer(200, Comment);

        await client.UpdateCommentAsync(5, "hello", default);

        Assert.Equal(["""{"body":"hello"}""", """{"body":"hello"}"""], github.Requests.Select(r => r.Body));
    }

    [Fact]
    public async Task A_comment_that_is_gone_is_no_error()
    {
        github.Answer(404, "{}");
        github.Answer(404, "{}");

        Assert.Null(await client.UpdateCommentAsync(5, "hello", default));
        await client.DeleteCommentAsync(5, default);
    }

    [Theory]
    [InlineData(200, """{ "login": "robot" }""", "robot")]
    [InlineData(403, """{ "message": "Resource not accessible by integration" }""", "github-actions[bot]")]
    public async Task A_workflows_token_comments_as_the_actions_bot(int status, string answer, string login)
    {
        github.Answer(status, answer);
        Assert.Equal(login, await client.GetLoginAsync(default));
    }

    [Theory]
    [InlineData("ftp://ghe.example")]
    [InlineData("ghe.example")]
    public void An_address_that_is_none_is_refused(string url) =>
        Assert.Equal(ExitCode.Misuse, Assert.Throws<PgdException>(() => new GitHubPullRequests(url, "octo/shop", Token)).ExitCode);

    [Fact]
    public async Task A_canceled_job_waits_no_longer()
    {
        github.NeverAnswer();
        using var cancellation = new CancellationTokenSource();

        var asking = client.GetAsync(42, cancellation.Token);
        await cancellation.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asking);
    }

    /// <summary>Answers from a list, in turn, and keeps what it was asked.</summary>
    private sealed class StubGitHub : HttpMessageHandler
    {
        private readonly Queue<Func<CancellationToken, Task<HttpResponseMessage>>> answers = [];

        public List<Request> Requests { get; } = [];

        public void Answer(int status, string body, params (string Name, string Value)[] headers) => answers.Enqueue(_ =>
        {
            var response = new HttpResponseMessage((HttpStatusCode)status) { Content = new StringContent(body, new MediaTypeHeaderValue(body.StartsWith('<') ? "text/html" : "application/json")) };
            foreach (var (name, value) in headers)
                response.Headers.Add(name, value);
            return Task.FromResult(response);
        });

        public void Drop() => answers.Enqueue(_ => throw new HttpRequestException("The connection was reset"));

        public void Refuse() => answers.Enqueue(_ => throw new HttpRequestException(HttpRequestError.SecureConnectionError, "The SSL connection could not be established"));

        public void NeverAnswer() => answers.Enqueue(async token =>
        {
            await Task.Delay(Timeout.Infinite, token);
            return new();
        });

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Requests.Add(new(
                $"{request.Method} {request.RequestUri}",
                request.Headers.Concat(request.Content?.Headers ?? Enumerable.Empty<KeyValuePair<string, IEnumerable<string>>>()).ToDictionary(h => h.Key, h => string.Join(' ', h.Value)),
                request.Content is { } content ? await content.ReadAsStringAsync(cancellationToken) : ""));
            return await answers.Dequeue()(cancellationToken);
        }
    }

    private sealed record Request(string Line, Dictionary<string, string> Headers, string Body)
    {
        public string Header(string name) => Headers.GetValueOrDefault(name, "");
    }
}
