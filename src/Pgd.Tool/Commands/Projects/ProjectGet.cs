using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Projects;

internal static class ProjectGet
{
    public static Command Command(Surface surface)
    {
        var name = Arguments.Project(surface);
        return new Verb(surface, "get", "Show one project.", "project get prod")
            .With(name)
            .Does(async (run, cancellationToken) =>
                run.Show(await run.Workspace.Projects.GetAsync(BranchName.CheckProject(run[name]!), cancellationToken), () => JsonShapes.All.Project, ProjectText.Details));
    }
}
