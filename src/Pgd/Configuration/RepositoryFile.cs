using Pgd.Lint;

namespace Pgd.Configuration;

/// <summary>The configuration of a repository: <c>pgd.yml</c> at its top.</summary>
public static class RepositoryFile
{
    /// <summary>The file's name.</summary>
    public const string Name = "pgd.yml";

    /// <summary>Reads <c>pgd.yml</c> of a folder or of the nearest one above it, up to the top of its repository; without one, everything is unsaid.</summary>
    /// <exception cref="PgdException">The file is malformed (<see cref="ExitCode.Misuse"/>).</exception>
    public static RepositoryConfiguration Load(string folder)
    {
        for (var at = Path.GetFullPath(folder); at is not null; at = Path.GetDirectoryName(at))
        {
            if (YamlFile.Read(Path.Combine(at, Name)) is { } top)
                return From(top);
            if (Path.Exists(Path.Combine(at, ".git")))
                break;
        }

        return new();
    }

    internal static RepositoryConfiguration From(YamlSection top)
    {
        var migrations = top.Section("migrations");
        var budget = top.Section("budget");
        var policy = top.Section("policy");
        var configuration = new RepositoryConfiguration
        {
            Project = top.Text("project", NameFault),
            Parent = top.Text("parent", NameFault),
            Database = top.Text("database"),
            Role = top.Text("role"),
            Migrations = new()
            {
                Command = migrations.Text("command"),
                Files = migrations.Text("files"),
                Ledger = migrations.Text("ledger"),
                WorkingDirectory = migrations.Text("working-directory"),
                Down = migrations.Text("down"),
                Rerun = migrations.Flag("rerun"),
                Deadline = migrations.Span("deadline"),
            },
            Budget = new()
            {
                MaxDuration = budget.Value("max-duration", MigrationBudget.ParseTime),
                MaxExclusiveLock = budget.Value("max-exclusive-lock", MigrationBudget.ParseTime),
                MaxRewriteBytes = budget.Value("max-rewrite-bytes", MigrationBudget.ParseBytes),
                MaxWalBytes = budget.Value("max-wal-bytes", MigrationBudget.ParseBytes),
                Deny = budget.Objects("deny", Rule.Parse),
            },
            Anonymize = top.Texts("anonymize"),
            Roles = top.Texts("roles"),
            Policy = new()
            {
                OnPush = policy.OneOf("on-push", "reset", "keep"),
                TimeToLive = policy.Span("ttl"),
                ForkPolicy = policy.OneOf("fork-policy", "refuse", "allow"),
                Drafts = policy.Flag("drafts"),
                Label = policy.Text("label"),
                Comment = policy.OneOf("comment", "true", "summary", "false"),
                KeepOnFailure = policy.Flag("keep-on-failure"),
                SweepLimit = policy.Number("sweep-limit"),
            },
        };
        top.RefuseUnknown();
        migrations.RefuseUnknown();
        budget.RefuseUnknown();
        policy.RefuseUnknown();
        if (configuration.Migrations is { Files: not null, Down: not null })
            throw migrations.Misuse("down", "\"migrations.down\" takes a command back, and \"migrations.files\" have files NAME.down.sql for that");
        if (configuration.Migrations is { Files: not null, Rerun: true })
            throw migrations.Misuse("rerun", "\"migrations.rerun\" runs a command again, and \"migrations.files\" that ran do not run again");
        return configuration.Migrations is { Command: not null, Files: not null }
            ? throw migrations.Misuse("files", "\"migrations.files\" and \"migrations.command\" exclude each other")
            : configuration;
    }

    private static string? NameFault(string value) =>
        BranchName.IsWellFormed(value) ? null : $"cannot be \"{value}\": a name has 1 to {BranchName.MaximumLength} lower-case letters, digits and inner hyphens";
}
