using System.CommandLine;
using System.CommandLine.Invocation;

namespace Pgd.Tool.CommandLine;

/// <summary>Prints our help in place of the parser's: because it was asked for, or because a noun stands alone.</summary>
internal sealed class ShowHelp(Session session, bool asked = false) : SynchronousCommandLineAction
{
    // Text wider than this is tiring to read, and a log has no width.
    private const int Widest = 110;

    // "pgd brnch" is an error; "pgd brnch --help" is a question.
    public override bool ClearsParseErrors => asked;

    public override int Invoke(ParseResult parseResult)
    {
        HelpText.Write(parseResult.CommandResult.Command, session.Output, Math.Min(session.OutputScreen.Width, Widest));
        return (int)ExitCode.Done;
    }
}

/// <summary>Prints the version alone, so that a script can use it.</summary>
internal sealed class ShowVersion(Session session) : SynchronousCommandLineAction
{
    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        session.Output.WriteLine(ToolVersion.Text);
        return (int)ExitCode.Done;
    }
}
