using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Commands.Branches;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Snapshots;

internal static class SnapshotCreate
{
    public static Command Command(Surface surface)
    {
        var branch = Arguments.Branch(surface);
        var label = new Option<string?>("--label") { HelpName = "LABEL", Description = "Name to find it by" };
        var fast = Arguments.Fast();
        var consistency = Arguments.Consistency();
        return new Verb(surface, "create", "Take a snapshot of a branch. Its server goes on.",
            "snapshot create prod/main --label before-release",
            "# Then",
            "branch create prod/retry --from main@before-release",
            "branch reset prod/dev --from main@before-release")
            .With(branch, label, fast, consistency)
            .Does(async (run, cancellationToken) =>
            {
                var request = new Pgd.SnapshotCreate
                {
                    Branch = run.Branch(branch),
                    Label = run[label],
                    Fast = run[fast],
                    Consistency = Requests.Consistency(run[consistency]),
                };
                run.Show(await run.Workspace.Snapshots.CreateAsync(request, cancellationToken), () => JsonShapes.All.Snapshot, SnapshotText.Taken);
            });
    }
}
