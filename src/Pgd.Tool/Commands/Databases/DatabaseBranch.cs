using System.CommandLine;
using System.Globalization;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Databases;

internal static class DatabaseBranch
{
    public static Command Command(Surface surface)
    {
        var template = Arguments.Database("template", "Database to copy; nobody may be connected to it");
        var name = new Argument<string?>("name") { HelpName = "NAME", Description = "Name of the copy, in the same server", Arity = ArgumentArity.ExactlyOne };
        var strategy = Arguments.OneOf("--strategy", "How it is copied (default auto: shared extents where PostgreSQL 18 and the file system have them)", "auto", "clone", "file-copy", "wal-log");
        var role = new Option<string?>("--role") { HelpName = "NAME", Description = "Role that makes it, which needs the right to (default: the administrator)" };
        var owner = new Option<string?>("--owner") { HelpName = "NAME", Description = "Role that it belongs to (default: the template's owner, or --role)" };
        var tablespace = new Option<string?>("--tablespace") { HelpName = "NAME", Description = "Where its files go" };
        var limit = new Option<string?>("--connection-limit") { HelpName = "N", Description = "How many may connect at once" };
        var isTemplate = new Option<bool>("--is-template") { Description = "Let every role with the right to create databases copy it" };
        var connections = Arguments.OneOf("--allow-connections", "Whether anybody can connect to it (default true)", "true", "false");
        // What people know from CREATE DATABASE gets an answer.
        var encoding = new Option<string?>("--encoding") { HelpName = "NAME", Description = "Refused unless it is the template's, as a copy cannot have another one" };
        var locale = new Option<string?>("--locale") { HelpName = "NAME", Description = "Refused unless it is the template's, as a copy cannot have another one" };
        return new Verb(surface, "branch", "Make a database from another one in the same server, with its settings and privileges.",
            "database branch prod/dev:app app_test_1",
            "database branch prod/dev:app app_golden --is-template --allow-connections false",
            "# A database that somebody is connected to: branch its server first",
            "branch create prod/tests",
            "database branch prod/tests:app app_test_1")
            .With(template, name, strategy, role, owner, tablespace, limit, isTemplate, connections, encoding, locale)
            .Does(async (run, cancellationToken) =>
            {
                var request = new Pgd.DatabaseBranch
                {
                    Template = DatabaseName.Parse(run[template]!),
                    Name = run[name]!,
                    Strategy = run[strategy] switch { "clone" => DatabaseStrategy.Clone, "file-copy" => DatabaseStrategy.FileCopy, "wal-log" => DatabaseStrategy.WalLog, _ => DatabaseStrategy.Auto },
                    Role = run[role],
                    Owner = run[owner],
                    Tablespace = run[tablespace],
                    ConnectionLimit = run[limit] is not { } text ? null : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number
                        : throw new PgdException(ExitCode.Misuse, $"\"{text}\" is not a number of connections", "Write a whole number, for example --connection-limit 20"),
                    IsTemplate = run[isTemplate],
                    AllowConnections = run[connections] != "false",
                    Encoding = run[encoding],
                    Locale = run[locale],
                };
                run.Show(await run.Workspace.Databases.BranchAsync(request, cancellationToken), () => JsonShapes.All.DatabaseBranched, DatabaseText.Made);
            });
    }
}
