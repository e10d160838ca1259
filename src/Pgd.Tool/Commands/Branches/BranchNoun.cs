using System.CommandLine;
using Pgd.Tool.CommandLine;
using Pgd.Tool.Commands.Servers;

namespace Pgd.Tool.Commands.Branches;

internal static class BranchNoun
{
    public static Command Command(Surface surface) =>
        new Noun(surface, "branch", "Work with branches: isolated PostgreSQL servers on a copy of another branch's data.",
            BranchCreate.Command(surface), BranchReset.Command(surface), BranchReset.Sync(surface), BranchList.Command(surface), BranchGet.Command(surface), BranchDelete.Command(surface),
            BranchUrl.Command(surface), BranchPsql.Command(surface), BranchExec.Command(surface), BranchLogs.Command(surface),
            BranchExtend.Command(surface), BranchProtect.Command(surface), BranchUnprotect.Command(surface), BranchRotate.Command(surface), BranchVerify.Command(surface), BranchDiff.Command(surface),
            BranchRename.Command(surface), BranchPromote.Command(surface), BranchTree.Command(surface),
            ServerStart.Command(surface), ServerStop.Command(surface), ServerRestart.Command(surface));
}
