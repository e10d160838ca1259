using Pgd.Linux;

namespace Pgd.Provisioning;

/// <summary>
/// A root that setup made: it belongs to root, so that nobody puts another folder in the place of one of these; what is in them belongs to the
/// root's user and its group.
/// </summary>
internal static class SharedRoot
{
    public const string Group = "pgd";

    /// <summary>Everybody may look, only root may change: the root itself, and the folder that ZFS volumes are mounted in.</summary>
    public const UnixFileMode OfRoot = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
        | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    /// <summary>For the user and the group; new files and folders are the group's as well.</summary>
    public const UnixFileMode Folder = UnixFileMode.SetGroup | UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
        | UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute;

    /// <summary>The same, where others pass through.</summary>
    public const UnixFileMode PassableFolder = Folder | UnixFileMode.OtherExecute;

    public const UnixFileMode File = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite;

    /// <summary>Every password derives from it; nobody changes it.</summary>
    public const UnixFileMode HostKey = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead;

    /// <summary>The first folder of a path, from its end, that others than root could put something else in the place of; null if there is none.</summary>
    public static string? WritableByOthers(string? path)
    {
        for (var parent = path; parent is not null; parent = Path.GetDirectoryName(parent))
        {
            if (!Directory.Exists(parent))
                continue;
            var status = Libc.Status(parent);
            if (status.Owner != 0 || new FileInfo(parent).LinkTarget is not null || (status.Mode & (UnixFileMode.GroupWrite | UnixFileMode.OtherWrite)) != 0)
                return parent;
        }

        return null;
    }

    /// <summary>
    /// As root in a shared root, becomes its user: the branches that an administrator makes are then those that the user can work with, and
    /// root never follows a path in folders that others can write.
    /// </summary>
    public static void BecomeItsUser(string root)
    {
        if (!OperatingSystem.IsLinux() || Libc.EffectiveUserId() != 0 || SetupMark.Read(root) is not { } mark)
            return;
        Libc.Become(Libc.FindAccount(mark.User) is { UserId: not 0 } account ? account : throw new PgdException(ExitCode.MachineLacks,
            $"the account {mark.User}, which the branches of {root} belong to, does not exist", "Name another one: sudo dotnet-pgd setup --user NAME"));
    }
}
