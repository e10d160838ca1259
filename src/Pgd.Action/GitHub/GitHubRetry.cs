using System.Globalization;
using System.Net;
using Polly;
using Polly.Retry;
using Polly.Timeout;

namespace Pgd.Action.GitHub;

/// <summary>When a request is sent again, and after how long.</summary>
internal static class GitHubRetry
{
    /// <summary>How long one request may take: GitHub itself gives up after ten seconds.</summary>
    public static readonly TimeSpan RequestTimeout = TimeSpan.FromSeconds(20);

    /// <summary>How long one call may wait between its requests. A rate limit that lasts longer is the user's to know about, not ours to sit out on a runner.</summary>
    public static readonly TimeSpan MaximumWait = TimeSpan.FromMinutes(3);

    private const int Retries = 4;

    // No field: with one of a library's structs in it, this type could not be looked at before that library is found, as Cake does with all types.
    private static ResiliencePropertyKey<TimeSpan> Waited => new("waited");

    /// <summary>The pipeline for requests that may be repeated; <paramref name="onlyWhenNotDone"/> is for those that may not, unless the host says that it did nothing.</summary>
    public static ResiliencePipeline<HttpResponseMessage> Pipeline(TimeProvider time, bool onlyWhenNotDone) =>
        new ResiliencePipelineBuilder<HttpResponseMessage> { TimeProvider = time }
            .AddRetry(new RetryStrategyOptions<HttpResponseMessage>
            {
                MaxRetryAttempts = Retries,
                ShouldHandle = args => ValueTask.FromResult(
                    (onlyWhenNotDone ? WasNotDone(args.Outcome.Result) : IsPassing(args.Outcome))
                    && args.Context.Properties.GetValue(Waited, TimeSpan.Zero) + Delay(args.Outcome.Result, args.AttemptNumber, time) <= MaximumWait),
                DelayGenerator = args =>
                {
                    var delay = Delay(args.Outcome.Result, args.AttemptNumber, time);
                    args.Context.Properties.Set(Waited, args.Context.Properties.GetValue(Waited, TimeSpan.Zero) + delay);
                    return ValueTask.FromResult<TimeSpan?>(delay);
                },
                OnRetry = args =>
                {
                    args.Outcome.Result?.Dispose();
                    return ValueTask.CompletedTask;
                },
            })
            .AddTimeout(RequestTimeout)
            .Build();

    /// <summary>Whether the answer says that too much was asked, not that too much was demanded: GitHub uses 403 for both.</summary>
    public static bool IsRateLimit(HttpResponseMessage response) =>
        response.StatusCode == HttpStatusCode.TooManyRequests
        || (response.StatusCode == HttpStatusCode.Forbidden && (response.Headers.RetryAfter is not null || Header(response, "x-ratelimit-remaining") == "0"));

    /// <summary>Whether it is unknown if the request had its effect.</summary>
    public static bool IsUncertain(Exception exception) =>
        // A certificate that is not trusted is not trusted the next time either, and nothing was sent.
        exception is TimeoutRejectedException or IOException or HttpRequestException { HttpRequestError: not HttpRequestError.SecureConnectionError };

    /// <summary>How long to wait before the next request.</summary>
    public static TimeSpan Delay(HttpResponseMessage? response, int attempt, TimeProvider time)
    {
        var now = time.GetUtcNow();
        if (response?.Headers.RetryAfter is { } after)
            return AtLeastNothing(after.Delta ?? (after.Date is { } date ? date - now : TimeSpan.Zero));
        if (response is not null && IsRateLimit(response)
            && long.TryParse(Header(response, "x-ratelimit-reset"), NumberStyles.None, CultureInfo.InvariantCulture, out var reset))
            return AtLeastNothing(DateTimeOffset.FromUnixTimeSeconds(reset) - now);
        return TimeSpan.FromSeconds(Math.Pow(2, attempt));
    }

    private static bool IsPassing(Outcome<HttpResponseMessage> outcome) =>
        outcome.Exception is { } exception ? IsUncertain(exception) : (int)outcome.Result!.StatusCode >= 500 || WasNotDone(outcome.Result);

    private static bool WasNotDone(HttpResponseMessage? response) =>
        response is not null && (IsRateLimit(response) || response.StatusCode == HttpStatusCode.Conflict);

    private static TimeSpan AtLeastNothing(TimeSpan span) => span < TimeSpan.Zero ? TimeSpan.Zero : span;

    private static string? Header(HttpResponseMessage response, string name) =>
        response.Headers.TryGetValues(name, out var values) ? values.FirstOrDefault() : null;
}
