using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Snapshots;

internal static class SnapshotDelete
{
    public static Command Command(Surface surface)
    {
        var name = Arguments.Snapshot(surface);
        var ifExists = new Option<bool>("--if-exists") { Description = "Fine if there is no such snapshot" };
        return new Verb(surface, "delete", "Delete a snapshot. One that a branch was made from stays as long as that does.",
            "snapshot delete prod/main@before-release")
            .With(name, ifExists)
            .Does(async (run, cancellationToken) =>
            {
                var snapshot = run.Snapshot(name);
                var deleted = await run.Workspace.Snapshots.DeleteAsync(snapshot, run[ifExists], cancellationToken);
                run.Show(new Deleted(snapshot.ToString(), deleted), () => JsonShapes.All.Deleted,
                    static (result, sheet) => sheet.Line(result.IsDeleted ? $"Deleted {result.Name}" : $"There is no {result.Name}"));
            });
    }
}
