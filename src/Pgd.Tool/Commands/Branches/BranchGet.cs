using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Branches;

internal static class BranchGet
{
    public static Command Command(Surface surface)
    {
        var name = Arguments.Branch(surface);
        return new Verb(surface, "get", "Show one branch.", "branch get prod/dev", "branch get prod/dev --json")
            .With(name)
            .Does(async (run, cancellationToken) =>
                run.Show(await run.Workspace.Branches.GetAsync(run.Branch(name), cancellationToken), () => JsonShapes.All.Branch, BranchText.Details));
    }
}
