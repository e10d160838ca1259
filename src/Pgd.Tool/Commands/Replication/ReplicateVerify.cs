using System.CommandLine;
using System.Globalization;
using System.Text;
using Pgd.Configuration;
using Pgd.Replication;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Replication;

internal static class ReplicateVerify
{
    private const int RowsByDefault = 20;

    public static Command Command(Surface surface)
    {
        var servers = new ReplicationServers();
        var strict = new Option<bool>("--strict") { Description = "Compare rows to the last bit: 1.0 is not 1.00 then. Takes about three times as long" };
        var rows = new Option<string?>("--show-rows") { HelpName = "N", Description = $"Tell the rows that differ, with their values: N of each table (default {RowsByDefault})", Arity = ArgumentArity.ZeroOrOne };
        var fix = new Option<string?>("--sql-fix") { HelpName = "FILE|-", Description = "Write the statements that make the target's rows equal; - writes them to standard output, and the rest to standard error" };
        var noOwner = new Option<bool>("--no-owner") { Description = "Owners and privileges need not be the same" };
        var jobs = new Option<string?>("--jobs", "-j") { HelpName = "N", Description = "Tables that are read at the same time (default: processors, 8 at most)" };
        var timeout = new Option<string?>("--timeout") { HelpName = "DURATION", Description = "Time that a target that follows the source has to catch up (default 1m)" };
        return new Verb(surface, "verify", "Prove that a target has all that the source has: every row, definitions, sequences, large objects, owners. Both are only read, and may be written to meanwhile.",
            "replicate verify --source postgresql://reader@old.example.com/shop --target postgresql://owner@new.example.com/shop",
            "# Which rows differ, and statements that make them equal",
            "replicate verify --show-rows --sql-fix fix.sql",
            "replicate verify --strict --include-tables 'shop.sales.*' --exclude-tables shop.sales.log",
            "# The tables that differ",
            "replicate verify --json | jq -r '.databases[].tables[] | select(.isEqual | not) | .schema + \".\" + .name'")
            .With([.. servers.SymbolsWithQuestions, strict, rows, fix, noOwner, jobs, timeout])
            .Does(async (run, cancellationToken) =>
            {
                if (run[fix] == "-" && run.IsJson)
                    throw new PgdException(ExitCode.Misuse, "--sql-fix - and --json both want standard output", "Write the statements to a file: --sql-fix fix.sql");
                using var script = new StringWriter(CultureInfo.InvariantCulture);
                var compared = await new Comparison
                {
                    Source = servers.Source(run),
                    Target = servers.Target(run),
                    Filter = await ReplicateNoun.FilterAsync(run, servers, "replicate verify", cancellationToken),
                    Strict = run[strict],
                    WithOwners = !run[noOwner],
                    ShownRows = !run.IsGiven(rows) ? 0 : run[rows] is { } number ? Number(rows, number) : RowsByDefault,
                    Jobs = run[jobs] is { } most ? Number(jobs, most) : null,
                    Patience = run[timeout] is { } text ? Duration.Parse(text) : TimeSpan.FromMinutes(1),
                    SqlFix = run[fix] is null ? null : script,
                }.RunAsync(run.Reporter, cancellationToken);
                if (run[fix] is { } file && file != "-")
                    await WriteAsync(Path.GetFullPath(file, run.Session.WorkingDirectory), script.ToString(), cancellationToken);
                if (run[fix] == "-")
                {
                    run.Dispose();
                    run.Session.Output.Write(script.ToString());
                    ComparisonText.Write(compared, run[fix], new Sheet(run.Session with { Output = run.Session.Error, OutputScreen = run.Session.ErrorScreen }));
                }
                else
                {
                    run.Show(compared, () => JsonShapes.All.Compared, (shown, sheet) => ComparisonText.Write(shown, run[fix], sheet));
                }

                return (int)(compared.IsEqual ? ExitCode.Done : ComparisonText.IsOnlyUndecided(compared) ? ExitCode.Partial : ExitCode.Failed);
            });
    }

    private static int Number(Option<string?> option, string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0 ? number : throw new PgdException(ExitCode.Misuse, $"{option.Name} cannot be \"{text}\": it is a number from 1 on");

    // It has rows in it: they are nobody else's business.
    private static async Task WriteAsync(string path, string text, CancellationToken cancellationToken)
    {
        try
        {
            var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows())
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            await using var file = new FileStream(path, options);
            await file.WriteAsync(Encoding.UTF8.GetBytes(text), cancellationToken);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new PgdException(ExitCode.Failed, $"{path} cannot be written: {e.Message}", inner: e);
        }
    }
}
