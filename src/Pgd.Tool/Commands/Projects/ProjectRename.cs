using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Projects;

internal static class ProjectRename
{
    public static Command Command(Surface surface)
    {
        var name = Arguments.Project(surface);
        var to = new Argument<string?>("name") { HelpName = "NAME", Description = "New name", Arity = ArgumentArity.ExactlyOne };
        return new Verb(surface, "rename", "Give a project another name. Addresses, passwords and databases stay; its servers are restarted.", "project rename prod shop")
            .With(name, to)
            .Does(async (run, cancellationToken) =>
                run.Show(await run.Workspace.Projects.RenameAsync(BranchName.CheckProject(run[name]!), BranchName.CheckProject(run[to]!), cancellationToken), () => JsonShapes.All.Project, ProjectText.Details));
    }
}
