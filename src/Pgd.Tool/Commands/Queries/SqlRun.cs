using System.CommandLine;
using Pgd.Queries;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Queries;

internal static class SqlRun
{
    private const string Standard = "-";

    public static Command Command(Surface surface)
    {
        var target = new QueryTarget(surface);
        var command = new Option<string?>("--command", "-c") { HelpName = "SQL", Description = "The statements" };
        var file = new Option<string?>("--file", "-f") { HelpName = "FILE", Description = "File with the statements; - is standard input" };
        var csv = new Option<string?>("--csv") { HelpName = "FILE", Description = "Write the rows of the last statement as CSV; - is standard output" };
        var write = new Option<bool>("--write") { Description = "Let it write; without it the server refuses what does" };
        return new Verb(surface, "sql", "Run SQL on a branch or another server, in one transaction that only reads unless --write is given.",
            "sql prod/dev -c \"select * from orders\"",
            "# Every row, whatever their number; NULL is told from the empty string",
            "sql prod/dev -c \"select * from orders\" --csv orders.csv",
            "sql prod/dev -f repair.sql --write",
            "sql --source postgresql://app@db.example.com/app -c \"table orders\" --json | jq -c .rows[]",
            "sql --source mariadb://app@db.example.com/app --password-stdin -c \"select * from orders\" --csv -")
            .With([.. target.Symbols, command, file, csv, write])
            .Does(async (run, cancellationToken) =>
            {
                var script = ScriptOf(run, run[command], run[file], target);
                if (run[csv] == Standard && run.IsJson)
                    throw new PgdException(ExitCode.Misuse, "--csv - and --json both want standard output", "Give --csv a file.");
                var source = await target.FindAsync(run, cancellationToken);
                await using var session = await QuerySession.OpenAsync(source, run.Session.Error.WriteLine, cancellationToken);
                run.Dispose();
                await Asking.ToWriteAsync(run[write], Asking.By(run.Session), may => run[csv] is { } path
                    ? ExportAsync(run, session, script, may, path, cancellationToken)
                    : ShowAsync(run, session, script, may, cancellationToken));
            });
    }

    private static Script ScriptOf(Run run, string? command, string? file, QueryTarget target) => (command, file) switch
    {
        (null, null) => throw new PgdException(ExitCode.Misuse, "there is nothing to run", "Give -c 'SELECT …' or -f FILE; for a prompt: dotnet pgd console"),
        ({ } text, null) => new("-c", text),
        (null, Standard) when target.TakesInput(run) => throw new PgdException(ExitCode.Misuse, "-f - and --password-stdin both want standard input", "Put the statements into a file."),
        (null, { } name) => new(name == Standard ? "standard input" : name, QueryTarget.TextOf(run.Session, name)),
        _ => throw new PgdException(ExitCode.Misuse, "-c and -f both say what to run", "Give one of them."),
    };

    internal static async Task ShowAsync(Run run, QuerySession session, Script script, bool write, CancellationToken cancellationToken)
    {
        // Results that came before a statement which writes are none if it is asked again.
        using var held = new HeldOutput(run.Session.Output, hold: !write);
        IQueryResults results = run.IsJson ? new QueryJson(held) : new QueryTable(run.Session with { Output = held });
        try
        {
            await session.RunAsync(script, write, results, cancellationToken);
        }
        catch (PgdException e) when (e.ExitCode == ExitCode.Unsafe)
        {
            held.Forget();
            throw;
        }
    }

    internal static async Task ExportAsync(Run run, QuerySession session, Script script, bool write, string path, CancellationToken cancellationToken)
    {
        if (path == Standard)
        {
            await session.ExportAsync(script, write, run.Session.Output, cancellationToken);
            return;
        }

        var file = Path.GetFullPath(path, run.Session.WorkingDirectory);
        var rows = await CsvFile.WriteAsync(file, csv => session.ExportAsync(script, write, csv, cancellationToken));
        run.Show(new Exported(file, rows, new FileInfo(file).Length), () => JsonShapes.All.Exported, static (exported, sheet) => sheet.Line($"Wrote {exported.Rows} row{(exported.Rows == 1 ? "" : "s")} to {exported.File}"));
    }
}
