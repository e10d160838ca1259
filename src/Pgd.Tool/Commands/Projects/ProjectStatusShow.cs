using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Projects;

internal static class ProjectStatusShow
{
    public static Command Command(Surface surface)
    {
        var name = Arguments.Project(surface, optional: true);
        return new Verb(surface, "status", "Show how new the data of projects is, and whether they follow where it comes from.",
            "project status",
            "project status prod --json")
            .With(name)
            .Does(async (run, cancellationToken) =>
            {
                if (run[name] is { } project)
                    run.Show(await run.Workspace.Projects.GetFreshnessAsync(BranchName.CheckProject(project), cancellationToken), () => JsonShapes.All.Freshness, FreshnessText.Details);
                else
                    run.Show(await run.Workspace.Projects.ListFreshnessAsync(cancellationToken), () => JsonShapes.All.IReadOnlyListFreshness, FreshnessText.Table);
            });
    }
}
