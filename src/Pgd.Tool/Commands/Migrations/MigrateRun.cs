using System.CommandLine;
using Pgd.Action.Reports;
using Pgd.Configuration;
using Pgd.Lint;
using Pgd.Migrations;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Migrations;

internal static class MigrateRun
{
    public static Command Command(Surface surface)
    {
        var name = Arguments.Branch(surface);
        var command = new Argument<string[]>("command") { HelpName = "COMMAND", Description = "Program to run, with its arguments; it finds the branch by PGHOST, PGPORT, … and DATABASE_URL", Arity = ArgumentArity.ZeroOrMore };
        var files = Arguments.Repeated("--files", "GLOB", "SQL files to run in the order of their names, such as 'db/migrations/**/*.sql' (repeatable)");
        var ledger = new Option<string?>("--ledger") { HelpName = "SCHEMA.TABLE", Description = "Table that records which files ran; those in it do not run again" };
        var deadline = new Option<string?>("--deadline") { HelpName = "DURATION", Description = "Interrupt it when it has not ended after this time" };
        var down = new Option<string?>("--down") { HelpName = "COMMAND", Description = "Command for bash that takes it back: tried on a branch of its own, then the migration once more. Files have NAME.down.sql beside them" };
        var rerun = new Option<bool>("--rerun") { Description = "Run the command a second time, on a branch of its own: it should change nothing" };
        var (maxDuration, maxLock, maxRewrite, maxWal) = (
            new Option<string?>("--max-duration") { HelpName = "DURATION", Description = "Longest that it may take, for example 10m" },
            new Option<string?>("--max-exclusive-lock") { HelpName = "DURATION", Description = "Longest that readers or writers of a table may be held up, for example 2s or 500ms" },
            new Option<string?>("--max-rewrite-bytes") { HelpName = "SIZE", Description = "Most that may be written anew, for example 1GB" },
            new Option<string?>("--max-wal-bytes") { HelpName = "SIZE", Description = "Most write-ahead log, for example 10GB" });
        var deny = Arguments.Repeated("--deny", "RULE", "Rule that no statement may break without a waiver (repeatable)");
        var reports = new Option<string?>("--report") { HelpName = "FOLDER", Description = "Folder to write report.json, report.md and report.html to" };
        deny.CompletionSources.Add([.. Rule.All.Select(r => r.Id)]);
        var database = Arguments.Database();
        var role = Arguments.Role();
        return new Verb(surface, "run", "Run a migration on a branch and tell what it did: statements, locks, rewrites, write-ahead log, schema. Ends with status 8 if it fails, 9 if it exceeds a budget. The branch's server is restarted before and after.",
            "migrate run prod/dev -- npm run migrate",
            "migrate run prod/dev --files 'db/migrations/**/*.sql'",
            "# A check that fails for what would hold up production",
            "migrate run prod/dev --files 'db/*.sql' --max-exclusive-lock 2s --deny type-change",
            "# Whether it can be taken back, and leaves what is done alone when it is run again",
            "migrate run prod/dev --down 'npm run migrate:down' --rerun -- npm run migrate",
            "# The longest that anybody would have had to wait",
            "migrate run prod/dev --json -- ./migrate up | jq .trace.longestBlocking")
        { PassesArgumentsOn = true }
            .With(name, command, files, ledger, down, rerun, deadline, maxDuration, maxLock, maxRewrite, maxWal, deny, reports, database, role)
            .Does(async (run, cancellationToken) =>
            {
                var (branch, words, patterns) = (run.Branch(name), run.Values(command), run.Values(files));
                if (words.Count == 0 == (patterns.Count == 0))
                    throw new PgdException(ExitCode.Misuse, words.Count == 0 ? "it is not said what to run" : "a command and files are two migrations", $"Name one: dotnet pgd migrate run {branch} -- COMMAND, or --files 'GLOB'");
                if (words.Count == 0 && (run[down] is not null || run[rerun]))
                    throw new PgdException(ExitCode.Misuse, $"{(run[rerun] ? "--rerun" : "--down")} is about a command, and these are files", run[rerun] ? "Leave it out: files that ran do not run again." : "Put what takes NAME.sql back into NAME.down.sql beside it.");
                var repository = RepositoryFile.Load(run.Session.WorkingDirectory);
                var budget = repository.Budget.With(run[maxDuration], run[maxLock], run[maxRewrite], run[maxWal], run.Values(deny));
                var connection = await run.Workspace.Branches.ConnectAsync(branch, run[database], run[role], cancellationToken);
                // What it prints is no result of ours.
                void Hear(string line) => run.Session.Error.WriteLine(PlainText.Clean(line));
                var report = await run.Workspace.Migrations.RehearseAsync(new()
                {
                    Branch = branch,
                    Connection = connection,
                    Budget = budget,
                    Down = run[down],
                    Rerun = run[rerun],
                    Deadline = run[deadline] is { } most ? Duration.Parse(most) : repository.Migrations.Deadline,
                    Command = words.Count == 0 ? null : new() { Branch = branch, Connection = connection, Script = string.Join(' ', words.Select(Quoted)), WorkingDirectory = run.Session.WorkingDirectory, Output = Hear },
                    Files = patterns.Count == 0 ? null : new() { Branch = branch, Connection = connection, WorkingDirectory = run.Session.WorkingDirectory, Pattern = string.Join('\n', patterns), Ledger = run[ledger], Added = null, Output = Hear },
                }, cancellationToken);
                if (run[reports] is { } folder)
                    await RehearsalFiles.WriteAsync(report, Path.GetFullPath(folder, run.Session.WorkingDirectory), cancellationToken);
                run.Show(report, () => MigrationReportJson.Shape, MigrationReportText.Write);
                return (int)report.ExitCode;
            });
    }

    // For bash, which runs it.
    private static string Quoted(string word) => $"'{word.Replace("'", "'\\''", StringComparison.Ordinal)}'";
}
