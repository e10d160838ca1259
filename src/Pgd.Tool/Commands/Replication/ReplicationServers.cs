using System.CommandLine;
using System.Text.RegularExpressions;
using Pgd.Libpq;
using Pgd.Replication;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Commands.Queries;

namespace Pgd.Tool.Commands.Replication;

/// <summary>The options that say from where to where, and what of it: the same in every command.</summary>
internal sealed partial class ReplicationServers
{
    private const string SourceVariable = "PGD_SOURCE_URL", TargetVariable = "PGD_TARGET_URL";
    // No server has it: the part of a URL that is left out is seen by it.
    private const string NoDatabase = "\u0001";
    private readonly Option<string?> _source = new("--source") { HelpName = "URL", Description = $"Where the data is: postgresql://USER@HOST/DATABASE (default: {SourceVariable})" };
    private readonly Option<string?> _target = new("--target") { HelpName = "URL", Description = $"Where it goes; without a database, the one of the source's name (default: {TargetVariable})" };
    private readonly Option<bool> _passwordsFromInput = new("--passwords-stdin") { Description = "Read the source's password from the first line of standard input and the target's from the second; an empty line is none" };
    // Known so that it gets an answer, and hidden so that nobody tries.
    private readonly Option<string?> _password = new("--password") { Description = "Refused", Hidden = true, Arity = ArgumentArity.ZeroOrOne };
    private readonly Option<string[]> _includeDatabases = Arguments.Repeated("--include-databases", "LIST", "Only these databases: names with commas, with * and ?, or /REGEX/ (repeatable)");
    private readonly Option<string[]> _excludeDatabases = Arguments.Repeated("--exclude-databases", "LIST", "But not these databases; alone: all others (repeatable)");
    private readonly Option<string[]> _includeTables = Arguments.Repeated("--include-tables", "LIST", "Of their databases only these tables: DATABASE.TABLE or DATABASE.SCHEMA.TABLE, with * and ?, or /REGEX/ (repeatable)");
    private readonly Option<string[]> _excludeTables = Arguments.Repeated("--exclude-tables", "LIST", "But not these tables (repeatable)");
    private readonly Option<bool> _allDatabases = new("--all-databases") { Description = "All databases of the source, but for templates" };
    private readonly Option<string[]> _schemaOnly = Arguments.Repeated("--schema-only-tables", "LIST", "Of these tables the definitions and no rows, now or later; without DATABASE, those of each that has the table (repeatable)");
    private readonly Option<string[]> _recent = Arguments.Repeated("--time-filter", "TABLE:COLUMN:TIME", "Of this table only rows that are not older by a column, such as shop.events:created_at:6 months (repeatable)");
    private readonly Option<string[]> _rows = Arguments.Repeated("--row-filter", "TABLE: CONDITION", "Of this table only rows that meet a condition; now() in it is the time of the beginning (repeatable)");
    private readonly Option<bool> _interactive = new("--interactive", "-i") { Description = "Choose databases, and tables to leave out, from lists on the terminal" };
    private (string? Source, string? Target)? _passwords;

    public ReplicationServers() => _rows.Aliases.Add("--table-filter");

    public Symbol[] Symbols => [_source, _target, _passwordsFromInput, _password, _includeDatabases, _excludeDatabases, _includeTables, _excludeTables, _allDatabases, _schemaOnly, _rows, _recent];

    /// <summary>The same for a command that can ask.</summary>
    public Symbol[] SymbolsWithQuestions => [.. Symbols, _interactive];

    private Option<string[]>[] ListsOfNames => [_includeDatabases, _excludeDatabases, _includeTables, _excludeTables];

    /// <summary>Whether what is meant is asked for.</summary>
    /// <exception cref="PgdException">It is said as well (<see cref="ExitCode.Misuse"/>).</exception>
    public bool IsInteractive(Run run) => run[_interactive] && (ListsOfNames.FirstOrDefault(run.IsGiven) ?? (run.IsGiven(_allDatabases) ? _allDatabases : (Option?)null)) is { } said
        ? throw new PgdException(ExitCode.Misuse, $"--interactive asks for what {said.Name} says", "Leave out one of the two.") : run[_interactive];

    /// <summary>The command line that means the same without asking. Where a URL has a password it is left out.</summary>
    public string CommandLine(Run run, string command, ReplicationFilter chosen, Option<bool>? unasked)
    {
        List<string> words = ["dotnet", "pgd", .. command.Split(' ')];
        foreach (var (option, values) in run.Given().Where(given => given.Option != _interactive))
        {
            if (values.Count == 0)
                words.Add(option.Name);
            foreach (var value in values)
                words.AddRange([option.Name, option == _source || option == _target ? WithoutPassword(value) : value]);
        }

        words.AddRange(["--include-databases", string.Join(',', chosen.IncludeDatabases)]);
        if (chosen.ExcludeTables.Count > 0)
            words.AddRange(["--exclude-tables", string.Join(',', chosen.ExcludeTables)]);
        if (unasked is not null && !run[unasked])
            words.Add(unasked.Name);
        return string.Join(' ', words.Select(Quoted));

        string WithoutPassword(string text)
        {
            var (url, bare) = (ConnectionUrl.Parse(text, QueryTarget.EnvironmentOf(run.Session)), PasswordOfUrl().Replace(text, "$1"));
            // It stands elsewhere in the other forms.
            return url.SecretForms().Any(secret => bare.Contains(secret, StringComparison.Ordinal)) ? (url with { Password = null }).ToString() : bare;
        }

        static string Quoted(string word) => word.Length > 0 && word.All(c => char.IsAsciiLetterOrDigit(c) || "_-./:@%+,=".Contains(c, StringComparison.Ordinal)) ? word : $"'{word.Replace("'", "'\\''", StringComparison.Ordinal)}'";
    }

    /// <summary>Where the data is.</summary>
    public ConnectionUrl Source(Run run)
    {
        RefusePassword(run);
        var url = ConnectionUrl.Parse(Said(run, _source, SourceVariable, "source"), QueryTarget.EnvironmentOf(run.Session));
        return url with { Password = Passwords(run).Source ?? url.Password };
    }

    /// <summary>Where it goes.</summary>
    public ConnectionUrl Target(Run run)
    {
        var text = Said(run, _target, TargetVariable, "target");
        var (environment, source) = (QueryTarget.EnvironmentOf(run.Session), Source(run));
        var url = Parse(NoDatabase) is { Database: not NoDatabase } named ? named : Parse(source.Database);
        return url with { Password = Passwords(run).Target ?? url.Password };

        ConnectionUrl Parse(string database) => ConnectionUrl.Parse(text, environment with { Variable = name => name == "PGDATABASE" ? database : environment.Variable(name) });
    }

    /// <summary>What of it.</summary>
    public ReplicationFilter Filter(Run run)
    {
        return new()
        {
            IncludeDatabases = Lists(_includeDatabases),
            ExcludeDatabases = Lists(_excludeDatabases),
            IncludeTables = Lists(_includeTables),
            ExcludeTables = Lists(_excludeTables),
            SchemaOnlyTables = Lists(_schemaOnly),
            Rows = run.Values(_rows),
            Recent = run.Values(_recent),
            AllDatabases = run[_allDatabases],
        };

        IReadOnlyList<string> Lists(Option<string[]> option) => [.. run.Values(option).SelectMany(text => ReplicationFilter.List(text) is { Count: > 0 } list ? list : throw new PgdException(ExitCode.Misuse, $"{option.Name} is empty"))];
    }

    [GeneratedRegex(@"(?<=^postgres(?:ql)?://[^:@/?]*):[^@/?]*(@)")]
    private static partial Regex PasswordOfUrl();

    private void RefusePassword(Run run)
    {
        if (run.IsGiven(_password))
        {
            throw new PgdException(ExitCode.Misuse, "--password is refused: everybody on this machine sees the arguments of a program, and shells keep them",
                $"Pipe them: printf '%s\\n' \"$SOURCE_PASSWORD\" \"$TARGET_PASSWORD\" | dotnet pgd replicate … --passwords-stdin; or use ~/.pgpass, {SourceVariable} and {TargetVariable}");
        }
    }

    private static string Said(Run run, Option<string?> option, string variable, string what) =>
        run[option] is { Length: > 0 } said ? said : run.Session.Environment.GetValueOrDefault(variable) is { Length: > 0 } set ? set
            : throw new PgdException(ExitCode.Misuse, $"it is not said which server is the {what}", $"Name it with {option.Name} postgresql://USER@HOST/DATABASE, or in {variable}.");

    // Once: what was read is gone.
    private (string? Source, string? Target) Passwords(Run run)
    {
        if (_passwords is not null || !run[_passwordsFromInput])
            return _passwords ?? default;
        var input = run.Session.Input();
        var (source, target) = (QueryTarget.Line(input), QueryTarget.Line(input));
        _passwords = source.Length + target.Length > 0 ? (Given(source), Given(target)) : throw new PgdException(ExitCode.Misuse, "--passwords-stdin found no password: standard input has two empty lines, or none", "Pipe them: printf '%s\\n' \"$SOURCE_PASSWORD\" \"$TARGET_PASSWORD\" | dotnet pgd replicate … --passwords-stdin");
        return _passwords.Value;

        static string? Given(string line) => line.Length > 0 ? line : null;
    }
}
