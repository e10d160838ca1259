using System.Text.Json.Serialization;

namespace Pgd.Action.GitHub;

// What we read and write of GitHub's REST API, by its own names.
internal sealed record PullRequestResource(int Number, string State, bool? Draft, HeadResource Head, IReadOnlyList<LabelResource>? Labels);

internal sealed record HeadResource(string Sha);

internal sealed record LabelResource(string? Name);

internal sealed record FileResource(string Filename, string Status, string? PreviousFilename);

internal sealed record CommentResource(long Id, string? Body, UserResource? User, string? HtmlUrl);

internal sealed record UserResource(string Login);

internal sealed record CommentRequest(string Body);

internal sealed record ErrorResource(string? Message);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(PullRequestResource))]
[JsonSerializable(typeof(List<FileResource>))]
[JsonSerializable(typeof(List<CommentResource>))]
[JsonSerializable(typeof(CommentRequest))]
[JsonSerializable(typeof(UserResource))]
[JsonSerializable(typeof(ErrorResource))]
internal sealed partial class GitHubJson : JsonSerializerContext;
