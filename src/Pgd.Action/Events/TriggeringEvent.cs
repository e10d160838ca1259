using System.Text.Json;

namespace Pgd.Action.Events;

/// <summary>Why the story runs: what happened, in which repository, to which pull request.</summary>
public sealed record TriggeringEvent
{
    /// <summary>The code host's name for it, for example <c>pull_request</c>; null when a user asked by hand.</summary>
    public string? Name { get; init; }

    /// <summary>What happened, for example <c>opened</c>.</summary>
    public string? Action { get; init; }

    /// <summary>The label that was added, when the action is <c>labeled</c>.</summary>
    public string? Label { get; init; }

    public required long RepositoryId { get; init; }

    /// <summary>The repository as <c>owner/name</c>.</summary>
    public required string Repository { get; init; }

    /// <summary>The pull request; null when the event is about none.</summary>
    public EventPullRequest? PullRequest { get; init; }

    /// <summary>Whether the workflow runs with the base's rights, whatever the pull request brings.</summary>
    public bool IsTarget => Name == "pull_request_target";

    /// <summary>
    /// When the pull request was open, if the event tells of an open one; null when nobody said. Times are in whole seconds, and within one a
    /// reopening comes after a closing.
    /// </summary>
    public DateTimeOffset? OpenAt => PullRequest is { IsOpen: true, UpdatedAt: { } then } ? Action == "reopened" ? then.AddTicks(1) : then : null;

    /// <summary>
    /// Whether the pull request comes from another repository. A head without a repository is a deleted fork's; by hand, it is one's own
    /// unless one says otherwise.
    /// </summary>
    public bool IsFork => PullRequest is { } pull && (Name is null ? pull.HeadRepositoryId ?? RepositoryId : pull.HeadRepositoryId) != RepositoryId;

    /// <summary>Reads the event that GitHub describes in the environment.</summary>
    /// <exception cref="PgdException">There is none, or it is not one that pgd can use (<see cref="ExitCode.Misuse"/>).</exception>
    public static TriggeringEvent FromEnvironment(IReadOnlyDictionary<string, string> environment)
    {
        ArgumentNullException.ThrowIfNull(environment);
        var name = Variable(environment, "GITHUB_EVENT_NAME")
            ?? throw new PgdException(ExitCode.Misuse, "GITHUB_EVENT_NAME is not set, so it is unknown which pull request this is about",
                "Run this inside GitHub Actions, or name the repository and the pull request: dotnet pgd pr up --help");
        var path = Variable(environment, "GITHUB_EVENT_PATH")
            ?? throw new PgdException(ExitCode.Misuse, "GITHUB_EVENT_PATH is not set, so the event cannot be read", "Run this as a step of a workflow.");
        var payload = Read(path, name);
        return name switch
        {
            "pull_request" or "pull_request_target" => OfPullRequest(name, payload, environment),
            "schedule" or "workflow_dispatch" => OfRepository(name, payload, environment),
            _ => throw new PgdException(ExitCode.Misuse, $"pgd has nothing to do on the event {name}",
                "Run it on pull_request, on pull_request_target with types: [closed], on schedule or on workflow_dispatch."),
        };
    }

    private static TriggeringEvent OfPullRequest(string name, WebhookPayload payload, IReadOnlyDictionary<string, string> environment)
    {
        if (payload.PullRequest is not { Number: > 0 } pull)
            throw new PgdException(ExitCode.Misuse, $"the payload of the event {name} has no pull_request", "GITHUB_EVENT_PATH must name the payload of this very event.");
        return OfRepository(name, payload, environment) with
        {
            Action = payload.Action ?? throw new PgdException(ExitCode.Misuse, $"the payload of the event {name} has no action"),
            Label = payload.Label?.Name,
            PullRequest = new()
            {
                Number = pull.Number,
                IsOpen = pull.State != "closed",
                UpdatedAt = pull.UpdatedAt,
                IsDraft = pull.Draft ?? false,
                HeadSha = pull.Head?.Sha,
                HeadRepositoryId = pull.Head?.Repo?.Id,
                Labels = [.. (pull.Labels ?? []).Select(l => l.Name).OfType<string>()],
            },
        };
    }

    private static TriggeringEvent OfRepository(string name, WebhookPayload payload, IReadOnlyDictionary<string, string> environment) => new()
    {
        Name = name,
        RepositoryId = payload.Repository is { Id: > 0 } repository ? repository.Id
            : long.TryParse(Variable(environment, "GITHUB_REPOSITORY_ID"), out var id) && id > 0 ? id
            : throw new PgdException(ExitCode.Misuse, $"the payload of the event {name} has no repository, and GITHUB_REPOSITORY_ID is not set"),
        Repository = payload.Repository?.FullName ?? Variable(environment, "GITHUB_REPOSITORY")
            ?? throw new PgdException(ExitCode.Misuse, $"the payload of the event {name} does not name its repository, and GITHUB_REPOSITORY is not set"),
    };

    private static WebhookPayload Read(string path, string name)
    {
        try
        {
            using var file = File.OpenRead(path);
            return JsonSerializer.Deserialize(file, WebhookJson.Default.WebhookPayload)
                ?? throw new PgdException(ExitCode.Misuse, $"the payload of the event {name} is empty: {path}");
        }
        catch (JsonException e)
        {
            throw new PgdException(ExitCode.Misuse, $"the payload of the event {name} is not JSON as GitHub writes it: {path}, line {e.LineNumber + 1}",
                "GITHUB_EVENT_PATH must name the file that the runner wrote.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new PgdException(ExitCode.Misuse, $"the payload of the event {name} cannot be read: {e.Message}", "GITHUB_EVENT_PATH must name the file that the runner wrote.", e);
        }
    }

    private static string? Variable(IReadOnlyDictionary<string, string> environment, string name) =>
        environment.TryGetValue(name, out var value) && value.Length > 0 ? value : null;
}

/// <summary>A pull request as its event shows it.</summary>
public sealed record EventPullRequest
{
    public required int Number { get; init; }

    public bool IsOpen { get; init; } = true;

    /// <summary>The code host's time when the event happened; null when nobody said it.</summary>
    public DateTimeOffset? UpdatedAt { get; init; }

    public bool IsDraft { get; init; }

    /// <summary>The commit that the event is about; null when nobody said which.</summary>
    public string? HeadSha { get; init; }

    /// <summary>The repository that the head is in; null when that has been deleted.</summary>
    public long? HeadRepositoryId { get; init; }

    public IReadOnlyList<string> Labels { get; init; } = [];
}
