namespace Pgd.IntegrationTests.GitHub;

/// <summary>A pull request of a repository of its own, the job that its events start, and the runner where it runs.</summary>
internal sealed class PullRequestJob
{
    private readonly StoryFixture _lab;
    private readonly FakeGitHub _fake;

    public PullRequestJob(StoryFixture lab, int number = 42, FakeRepository? repository = null, string? action = null)
    {
        _lab = lab;
        _fake = lab.GitHub.Fake;
        Repository = repository ?? lab.GitHub.NewRepository();
        Pull = Repository.Open(number);
        Token = _fake.WorkflowToken();
        Api = _fake.PublicAddress;
        Runner = lab.NewRunner(action);
        // Another action has inputs of its own.
        if (action is null)
            With["project"] = StoryFixture.Project;
    }

    public FakeRepository Repository { get; }

    public FakePullRequest Pull { get; }

    public FakeToken Token { get; set; }

    /// <summary>Where the job finds GitHub: Prism, unless the connection itself is to fail.</summary>
    public Uri Api { get; set; }

    public RunnerHarness Runner { get; }

    /// <summary>The inputs.</summary>
    public Dictionary<string, string> With { get; } = [];

    /// <summary>More variables of the job.</summary>
    public Dictionary<string, string> Environment { get; } = [];

    /// <summary>Adds a migration to the pull request and to the checkout.</summary>
    public void AddMigration(string path, string sql)
    {
        Pull.Files.Add((path, "added"));
        WriteFile(path, sql);
    }

    /// <summary>Writes a file of the checkout.</summary>
    public void WriteFile(string path, string text)
    {
        var file = Path.Combine(Runner.Workspace, path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, text);
    }

    /// <summary>The requests that were made for this repository.</summary>
    public IReadOnlyList<FakeRequest> Requests =>
        [.. _fake.Requests.Where(Concerns)];

    /// <summary>Whether a request is about this repository, or from this job's token.</summary>
    public bool Concerns(FakeRequest request) =>
        request.Path.Contains(Repository.FullName, StringComparison.Ordinal) || request.Headers.GetValueOrDefault("Authorization", "").Contains(Token.Value, StringComparison.Ordinal);

    public Task<ActionResult> OpenedAsync() => PullRequestAsync("opened");

    public Task<ActionResult> PushedAsync()
    {
        Pull.Push();
        return PullRequestAsync("synchronize");
    }

    public Task<ActionResult> ClosedAsync()
    {
        Pull.Closed = true;
        // As the example workflow does it.
        return DeliverAsync("pull_request_target", Payloads.PullRequest("closed", Pull, _fake.Api));
    }

    public Task<ActionResult> PullRequestAsync(string action) => DeliverAsync("pull_request", Payloads.PullRequest(action, Pull, _fake.Api));

    public Task<ActionResult> SweepAsync() => DeliverAsync("schedule", Payloads.Schedule(Repository, _fake.Api));

    public Task<ActionResult> DeliverAsync(string eventName, string payload) => Start(eventName, payload).Completion;

    public RunningJob Start(string eventName, string payload) => Runner.Start(new()
    {
        Event = eventName,
        Payload = payload,
        Repository = Repository,
        Token = Token,
        Api = Api,
        With = With,
        Environment = _lab.Environment.Concat(Environment).ToDictionary(),
    });

    public RunningJob StartOpened() => Start("pull_request", Payloads.PullRequest("opened", Pull, _fake.Api));

    public string Payload(string action) => Payloads.PullRequest(action, Pull, _fake.Api);
}
