using Pgd.Libpq;
using Pgd.State;

namespace Pgd.Migrations;

/// <summary>Runs migrations on a branch, never on its parent.</summary>
public sealed class Migrations
{
    private readonly Workspace? workspace;
    private readonly IAppliedFiles applied;
    private readonly TimeProvider clock;

    internal Migrations(Workspace workspace)
        : this(new AppliedFiles(workspace), TimeProvider.System) => this.workspace = workspace;

    internal Migrations(IAppliedFiles applied, TimeProvider clock)
    {
        this.applied = applied;
        this.clock = clock;
    }

    /// <summary>
    /// Runs any program by <c>bash -euo pipefail</c> with the branch's environment (<c>PG*</c>, <c>DATABASE_URL</c>).
    /// Cancelling sends it SIGINT, later SIGTERM, and at last kills its whole process group.
    /// A failing command is a result, not an exception.
    /// </summary>
    public Task<MigrationRun> RunCommandAsync(MigrationCommand command, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(command);
        return new CommandRun(command, clock).RunAsync(cancellationToken);
    }

    /// <summary>
    /// Runs SQL files in the order of their names: folder by folder, digits compared as numbers (<c>V2</c> before <c>V10</c>). Each file
    /// runs in a session and a transaction of its own, unless a comment <c>-- pgd: no-transaction</c> in it says otherwise.
    /// A failing statement is a result, not an exception.
    /// </summary>
    /// <exception cref="PgdException">A file that already ran has changed, a psql command is used, … (<see cref="ExitCode.Misuse"/>).</exception>
    public Task<MigrationRun> RunFilesAsync(MigrationFiles files, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(files);
        return new FilesRun(files, applied, clock).RunAsync(cancellationToken);
    }

    /// <summary>What tells SQL files from other ones: a digest of their names and their content, in the order in which they would run.</summary>
    /// <param name="workingDirectory">The folder that the pattern starts from.</param>
    /// <param name="pattern">As in <see cref="MigrationFiles.Pattern"/>.</param>
    /// <exception cref="PgdException">A file cannot be read, or nothing matches (<see cref="ExitCode.Misuse"/>).</exception>
    public static string Digest(string workingDirectory, string pattern) =>
        Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(string.Join('\n', SqlFile.Find(workingDirectory, pattern).Select(f => $"{f.Path} {f.Sha256}")))));

    /// <summary>Runs some files of a migration, and keeps no record of it.</summary>
    internal Task<MigrationRun> RunOnlyAsync(MigrationFiles files, IEnumerable<string> paths, CancellationToken cancellationToken) => new FilesRun(files, applied, clock).RunOnlyAsync(paths, cancellationToken);

    /// <summary>
    /// Runs a migration and watches what it does: each statement, the locks that it takes and for how long, what it has written anew, how much write-ahead log. The branch's server is
    /// restarted before and after. A failing migration is a result, not an exception.
    /// </summary>
    /// <exception cref="PgdException">As for running it unwatched; the branch is a project's first (<see cref="ExitCode.Unsafe"/>), or stopped (<see cref="ExitCode.Failed"/>).</exception>
    public Task<MigrationReport> RehearseAsync(Rehearsal rehearsal, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(rehearsal);
        return new RehearsalRun(workspace!, this, rehearsal).RunAsync(cancellationToken);
    }

    /// <summary>Rehearses SQL files on a branch of their own, of which nothing is left.</summary>
    /// <exception cref="PgdException">As for a rehearsal, and for making a branch.</exception>
    public async Task<MigrationReport> LintAsync(MigrationLint lint, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(lint);
        lint.Budget.Check();
        var branch = await SecondBranch.CreateAsync(workspace!, lint.From, lint.Database, lint.Role, ledger: null, cancellationToken).ConfigureAwait(false);
        await using var _ = branch.ConfigureAwait(false);
        return await RehearseAsync(new()
        {
            Branch = branch.Name,
            Connection = branch.Connection,
            Files = new() { Branch = branch.Name, Connection = branch.Connection, WorkingDirectory = lint.WorkingDirectory, Pattern = lint.Pattern, Ledger = lint.Ledger, Added = null, Output = lint.Output },
            TriesWayBack = false,
            IsDeletedWhenCanceled = true,
            Deadline = lint.Deadline,
            Budget = lint.Budget,
        }, cancellationToken).ConfigureAwait(false);
    }
}

/// <summary>A migration program.</summary>
public sealed record MigrationCommand
{
    /// <summary>The branch to run it on.</summary>
    public required BranchName Branch { get; init; }

    /// <summary>Where to connect; from <see cref="Branches.ConnectAsync"/>.</summary>
    public required ConnectionUrl Connection { get; init; }

    /// <summary>What bash runs.</summary>
    public required string Script { get; init; }

    /// <summary>The folder to run it in; null for the current one.</summary>
    public string? WorkingDirectory { get; init; }

    /// <summary>Hears its standard output and standard error, line by line, with every secret form of the connection masked.</summary>
    public required Action<string> Output { get; init; }
}

/// <summary>SQL files to run.</summary>
public sealed record MigrationFiles
{
    /// <summary>The branch to run them on.</summary>
    public required BranchName Branch { get; init; }

    /// <summary>Where to connect; from <see cref="Branches.ConnectAsync"/>.</summary>
    public required ConnectionUrl Connection { get; init; }

    /// <summary>The folder that <see cref="Pattern"/> starts from.</summary>
    public required string WorkingDirectory { get; init; }

    /// <summary>A glob such as <c>db/migrations/**/*.sql</c>; several, one on each line; those that begin with <c>!</c> take away again.</summary>
    public required string Pattern { get; init; }

    /// <summary>A table <c>schema.table</c> that records which files ran: those not yet in it run. Made when it is missing. Null: <see cref="Added"/> decides.</summary>
    public string? Ledger { get; init; }

    /// <summary>Without a ledger: the files that the pull request adds, relative to <see cref="WorkingDirectory"/>. Of those, files that already ran on this generation of the branch do not run again. Null for all that match.</summary>
    public IReadOnlyCollection<string>? Added { get; init; } = [];

    /// <summary>Without a ledger: files that the pull request changes although the base has them. One that matches the pattern is an error: it has already been applied elsewhere.</summary>
    public IReadOnlyCollection<string> Modified { get; init; } = [];

    /// <summary>Hears a line for each file.</summary>
    public required Action<string> Output { get; init; }
}

/// <summary>What a run of migrations did.</summary>
public sealed record MigrationRun
{
    /// <summary>Whether everything ran.</summary>
    public bool Succeeded => Error is null;

    /// <summary>Wall time of all of it.</summary>
    public required TimeSpan Duration { get; init; }

    /// <summary>The files that ran, in order; the last one may have failed. Empty for a command.</summary>
    public IReadOnlyList<MigrationFile> Files { get; init; } = [];

    /// <summary>Files that match but had already run.</summary>
    public int AlreadyApplied { get; init; }

    /// <summary>The last lines that a command printed, secrets masked.</summary>
    public IReadOnlyList<string> OutputTail { get; init; } = [];

    /// <summary>Why it failed; null if it did not.</summary>
    public MigrationError? Error { get; init; }
}

/// <summary>A migration file that ran.</summary>
public sealed record MigrationFile
{
    /// <summary>The path relative to the working folder.</summary>
    public required string Path { get; init; }

    /// <summary>SHA-256 of its content, hexadecimal.</summary>
    public required string Sha256 { get; init; }

    /// <summary>Wall time.</summary>
    public required TimeSpan Duration { get; init; }

    /// <summary>How many statements it has.</summary>
    public required int Statements { get; init; }

    /// <summary>Whether it ran inside one transaction.</summary>
    public required bool Transaction { get; init; }

    /// <summary>Whether all of it ran.</summary>
    public required bool Succeeded { get; init; }
}

/// <summary>Why a migration failed.</summary>
public sealed record MigrationError
{
    /// <summary>What went wrong, as the server or the shell said it; secrets masked.</summary>
    public required string Message { get; init; }

    /// <summary>The command's exit status.</summary>
    public int? ExitStatus { get; init; }

    /// <summary>The file.</summary>
    public string? File { get; init; }

    /// <summary>The line in the file where the failing statement begins, or the position that the server named; from 1.</summary>
    public int? Line { get; init; }

    /// <summary>The failing statement, shortened.</summary>
    public string? Statement { get; init; }

    /// <summary>PostgreSQL's error code.</summary>
    public string? SqlState { get; init; }

    /// <summary>PostgreSQL's detail.</summary>
    public string? Detail { get; init; }

    /// <summary>PostgreSQL's hint.</summary>
    public string? Hint { get; init; }
}
