using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Branches;

internal static class BranchRename
{
    public static Command Command(Surface surface)
    {
        var name = Arguments.Branch(surface);
        var to = new Argument<string?>("name") { HelpName = "NAME", Description = "New name inside the project", Arity = ArgumentArity.ExactlyOne };
        return new Verb(surface, "rename", "Give a branch another name. Address, passwords, snapshots and what was made from it stay; its server is restarted.",
            "branch rename prod/dev orders",
            "branch rename prod/dev prod/orders")
            .With(name, to)
            .Does(async (run, cancellationToken) =>
                run.Show(await run.Workspace.Branches.RenameAsync(run.Branch(name), Inside(run.Branch(name), run[to]!), cancellationToken), () => JsonShapes.All.Branch, BranchText.Details));
    }

    private static string Inside(BranchName branch, string name) =>
        !name.Contains('/', StringComparison.Ordinal) ? name
            : BranchName.Parse(name) is var full && full.Project == branch.Project ? full.Branch
            : throw new PgdException(ExitCode.Misuse, $"{branch} stays in its project, and {full} would be in another", $"To make a project of it: dotnet pgd branch promote {branch} {full.Project}");
}
