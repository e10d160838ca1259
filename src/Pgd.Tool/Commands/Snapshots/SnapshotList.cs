using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Snapshots;

internal static class SnapshotList
{
    public static Command Command(Surface surface)
    {
        var of = new Argument<string?>("of") { HelpName = "PROJECT[/BRANCH]", Description = "Only those of this project or branch", Arity = ArgumentArity.ZeroOrOne };
        of.CompletionSources.Add(new KnownNames(surface).Branches);
        return new Verb(surface, "list", "List snapshots, the oldest first.",
            "snapshot list",
            "snapshot list prod/main",
            "# The names of those that nothing was made from",
            "snapshot list --json | jq -r '.[] | select(.usedBy == []) | .name'")
            .With(of)
            .Does(async (run, cancellationToken) =>
            {
                var branch = run[of] is { } text && text.Contains('/', StringComparison.Ordinal) ? BranchName.Parse(text) : null;
                var project = branch is null && run[of] is { } name ? BranchName.CheckProject(name) : null;
                run.Show(await run.Workspace.Snapshots.ListAsync(project, branch, cancellationToken), () => JsonShapes.All.IReadOnlyListSnapshot, SnapshotText.Table);
            });
    }
}
