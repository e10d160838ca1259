using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Pgd.IntegrationTests.Backups;

/// <summary>What the proxy does with a request instead of passing it on.</summary>
internal enum Misbehavior
{
    /// <summary>Passes it on.</summary>
    None,

    /// <summary>Answers 500 without asking the server.</summary>
    Error500,

    /// <summary>Answers 503 SlowDown without asking the server.</summary>
    SlowDown,

    /// <summary>Answers nothing until the client leaves.</summary>
    Stall,

    /// <summary>Does what is asked, and breaks the connection instead of saying so.</summary>
    LoseAnswer,

    /// <summary>Sends half of the body and breaks the connection.</summary>
    CutBody,

    /// <summary>Sends half of the body and then nothing until the client leaves.</summary>
    StallInBody,

    /// <summary>Flips a bit of the body that the server sends.</summary>
    FlipReceived,

    /// <summary>Says that all is well, and forgets it.</summary>
    Forget,

    /// <summary>Answers as a server without room.</summary>
    Full,
}

/// <summary>
/// A proxy of ours in front of the S3 server: it misbehaves when told to, and knows the condition <c>If-None-Match: *</c> as Amazon's servers do, if told to, because the server
/// behind it does not. What it does is what the documentation says, and not what a real server was seen to do.
/// </summary>
internal sealed class S3Proxy : IAsyncDisposable
{
    private readonly WebApplication _server;
    private readonly HttpClient _upstream;
    private readonly SemaphoreSlim _oneAtATime = new(1);
    private readonly List<string> _requests = [];

    private S3Proxy(WebApplication server, Uri upstream)
    {
        _server = server;
        _upstream = new(new SocketsHttpHandler { AllowAutoRedirect = false, UseProxy = false }) { BaseAddress = upstream, Timeout = Timeout.InfiniteTimeSpan };
    }

    public string Address => _server.Urls.Single();

    /// <summary>Whether it knows the condition.</summary>
    public bool IsConditional { get; set; } = true;

    /// <summary>Decides by method and address, and how often such a request came before.</summary>
    public Func<string, int, Misbehavior> Behave { get; set; } = (_, _) => Misbehavior.None;

    /// <summary>What was asked, as <c>PUT /bucket/key?query</c>.</summary>
    public IReadOnlyList<string> Requests
    {
        get
        {
            lock (_requests)
                return [.. _requests];
        }
    }

    public static async Task<S3Proxy> StartAsync(Uri upstream)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Limits.MaxRequestBodySize = null);
        var proxy = new S3Proxy(builder.Build(), upstream);
        proxy._server.Run(proxy.HandleAsync);
        await proxy._server.StartAsync();
        return proxy;
    }

    public async ValueTask DisposeAsync()
    {
        using var now = new CancellationTokenSource(TimeSpan.Zero);
        await _server.StopAsync(now.Token);
        await _server.DisposeAsync();
        _upstream.Dispose();
        _oneAtATime.Dispose();
    }

    private async Task HandleAsync(HttpContext context)
    {
        var what = $"{context.Request.Method} {context.Request.Path}{context.Request.QueryString}";
        int before;
        lock (_requests)
        {
            before = _requests.Count(request => request == what);
            _requests.Add(what);
        }

        var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body);
        switch (Behave(what, before))
        {
            case Misbehavior.Error500:
                await AnswerAsync(context, 500, "InternalError");
                return;
            case Misbehavior.SlowDown:
                await AnswerAsync(context, 503, "SlowDown");
                return;
            case Misbehavior.Full:
                await AnswerAsync(context, 507, "XMinioStorageFull");
                return;
            case Misbehavior.Stall:
                await UntilTheClientLeavesAsync(context);
                return;
            case Misbehavior.LoseAnswer:
                using (await AskAsync(context, body.ToArray()))
                    context.Abort();
                return;
            case Misbehavior.Forget:
                context.Response.StatusCode = 200;
#pragma warning disable CA5351 // S3's tag.
                context.Response.Headers.ETag = $"\"{Convert.ToHexStringLower(System.Security.Cryptography.MD5.HashData(body.ToArray()))}\"";
#pragma warning restore CA5351
                return;
            case var other:
                await PassAsync(context, body.ToArray(), other);
                return;
        }
    }

    private async Task PassAsync(HttpContext context, byte[] body, Misbehavior misbehavior)
    {
        var conditional = IsConditional && context.Request.Method is "PUT" or "POST" && context.Request.Headers.IfNoneMatch == "*";
        if (conditional)
            await _oneAtATime.WaitAsync();
        try
        {
            if (conditional && await IsThereAsync(context.Request.Path))
            {
                await AnswerAsync(context, 412, "PreconditionFailed");
                return;
            }

            using var response = await AskAsync(context, body);
            await CopyAsync(context, response, misbehavior);
        }
        finally
        {
            if (conditional)
                _oneAtATime.Release();
        }
    }

    // Without a signature, which s3rver wants only where there is one.
    private async Task<bool> IsThereAsync(PathString path)
    {
        using var request = new HttpRequestMessage(HttpMethod.Head, path.ToString());
        using var response = await _upstream.SendAsync(request);
        return response.StatusCode == HttpStatusCode.OK;
    }

    private async Task<HttpResponseMessage> AskAsync(HttpContext context, byte[] body)
    {
        var request = new HttpRequestMessage(new(context.Request.Method), context.Request.Path.ToUriComponent() + context.Request.QueryString.ToUriComponent());
        if (body.Length > 0 || context.Request.ContentLength is not null)
            request.Content = new ByteArrayContent(body);
        foreach (var (name, values) in context.Request.Headers)
        {
            if (name is "Content-Length" or "Expect" or "Connection" || request.Headers.TryAddWithoutValidation(name, [.. values]))
                continue;
            request.Content ??= new ByteArrayContent([]);
            request.Content.Headers.TryAddWithoutValidation(name, [.. values]);
        }

        return await _upstream.SendAsync(request, HttpCompletionOption.ResponseContentRead);
    }

    private static async Task CopyAsync(HttpContext context, HttpResponseMessage response, Misbehavior misbehavior)
    {
        context.Response.StatusCode = (int)response.StatusCode;
        foreach (var (name, values) in response.Headers.Concat(response.Content.Headers))
        {
            if (name is not ("Transfer-Encoding" or "Connection"))
                context.Response.Headers[name] = values.ToArray();
        }

        var body = await response.Content.ReadAsByteArrayAsync();
        if (context.Request.Method == "HEAD" || response.StatusCode is HttpStatusCode.NoContent or HttpStatusCode.NotModified)
            return;
        if (misbehavior == Misbehavior.FlipReceived)
            body[body.Length / 2] ^= 1;
        if (misbehavior is Misbehavior.CutBody or Misbehavior.StallInBody)
        {
            await context.Response.Body.WriteAsync(body.AsMemory(0, body.Length / 2));
            await context.Response.Body.FlushAsync();
            if (misbehavior == Misbehavior.StallInBody)
                await UntilTheClientLeavesAsync(context);
            context.Abort();
            return;
        }

        await context.Response.Body.WriteAsync(body);
    }

    private static Task AnswerAsync(HttpContext context, int status, string code)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/xml";
        return context.Response.WriteAsync($"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>On purpose.</Message></Error>");
    }

    private static async Task UntilTheClientLeavesAsync(HttpContext context)
    {
        var left = new TaskCompletionSource();
        await using var _ = context.RequestAborted.Register(() => left.TrySetResult());
        await left.Task;
    }
}
