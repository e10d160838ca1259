namespace Pgd.IntegrationTests.GitHub;

/// <summary>What the stand-in does instead of an answer.</summary>
internal sealed record Fault
{
    private Fault()
    {
    }

    /// <summary>The status to answer with; null for none.</summary>
    public int? Status { get; private init; }

    /// <summary>The message in the answer's body.</summary>
    public string Message { get; private init; } = "";

    /// <summary>Seconds for the header <c>Retry-After</c>.</summary>
    public int? RetryAfter { get; private init; }

    /// <summary>Whether the connection is cut, or kept open without a word.</summary>
    public bool Drops { get; private init; }

    /// <summary>How much later the answer comes; null for one that is none.</summary>
    public TimeSpan? Delay { get; private init; }

    /// <summary>The right answer, on a slow way.</summary>
    public static Fault Late(TimeSpan delay) => new() { Delay = delay };

    /// <summary>The secondary rate limit, which says how long to wait.</summary>
    public static Fault RateLimit(int seconds) =>
        new() { Status = 403, RetryAfter = seconds, Message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again." };

    /// <summary>The server has a bad day.</summary>
    public static Fault ServerError(int status = 502) => new() { Status = status, Message = "Server Error" };

    /// <summary>What the token may not see is not there.</summary>
    public static Fault NotFound() => new() { Status = 404, Message = "Not Found" };

    /// <summary>Another change came first.</summary>
    public static Fault Conflict() => new() { Status = 409, Message = "Conflict" };

    /// <summary>The token has no such right.</summary>
    public static Fault Forbidden() => new() { Status = 403, Message = "Resource not accessible by integration" };

    /// <summary>The connection is cut in the middle.</summary>
    public static Fault Dropped() => new() { Drops = true };

    /// <summary>Nothing comes, ever.</summary>
    public static Fault Silence() => new();
}
