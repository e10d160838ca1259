using System.CommandLine;
using System.CommandLine.Parsing;
using Pgd.Configuration;

namespace Pgd.Tool.CommandLine;

/// <summary>Makes an error of ours of what the parser complains about: System.CommandLine writes to standard output and returns 1.</summary>
internal static class ParseErrors
{
    public static PgdException Of(ParseResult parsed)
    {
        var command = parsed.CommandResult.Command;
        if (StrayOption(parsed) is { } stray)
            return UnknownOption(command, stray);
        if (parsed.UnmatchedTokens is [var token, ..])
        {
            return command.Subcommands.Count > 0
                ? new(ExitCode.Misuse, $"unknown command \"{token}\" for \"{Path(command)}\"",
                    Suggestion(token, command.Subcommands.Where(sub => !sub.Hidden).Select(sub => sub.Name), command))
                : new(ExitCode.Misuse, $"unexpected argument \"{token}\" for \"{Path(command)}\"", See(command));
        }

        var message = parsed.Errors[0].Message;
        return new(ExitCode.Misuse, Missing(parsed) ?? char.ToLowerInvariant(message[0]) + message[1..].TrimEnd('.'), See(command));
    }

    /// <summary>The parser takes an option that it does not know for an argument: <c>branch delete --froce prod/dev</c> must not look for a branch of that name.</summary>
    public static void RefuseStrayOptions(ParseResult parsed)
    {
        if (parsed.CommandResult.Command is Verb { Action: { } action } verb && parsed.Action == action && StrayOption(parsed) is { } stray)
            throw UnknownOption(verb, stray);
    }

    private static string? StrayOption(ParseResult parsed)
    {
        var own = parsed.Tokens.TakeWhile(token => token.Type != TokenType.DoubleDash).ToHashSet(ReferenceEqualityComparer.Instance);
        var arguments = parsed.CommandResult.Children.OfType<ArgumentResult>().SelectMany(result => result.Tokens).Where(own.Contains).Select(token => token.Value);
        return arguments.Concat(own.Count == parsed.Tokens.Count ? parsed.UnmatchedTokens : []).FirstOrDefault(value => value.Length > 1 && value[0] == '-');
    }

    private static PgdException UnknownOption(Command command, string option)
    {
        var name = option.Split('=')[0];
        if (command is Verb { PassesArgumentsOn: true })
            return new(ExitCode.Misuse, $"unknown option {name} for \"{Path(command)}\"", "Put -- before what is meant for the other program.");
        return new(ExitCode.Misuse, $"unknown option {name} for \"{Path(command)}\"", Suggestion(name, OptionsOf(command), command));
    }

    private static IEnumerable<string> OptionsOf(Command command) =>
        command.Options.Concat(HelpText.Ancestors(command).SelectMany(parent => parent.Options).Where(option => option.Recursive)).Where(option => !option.Hidden).Select(option => option.Name);

    private static string Suggestion(string text, IEnumerable<string> candidates, Command command) =>
        Spelling.Nearest(text, candidates) is { } nearest ? $"Did you mean \"{nearest}\"?" : See(command);

    private static string? Missing(ParseResult parsed)
    {
        var missing = parsed.CommandResult.Command.Arguments.FirstOrDefault(argument =>
            argument.Arity.MinimumNumberOfValues > (parsed.GetResult(argument)?.Tokens.Count ?? 0));
        return missing is null ? null : $"{HelpText.Label(missing)} is missing for \"{Path(parsed.CommandResult.Command)}\"";
    }

    private static string See(Command command) => $"See: dotnet {Path(command)} --help";

    private static string Path(Command command) => HelpText.Path(command);
}
