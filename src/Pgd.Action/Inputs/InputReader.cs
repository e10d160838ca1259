using System.Globalization;
using Pgd.Configuration;

namespace Pgd.Action.Inputs;

/// <summary>Reads <c>PGD_INPUT_*</c>. An input that is empty was not given: that is how GitHub passes an input that a workflow leaves out.</summary>
internal sealed class InputReader(IReadOnlyDictionary<string, string> environment)
{
    public static StoryInputs Read(IReadOnlyDictionary<string, string> environment, RepositoryConfiguration repository)
    {
        var input = new InputReader(environment);
        var policy = repository.Policy;
        var migrations = input.Migrations(repository.Migrations);
        var inputs = new StoryInputs
        {
            Command = input.Choice("command", null, StoryCommand.Auto),
            Project = input.Text("project") ?? repository.Project,
            Parent = input.Text("parent") ?? repository.Parent,
            Branch = input.Text("branch") is { } reference ? NameOf(reference) : null,
            Database = input.Text("database") ?? repository.Database,
            Role = input.Text("role") ?? repository.Role,
            Migrate = migrations.Command,
            MigrateFiles = migrations.Files,
            MigrateLedger = migrations.Ledger,
            MigrateWorkingDirectory = migrations.WorkingDirectory,
            MigrateDown = migrations.Command is null ? null : migrations.Down,
            MigrateRerun = migrations.Command is not null && migrations.Rerun == true,
            MigrateDeadline = input.Span("migrate-deadline") ?? migrations.Deadline,
            Budget = repository.Budget,
            Anonymize = input.Lines("anonymize") ?? repository.Anonymize,
            Roles = input.Lines("roles") ?? repository.Roles,
            OnPush = input.Choice("on-push", policy.OnPush, OnPush.Reset),
            TimeToLive = input.Span("ttl") ?? policy.TimeToLive ?? TimeSpan.FromDays(7),
            Comment = input.Choice("comment", policy.Comment, CommentMode.True),
            ForkPolicy = input.Choice("fork-policy", policy.ForkPolicy, ForkPolicy.Refuse),
            Label = input.Text("label") ?? policy.Label,
            Drafts = input.Switch("drafts") ?? policy.Drafts ?? false,
            GitHubToken = input.Text("github-token"),
            Host = input.Text("host"),
            KeepOnFailure = input.Switch("keep-on-failure") ?? policy.KeepOnFailure ?? false,
            SweepLimit = input.Count("sweep-limit") ?? policy.SweepLimit ?? 20,
        };
        Check(inputs);
        return inputs;
    }

    public static string VariableOf(string input) => "PGD_INPUT_" + input.ToUpperInvariant().Replace('-', '_');

    private static void Check(StoryInputs inputs)
    {
        if (inputs.Project is { } project)
            BranchName.CheckProject(project);
        if (inputs.Parent is { } parent)
            BranchName.Of(inputs.Project ?? "any", parent);
    }

    // A name, or a ref such as github.head_ref.
    private static string NameOf(string reference) => reference != BranchName.Main ? BranchName.ForRef(reference)
        : throw Misuse("branch", BranchName.Main, $"a name other than {BranchName.Main}, which is the project's own branch");

    private MigrationSettings Migrations(MigrationSettings below)
    {
        var command = Text("migrate");
        var files = Text("migrate-files");
        if (command is not null && files is not null)
            throw new PgdException(ExitCode.Misuse, "the inputs migrate and migrate-files are both given", "Give one of them: a command, or a glob of SQL files.");

        // One way of migrating replaces the other: a command in the workflow and files in pgd.yml must not both run.
        var own = command is not null || files is not null;
        var settings = new MigrationSettings
        {
            Command = own ? command : below.Command,
            Files = own ? files : below.Files,
            Ledger = Text("migrate-ledger") ?? below.Ledger,
            WorkingDirectory = Text("migrate-working-directory") ?? below.WorkingDirectory,
            Down = Text("migrate-down") ?? below.Down,
            Rerun = below.Rerun,
            Deadline = below.Deadline,
        };
        if (settings.Command is not null && settings.Files is not null)
            throw new PgdException(ExitCode.Misuse, "pgd.yml gives both a migration command and migration files", "Keep one of migrations.command and migrations.files.");
        if (Text("migrate-ledger") is not null && settings.Files is null)
            throw new PgdException(ExitCode.Misuse, "the input migrate-ledger is given without migrate-files", "A ledger records which of the files ran: give migrate-files too.");
        if (Text("migrate-down") is not null && settings.Command is null)
            throw new PgdException(ExitCode.Misuse, "the input migrate-down is given without migrate", "A file that takes NAME.sql back is NAME.down.sql beside it, and needs no input.");
        return settings;
    }

    private string? Text(string name)
    {
        var text = environment.GetValueOrDefault(VariableOf(name))?.Trim();
        return string.IsNullOrEmpty(text) ? null : text;
    }

    private string[]? Lines(string name) =>
        Text(name)?.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

    private bool? Switch(string name) =>
        Text(name) is not { } text ? null
        : bool.TryParse(text, out var value) ? value
        : throw Misuse(name, text, "true or false");

    private int? Count(string name) =>
        Text(name) is not { } text ? null
        : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) && value > 0 ? value
        : throw Misuse(name, text, "a whole number from 1");

    private TimeSpan? Span(string name) =>
        Text(name) is not { } text ? null
        : Duration.TryParse(text, out var value) ? value
        : throw Misuse(name, text, "a number and a unit (m, h, d, w), for example 7d, or never");

    private T Choice<T>(string name, string? below, T otherwise)
        where T : struct, Enum
    {
        if ((Text(name) ?? below) is not { } text)
            return otherwise;
        foreach (var value in Enum.GetValues<T>())
        {
            if (string.Equals(value.ToString(), text, StringComparison.OrdinalIgnoreCase))
                return value;
        }

        throw Misuse(name, text, string.Join(", ", Enum.GetNames<T>().Select(n => n.ToLowerInvariant())));
    }

    private static PgdException Misuse(string name, string text, string allowed) =>
        new(ExitCode.Misuse, $"\"{Shown(text)}\" is not a value for the input {name}", $"Allowed: {allowed}.");

    private static string Shown(string text) => string.Concat(text.Take(80).Select(c => char.IsControl(c) ? ' ' : c));
}
