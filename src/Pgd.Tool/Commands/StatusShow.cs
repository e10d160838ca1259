using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands;

internal static class StatusShow
{
    public static Command Command(Surface surface)
    {
        var scope = new Argument<string?>("scope") { HelpName = "PROJECT[/BRANCH]", Description = "Only this project or branch", Arity = ArgumentArity.ZeroOrOne };
        scope.CompletionSources.Add(new KnownNames(surface).Projects);
        scope.CompletionSources.Add(new KnownNames(surface).Branches);
        return new Verb(surface, "status", "Show where everything is, and what runs.", "status", "status prod", "status prod/dev --json")
            .With(scope)
            .Does(async (run, cancellationToken) => run.Show(await AskAsync(run, run[scope], cancellationToken), () => JsonShapes.All.Status, StatusText.Write));
    }

    private static async Task<Status> AskAsync(Run run, string? scope, CancellationToken cancellationToken)
    {
        var workspace = run.Workspace;
        if (scope is null)
            return Status.Of(run.Configuration, await workspace.Projects.ListAsync(cancellationToken), await workspace.Branches.ListAsync(null, cancellationToken));
        if (!scope.Contains('/', StringComparison.Ordinal))
        {
            var name = BranchName.CheckProject(scope);
            return Status.Of(run.Configuration, [await workspace.Projects.GetAsync(name, cancellationToken)], await workspace.Branches.ListAsync(name, cancellationToken));
        }

        var branch = await workspace.Branches.GetAsync(BranchName.Parse(scope), cancellationToken);
        return Status.Of(run.Configuration, [await workspace.Projects.GetAsync(branch.Name.Project, cancellationToken)], [branch]);
    }
}
