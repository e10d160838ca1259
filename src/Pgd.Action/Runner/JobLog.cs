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

    public void Notice(string text) => Say("notice", "", text);

    public void Warning(string text) => Say("warning", "", text);

    /// <summary>An error, shown beside the line of the file in the pull request's diff.</summary>
    public void Error(string title, string text, string? file = null, int? line = null)
    {
        var properties = new List<string>();
        if (file is not null)
            properties.Add("file=" + Property(file));
        if (file is not null && line is not null)
            properties.Add($"line={line}");
        properties.Add("title=" + Property(title));
        Say("error", string.Join(',', properties), text, commands ? null : $"{title}{(file is null ? "" : $" ({file}{(line is null ? "" : $":{line}")})")}: ");
    }

    /// <summary>From here on the runner replaces the text by asterisks, in this step and in those after it.</summary>
    public void Mask(string secret)
    {
        // An empty mask would be refused, and one of a few characters would make the whole log unreadable.
        if (commands && secret.Trim().Length >= 4)
            WriteLine("::add-mask::" + Data(secret));
    }

    /// <summary>Shows what a program prints under a heading that can be folded. Commands in what it prints have no effect.</summary>
    public async Task<T> GroupAsync<T>(string title, Func<Action<string>, Task<T>> work)
    {
        var token = RandomNumberGenerator.GetHexString(32, lowercase: true);
        WriteLine(commands ? "::group::" + Data(title) : title);
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

    private void Say(string command, string properties, string text, string? plainPrefix = null)
    {
        text = PlainText.Clean(text);
        WriteLine(commands
            ? $"::{command}{(properties.Length > 0 ? " " + properties : "")}::{Data(text)}"
            : $"{(command == "notice" ? "" : command + ": ")}{plainPrefix}{text}");
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

    private static string Data(string text) =>
        text.Replace("%", "%25", StringComparison.Ordinal).Replace("\r", "%0D", StringComparison.Ordinal).Replace("\n", "%0A", StringComparison.Ordinal);

    private static string Property(string text) =>
        Data(text).Replace(":", "%3A", StringComparison.Ordinal).Replace(",", "%2C", StringComparison.Ordinal);
}
