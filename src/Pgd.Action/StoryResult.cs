using System.Text.Json;
using System.Text.Json.Serialization;
using Pgd.Lint;
using Pgd.Migrations;

namespace Pgd.Action;

/// <summary>What the story did: the content of <c>--json</c> and of the report file. It never holds a secret.</summary>
public sealed record StoryResult
{
    /// <summary>What was asked for.</summary>
    public required StoryVerb Verb { get; init; }

    /// <summary>What came of it.</summary>
    public required StoryOutcome Outcome { get; init; }

    /// <summary>The status to end with; <see cref="ExitCode.Done"/> also when there was nothing to do.</summary>
    public ExitCode ExitCode { get; init; }

    /// <summary>The same in one line of words.</summary>
    public required string Text { get; init; }

    /// <summary>Why nothing was done: <c>closed</c>, <c>stale</c>, <c>fork</c>, <c>label</c>, <c>draft</c>, <c>reopened</c> or <c>event</c>.</summary>
    public string? Skipped { get; init; }

    public int? PullRequest { get; init; }

    /// <summary>The branch's full name.</summary>
    public string? Branch { get; init; }

    public string? Host { get; init; }

    /// <summary>The machine that the branch lives on, or on which none was found.</summary>
    public string? HostName { get; init; }

    public int? Port { get; init; }

    public string? Database { get; init; }

    public string? User { get; init; }

    /// <summary>The parent's clock when the branch's data was taken.</summary>
    public DateTimeOffset? DataAsOf { get; init; }

    public DateTimeOffset? ExpiresAt { get; init; }

    /// <summary>What the migrations did; null when there were none to run.</summary>
    public MigrationRun? Migrations { get; init; }

    /// <summary>The budgets that the migrations exceeded.</summary>
    public IReadOnlyList<ExceededBudget> Exceeded { get; init; } = [];

    /// <summary>The folder with what the migrations did in full: <c>report.json</c>, <c>report.md</c> and <c>report.html</c>.</summary>
    public string? MigrationReport { get; init; }

    /// <summary>Whether the branch was deleted because its migration failed.</summary>
    public bool DeletedAfterFailure { get; init; }

    /// <summary>The branches that are gone now.</summary>
    public IReadOnlyList<string> Deleted { get; init; } = [];

    /// <summary>The branches that should be gone and are not, and why: those on other machines too, as far as the comment tells of them.</summary>
    public IReadOnlyList<LeftOver> LeftOver { get; init; } = [];

    /// <summary>The file with the connection's variables, for later steps of the job.</summary>
    public string? EnvFile { get; init; }

    /// <summary>The file with this very record.</summary>
    public string? ReportFile { get; init; }

    public string? CommentUrl { get; init; }

    /// <summary>The record as JSON.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, StoryJson.Default.StoryResult);
}

/// <summary>A branch that is still there.</summary>
public sealed record LeftOver(string Branch, string Reason);

public enum StoryVerb
{
    None,
    Up,
    Down,
    Sweep,
}

public enum StoryOutcome
{
    Created,
    Reset,
    Kept,
    Deleted,
    Skipped,

    /// <summary>There was nothing to delete.</summary>
    Nothing,
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    UseStringEnumConverter = true,
    WriteIndented = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(StoryResult))]
internal sealed partial class StoryJson : JsonSerializerContext;
