using System.CommandLine;
using Pgd.Tool.CommandLine;

namespace Pgd.Tool.Commands.Snapshots;

internal static class SnapshotNoun
{
    public static Command Command(Surface surface) =>
        new Noun(surface, "snapshot", "Work with snapshots: read-only points of branches, to make branches from and to go back to.",
            SnapshotCreate.Command(surface), SnapshotList.Command(surface), SnapshotGet.Command(surface), SnapshotDelete.Command(surface),
            SnapshotProtect.Command(surface), SnapshotUnprotect.Command(surface),
            SnapshotCleanup.Command(surface), SnapshotRun.Command(surface));
}
