namespace Pgd.Provisioning;

/// <summary>What lets members of the group run the mount script as root: that one program, without a wildcard.</summary>
internal static class SudoRule
{
    public const string File = "/etc/sudoers.d/pgd";

    // The user by name as well: a session or a runner's service that began before he became a member knows nothing of the group.
    public static string Text(string user) => $"%{SharedRoot.Group}, {user} ALL=(root) NOPASSWD: {MountScript.File}\n";
}
