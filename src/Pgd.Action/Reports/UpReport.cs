using Pgd.Migrations;

namespace Pgd.Action.Reports;

/// <summary>What is told about a pull request's branch. There is no place in it for a password.</summary>
internal sealed record UpReport
{
    public required string Project { get; init; }

    public required string Parent { get; init; }

    /// <summary>The branch; null while there is none.</summary>
    public BranchName? Branch { get; init; }

    public string? HeadSha { get; init; }

    /// <summary>Where people look at the repository.</summary>
    public string? RepositoryUrl { get; init; }

    public string? RunUrl { get; init; }

    public string? RunnerName { get; init; }

    /// <summary>The machine that the branch lives on.</summary>
    public required string HostName { get; init; }

    public DateTimeOffset? DataAsOf { get; init; }

    public DateTimeOffset? ExpiresAt { get; init; }

    /// <summary>What the source does toward others and the branch does not.</summary>
    public IReadOnlyList<string> Severed { get; init; } = [];

    public bool Anonymized { get; init; }

    /// <summary>Whether the branch was there and kept its data.</summary>
    public bool DataKept { get; init; }

    public Endpoint? Endpoint { get; init; }

    /// <summary>What stands before a migration file's path in the repository.</summary>
    public string PathPrefix { get; init; } = "";

    /// <summary>Whether the migrations are a command, which does not tell how many it runs.</summary>
    public bool IsCommand { get; init; }

    /// <summary>What the migrations did; null if there are none, or they could not be tried.</summary>
    public MigrationReport? Migration { get; init; }

    public MigrationRun? Run => Migration?.Run;

    /// <summary>Whether the branch went with its failed migration.</summary>
    public bool BranchDeleted { get; init; }

    /// <summary>Why there is no branch, or no migration could be tried on it.</summary>
    public PgdException? Failure { get; init; }

    /// <summary>What the job ends with.</summary>
    public ExitCode ExitCode => Failure?.ExitCode ?? Migration?.ExitCode ?? ExitCode.Done;

    /// <summary>Whether the branch is not what the pull request asked for. Migrations that ran and that the job fails for all the same, for their budget or their way back, leave one as good as any.</summary>
    public bool Failed => Failure is not null || Run is { Succeeded: false };
}

/// <summary>Where a branch listens, and for whom.</summary>
internal sealed record Endpoint(string Host, int Port, string Database, string User);
