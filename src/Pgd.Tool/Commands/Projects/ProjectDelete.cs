using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Projects;

internal static class ProjectDelete
{
    public static Command Command(Surface surface)
    {
        var name = Arguments.Project(surface);
        var force = new Option<bool>("--force") { Description = "Also delete all of its branches" };
        return new Verb(surface, "delete", "Delete a project with its data. Refused while it has branches beside \"main\", unless forced.",
            "project delete prod",
            "project delete prod --force")
            .With(name, force)
            .Does(async (run, cancellationToken) =>
            {
                var project = BranchName.CheckProject(run[name]!);
                await run.Workspace.Projects.DeleteAsync(project, run[force], cancellationToken);
                run.Show(new Deleted(project, true), () => JsonShapes.All.Deleted, static (deleted, sheet) => sheet.Line($"Deleted {deleted.Name}"));
            });
    }
}
