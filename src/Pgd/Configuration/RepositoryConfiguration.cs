using Pgd.Lint;

namespace Pgd.Configuration;

/// <summary>What belongs to a repository: read from <c>pgd.yml</c> at its top. Null means: not said.</summary>
public sealed record RepositoryConfiguration
{
    /// <summary>The project that the repository's branches belong to.</summary>
    public string? Project { get; init; }

    /// <summary>The branch that previews are made from; <c>main</c> by default.</summary>
    public string? Parent { get; init; }

    /// <summary>The database to hand out.</summary>
    public string? Database { get; init; }

    /// <summary>The role to hand out.</summary>
    public string? Role { get; init; }

    /// <summary>How migrations run.</summary>
    public MigrationSettings Migrations { get; init; } = new();

    /// <summary>What migrations may cost.</summary>
    public MigrationBudget Budget { get; init; } = new();

    /// <summary>SQL files that run before anyone can connect to a branch.</summary>
    public IReadOnlyList<string> Anonymize { get; init; } = [];

    /// <summary>The source's roles that may log in to a branch, beside the bootstrap superuser and the owners of databases.</summary>
    public IReadOnlyList<string> Roles { get; init; } = [];

    /// <summary>When branches are made, reset, kept and swept.</summary>
    public PolicySettings Policy { get; init; } = new();
}

/// <summary>How migrations run: a command, or SQL files.</summary>
public sealed record MigrationSettings
{
    /// <summary>A command for bash.</summary>
    public string? Command { get; init; }

    /// <summary>A glob of SQL files.</summary>
    public string? Files { get; init; }

    /// <summary>The table <c>schema.table</c> that records which files ran.</summary>
    public string? Ledger { get; init; }

    /// <summary>The folder to run in.</summary>
    public string? WorkingDirectory { get; init; }

    /// <summary>A command for bash that takes <see cref="Command"/> back.</summary>
    public string? Down { get; init; }

    /// <summary>Whether <see cref="Command"/> is run a second time, which should change nothing.</summary>
    public bool? Rerun { get; init; }

    /// <summary>How long they may take before they are interrupted.</summary>
    public TimeSpan? Deadline { get; init; }
}

/// <summary>When branches are made, reset, kept and swept.</summary>
public sealed record PolicySettings
{
    /// <summary>What a push does to the data: <c>reset</c> or <c>keep</c>.</summary>
    public string? OnPush { get; init; }

    /// <summary>How long a preview lives.</summary>
    public TimeSpan? TimeToLive { get; init; }

    /// <summary>What happens for pull requests from forks: <c>refuse</c> or <c>allow</c>.</summary>
    public string? ForkPolicy { get; init; }

    /// <summary>Whether drafts get a branch.</summary>
    public bool? Drafts { get; init; }

    /// <summary>The label without which there is no branch.</summary>
    public string? Label { get; init; }

    /// <summary>Where the report goes: <c>true</c>, <c>summary</c> or <c>false</c>.</summary>
    public string? Comment { get; init; }

    /// <summary>Whether the branch of a failed migration is kept.</summary>
    public bool? KeepOnFailure { get; init; }

    /// <summary>How many branches one sweep removes at the most.</summary>
    public int? SweepLimit { get; init; }
}
