using System.CommandLine;
using Pgd.Tool.CommandLine;

namespace Pgd.Tool.Commands.Backups;

internal static class BackupNoun
{
    public static Command Command(Surface surface) =>
        new Noun(surface, "backup", "Work with backups of branches, in a folder or a bucket.",
            BackupKeygen.Command(surface), BackupInit.Command(surface), BackupCreate.Command(surface), BackupList.Command(surface), BackupVerify.Command(surface), BackupRestore.Command(surface), BackupExport.Command(surface),
            BackupPin.Command(surface), BackupUnpin.Command(surface), BackupPrune.Command(surface));
}
