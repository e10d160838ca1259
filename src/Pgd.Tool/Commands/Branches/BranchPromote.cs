using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Branches;

internal static class BranchPromote
{
    public static Command Command(Surface surface)
    {
        var name = Arguments.Branch(surface);
        var project = new Argument<string?>("project") { HelpName = "PROJECT", Description = "Name of the new project", Arity = ArgumentArity.ExactlyOne };
        return new Verb(surface, "promote", "Make a project of a branch, which becomes its \"main\". Address, passwords and snapshots stay. What would touch others, such as its source's archive, stays off.",
            "branch promote prod/dev staging",
            "# What is as the data's own configuration says now, and what is not",
            "branch promote prod/dev staging --json | jq '.quarantine[]'")
            .With(name, project)
            .Does(async (run, cancellationToken) =>
                run.Show(await run.Workspace.Branches.PromoteAsync(run.Branch(name), BranchName.CheckProject(run[project]!), cancellationToken), () => JsonShapes.All.Promoted, BranchText.Promoted));
    }
}
