using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands;

internal static class StatusShow
{
    public static Command Command(Surface surface)
    {
        var scope = new Argument<string?>("scope") { HelpName = "PROJECT[/BRANCH]", Description = "This project or branch, in detail", Arity = ArgumentArity.ZeroOrOne };
        scope.CompletionSources.Add(new KnownNames(surface).Projects);
        scope.CompletionSources.Add(new KnownNames(surface).Branches);
        return new Verb(surface, "status", "Show where everything is, and what runs.",
            "status",
            "status prod",
            "status prod/dev --json")
            .With(scope)
            .Does(async (run, cancellationToken) =>
            {
                var workspace = run.Workspace;
                if (run[scope] is not { } text)
                {
                    var status = Status.Of(run.Configuration, await workspace.Projects.ListAsync(cancellationToken), await workspace.Branches.ListAsync(null, cancellationToken));
                    run.Show(status, () => JsonShapes.All.Status, StatusText.Write);
                }
                else if (text.Contains('/', StringComparison.Ordinal))
                {
                    run.Show(await workspace.Branches.GetActivityAsync(BranchName.Parse(text), cancellationToken), () => JsonShapes.All.BranchActivity, ActivityText.Branch);
                }
                else
                {
                    var project = await workspace.Projects.GetAsync(BranchName.CheckProject(text), cancellationToken);
                    run.Show(new ProjectStatus(project, await workspace.Branches.ListActivityAsync(project.Name, cancellationToken)), () => JsonShapes.All.ProjectStatus, ActivityText.Project);
                }
            });
    }
}
