using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;

namespace Pgd.IntegrationTests.GitHub;

/// <summary>
/// A stand-in for GitHub's API, as far as pull requests, their comments and the marks on their commits go: it has a state, pages, tokens, and bad days on demand.
/// <see cref="Prism"/> stands in front of it and proves that its answers are GitHub's.
/// </summary>
internal sealed class FakeGitHub : IAsyncDisposable
{
    private const int DefaultPage = 30;
    private const int LargestPage = 100;
    private const int LongestBody = 65536;
    private const int LongestDescription = 140;
    private readonly WebApplication _server;
    private readonly Lock _lock = new();
    private readonly Dictionary<string, FakeRepository> _repositories = new(StringComparer.OrdinalIgnoreCase);
    private readonly Dictionary<string, FakeToken> _tokens = [];
    private readonly ConcurrentQueue<FakeRequest> _requests = new();
    private readonly List<(Func<FakeRequest, bool> Applies, Fault Fault, int Left)> _faults = [];

    private FakeGitHub(WebApplication server) => _server = server;

    /// <summary>Where it listens itself.</summary>
    public Uri Address { get; private set; } = null!;

    /// <summary>Where its clients find it, which is what the addresses in its answers say.</summary>
    public Uri PublicAddress { get; set; } = null!;

    /// <summary>Every request that arrived, in order.</summary>
    public IReadOnlyList<FakeRequest> Requests => [.. _requests];

    /// <summary>Falsifies answers, to see whether it is noticed.</summary>
    public Action<JsonNode>? Tamper { get; set; }

    /// <summary>Hears of every request as soon as its answer is settled, which need not have been sent: a moment for something to happen.</summary>
    public Action<FakeRequest>? Settled { get; set; }

    /// <summary>The public address as the addresses in answers and payloads begin.</summary>
    public string Api => PublicAddress.ToString().TrimEnd('/');

    /// <summary>Starts it on a free port of an address, by default of the loopback interface.</summary>
    public static async Task<FakeGitHub> StartAsync(string address = "127.0.0.1")
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls($"http://{address}:0");
        var github = new FakeGitHub(builder.Build());
        github.Map();
        await github._server.StartAsync();
        github.Address = github.PublicAddress = new(github._server.Urls.Single());
        return github;
    }

    /// <summary>Adds a repository.</summary>
    public FakeRepository AddRepository(string fullName, long id)
    {
        lock (_lock)
            return _repositories[fullName] = new(fullName, id);
    }

    /// <summary>A token such as every job gets: <c>github-actions[bot]</c> writes with it.</summary>
    public FakeToken WorkflowToken(bool mayComment = true, bool mayMark = true) =>
        Add(new(NewTokenValue("ghs_"), FakeUser.ActionsBot) { IsInstallation = true, MayComment = mayComment, MayMark = mayMark });

    /// <summary>A person's token.</summary>
    public FakeToken PersonalToken(FakeUser user) => Add(new(NewTokenValue("ghp_"), user));

    /// <summary>Does something else than answer, the next <paramref name="times"/> times that a request fits.</summary>
    public void Fail(Fault fault, Func<FakeRequest, bool> applies, int times = int.MaxValue)
    {
        lock (_lock)
            _faults.Add((applies, fault, times));
    }

    /// <summary>Changes something while nobody is answered.</summary>
    public void Change(System.Action change)
    {
        lock (_lock)
            change();
    }

    /// <summary>Answers again.</summary>
    public void Recover()
    {
        lock (_lock)
            _faults.Clear();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        // Connections that were kept silent on purpose would hold a graceful stop up.
        using var now = new CancellationTokenSource(TimeSpan.Zero);
        await _server.StopAsync(now.Token);
        await _server.DisposeAsync();
    }

    private static string NewTokenValue(string prefix) => prefix + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(18));

    private FakeToken Add(FakeToken token)
    {
        lock (_lock)
            return _tokens[token.Value] = token;
    }

    private void Map()
    {
        // GitHub Enterprise Server has its API there.
        _server.UsePathBase("/api/v3");
        _server.Use(ReceiveAsync);
        _server.UseRouting();
        Get("/user", call => call.Token.IsInstallation ? Refuse("Resource not accessible by integration") : new(200, UserJson(call.Token.User)));
        Get("/repos/{owner}/{repo}", call => new(200, call.Repository.ToJson(Api)));
        foreach (var repository in new[] { "/repos/{owner}/{repo}", "/repositories/{id}" })
        {
            Get($"{repository}/pulls", call => Page(call, "pulls", PullRequests(call).Select(pull => pull.ToJson(Api))));
            Get($"{repository}/pulls/{{number:int}}", call => new(200, call.PullRequest.ToJson(Api)));
            Get($"{repository}/pulls/{{number:int}}/files",
                call => Page(call, $"pulls/{call.PullRequest.Number}/files", call.PullRequest.Files.Select(file => call.PullRequest.FileJson(file, Api))));
            Get($"{repository}/issues/{{number:int}}/comments",
                call => Page(call, $"issues/{call.PullRequest.Number}/comments", call.PullRequest.Comments.Select(comment => comment.ToJson(call.Repository, Api))));
        }

        On("POST", "/repos/{owner}/{repo}/issues/{number:int}/comments", CreateComment);
        Get("/repos/{owner}/{repo}/issues/comments/{comment:long}", call => new(200, call.Comment.ToJson(call.Repository, Api)));
        On("PATCH", "/repos/{owner}/{repo}/issues/comments/{comment:long}", UpdateComment);
        On("DELETE", "/repos/{owner}/{repo}/issues/comments/{comment:long}", DeleteComment);
        On("POST", "/repos/{owner}/{repo}/statuses/{sha}", CreateStatus);
        Get("/repos/{owner}/{repo}/commits/{sha}/statuses", call => Page(call, $"commits/{call.Sha}/statuses", call.Repository.Statuses.Where(s => s.Sha == call.Sha).Reverse().Select(s => s.ToJson(call.Repository, Api))));
        _server.MapFallback(context => WriteAsync(context, Answer.NotFound));
    }

    private Answer CreateComment(Call call)
    {
        if (!call.Token.MayComment)
            return Refuse("Resource not accessible by integration");
        var number = call.PullRequest.Number;
        return Checked(call, body => new(201, call.Repository.Comment(number, call.Token.User, body).ToJson(call.Repository, Api)));
    }

    private Answer UpdateComment(Call call)
    {
        if (!call.Token.MayComment)
            return Refuse("Resource not accessible by integration");
        var comment = call.Comment;
        return Checked(call, body =>
        {
            comment.Body = body;
            comment.Edits++;
            return new(200, comment.ToJson(call.Repository, Api));
        });
    }

    private Answer DeleteComment(Call call)
    {
        if (!call.Token.MayComment)
            return Refuse("Resource not accessible by integration");
        call.Repository.Remove(call.Comment);
        return new(204, null);
    }

    private Answer CreateStatus(Call call)
    {
        if (!call.Token.MayMark)
            return Refuse("Resource not accessible by integration");
        var asked = JsonNode.Parse(call.Request.Body)!;
        if (asked["description"]?.GetValue<string>().Length > LongestDescription)
            return Invalid($"description is too long (maximum is {LongestDescription} characters)", "Status");
        var status = new FakeStatus(FakeComment.NextId(), call.Sha, call.Token.User, asked["state"]!.GetValue<string>(), asked["context"]!.GetValue<string>(), asked["description"]?.GetValue<string>(), asked["target_url"]?.GetValue<string>());
        call.Repository.Statuses.Add(status);
        return new(201, status.ToJson(call.Repository, Api));
    }

    private static Answer Checked(Call call, Func<string, Answer> write)
    {
        var body = JsonNode.Parse(call.Request.Body)?["body"]?.GetValue<string>();
        return string.IsNullOrWhiteSpace(body) ? Invalid("Body cannot be blank")
            : body.EnumerateRunes().Count() > LongestBody ? Invalid($"Body is too long (maximum is {LongestBody} characters)")
            : write(body);
    }

    private static Answer Invalid(string message, string resource = "IssueComment") => new(422, new JsonObject
    {
        ["message"] = "Validation Failed",
        ["documentation_url"] = "https://docs.github.com/rest",
        ["errors"] = new JsonArray(new JsonObject { ["resource"] = resource, ["code"] = "unprocessable", ["field"] = "data", ["message"] = message }),
    });

    private static Answer Refuse(string message) => Answer.Error(403, message);

    private static IEnumerable<FakePullRequest> PullRequests(Call call)
    {
        var state = call.Context.Request.Query["state"].ToString();
        return call.Repository.PullRequests.Where(pull => state == "all" || pull.Closed == (state == "closed")).OrderByDescending(pull => pull.Number);
    }

    private Answer Page(Call call, string path, IEnumerable<JsonObject> items)
    {
        var all = items.ToList();
        var size = Math.Clamp(Number("per_page", DefaultPage), 1, LargestPage);
        var page = Math.Max(Number("page", 1), 1);
        var last = Math.Max((all.Count + size - 1) / size, 1);
        var links = new List<string>();
        if (page > 1)
            links.AddRange([Link(page - 1, "prev"), Link(1, "first")]);
        if (page < last)
            links.AddRange([Link(page + 1, "next"), Link(last, "last")]);
        return new(200, new JsonArray([.. all.Skip((page - 1) * size).Take(size)])) { Link = links.Count > 0 ? string.Join(", ", links) : null };

        int Number(string name, int otherwise) =>
            int.TryParse(call.Context.Request.Query[name], CultureInfo.InvariantCulture, out var number) ? number : otherwise;

        // GitHub's links name the repository by its number, so that a rename does not break them.
        string Link(int to, string relation) => $"<{Api}/repositories/{call.Repository.Id}/{path}?per_page={size}&page={to}>; rel=\"{relation}\"";
    }

    private JsonObject UserJson(FakeUser user)
    {
        var json = FakeComment.UserJson(user, Api);
        foreach (var (name, value) in new[] { ("public_repos", 0), ("public_gists", 0), ("followers", 0), ("following", 0) })
            json[name] = value;
        foreach (var name in new[] { "name", "company", "blog", "location", "email", "hireable", "bio" })
            json[name] = null;
        foreach (var name in new[] { "created_at", "updated_at" })
            json[name] = "2019-05-15T15:20:33Z";
        return json;
    }

    private void Get(string path, Func<Call, Answer> answer) => On("GET", path, answer);

    private void On(string method, string path, Func<Call, Answer> answer) => _server.MapMethods(path, [method], context =>
    {
        Answer given;
        lock (_lock)
        {
            try
            {
                var call = new Call(this, context);
                given = answer(call);
                Settled?.Invoke(call.Request);
            }
            catch (KeyNotFoundException)
            {
                given = Answer.NotFound;
            }
        }

        return WriteLaterAsync(context, given);
    });

    private async Task WriteLaterAsync(HttpContext context, Answer answer)
    {
        // What was true when it was asked need not be true when it is read.
        if (context.Items[typeof(Fault)] is Fault { Delay: { } delay })
            await Task.Delay(delay, context.RequestAborted);
        await WriteAsync(context, answer);
    }

    // Records the request, then has what concerns every request: bad days, manners, tokens.
    private async Task ReceiveAsync(HttpContext context, RequestDelegate next)
    {
        using var reader = new StreamReader(context.Request.Body);
        var request = new FakeRequest(context.Request.Method, $"{context.Request.Path}{context.Request.QueryString}",
            context.Request.Headers.ToDictionary(header => header.Key, header => header.Value.ToString(), StringComparer.OrdinalIgnoreCase), await reader.ReadToEndAsync());
        context.Items[typeof(FakeRequest)] = request;
        _requests.Enqueue(request);
        PasswordScan.Refuse("what GitHub is told", request.Path + request.Body);
        var fault = TakeFault(request);
        context.Items[typeof(Fault)] = fault;
        if (fault is { Delay: null })
        {
            await FailAsync(context, fault);
        }
        else if (!request.Headers.ContainsKey("User-Agent"))
        {
            await WriteAsync(context, Answer.Error(403, "Request forbidden by administrative rules. Please make sure your request has a User-Agent header"));
        }
        else if (TokenOf(request) is { } token)
        {
            context.Items[typeof(FakeToken)] = token;
            try
            {
                await next(context);
            }
            catch (Exception error) when (!context.Response.HasStarted)
            {
                // A defect of the stand-in, not of who asked: it should be seen.
                await WriteAsync(context, Answer.Error(500, error.ToString()));
            }
        }
        else
        {
            await WriteAsync(context, Answer.Error(401, request.Headers.ContainsKey("Authorization") ? "Bad credentials" : "Requires authentication"));
        }
    }

    private Fault? TakeFault(FakeRequest request)
    {
        lock (_lock)
        {
            var index = _faults.FindIndex(fault => fault.Left > 0 && fault.Applies(request));
            if (index < 0)
                return null;
            var fault = _faults[index].Fault;
            _faults[index] = _faults[index] with { Left = _faults[index].Left - 1 };
            if (fault.Delay is null)
                Settled?.Invoke(request);
            return fault;
        }
    }

    private FakeToken? TokenOf(FakeRequest request)
    {
        var words = request.Headers.GetValueOrDefault("Authorization", "").Split(' ', 2);
        if (words.Length != 2 || !(words[0].Equals("Bearer", StringComparison.OrdinalIgnoreCase) || words[0].Equals("token", StringComparison.OrdinalIgnoreCase)))
            return null;
        lock (_lock)
            return _tokens.GetValueOrDefault(words[1]);
    }

    private async Task FailAsync(HttpContext context, Fault fault)
    {
        if (fault.Status is { } status)
        {
            if (fault.RetryAfter is { } seconds)
                context.Response.Headers.RetryAfter = seconds.ToString(CultureInfo.InvariantCulture);
            await WriteAsync(context, Answer.Error(status, fault.Message));
        }
        else if (fault.Drops)
        {
            context.Abort();
        }
        else
        {
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
        }
    }

    private async Task WriteAsync(HttpContext context, Answer answer)
    {
        if (answer.Body is not null)
            Tamper?.Invoke(answer.Body);
        if (context.Items[typeof(FakeRequest)] is FakeRequest request)
            request.Status = answer.Status;
        context.Response.StatusCode = answer.Status;
        context.Response.Headers["X-GitHub-Request-Id"] = Guid.NewGuid().ToString("N");
        context.Response.Headers["X-RateLimit-Limit"] = "5000";
        context.Response.Headers["X-RateLimit-Remaining"] = "4999";
        if (answer.Link is not null)
            context.Response.Headers.Link = answer.Link;
        if (answer.Body is null)
            return;
        context.Response.ContentType = "application/json; charset=utf-8";
        await context.Response.WriteAsync(answer.Body.ToJsonString(JsonSerializerOptions.Web));
    }

    private sealed record Answer(int Status, JsonNode? Body)
    {
        public string? Link { get; init; }

        public static Answer NotFound => Error(404, "Not Found");

        public static Answer Error(int status, string message) =>
            new(status, new JsonObject { ["message"] = message, ["documentation_url"] = "https://docs.github.com/rest", ["status"] = status.ToString(CultureInfo.InvariantCulture) });
    }

    // A request on its way to an answer. What it names and is not there, is a KeyNotFoundException: 404.
    private sealed class Call(FakeGitHub github, HttpContext context)
    {
        public HttpContext Context { get; } = context;

        public FakeRequest Request => (FakeRequest)Context.Items[typeof(FakeRequest)]!;

        public FakeToken Token => (FakeToken)Context.Items[typeof(FakeToken)]!;

        public FakeRepository Repository => Route("id") is { } id
            ? github._repositories.Values.SingleOrDefault(repository => repository.Id.ToString(CultureInfo.InvariantCulture) == id) ?? throw new KeyNotFoundException()
            : github._repositories[$"{Route("owner")}/{Route("repo")}"];

        public FakePullRequest PullRequest => Repository.Find(int.Parse(Route("number")!, CultureInfo.InvariantCulture)) ?? throw new KeyNotFoundException();

        public FakeComment Comment =>
            Repository.Comments.SingleOrDefault(comment => comment.Id.ToString(CultureInfo.InvariantCulture) == Route("comment")) ?? throw new KeyNotFoundException();

        public string Sha => Repository.PullRequests.Any(pull => pull.HeadSha == Route("sha")) ? Route("sha")! : throw new KeyNotFoundException();

        private string? Route(string name) => Context.GetRouteValue(name) as string;
    }
}
