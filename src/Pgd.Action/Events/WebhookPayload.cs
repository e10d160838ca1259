using System.Text.Json;
using System.Text.Json.Serialization;

namespace Pgd.Action.Events;

// Only what is used of GitHub's webhook payloads; the rest of them, titles and bodies above all, never enters the program.
internal sealed record WebhookPayload(string? Action, PullRequestPayload? PullRequest, RepositoryPayload? Repository, LabelPayload? Label);

internal sealed record PullRequestPayload(int Number, string? State, DateTimeOffset? UpdatedAt, bool? Draft, HeadPayload? Head, IReadOnlyList<LabelPayload>? Labels);

internal sealed record HeadPayload(string? Sha, RepositoryPayload? Repo);

internal sealed record RepositoryPayload(long Id, string? FullName);

internal sealed record LabelPayload(string? Name);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(WebhookPayload))]
internal sealed partial class WebhookJson : JsonSerializerContext;
