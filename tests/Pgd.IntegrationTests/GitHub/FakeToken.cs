namespace Pgd.IntegrationTests.GitHub;

/// <summary>An account on the stand-in.</summary>
internal sealed record FakeUser(string Login, long Id, string Type = "User")
{
    /// <summary>Who comments with the token of a workflow.</summary>
    public static FakeUser ActionsBot { get; } = new("github-actions[bot]", 41898282, "Bot");
}

/// <summary>A token and what it may do.</summary>
internal sealed record FakeToken(string Value, FakeUser User)
{
    /// <summary>Tokens of installations, a workflow's among them, belong to no user: <c>GET /user</c> is refused.</summary>
    public bool IsInstallation { get; init; }

    /// <summary>Whether it may write comments.</summary>
    public bool MayComment { get; init; } = true;

    /// <summary>Whether it may mark commits.</summary>
    public bool MayMark { get; init; } = true;
}

/// <summary>A request as it arrived, and the status that it got.</summary>
internal sealed record FakeRequest(string Method, string Path, IReadOnlyDictionary<string, string> Headers, string Body)
{
    /// <summary>When it arrived.</summary>
    public DateTimeOffset ArrivedAt { get; } = DateTimeOffset.UtcNow;

    /// <summary>The answer's status; 0 if there was none.</summary>
    public int Status { get; set; }

    /// <summary>Whether it asks for a change.</summary>
    public bool IsWrite => Method is not ("GET" or "HEAD");
}
