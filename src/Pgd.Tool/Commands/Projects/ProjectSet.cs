using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Commands.Queries;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Projects;

internal static class ProjectSet
{
    public static Command Command(Surface surface)
    {
        var name = Arguments.Project(surface);
        var pointInTime = Arguments.PointInTime();
        var password = new Option<bool>("--password-stdin") { Description = "Read the password by which a standby is let in where it streams from, from the first line of standard input" };
        return new Verb(surface, "set", "Change a project. To turn archiving on or off, the server of \"main\" is restarted.",
            "project set prod --pitr 7d",
            "project set prod --pitr off",
            "# Then, as long as a snapshot is older than that",
            "branch create prod/debug --at \"2 hours ago\"",
            "# Where it follows another server that has given its role a new password",
            "project set prod --password-stdin <password.txt")
            .With(name, pointInTime, password)
            .Does(async (run, cancellationToken) =>
            {
                if (run[pointInTime] is null && !run[password])
                    throw new PgdException(ExitCode.Misuse, "there is nothing to set", "Say what, for example --pitr 7d.");
                var request = new Pgd.ProjectSet { Name = BranchName.CheckProject(run[name]!), PointInTime = Arguments.Window(run[pointInTime]), Password = run[password] ? QueryTarget.FirstLine(run.Session) : null };
                run.Show(await run.Workspace.Projects.SetAsync(request, cancellationToken), () => JsonShapes.All.Project, ProjectText.Details);
            });
    }
}
