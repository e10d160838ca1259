using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Databases;

internal static class DatabaseDelete
{
    public static Command Command(Surface surface)
    {
        var name = Arguments.Database("database", "Database to delete, which database branch made");
        var ifExists = new Option<bool>("--if-exists") { Description = "Fine if there is no such database" };
        var force = new Option<bool>("--force") { Description = "Throw out those who are connected to it" };
        return new Verb(surface, "delete", "Delete a database that database branch made.",
            "database delete prod/dev:app_test_1 --force")
            .With(name, ifExists, force)
            .Does(async (run, cancellationToken) =>
            {
                var database = DatabaseName.Parse(run[name]!);
                var deleted = await run.Workspace.Databases.DeleteAsync(database, run[ifExists], run[force], cancellationToken);
                run.Show(new Deleted(database.ToString(), deleted), () => JsonShapes.All.Deleted,
                    static (result, sheet) => sheet.Line(result.IsDeleted ? $"Deleted {result.Name}" : $"There is no {result.Name}"));
            });
    }
}
