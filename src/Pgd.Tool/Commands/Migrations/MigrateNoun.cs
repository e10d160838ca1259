using System.CommandLine;
using Pgd.Tool.CommandLine;

namespace Pgd.Tool.Commands.Migrations;

internal static class MigrateNoun
{
    public static Command Command(Surface surface) =>
        new Noun(surface, "migrate", "Try a migration on a branch's real data, and see what it would do to production.", MigrateRun.Command(surface), MigrateLint.Command(surface), MigrateReport.Command(surface));
}
