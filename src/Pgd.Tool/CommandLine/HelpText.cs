using System.CommandLine;

namespace Pgd.Tool.CommandLine;

/// <summary>The help of a command: what it does, how it is written, its parts, examples.</summary>
internal static class HelpText
{
    private const int Indent = 2;

    public static void Write(Command command, TextWriter output, int width)
    {
        output.WriteLine(command.Description);
        Heading("Usage");
        output.WriteLine($"  dotnet {Path(command)}{Synopsis(command)}");
        var seen = command.Options.Where(option => !option.Hidden).ToList();
        var inherited = Ancestors(command).SelectMany(parent => parent.Options).Where(option => option is { Recursive: true, Hidden: false } && !seen.Contains(option));

        Section("Commands", command.Subcommands.Where(sub => !sub.Hidden).Select(sub => (sub.Name, (string?)FirstSentence(sub.Description!))));
        Section("Arguments", command.Arguments.Select(argument => (Label(argument), argument.Description)));
        Section("Options", seen.Select(option => (Left(option), option.Description)));
        Section("Common options", inherited.Select(option => (Left(option), option.Description)));
        if (command is Verb { Examples.Count: > 0 } verb)
        {
            Heading("Examples");
            foreach (var example in verb.Examples)
                output.WriteLine($"  {(example.StartsWith('#') || example.Contains("dotnet pgd", StringComparison.Ordinal) ? example : "dotnet pgd " + example)}");
        }

        if (command.Subcommands.Count > 0)
        {
            output.WriteLine();
            output.WriteLine($"More about a command: dotnet {Path(command)} COMMAND --help");
        }

        void Heading(string text)
        {
            output.WriteLine();
            output.WriteLine($"{text}:");
        }

        void Section(string heading, IEnumerable<(string Left, string? Right)> rows)
        {
            var list = rows.ToList();
            if (list.Count == 0)
                return;
            Heading(heading);
            var column = list.Max(row => row.Left.Length) + Indent + 2;
            foreach (var (left, right) in list)
            {
                var start = new string(' ', Indent) + left.PadRight(column - Indent);
                foreach (var line in Wrap(right ?? "", Math.Max(30, width - column)))
                {
                    output.WriteLine((start + line).TrimEnd());
                    start = new string(' ', column);
                }
            }
        }
    }

    /// <summary>The command as it is typed, from <c>pgd</c> on.</summary>
    public static string Path(Command command) =>
        string.Join(' ', Ancestors(command).Reverse().Append(command).Select(part => part is RootCommand ? "pgd" : part.Name));

    public static IEnumerable<Command> Ancestors(Command command)
    {
        for (var parent = command.Parents.OfType<Command>().FirstOrDefault(); parent is not null; parent = parent.Parents.OfType<Command>().FirstOrDefault())
            yield return parent;
    }

    public static string Label(Argument argument) => argument.HelpName ?? argument.Name.ToUpperInvariant();

    private static string Synopsis(Command command)
    {
        if (command.Subcommands.Count > 0)
            return " COMMAND";
        var passes = command is Verb { PassesArgumentsOn: true };
        var parts = command.Arguments.Select((argument, index) =>
        {
            var label = Label(argument) + (argument.Arity.MaximumNumberOfValues > 1 ? "..." : "");
            var text = passes && index > 0 ? $"-- {label}" : label;
            return argument.Arity.MinimumNumberOfValues == 0 ? $"[{text}]" : text;
        }).ToList();
        parts.Insert(passes ? 1 : parts.Count, "[options]");
        return " " + string.Join(' ', parts);
    }

    private static string Left(Option option)
    {
        var names = option.Aliases.Where(alias => alias.Length == 2).Append(option.Name);
        var value = option.Arity.MaximumNumberOfValues == 0 || option.ValueType == typeof(bool) ? "" : " " + (option.HelpName ?? "VALUE");
        return string.Join(", ", names) + value;
    }

    private static string FirstSentence(string text) => text.Split(". ")[0].TrimEnd('.');

    /// <summary>Text in lines that are no longer than that, but where a word is.</summary>
    public static IEnumerable<string> Wrap(string text, int width)
    {
        var line = "";
        foreach (var word in text.Split(' '))
        {
            if (line.Length > 0 && line.Length + 1 + word.Length > width)
            {
                yield return line;
                line = "";
            }

            line = line.Length == 0 ? word : $"{line} {word}";
        }

        yield return line;
    }
}
