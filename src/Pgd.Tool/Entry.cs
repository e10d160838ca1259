using System.CommandLine;
using System.CommandLine.Invocation;
using Pgd.Tool.CommandLine;

namespace Pgd.Tool;

/// <summary>The tool in one call, as a program starts it and as tests do: arguments in, exit status out.</summary>
internal static class Entry
{
    // "@name" belongs to the programs that "exec" and "psql" run. Where there are none, it is a file of options.
    internal static readonly ParserConfiguration Parsing = new() { ResponseFileTokenReplacer = null };

    public static async Task<int> RunAsync(string[] args, Session session)
    {
        var errors = new ErrorOutput(session, json: AsksForJson(args));
        try
        {
            var parsed = CommandTree.Create(session).Parse(args, args is ["replicate", ..] ? new() { ResponseFileTokenReplacer = OptionFile.In(session.WorkingDirectory) } : Parsing);
            if (parsed.Action is not ParseErrorAction)
                ParseErrors.RefuseStrayOptions(parsed);
            else
                throw ParseErrors.Of(parsed);

            return await parsed.InvokeAsync(
                new() { Output = session.Output, Error = session.Error, EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null },
                session.Interruption.Token);
        }
        catch (PgdException e)
        {
            return errors.Expected(e);
        }
        catch (OperationCanceledException) when (session.Interruption.Token.IsCancellationRequested)
        {
            return errors.Interrupted();
        }
        catch (ReaderGone)
        {
            return ReaderGone.ExitStatus;
        }
        catch (Exception e)
        {
            return errors.Surprise(e);
        }
    }

    // Errors of parsing must know it too, so it cannot be asked of the parsed arguments.
    private static bool AsksForJson(string[] args) => args.TakeWhile(arg => arg != "--").Contains("--json");
}
