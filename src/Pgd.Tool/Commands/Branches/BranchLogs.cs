using System.CommandLine;
using System.Globalization;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Branches;

internal static class BranchLogs
{
    private const int DefaultLines = 100;

    public static Command Command(Surface surface)
    {
        var name = Arguments.Branch(surface);
        var lines = new Option<string?>("--lines", "-n") { HelpName = "N", Description = $"How many of the last lines (default: {DefaultLines})" };
        var follow = new Option<bool>("--follow", "-f") { Description = "Go on with new lines until interrupted" };
        return new Verb(surface, "logs", "Print the end of a branch's server log.",
            "branch logs prod/dev",
            "branch logs prod/dev --lines 20 --follow")
            .With(name, lines, follow)
            .Does(async (run, cancellationToken) =>
            {
                var branch = run.Branch(name);
                var last = await run.Workspace.Branches.LogAsync(branch, run[lines] is { } text ? Count(text) : DefaultLines, cancellationToken);
                if (!run[follow])
                {
                    run.Show(new LogLines(branch, last), () => JsonShapes.All.LogLines, static (log, sheet) =>
                    {
                        foreach (var line in log.Lines)
                            sheet.Line(line);
                    });
                    return (int)ExitCode.Done;
                }

                foreach (var line in last)
                    Print(run, line);
                try
                {
                    await foreach (var line in run.Workspace.Branches.FollowLogAsync(branch, cancellationToken))
                        Print(run, line);
                }
                catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
                {
                    // Being interrupted is how following ends; there is nothing to undo and nothing to say.
                    return run.Session.Interruption.ExitStatus;
                }

                return (int)ExitCode.Done;
            });
    }

    private static void Print(Run run, string line) =>
        run.Session.Output.WriteLine(run.IsJson ? JsonText.Of(new LogLine(line), JsonLines.All.LogLine) : line);

    private static int Count(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var count)
            ? count
            : throw new PgdException(ExitCode.Misuse, $"\"{text}\" is not a number of lines", "Write a whole number, for example --lines 20.");
}
