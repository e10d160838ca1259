using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Branches;

internal static class BranchList
{
    public static Command Command(Surface surface)
    {
        var project = Arguments.Project(surface, optional: true);
        return new Verb(surface, "list", "List branches.",
            "branch list",
            "branch list prod",
            "# The names of all stopped branches",
            "branch list --json | jq -r '.[] | select(.status == \"stopped\") | .name'")
            .With(project)
            .Does(async (run, cancellationToken) =>
            {
                var name = run[project] is { } text ? BranchName.CheckProject(text) : null;
                run.Show(await run.Workspace.Branches.ListAsync(name, cancellationToken), () => JsonShapes.All.IReadOnlyListBranch, BranchText.Table);
            });
    }
}
