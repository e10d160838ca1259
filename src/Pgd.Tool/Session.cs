using System.Collections;
using System.Text;

namespace Pgd.Tool;

/// <summary>What one run of the tool talks to: streams, environment, clock, and the means to stop it. Tests hand in their own.</summary>
internal sealed record Session
{
    /// <summary>Where results go, and nothing else.</summary>
    public required TextWriter Output { get; init; }

    /// <summary>Where progress, warnings and errors go.</summary>
    public required TextWriter Error { get; init; }

    public Func<Stream> Input { get; init; } = () => Stream.Null;

    /// <summary>Whether a person can be asked: one who sees the question and can type the answer.</summary>
    public bool CanAsk { get; init; }

    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    public string WorkingDirectory { get; init; } = "/";

    public Screen OutputScreen { get; init; } = Screen.None;

    public Screen ErrorScreen { get; init; } = Screen.None;

    public TimeProvider Clock { get; init; } = TimeProvider.System;

    public IInterruption Interruption { get; init; } = NoInterruption.Instance;

    /// <summary>Runs a program in our place: it takes over terminal, signals and exit status. Returns only where that is imitated.</summary>
    public Func<ChildProgram, int> Become { get; init; } = child => child.ReplaceThisProcess();

    public bool Debug => Environment.TryGetValue("PGD_DEBUG", out var value) && value is not ("" or "0");

    public static Session OfThisProcess(IInterruption interruption)
    {
        var environment = new Dictionary<string, string>();
        foreach (DictionaryEntry entry in System.Environment.GetEnvironmentVariables())
            environment[(string)entry.Key] = (string?)entry.Value ?? "";

        return new()
        {
            Output = Writer(OperatingSystem.IsWindows() ? Console.OpenStandardOutput() : new StandardStream(1, readerMatters: true)),
            Error = Writer(OperatingSystem.IsWindows() ? Console.OpenStandardError() : new StandardStream(2, readerMatters: false)),
            Input = Console.OpenStandardInput,
            CanAsk = !Console.IsInputRedirected && !Console.IsErrorRedirected,
            Environment = environment,
            WorkingDirectory = System.Environment.CurrentDirectory,
            OutputScreen = Screen.Of(environment, isTerminal: !Console.IsOutputRedirected),
            ErrorScreen = Screen.Of(environment, isTerminal: !Console.IsErrorRedirected),
            Interruption = interruption,
        };
    }

    // Reporters write from any thread.
    private static TextWriter Writer(Stream stream) =>
        TextWriter.Synchronized(new StreamWriter(stream, new UTF8Encoding(false), 4096) { AutoFlush = true, NewLine = "\n" });
}
