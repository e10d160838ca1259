using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Snapshots;

internal static class SnapshotGet
{
    public static Command Command(Surface surface)
    {
        var name = Arguments.Snapshot(surface);
        return new Verb(surface, "get", "Show a snapshot.", "snapshot get prod/main@before-release")
            .With(name)
            .Does(async (run, cancellationToken) =>
                run.Show(await run.Workspace.Snapshots.GetAsync(run.Snapshot(name), cancellationToken), () => JsonShapes.All.Snapshot, SnapshotText.Details));
    }
}
