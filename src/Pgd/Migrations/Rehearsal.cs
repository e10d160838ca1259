using System.Globalization;
using System.Text.Json.Serialization;
using Pgd.Libpq;
using Pgd.Lint;
using Pgd.Schema;
using Pgd.Tracing;

namespace Pgd.Migrations;

/// <summary>A migration that is run on a branch to see what it does.</summary>
public sealed record Rehearsal
{
    /// <summary>The branch; never a project's first.</summary>
    public required BranchName Branch { get; init; }

    /// <summary>Where to connect; from <see cref="Branches.ConnectAsync"/>. Its database is the one that is watched.</summary>
    public required ConnectionUrl Connection { get; init; }

    /// <summary>The program to run; null for <see cref="Files"/>.</summary>
    public MigrationCommand? Command { get; init; }

    /// <summary>The SQL files to run; null for <see cref="Command"/>.</summary>
    public MigrationFiles? Files { get; init; }

    /// <summary>
    /// SQL files that the program may take its statements from, relative to the folder that it runs in: they say on which line a statement stands, and hold the waivers. Those that cannot be
    /// read, or are not SQL alone, are passed over.
    /// </summary>
    public IReadOnlyCollection<string> Sources { get; init; } = [];

    /// <summary>
    /// What takes it back, for bash, where it is a <see cref="Command"/>: tried on a branch of its own, and the migration once more after it. Of <see cref="Files"/> each may have a file beside
    /// it that takes it back, and needs none here: <c>NAME.down.sql</c> for <c>NAME.sql</c> or <c>NAME.up.sql</c>.
    /// </summary>
    public string? Down { get; init; }

    /// <summary>Whether to run the <see cref="Command"/> a second time, on a branch of its own: it should change nothing.</summary>
    public bool Rerun { get; init; }

    /// <summary>Whether the way back is tried where there is one.</summary>
    internal bool TriesWayBack { get; init; } = true;

    /// <summary>Whether the branch is deleted when the rehearsal is canceled: then its server need not be as it was.</summary>
    public bool IsDeletedWhenCanceled { get; init; }

    /// <summary>How long it may take before it is interrupted, and then ended; null or zero for as long as it takes.</summary>
    public TimeSpan? Deadline { get; init; }

    /// <summary>What it may cost.</summary>
    public MigrationBudget Budget { get; init; } = new();
}

/// <summary>SQL files of which the findings alone are wanted.</summary>
public sealed record MigrationLint
{
    /// <summary>The branch whose data they are tried on; it stays as it is.</summary>
    public required BranchName From { get; init; }

    /// <summary>The folder that <see cref="Pattern"/> starts from.</summary>
    public required string WorkingDirectory { get; init; }

    /// <summary>As <see cref="MigrationFiles.Pattern"/>.</summary>
    public required string Pattern { get; init; }

    /// <summary>As <see cref="MigrationFiles.Ledger"/>.</summary>
    public string? Ledger { get; init; }

    /// <summary>The database; null for the only one.</summary>
    public string? Database { get; init; }

    /// <summary>The role; null for the database's owner.</summary>
    public string? Role { get; init; }

    /// <summary>How long it may take before it is interrupted; null or zero for as long as it takes.</summary>
    public TimeSpan? Deadline { get; init; }

    /// <summary>What it may cost; its denied rules are what matters here.</summary>
    public MigrationBudget Budget { get; init; } = new();

    /// <summary>Hears a line for each file.</summary>
    public required Action<string> Output { get; init; }
}

/// <summary>What a migration did on a branch.</summary>
public sealed record MigrationReport
{
    /// <summary>The form of this record. A reader refuses one that is higher than it knows.</summary>
    public int Format { get; init; } = 1;

    /// <summary>The branch that it ran on.</summary>
    public required BranchName Branch { get; init; }

    /// <summary>How it went.</summary>
    public required MigrationRun Run { get; init; }

    /// <summary>What it did while it ran.</summary>
    public required MigrationTrace Trace { get; init; }

    /// <summary>The rules that it breaks, in the order of its statements.</summary>
    public required IReadOnlyList<LintFinding> Findings { get; init; }

    /// <summary>The worst of the findings that nobody has allowed; null if there are none.</summary>
    [JsonIgnore]
    public FindingLevel? Level => Findings.Where(f => f.WaivedBecause is null).Select(f => (FindingLevel?)f.Level).Max();

    /// <summary>How it was taken back; null if that was not to be tried.</summary>
    public RollbackCheck? Rollback { get; init; }

    /// <summary>What it did when it was run a second time; null if that was not to be tried.</summary>
    public RerunCheck? Rerun { get; init; }

    /// <summary>The budgets that it exceeds.</summary>
    public required IReadOnlyList<ExceededBudget> Exceeded { get; init; }

    /// <summary>What it comes to, as a command's exit status: done, failed (also where only the way back or the second time did), or over its budget.</summary>
    public ExitCode ExitCode => !Run.Succeeded || Rollback is { Succeeded: false } || Rerun is { Succeeded: false } ? ExitCode.MigrationFailed : Exceeded.Count > 0 ? ExitCode.BudgetExceeded : ExitCode.Done;

    /// <summary>How the schema differs from the parent's now; null if that could not be asked.</summary>
    public SchemaDiff? Schema { get; init; }
}

/// <summary>How a migration was taken back and run again, on a branch of its own that was made from the migrated one.</summary>
public sealed record RollbackCheck
{
    /// <summary>Files that nothing takes back: then none of it was tried.</summary>
    public IReadOnlyList<string> Missing { get; init; } = [];

    /// <summary>Why it could not be tried although it was to be; null if it could.</summary>
    public string? Problem { get; init; }

    /// <summary>How the way back went; null if it was not tried.</summary>
    public MigrationRun? Down { get; init; }

    /// <summary>How the schema was after it, compared with before the migration: empty if all of it was taken back.</summary>
    public SchemaDiff? Left { get; init; }

    /// <summary>How the migration went once more after that; null if the way back failed.</summary>
    public MigrationRun? Again { get; init; }

    /// <summary>How the schema was after that, compared with after the first time: empty if it is the same.</summary>
    public SchemaDiff? Different { get; init; }

    /// <summary>Whether it can be taken back, and run again; also where there is nothing to try.</summary>
    public bool Succeeded => Problem is null && (Down is null || (Down.Succeeded && Left!.IsEmpty && Again!.Succeeded && Different!.IsEmpty));

    /// <summary>The same in words.</summary>
    [JsonIgnore]
    public string Summary => this switch
    {
        { Problem: { } problem } => $"could not be tried: {problem}",
        { Down: null } => $"not tried: nothing takes {string.Join(", ", Missing.Take(5))}{(Missing.Count > 5 ? ", …" : "")} back",
        { Down: { Error: { } error } down } => $"failed after {Measured.Time(down.Duration)}: {error.Message}",
        { Left: { IsEmpty: false } left } => $"ran in {Measured.Time(Down.Duration)} and leaves a difference: {left.Summary}",
        { Again.Error: { } error } => $"ran in {Measured.Time(Down.Duration)}, but the migration then fails: {error.Message}",
        { Different: { IsEmpty: false } different } => $"ran in {Measured.Time(Down.Duration)}, but the migration then comes to something else: {different.Summary}",
        _ => $"ran in {Measured.Time(Down.Duration)}, the schema was as before, and the migration ran again in {Measured.Time(Again!.Duration)}",
    };
}

/// <summary>What a migration did when it was run a second time, on a branch of its own that was made from the migrated one.</summary>
public sealed record RerunCheck
{
    /// <summary>Why it could not be tried; null if it could.</summary>
    public string? Problem { get; init; }

    /// <summary>How that went.</summary>
    public MigrationRun? Run { get; init; }

    /// <summary>How the schema was after it, compared with before it.</summary>
    public SchemaDiff? Schema { get; init; }

    /// <summary>The tables in which it wrote, with how many rows, also where that was rolled back; those in which tools keep their lock do not count.</summary>
    public IReadOnlyList<WrittenTable> Written { get; init; } = [];

    /// <summary>Whether it changed nothing.</summary>
    public bool Succeeded => Problem is null && Run!.Succeeded && Schema!.IsEmpty && Written.Count == 0;

    /// <summary>The same in words.</summary>
    [JsonIgnore]
    public string Summary => this switch
    {
        { Problem: { } problem } => $"could not be tried: {problem}",
        { Run: { Error: { } error } run } => $"failed after {Measured.Time(run.Duration)}: {error.Message}",
        { Schema: { IsEmpty: false } schema } => $"changes the schema: {schema.Summary}",
        { Written.Count: > 0 } => $"writes: {string.Join(", ", Written.Select(w => string.Create(CultureInfo.InvariantCulture, $"{w.Rows:N0} {(w.Rows == 1 ? "row" : "rows")} of {w.Name}")))}",
        _ => $"changed nothing, in {Measured.Time(Run!.Duration)}",
    };
}

/// <summary>A table in which something was written.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Rows">How many rows were inserted, updated and deleted.</param>
public sealed record WrittenTable(string Name, long Rows);
