using Pgd.Lint;

namespace Pgd.Action.Inputs;

/// <summary>What a user asked for, all layers folded: inputs over <c>pgd.yml</c> over defaults.</summary>
public sealed record StoryInputs
{
    public StoryCommand Command { get; init; }

    public string? Project { get; init; }

    public string? Parent { get; init; }

    /// <summary>The branch's name inside the project; null for <c>pr-N</c>.</summary>
    public string? Branch { get; init; }

    public string? Database { get; init; }

    public string? Role { get; init; }

    /// <summary>A command for bash; never given together with <see cref="MigrateFiles"/>.</summary>
    public string? Migrate { get; init; }

    /// <summary>A glob of SQL files.</summary>
    public string? MigrateFiles { get; init; }

    public string? MigrateLedger { get; init; }

    public string? MigrateWorkingDirectory { get; init; }

    /// <summary>A command for bash that takes <see cref="Migrate"/> back, to be tried on a branch of its own.</summary>
    public string? MigrateDown { get; init; }

    /// <summary>Whether <see cref="Migrate"/> is run a second time on a branch of its own, where it should change nothing.</summary>
    public bool MigrateRerun { get; init; }

    /// <summary>How long the migrations may take before they are interrupted; null or zero for as long as they take.</summary>
    public TimeSpan? MigrateDeadline { get; init; }

    /// <summary>What the migrations may cost.</summary>
    public MigrationBudget Budget { get; init; } = new();

    /// <summary>Files and globs, in the order in which they run.</summary>
    public IReadOnlyList<string> Anonymize { get; init; } = [];

    /// <summary>The source's roles that may log in, beside those that always may.</summary>
    public IReadOnlyList<string> Roles { get; init; } = [];

    public OnPush OnPush { get; init; }

    public TimeSpan TimeToLive { get; init; } = TimeSpan.FromDays(7);

    public CommentMode Comment { get; init; }

    public ForkPolicy ForkPolicy { get; init; }

    public string? Label { get; init; }

    public bool Drafts { get; init; }

    /// <summary>The code host's token: never printed, never handed to a migration.</summary>
    public string? GitHubToken { get; init; }

    /// <summary>The address to publish the branch on.</summary>
    public string? Host { get; init; }

    public bool KeepOnFailure { get; init; }

    public int SweepLimit { get; init; } = 20;

    // A record prints its properties; this one holds a token.
    public override string ToString() => $"{nameof(StoryInputs)} {{ {Command} {Project} }}";
}

public enum StoryCommand
{
    Auto,
    Up,
    Down,
    Sweep,
}

public enum OnPush
{
    Reset,
    Keep,
}

public enum CommentMode
{
    /// <summary>The comment, the commit status of the migrations, and the step summary.</summary>
    True,

    /// <summary>The step summary alone.</summary>
    Summary,

    /// <summary>Neither.</summary>
    False,
}

public enum ForkPolicy
{
    Refuse,
    Allow,
}
