using System.CommandLine;
using Pgd.Configuration;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Output;

namespace Pgd.Tool.Commands.Snapshots;

internal static class SnapshotProtect
{
    public static Command Command(Surface surface)
    {
        var name = Arguments.Snapshot(surface);
        var time = Arguments.ProtectionTime();
        var reason = Arguments.ProtectionReason();
        return new Verb(surface, "protect", "Keep a snapshot from being deleted, for a time.",
            "snapshot protect prod/main@before-release --for 30d --reason \"audit of March\"")
            .With(name, time, reason)
            .Does(async (run, cancellationToken) =>
                run.Show(await run.Workspace.Snapshots.ProtectAsync(run.Snapshot(name), Duration.Parse(run[time] ?? "7d"), run[reason], cancellationToken), () => JsonShapes.All.Snapshot, SnapshotText.Details));
    }
}

internal static class SnapshotUnprotect
{
    public static Command Command(Surface surface)
    {
        var name = Arguments.Snapshot(surface);
        return new Verb(surface, "unprotect", "Lift a snapshot's protection.", "snapshot unprotect prod/main@before-release")
            .With(name)
            .Does(async (run, cancellationToken) =>
                run.Show(await run.Workspace.Snapshots.UnprotectAsync(run.Snapshot(name), cancellationToken), () => JsonShapes.All.Snapshot, SnapshotText.Details));
    }
}
