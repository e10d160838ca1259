using Cake.Core.IO;
using Pgd;
using Pgd.Action.Events;

namespace Cake.Pgd;

/// <summary>Where branches are; every alias takes it.</summary>
public record PgdSettings
{
    /// <summary>The folder that holds all projects; null for what the machine's configuration or <c>PGD_ROOT</c> says.</summary>
    public DirectoryPath? Root { get; init; }

    /// <summary>How long to wait for another operation on the same branch; null for a minute.</summary>
    public TimeSpan? WaitForLock { get; init; }
}

/// <summary>What a new project should be.</summary>
public sealed record PgdProjectSettings : PgdSettings
{
    /// <summary>PostgreSQL's major version; null for the newest on this machine.</summary>
    public int? PostgresMajor { get; init; }

    /// <summary><c>zfs</c>, <c>btrfs</c>, <c>reflink</c>, <c>copy</c> or <c>auto</c>; null for what the configuration says.</summary>
    public string? Storage { get; init; }

    /// <summary><c>native</c>, <c>docker</c> or <c>auto</c>; null for what the configuration says.</summary>
    public string? Runtime { get; init; }

    /// <summary>The image whose PostgreSQL its servers run, for Docker.</summary>
    public string? Image { get; init; }

    /// <summary>A dump to fill it with: plain, custom, tar or directory.</summary>
    public FilePath? FromDump { get; init; }
}

/// <summary>What a branch should be.</summary>
public sealed record PgdBranchSettings : PgdSettings
{
    /// <summary>The branch to take the data from, inside the same project; null for <c>main</c>.</summary>
    public string? From { get; init; }

    /// <summary>A snapshot of that, by its label; null for the branch as it is now.</summary>
    public string? Snapshot { get; init; }

    /// <summary>How long the branch lives; null for what the configuration says.</summary>
    public TimeSpan? TimeToLive { get; init; }

    /// <summary>SQL files to run before anyone can connect, in their order.</summary>
    public IReadOnlyList<FilePath> Anonymize { get; init; } = [];

    /// <summary>The source's roles that may log in, as names with <c>*</c>, beside the superuser and the owners of databases.</summary>
    public IReadOnlyList<string> Roles { get; init; } = [];

    /// <summary>The database to hand out; null for the only one.</summary>
    public string? Database { get; init; }

    /// <summary>The role to hand out; null for the database's owner.</summary>
    public string? Role { get; init; }
}

/// <summary>How a migration is tried.</summary>
public sealed record PgdMigrateSettings : PgdSettings
{
    /// <summary>What bash runs; it finds the branch by <c>PGHOST</c>, <c>PGPORT</c>, … and <c>DATABASE_URL</c>. Either this or <see cref="Files"/>.</summary>
    public string? Command { get; init; }

    /// <summary>SQL files to run in the order of their names, such as <c>db/**/*.sql</c>. Either this or <see cref="Command"/>.</summary>
    public string? Files { get; init; }

    /// <summary>A table <c>schema.table</c> that records which files ran; those in it do not run again.</summary>
    public string? Ledger { get; init; }

    /// <summary>The folder to run in; null for the build's.</summary>
    public DirectoryPath? WorkingDirectory { get; init; }

    /// <summary>What takes <see cref="Command"/> back, to be tried on a branch of its own.</summary>
    public string? Down { get; init; }

    /// <summary>Whether <see cref="Command"/> is run a second time on a branch of its own, where it should change nothing.</summary>
    public bool Rerun { get; init; }

    /// <summary>How long it may take before it is interrupted; null for as long as it takes.</summary>
    public TimeSpan? Deadline { get; init; }

    /// <summary>What it may cost; null for what <c>pgd.yml</c> says.</summary>
    public global::Pgd.Lint.MigrationBudget? Budget { get; init; }

    /// <summary>The database; null for the only one.</summary>
    public string? Database { get; init; }

    /// <summary>The role; null for the database's owner.</summary>
    public string? Role { get; init; }

    /// <summary>Where to write <c>report.json</c>, <c>report.md</c> and <c>report.html</c>; null for nowhere.</summary>
    public DirectoryPath? Report { get; init; }

    /// <summary>Whether a migration that fails or exceeds its budget fails the build; otherwise only the report says so.</summary>
    public bool FailsBuild { get; init; } = true;
}

/// <summary>Which pull request it is about, where the CI system does not say it, and where the results go. What is done for it is in <c>pgd.yml</c> and <c>PGD_INPUT_*</c>.</summary>
public sealed record PgdPullRequestSettings : PgdSettings
{
    /// <summary>The repository, as its host names it: <c>group/name</c>.</summary>
    public string? Repository { get; init; }

    /// <summary>The pull request's number.</summary>
    public int? Number { get; init; }

    /// <summary>Its commit.</summary>
    public string? Sha { get; init; }

    /// <summary>Whether it is open; null for what the CI system says, and for yes where it is silent.</summary>
    public bool? IsOpen { get; init; }

    /// <summary>The file to write the comment to, as Markdown; null for nowhere.</summary>
    public FilePath? CommentFile { get; init; }

    /// <summary>The folder for the result as JSON, the connection's variables (with the password) and the migration's report; null for nowhere.</summary>
    public DirectoryPath? Results { get; init; }

    /// <summary>Whether a migration that fails or exceeds its budget fails the build; otherwise only the result says so.</summary>
    public bool FailsBuild { get; init; } = true;

    // There, all of this is known.
    internal bool IsAboutGitHub(IReadOnlyDictionary<string, string> environment)
    {
        if (environment.GetValueOrDefault("GITHUB_ACTIONS") != "true")
            return false;
        var told = Repository is not null ? nameof(Repository) : Number is not null ? nameof(Number) : Sha is not null ? nameof(Sha) : IsOpen is not null ? nameof(IsOpen)
            : CommentFile is not null ? nameof(CommentFile) : Results is not null ? nameof(Results) : null;
        return told is null ? true : throw new PgdException(ExitCode.Misuse, $"PgdPullRequestSettings.{told} is for where GitHub does not say it", "Leave it out.");
    }

    internal PullRequestFacts Facts(string workspace)
    {
        if (Number < 1)
            throw new PgdException(ExitCode.Misuse, $"PgdPullRequestSettings.Number is {Number}", "Write the number of a pull request.");
        return new() { Repository = Repository, Number = Number, Sha = Sha, IsOpen = IsOpen, Workspace = workspace };
    }
}
