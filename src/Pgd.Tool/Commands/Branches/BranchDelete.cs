using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Branches;

internal static class BranchDelete
{
    public static Command Command(Surface surface)
    {
        var name = Arguments.Branch(surface);
        var ifExists = new Option<bool>("--if-exists") { Description = "Fine if there is no such branch" };
        var withSnapshots = new Option<bool>("--with-snapshots") { Description = "Its snapshots as well" };
        return new Verb(surface, "delete", "Delete a branch with its server and its data.",
            "branch delete prod/dev",
            "branch delete prod/dev --if-exists")
            .With(name, ifExists, withSnapshots)
            .Does(async (run, cancellationToken) =>
            {
                var branch = run.Branch(name);
                var deleted = await run.Workspace.Branches.DeleteAsync(branch, run[ifExists], run[withSnapshots], cancellationToken);
                run.Show(new Deleted(branch.ToString(), deleted), () => JsonShapes.All.Deleted,
                    static (result, sheet) => sheet.Line(result.IsDeleted ? $"Deleted {result.Name}" : $"There is no {result.Name}"));
            });
    }
}
