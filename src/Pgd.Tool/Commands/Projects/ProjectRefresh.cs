using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Commands.Queries;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Projects;

internal static class ProjectRefresh
{
    public static Command Command(Surface surface)
    {
        var name = Arguments.Project(surface);
        var password = new Option<bool>("--password-stdin") { Description = "Read the password for where its data comes from, from the first line of standard input" };
        return new Verb(surface, "refresh", "Make the data of \"main\" anew from where it came from: a copy that got old, or a standby that fell behind. Branches stay as they are.",
            "project refresh prod",
            "project refresh prod --password-stdin <password.txt")
            .With(name, password)
            .Does(async (run, cancellationToken) =>
            {
                var request = new Pgd.ProjectRefresh { Name = BranchName.CheckProject(run[name]!), Password = run[password] ? QueryTarget.FirstLine(run.Session) : null };
                run.Show(await run.Workspace.Projects.RefreshAsync(request, cancellationToken), () => JsonShapes.All.Project, ProjectText.Details);
            });
    }
}
