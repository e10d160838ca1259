using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Projects;

internal static class ProjectList
{
    public static Command Command(Surface surface) =>
        new Verb(surface, "list", "List projects.", "project list", "project list --json")
            .Does(async (run, cancellationToken) =>
                run.Show(await run.Workspace.Projects.ListAsync(cancellationToken), () => JsonShapes.All.IReadOnlyListProject, ProjectText.Table));
}
