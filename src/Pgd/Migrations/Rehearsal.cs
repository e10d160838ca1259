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

    /// <summary>How long it may take before it is interrupted, and then ended; null or zero for as long as it takes.</summary>
    public TimeSpan? Deadline { get; init; }

    /// <summary>What it may cost.</summary>
    public MigrationBudget Budget { get; init; } = new();
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

    /// <summary>The budgets that it exceeds.</summary>
    public required IReadOnlyList<ExceededBudget> Exceeded { get; init; }

    /// <summary>What it comes to, as a command's exit status: done, failed, or over its budget.</summary>
    public ExitCode ExitCode => !Run.Succeeded ? ExitCode.MigrationFailed : Exceeded.Count > 0 ? ExitCode.BudgetExceeded : ExitCode.Done;

    /// <summary>How the schema differs from the parent's now; null if that could not be asked.</summary>
    public SchemaDiff? Schema { get; init; }
}
