using System.CommandLine;
using System.Globalization;
using Pgd.Tool.CommandLine;

namespace Pgd.Tool.Commands.Branches;

internal static class BranchPsql
{
    private const string DistributionPrograms = "/usr/lib/postgresql";

    public static Command Command(Surface surface)
    {
        var name = Arguments.Branch(surface);
        var arguments = new Argument<string[]>("arguments") { HelpName = "ARGUMENT", Description = "Arguments for psql", Arity = ArgumentArity.ZeroOrMore };
        var database = Arguments.Database();
        var role = Arguments.Role();
        return new Verb(surface, "psql", "Open psql on a branch.",
            "branch psql prod/dev",
            "branch psql prod/dev -- -c 'select count(*) from orders'",
            "branch psql prod/dev --role app -- -f query.sql")
        { PassesArgumentsOn = true }
            .With(name, arguments, database, role)
            .Does(async (run, cancellationToken) =>
            {
                var file = Find(run.Session) ?? throw new PgdException(ExitCode.MachineLacks, "psql is not installed", "Install it: sudo apt-get install postgresql-client");
                return await BranchPrograms.RunAsync(run, run.Branch(name), run[database], run[role], file, run.Values(arguments), cancellationToken);
            });
    }

    private static string? Find(Session session)
    {
        if (ChildProgram.Find("psql", session.Environment.GetValueOrDefault("PATH"), session.WorkingDirectory) is { } onPath)
            return onPath;
        // The distribution's newest: psql talks to older servers, but an old one does not know newer catalogs.
        return !Directory.Exists(DistributionPrograms) ? null : Directory.GetDirectories(DistributionPrograms)
            .OrderByDescending(folder => decimal.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out var version) ? version : 0)
            .Select(folder => Path.Combine(folder, "bin", "psql"))
            .FirstOrDefault(File.Exists);
    }
}
