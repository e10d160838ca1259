using System.CommandLine;
using System.CommandLine.Parsing;
using System.Text.Json.Serialization.Metadata;
using Pgd.Configuration;
using Pgd.Tool.Output;

namespace Pgd.Tool.CommandLine;

/// <summary>One invocation of a command: its arguments, the engine opened with them, and where its result goes.</summary>
internal sealed class Run : IDisposable
{
    private readonly Surface _surface;
    private readonly ParseResult _parsed;
    private readonly Lazy<LoadedConfiguration> _configuration;
    private readonly Lazy<IReporter> _reporter;
    private readonly Lazy<Workspace> _workspace;

    public Run(Surface surface, ParseResult parsed)
    {
        _surface = surface;
        _parsed = parsed;
        _configuration = new(() => ConfigurationFiles.Load(Session.Environment, new()
        {
            Root = parsed.GetValue(surface.Options.Root) is { } root ? Path.GetFullPath(Checked("--root", root), Session.WorkingDirectory) : null,
            WaitForLock = parsed.GetValue(surface.Options.WaitLock) is { } wait ? Duration.Parse(wait) : null,
        }));
        _reporter = new(() => Reporters.For(Session, IsJson, parsed.GetValue(surface.Options.Quiet)));
        _workspace = new(() => Workspace.OpenAsItsUser(Configuration.Configuration, Reporter));
    }

    public Session Session => _surface.Session;

    public bool IsJson => _parsed.GetValue(_surface.Options.Json);

    public LoadedConfiguration Configuration => _configuration.Value;

    public IReporter Reporter => _reporter.Value;

    public Workspace Workspace => _workspace.Value;

    public bool this[Option<bool> option] => _parsed.GetValue(option);

    public string? this[Option<string?> option] => _parsed.GetValue(option);

    public string? this[Argument<string?> argument] => _parsed.GetValue(argument);

    /// <summary>Whether an option is there, with a value or without.</summary>
    public bool IsGiven(Option option) => _parsed.GetResult(option) is { Implicit: false };

    /// <summary>The values of an argument or option that may be given several times.</summary>
    public IReadOnlyList<string> Values(Symbol symbol) => _parsed.GetResult(symbol) is { } result ? [.. result.Tokens.Select(token => token.Value)] : [];

    /// <summary>All options that are there, with their values, in the order in which the command has them.</summary>
    public IReadOnlyList<(Option Option, IReadOnlyList<string> Values)> Given() =>
        [.. _parsed.CommandResult.Children.OfType<OptionResult>().Where(result => !result.Implicit).Select(result => (result.Option, (IReadOnlyList<string>)[.. result.Tokens.Select(token => token.Value)]))];

    /// <summary>The branch that an argument names.</summary>
    public BranchName Branch(Argument<string?> argument) => BranchName.Parse(_parsed.GetValue(argument)!);

    /// <summary>The snapshot that an argument names.</summary>
    public SnapshotName Snapshot(Argument<string?> argument) => SnapshotName.Parse(_parsed.GetValue(argument)!);

    /// <summary>Takes away the line that moves, until there is something else to be told on it.</summary>
    public void Pause() => Reporter.Step("");

    /// <summary>Prints the result, in the form that was asked for.</summary>
    public void Show<T>(T result, Func<JsonTypeInfo<T>> json, Action<T, Sheet> text)
    {
        // The progress line must be gone before anything is printed under it.
        Dispose();
        if (IsJson)
            Session.Output.WriteLine(JsonText.Of(result, json()));
        else
            text(result, new Sheet(Session));
    }

    public void Dispose()
    {
        if (_reporter.IsValueCreated)
            (_reporter.Value as IDisposable)?.Dispose();
    }

    private static string Checked(string option, string value) =>
        value.Length > 0 ? value : throw new PgdException(ExitCode.Misuse, $"{option} is empty");
}
