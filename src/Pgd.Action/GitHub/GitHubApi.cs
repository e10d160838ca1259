using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Polly;
using Polly.Timeout;

namespace Pgd.Action.GitHub;

/// <summary>One GitHub REST API, with our token: sends, repeats what may be repeated, and turns failures into errors for a user.</summary>
internal sealed class GitHubApi : IDisposable
{
    private const int Redirects = 3;
    private readonly HttpClient client;
    private readonly Uri baseUrl;
    private readonly string token;
    private readonly TimeProvider time;
    private readonly ResiliencePipeline<HttpResponseMessage> repeatable;
    private readonly ResiliencePipeline<HttpResponseMessage> once;

    public GitHubApi(HttpMessageHandler handler, string baseUrl, string token, TimeProvider time)
    {
        // Timeouts are the pipeline's, so that they follow the clock that we were given.
        client = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
        this.baseUrl = Parse(baseUrl);
        this.token = token;
        this.time = time;
        repeatable = GitHubRetry.Pipeline(time, onlyWhenNotDone: false);
        once = GitHubRetry.Pipeline(time, onlyWhenNotDone: true);
    }

    /// <summary>
    /// What talks to GitHub: proxies come from HTTPS_PROXY and NO_PROXY, trusted authorities from the system's store and from SSL_CERT_FILE and
    /// SSL_CERT_DIR; both are .NET's defaults. Redirects are ours, because the default drops the token on each of them.
    /// </summary>
    public static HttpMessageHandler DefaultHandler() => new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        AutomaticDecompression = DecompressionMethods.All,
        ConnectTimeout = TimeSpan.FromSeconds(10),
    };

    /// <summary>Sends a request that may be repeated. The caller owns the answer, which may be an error.</summary>
    public Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, HttpContent? body, CancellationToken cancellationToken) =>
        SendAsync(repeatable, method, path, body, cancellationToken);

    /// <summary>Sends a request that must not have its effect twice: after an uncertain end it throws what <see cref="GitHubRetry.IsUncertain"/> knows.</summary>
    public Task<HttpResponseMessage> SendOnceAsync(HttpMethod method, string path, HttpContent body, CancellationToken cancellationToken) =>
        SendAsync(once, method, path, body, cancellationToken);

    /// <summary>All pages of a list.</summary>
    public async Task<List<T>> ListAsync<T>(string path, JsonTypeInfo<List<T>> type, string what, CancellationToken cancellationToken)
    {
        var items = new List<T>();
        for (var next = path + "?per_page=100"; next is not null;)
        {
            using var response = await GuardAsync(() => SendAsync(HttpMethod.Get, next, null, cancellationToken), what);
            await ThrowIfFailedAsync(response, what, cancellationToken);
            items.AddRange(await ReadAsync(response, type, what, cancellationToken));
            var link = response.Headers.TryGetValues("Link", out var links) ? LinkHeader.Next(links) : null;
            // Only the path: the token goes to the host that it was given for, whatever a proxy or an answer says.
            next = link is null ? null : new Uri(baseUrl, link).PathAndQuery;
        }

        return items;
    }

    /// <summary>The answer's body.</summary>
    public static async Task<T> ReadAsync<T>(HttpResponseMessage response, JsonTypeInfo<T> type, string what, CancellationToken cancellationToken)
    {
        try
        {
            return await response.Content.ReadFromJsonAsync(type, cancellationToken) ?? throw new JsonException("null");
        }
        catch (JsonException e)
        {
            throw new PgdException(ExitCode.Failed, $"GitHub's answer is not what its API promises ({what})", "Is GITHUB_API_URL the address of a GitHub API?", e);
        }
    }

    /// <summary>Turns a request that got no answer into an error for a user.</summary>
    public async Task<T> GuardAsync<T>(Func<Task<T>> send, string what)
    {
        try
        {
            return await send();
        }
        catch (TimeoutRejectedException e)
        {
            throw new PgdException(ExitCode.Failed, $"GitHub at {baseUrl.Authority} did not answer within {GitHubRetry.RequestTimeout.TotalSeconds:0} s, several times ({what})",
                "Run the job again later.", e);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw new PgdException(ExitCode.Failed, $"GitHub at {baseUrl.Authority} cannot be reached ({what}): {e.InnerException?.Message ?? e.Message}",
                "Check GITHUB_API_URL, HTTPS_PROXY and, for a certificate authority of your own, SSL_CERT_FILE.", e);
        }
    }

    /// <summary>Turns an answer that says no into an error for a user.</summary>
    public async Task ThrowIfFailedAsync(HttpResponseMessage response, string what, CancellationToken cancellationToken, string permission = "pull-requests: write")
    {
        if (response.IsSuccessStatusCode)
            return;
        var said = await MessageAsync(response, cancellationToken);
        var status = (int)response.StatusCode;
        throw response.StatusCode switch
        {
            _ when GitHubRetry.IsRateLimit(response) => new PgdException(ExitCode.Failed,
                $"GitHub's rate limit is used up for another {GitHubRetry.Delay(response, 0, time).TotalSeconds:0} s ({what}){said}", "Run the job again then, or give it a token of its own in github-token."),
            HttpStatusCode.Unauthorized => new PgdException(ExitCode.Failed,
                $"GitHub refused the token in github-token ({what}){said}", "Pass a valid one: github-token: ${{ github.token }}"),
            HttpStatusCode.Forbidden => new PgdException(ExitCode.Failed,
                $"the token in github-token may not do this ({what}){said}", $"Give the job the permission {permission}."),
            HttpStatusCode.NotFound => new PgdException(ExitCode.NotFound,
                $"GitHub knows no such thing, or the token may not see it ({what}){said}", $"Give the job the permission {permission}."),
            _ => new PgdException(ExitCode.Failed, $"GitHub answered {status} ({what}){said}", status >= 500 ? "Run the job again later." : null),
        };
    }

    public void Dispose() => client.Dispose();

    private async Task<HttpResponseMessage> SendAsync(
        ResiliencePipeline<HttpResponseMessage> pipeline, HttpMethod method, string path, HttpContent? body, CancellationToken cancellationToken)
    {
        // Read once, so that a repeated request sends the same bytes: a content is gone after it was sent.
        var bytes = body is null ? null : await body.ReadAsByteArrayAsync(cancellationToken);
        return await pipeline.ExecuteAsync(async attempt => await FollowAsync(method, new Uri(baseUrl, path), bytes, attempt), cancellationToken);
    }

    private async Task<HttpResponseMessage> FollowAsync(HttpMethod method, Uri address, byte[]? body, CancellationToken cancellationToken)
    {
        for (var hop = 0; ; hop++)
        {
            using var request = Request(method, address, body);
            var response = await client.SendAsync(request, HttpCompletionOption.ResponseContentRead, cancellationToken);
            // A renamed repository answers with its new address, which is on the same host.
            if (hop == Redirects || response.StatusCode is not (HttpStatusCode.MovedPermanently or HttpStatusCode.Found or HttpStatusCode.TemporaryRedirect
                or HttpStatusCode.PermanentRedirect) || response.Headers.Location is not { } location)
                return response;
            address = new Uri(baseUrl, new Uri(address, location).PathAndQuery);
            response.Dispose();
        }
    }

    private HttpRequestMessage Request(HttpMethod method, Uri address, byte[]? body)
    {
        var request = new HttpRequestMessage(method, address);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        request.Headers.Accept.ParseAdd("application/vnd.github+json");
        request.Headers.Add("X-GitHub-Api-Version", "2022-11-28");
        request.Headers.UserAgent.ParseAdd("pgd/" + (typeof(GitHubApi).Assembly.GetName().Version?.ToString(3) ?? "0"));
        if (body is not null)
            request.Content = new ByteArrayContent(body) { Headers = { ContentType = new MediaTypeHeaderValue("application/json", "utf-8") } };
        return request;
    }

    private static async Task<string> MessageAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        try
        {
            var error = await response.Content.ReadFromJsonAsync(GitHubJson.Default.ErrorResource, cancellationToken);
            return string.IsNullOrWhiteSpace(error?.Message) ? "" : $": {Reports.PlainText.Line(error.Message, 300)}";
        }
        catch (JsonException)
        {
            return ""; // A proxy's page of HTML, for example.
        }
    }

    private static Uri Parse(string text) =>
        Uri.TryCreate(text.TrimEnd('/') + "/", UriKind.Absolute, out var url) && url.Scheme is "http" or "https"
            ? url
            : throw new PgdException(ExitCode.Misuse, "GITHUB_API_URL is not an address", "For example https://api.github.com or https://github.example.com/api/v3.");
}
