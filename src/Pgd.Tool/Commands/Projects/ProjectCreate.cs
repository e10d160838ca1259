using System.CommandLine;
using System.Globalization;
using Pgd.Libpq;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Commands.Queries;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Projects;

internal static class ProjectCreate
{
    public static Command Command(Surface surface)
    {
        var name = new Argument<string?>("name") { HelpName = "NAME", Description = "Name of the project: lower-case letters, digits and inner hyphens", Arity = ArgumentArity.ExactlyOne };
        var version = new Option<string?>("--pg-version") { HelpName = "N", Description = "Major version of PostgreSQL (default: the newest on this machine)" };
        var storage = Arguments.OneOf("--storage", "Where data lives and how it is copied (default: auto)", "auto", "zfs", "btrfs", "reflink", "copy");
        var runtime = Arguments.OneOf("--runtime", "What runs the servers (default: auto)", "auto", "native", "docker");
        var pool = new Option<string?>("--pool") { HelpName = "POOL", Description = "ZFS pool, or a dataset in it, for the branches of this root (default: the only one)" };
        var adopt = new Option<string?>("--adopt") { HelpName = "DATASET|DIR", Description = "Branch from a cluster that exists already; pgd only ever reads it" };
        var superuser = new Option<string?>("--superuser") { HelpName = "NAME", Description = "Bootstrap superuser of an adopted cluster (default: postgres)" };
        var image = new Option<string?>("--image") { HelpName = "IMAGE", Description = "Image with PostgreSQL in it, for the runtime docker (default: postgres:N-alpine)" };
        var network = Arguments.OneOf("--network", "Network of its branches' containers; internal leads nowhere but to this machine (default: bridge)", "bridge", "internal");
        var ports = new Option<string?>("--port-range") { HelpName = "FIRST-LAST", Description = $"Ports of its branches (default: {PortRange.Default.ToString()})" };
        var dump = new Option<string?>("--from-dump") { HelpName = "FILE|-", Description = "Fill it from a dump made by pg_dump or pg_dumpall; - reads standard input" };
        var from = new Option<string?>("--from") { HelpName = "URL", Description = "Make it a copy of a database of another server, as it is at one moment: postgresql://USER@HOST/DATABASE" };
        var password = new Option<bool>("--password-stdin") { Description = "Read the password of --from from the first line of standard input" };
        var follow = Arguments.OneOf("--follow", "Keep it current: physical, as a standby of the whole server that --from names; logical, as a subscriber of the database (default: a copy, which stays as it is)", "physical", "logical");
        var pointInTime = Arguments.PointInTime();

        return new Verb(surface, "create", "Create a project and its first branch, \"main\".",
            "project create prod",
            "project create prod --pg-version 17 --storage btrfs",
            "# Copy a running database, without a file in between",
            "project create prod --from postgresql://reader@db.example.com/shop --password-stdin <password.txt",
            "# Keep up with it: \"main\" is a standby, and branches are as new as what it has",
            "project create prod --from postgresql://replicator@db.example.com/shop --follow physical --password-stdin <password.txt",
            "# A copy through pg_dump",
            "pg_dump -Fc \"$PRODUCTION_URL\" | dotnet pgd project create prod --from-dump -",
            "# Branch from a cluster on ZFS that is already there, running or not",
            "dotnet pgd project create prod --adopt tank/postgres")
            .With(name, version, storage, pool, runtime, image, network, ports, from, follow, password, dump, adopt, superuser, pointInTime)
            .Does(async (run, cancellationToken) =>
            {
                if (run[password] && run[from] is null)
                    throw new PgdException(ExitCode.Misuse, "--password-stdin is for --from", "Add --from URL.");
                var url = run[from] is { } address ? ConnectionUrl.Parse(address, QueryTarget.EnvironmentOf(run.Session)) : null;
                var project = await run.Workspace.Projects.CreateAsync(new()
                {
                    Name = BranchName.CheckProject(run[name]!),
                    PostgresMajor = run[version] is { } text ? Major(text) : null,
                    Storage = run[storage],
                    Pool = run[pool],
                    Adopt = run[adopt],
                    Superuser = run[superuser],
                    Runtime = run[runtime],
                    Image = run[image],
                    Network = run[network],
                    Ports = run[ports] is { } range ? PortRange.Parse(range) : null,
                    FromDump = run[dump] is { } file and not "-" ? Path.GetFullPath(file, run.Session.WorkingDirectory) : run[dump],
                    From = url is not null && run[password] ? url with { Password = QueryTarget.FirstLine(run.Session) } : url,
                    Follow = run[follow] switch { null => null, "logical" => FollowMode.Logical, _ => FollowMode.Physical },
                    PointInTime = Arguments.Window(run[pointInTime]),
                    Input = run[dump] == "-" ? run.Session.Input() : null,
                }, cancellationToken);
                run.Show(project, () => JsonShapes.All.Project, ProjectText.Details);
            });
    }

    private static int Major(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var major) && major is >= 1 and < 1000
            ? major
            : throw new PgdException(ExitCode.Misuse, $"\"{text}\" is not a major version of PostgreSQL", "Write a whole number, for example --pg-version 17.");
}
