using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Projects;

internal static class ProjectSet
{
    public static Command Command(Surface surface)
    {
        var name = Arguments.Project(surface);
        var pointInTime = Arguments.PointInTime();
        return new Verb(surface, "set", "Change a project. To turn archiving on or off, the server of \"main\" is restarted.",
            "project set prod --pitr 7d",
            "project set prod --pitr off",
            "# Then, as long as a snapshot is older than that",
            "branch create prod/debug --at \"2 hours ago\"")
            .With(name, pointInTime)
            .Does(async (run, cancellationToken) =>
            {
                if (run[pointInTime] is null)
                    throw new PgdException(ExitCode.Misuse, "there is nothing to set", "Say what, for example --pitr 7d.");
                var request = new Pgd.ProjectSet { Name = BranchName.CheckProject(run[name]!), PointInTime = Arguments.Window(run[pointInTime]) };
                run.Show(await run.Workspace.Projects.SetAsync(request, cancellationToken), () => JsonShapes.All.Project, ProjectText.Details);
            });
    }
}
