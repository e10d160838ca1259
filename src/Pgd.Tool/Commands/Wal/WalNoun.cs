using System.CommandLine;
using Pgd.Tool.CommandLine;

namespace Pgd.Tool.Commands.Wal;

internal static class WalNoun
{
    public static Command Command(Surface surface) =>
        new Noun(surface, "wal", "Work with write-ahead logs and their archives: what leads from a snapshot to any later moment.",
            WalInfo.Command(surface), WalVerify.Command(surface), WalCleanup.Command(surface), WalPush.Command(surface));
}
