using System.Text.Json.Serialization;

namespace Pgd.Action.GitHub;

// What we read and write of GitHub's REST API, by its own names. What has no default here must be in the answer.
internal sealed record PullRequestResource(int Number, string State, HeadResource Head, bool? Draft = null, IReadOnlyList<LabelResource>? Labels = null);

internal sealed record HeadResource(string Sha);

internal sealed record LabelResource(string? Name = null);

internal sealed record FileResource(string Filename, string Status, string? PreviousFilename = null);

internal sealed record CommentResource(long Id, string? Body = null, UserResource? User = null, string? HtmlUrl = null);

internal sealed record UserResource(string Login);

internal sealed record CommentRequest(string Body);

internal sealed record StatusResource(string State, string Context, string? Description = null, string? TargetUrl = null);

internal sealed record StatusRequest(string State, string Context, string Description, string? TargetUrl);

internal sealed record ErrorResource(string? Message = null);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(PullRequestResource))]
[JsonSerializable(typeof(List<FileResource>))]
[JsonSerializable(typeof(List<CommentResource>))]
[JsonSerializable(typeof(CommentRequest))]
[JsonSerializable(typeof(StatusRequest))]
[JsonSerializable(typeof(List<StatusResource>))]
[JsonSerializable(typeof(UserResource))]
[JsonSerializable(typeof(ErrorResource))]
internal sealed partial class GitHubJson : JsonSerializerContext;
