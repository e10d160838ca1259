using System.Security.Cryptography;
using Pgd.Action.Reports;

namespace Pgd.Action.Runner;

/// <summary>
/// What is said while the story runs: workflow commands where GitHub reads the log, plain lines elsewhere. Everything goes to one stream,
/// because the runner reads two of them in no certain order, and a secret must be masked before anything can print it.
/// </summary>
internal sealed class JobLog(TextWriter writer, bool commands)
{
    private readonly Lock gate = new();

    public void Notice(string text) => WriteLine(commands ? WorkflowCommand.Notice(text) : PlainText.Clean(text));

    public void Warning(string text) => WriteLine(commands ? WorkflowCommand.Warning(text) : $"warning: {PlainText.Clean(text)}");

    /// <summary>An error, shown beside the line of the file in the pull request's diff.</summary>
    public void Error(string title, string text, string? file = null, int? line = null) => Annotate("error", title, text, file, line);

    /// <summary>The same of any level: <c>notice</c>, <c>warning</c> or <c>error</c>.</summary>
    public void Annotate(string level, string title, string text, string? file, int? line)
    {
        WriteLine(commands ? WorkflowCommand.Annotation(level, title, text, file, line)
            : $"{level}: {title}{(file is null ? "" : $" ({file}{(line is null ? "" : $":{line}")})")}: {PlainText.Clean(text)}");
    }

    /// <summary>From here on the runner replaces the text by asterisks, in this step and in those after it.</summary>
    public void Mask(string secret)
    {
        // An empty mask would be refused, and one of a few characters would make the whole log unreadable.
        if (commands && secret.Trim().Length >= 4)
            WriteLine("::add-mask::" + WorkflowCommand.Data(secret));
    }

    /// <summary>Shows what a program prints under a heading that can be folded. Commands in what it prints have no effect.</summary>
    public async Task<T> GroupAsync<T>(string title, Func<Action<string>, Task<T>> work)
    {
        var token = RandomNumberGenerator.GetHexString(32, lowercase: true);
        WriteLine(commands ? "::group::" + WorkflowCommand.Data(title) : title);
        if (commands)
            WriteLine("::stop-commands::" + token);
        try
        {
            return await work(line => WriteLine(commands ? line : "  " + PlainText.Clean(line)));
        }
        finally
        {
            if (commands)
            {
                WriteLine($"::{token}::");
                WriteLine("::endgroup::");
            }
        }
    }

    private void WriteLine(string line)
    {
        // A migration program's two streams may be reported from two threads.
        lock (gate)
        {
            writer.WriteLine(line);
            writer.Flush();
        }
    }
}
