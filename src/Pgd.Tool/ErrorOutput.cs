using Pgd.Action.Runner;
using Pgd.Tool.Output;

namespace Pgd.Tool;

/// <summary>The one place where errors are shown and become an exit status.</summary>
internal sealed class ErrorOutput(Session session, bool json)
{
    private const string ReportTo = 
        "This looks like a bug in pgd. Run it again with PGD_DEBUG=1 to see where it happened, and report it with the file that \"dotnet pgd doctor --report pgd-report.zip\" writes.";

    public int Expected(PgdException e)
    {
        // Where a PgdException wraps another failure, its trace is what a developer needs.
        Write(e.ExitCode.ToString(), (int)e.ExitCode, e.Message, e.Hint, session.Debug ? e.ToString() : null);
        return (int)e.ExitCode;
    }

    public int Interrupted()
    {
        var status = session.Interruption.ExitStatus;
        Write(status == (int)ExitCode.Terminated ? nameof(ExitCode.Terminated) : nameof(ExitCode.Interrupted), status, "interrupted; what was begun has been undone", null, null);
        return status;
    }

    public int Surprise(Exception e)
    {
        Write(nameof(ExitCode.Failed), (int)ExitCode.Failed, $"{e.GetType().Name}: {FirstLine(e.Message)}", ReportTo, session.Debug ? e.ToString() : null);
        return (int)ExitCode.Failed;
    }

    private void Write(string code, int status, string message, string? hint, string? trace)
    {
        if (json)
        {
            session.Error.WriteLine(JsonText.Of(new ErrorLine(new(char.ToLowerInvariant(code[0]) + code[1..], status, message, hint, trace)), JsonLines.All.ErrorLine));
            return;
        }

        if (session.Environment.GetValueOrDefault("GITHUB_ACTIONS") == "true")
        {
            // GitHub writes "Error:" before it, and shows it with the run as well.
            session.Error.WriteLine(WorkflowCommand.Error("pgd", hint is null ? message : $"{message}\n{hint}"));
        }
        else
        {
            session.Error.WriteLine($"{session.ErrorScreen.Red("error:")} {message}");
            if (hint is not null)
                session.Error.WriteLine($"{session.ErrorScreen.Dim("hint:")} {hint}");
        }

        if (trace is not null)
            session.Error.WriteLine(trace);
    }

    private static string FirstLine(string text) => text.ReplaceLineEndings("\n").Split('\n')[0];
}
