using System.CommandLine;

namespace Pgd.Tool.CommandLine;

/// <summary>A command that does something: what it takes, what it does, and examples for its help.</summary>
internal sealed class Verb : Command
{
    private readonly Surface _surface;

    public Verb(Surface surface, string name, string description, params string[] examples)
        : base(name, description)
    {
        _surface = surface;
        Examples = examples;
    }

    /// <summary>Command lines, without <c>dotnet pgd</c> where they begin with it; a line that begins with <c>#</c> explains the next.</summary>
    public IReadOnlyList<string> Examples { get; }

    /// <summary>Whether what follows <c>--</c> is for another program.</summary>
    public bool PassesArgumentsOn { get; init; }

    public Verb With(params Symbol[] symbols)
    {
        foreach (var symbol in symbols)
        {
            if (symbol is Argument argument)
                Add(argument);
            else
                Add((Option)symbol);
        }

        return this;
    }

    /// <summary>Gives the command its action, which returns the exit status.</summary>
    public Verb Does(Func<Run, CancellationToken, Task<int>> action)
    {
        SetAction(async (parsed, cancellationToken) =>
        {
            using var run = new Run(_surface, parsed);
            return await action(run, cancellationToken);
        });
        return this;
    }

    /// <summary>Gives the command an action that either throws or is done.</summary>
    public Verb Does(Func<Run, CancellationToken, Task> action) => Does(async (run, cancellationToken) =>
    {
        await action(run, cancellationToken);
        return (int)ExitCode.Done;
    });
}
