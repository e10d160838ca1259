using System.CommandLine;
using Pgd.Queries;
using Pgd.Tool.CommandLine;

namespace Pgd.Tool.Commands.Queries;

internal static class ConsoleRun
{
    public static Command Command(Surface surface)
    {
        var target = new QueryTarget(surface);
        var write = new Option<bool>("--write") { Description = "Let statements write without being asked; over a pipe they cannot otherwise" };
        return new Verb(surface, "console", "Type SQL at a prompt: tables as results, completion on Tab; over a pipe it runs what it is sent and stops at the first error.",
            "console prod/dev",
            "console --source mariadb://app@db.example.com/app",
            "# Like a script, entry by entry",
            "console prod/dev --write")
            .With([.. target.Symbols, write])
            .Does(async (run, cancellationToken) =>
            {
                var source = await target.FindAsync(run, cancellationToken);
                await using var session = await QuerySession.OpenAsync(source, run.Session.Error.WriteLine, cancellationToken);
                run.Dispose();
                if (run.Session.CanAsk && run.Session.OutputScreen.IsTerminal)
                    await new TerminalConsole(run, session, source, target.NameOf(run, source), run[write]).RunAsync(cancellationToken);
                else
                    await PipedAsync(run, session, source, run[write], cancellationToken);
            });
    }

    private static async Task PipedAsync(Run run, QuerySession session, QuerySource source, bool write, CancellationToken cancellationToken)
    {
        var entries = new ConsoleEntries(run, session, source, "standard input", counts: true);
        using var input = new StreamReader(run.Session.Input(), new System.Text.UTF8Encoding(false));
        while (await input.ReadLineAsync(cancellationToken) is { } line)
        {
            if (entries.Add(line) is { } entry && !await entries.DoAsync(entry, write, cancellationToken))
                return;
        }

        // As with psql, the last statement needs no semicolon.
        if (entries.Rest() is { } rest)
            await entries.DoAsync(rest, write, cancellationToken);
    }
}
