using System.CommandLine;
using Pgd.Action.Reports;
using Pgd.Configuration;
using Pgd.Lint;
using Pgd.Migrations;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Migrations;

internal static class MigrateLint
{
    public static Command Command(Surface surface)
    {
        var parent = Arguments.Branch(surface);
        parent.Description = "Branch whose data it is tried on; it stays as it is";
        var files = Arguments.Repeated("--files", "GLOB", "SQL files to run in the order of their names, such as 'db/migrations/**/*.sql' (repeatable)");
        files.Required = true;
        var ledger = new Option<string?>("--ledger") { HelpName = "SCHEMA.TABLE", Description = "Table that records which files ran; those in it do not run again" };
        var deny = Arguments.Repeated("--deny", "RULE", "Rule that no statement may break without a waiver (repeatable)");
        deny.CompletionSources.Add([.. Rule.All.Select(r => r.Id)]);
        var (database, role) = (Arguments.Database(), Arguments.Role());
        return new Verb(surface, "lint", "Run SQL files on a branch of their own, and show only what of them would hurt production. Ends with status 9 if something would, 8 if they fail.",
            "migrate lint prod/main --files 'db/migrations/**/*.sql' --ledger public.schema_migrations",
            "# The places alone, as an editor wants them",
            "migrate lint prod/main --files db/42_orders.sql --json | jq -r '.[] | \"\\(.file):\\(.line): \\(.rule)\"'")
            .With(parent, files, ledger, deny, database, role)
            .Does(async (run, cancellationToken) =>
            {
                var repository = RepositoryFile.Load(run.Session.WorkingDirectory);
                var report = await run.Workspace.Migrations.LintAsync(new()
                {
                    From = run.Branch(parent),
                    WorkingDirectory = run.Session.WorkingDirectory,
                    Pattern = string.Join('\n', run.Values(files)),
                    Ledger = run[ledger],
                    Database = run[database],
                    Role = run[role],
                    Deadline = repository.Migrations.Deadline,
                    Budget = new MigrationBudget { Deny = repository.Budget.Deny }.With(null, null, null, null, run.Values(deny)),
                    Output = line => run.Session.Error.WriteLine(PlainText.Clean(line)),
                }, cancellationToken);
                if (report.Run.Error is { } error)
                    throw new PgdException(ExitCode.MigrationFailed, $"{error.File}{(error.Line is { } line ? $":{line}" : "")}: {error.Message}");
                foreach (var gap in report.Trace.Gaps)
                    run.Session.Error.WriteLine($"not seen: {gap}");
                run.Show(report.Findings, () => MigrationReportJson.FindingsShape, (_, sheet) => Write(report, sheet));
                return (int)(report.Level == FindingLevel.Error || report.Exceeded.Count > 0 ? ExitCode.BudgetExceeded : ExitCode.Done);
            });
    }

    private static void Write(MigrationReport report, Sheet sheet)
    {
        if (report.Findings.Count == 0)
            sheet.Line("Nothing.");
        else
            MigrationReportText.WriteFindings(report, sheet);
    }
}
