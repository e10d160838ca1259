using Pgd.Linux;
using Pgd.Processes;

namespace Pgd.Provisioning;

/// <summary>The one program of ours that ordinary users run as root: it mounts and unmounts volumes, and nothing else.</summary>
internal static class MountScript
{
    public const string File = "/usr/local/libexec/pgd-zfs";

    /// <summary>Mounts or unmounts a volume: as root at once, else by sudo, which asks nothing.</summary>
    public static Task<CommandResult> RunAsync(string verb, string dataset, CancellationToken cancellationToken) =>
        Libc.EffectiveUserId() == 0
            // What an outer sudo says of its caller is not meant for the script: the volume stays root's.
            ? Shell.TryRunAsync(new(File, verb, dataset) { Environment = new Dictionary<string, string?> { ["SUDO_UID"] = null, ["SUDO_GID"] = null }, WorkingDirectory = "/" }, cancellationToken)
            : SystemPrograms.TryAsync("sudo", ["-n", File, verb, dataset], cancellationToken);

    /// <summary>The script for a base dataset whose volumes are mounted below a folder.</summary>
    public static string Text(string baseDataset, string places)
    {
        using var reader = new StreamReader(typeof(MountScript).Assembly.GetManifestResourceStream("pgd-zfs.sh")!);
        // Both have been checked to be of letters, digits and a few signs: none can end the quotes.
        return reader.ReadToEnd().Replace("@BASE@", baseDataset, StringComparison.Ordinal).Replace("@PLACES@", places, StringComparison.Ordinal);
    }
}
