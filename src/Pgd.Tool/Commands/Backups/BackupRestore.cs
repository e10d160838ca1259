using System.CommandLine;
using Pgd.Configuration;
using Pgd.Queries;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Commands.Branches;
using Pgd.Tool.Commands.Queries;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Backups;

internal static class BackupRestore
{
    public static Command Command(Surface surface)
    {
        var id = Id();
        var branch = new Option<string?>("--to-branch") { HelpName = "PROJECT/BRANCH", Description = "Branch to make of it, in a project of the same version" };
        var url = new Option<string?>("--to-url") { HelpName = "URL", Description = "Empty database for a logical one: postgresql://USER@HOST/DATABASE or mariadb://…" };
        var password = new Option<bool>("--password-stdin") { Description = "Read the password of --to-url from the first line of standard input" };
        var noOwner = new Option<bool>("--no-owner") { Description = "Let all of a logical one belong to the connecting role, without the rights that were granted" };
        var folder = new Option<string?>("--to") { HelpName = "DIR", Description = "Empty folder to become a data directory" };
        var table = new Option<string?>("--table") { HelpName = "PATTERN", Description = "Only this table, into a database or a branch that is there already: NAME or SCHEMA.NAME, with * and ?" };
        var rename = new Option<string?>("--rename-to") { HelpName = "NAME", Description = "What that table is called there; without its foreign keys and triggers" };
        var database = Arguments.Database();
        var project = new Option<string?>("--project") { HelpName = "NAME", Description = "Project in which the branch is made that the table comes out of (default: the one that it was made of)" };
        const string then = "Its source";
        var (at, zone, lsn, transaction, point) = (Arguments.At(then), Arguments.TimeZone(), Arguments.AtLsn(then), Arguments.AtTransaction(then), Arguments.AtRestorePoint(then));
        var ttl = Arguments.TimeToLive();
        var repository = new Repository();
        return new Verb(surface, "restore", "Restore a backup: as a branch, into a folder, or into a database. Each byte is proved on the way.",
            "backup restore latest --to-branch prod/restored --repo /srv/backups",
            "backup restore 20261129T101500 --to /srv/pg --repo s3://backups/pgd",
            "backup restore latest --to-url postgresql://admin@localhost/copy --no-owner --repo /srv/backups",
            "backup restore 20261129T101500 --at 2026-11-29T14:05:00Z --to-branch prod/then --repo s3://backups/pgd",
            "backup restore latest --table orders --rename-to orders_before --to-branch prod/repair --repo /srv/backups")
            .With([id, branch, folder, url, password, noOwner, table, rename, database, project, at, zone, lsn, transaction, point, ttl, .. repository.Options])
            .Does(async (run, cancellationToken) =>
            {
                if (run[password] && run[url] is null)
                    throw new PgdException(ExitCode.Misuse, "--password-stdin is for --to-url");
                if (run[table] is null && (run[rename] ?? run[database] ?? run[project]) is not null)
                    throw new PgdException(ExitCode.Misuse, "--rename-to, --database and --project are for a single table", "Name it: --table NAME");
                var request = new Pgd.Backups.BackupRestore
                {
                    Place = repository.Of(run),
                    Id = run[id]!,
                    Branch = run[branch] is { } name ? BranchName.Parse(name) : null,
                    Folder = run[folder] is { } path ? Path.GetFullPath(path, run.Session.WorkingDirectory) : null,
                    Server = run[url] is { } server ? QuerySource.Parse(server, QueryTarget.EnvironmentOf(run.Session)).With(null, run[password] ? QueryTarget.FirstLine(run.Session) : null) : null,
                    WithoutOwners = run[noOwner],
                    Target = Requests.Target(run[at], run[lsn], run[transaction], run[point], run[zone], run.Session.Clock),
                    Table = run[table],
                    RenameTo = run[rename],
                    Database = run[database],
                    Project = run[project],
                    TimeToLive = run[ttl] is { } text ? Duration.Parse(text) : null,
                };
                run.Show(await run.Workspace.Backups.RestoreAsync(request, cancellationToken), () => JsonShapes.All.Restored, BackupText.Restored);
            });
    }

    internal static Argument<string?> Id() => new("id") { HelpName = "ID", Description = "The backup's identity, the beginning of that, or latest", Arity = ArgumentArity.ExactlyOne };
}
