using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Branches;

internal static class BranchTree
{
    public static Command Command(Surface surface)
    {
        var project = Arguments.Project(surface, optional: true);
        return new Verb(surface, "tree", "Show which branch was made from which, with its status and the age of its data.", "branch tree", "branch tree prod")
            .With(project)
            .Does(async (run, cancellationToken) =>
            {
                var name = run[project] is { } text ? BranchName.CheckProject(text) : null;
                run.Show(await run.Workspace.Branches.ListAsync(name, cancellationToken), () => JsonShapes.All.IReadOnlyListBranch, TreeText.Write);
            });
    }
}
