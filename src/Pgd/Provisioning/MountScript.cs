namespace Pgd.Provisioning;

/// <summary>The one program of ours that ordinary users run as root: it mounts and unmounts volumes, and nothing else.</summary>
internal static class MountScript
{
    public const string File = "/usr/local/libexec/pgd-zfs";

    /// <summary>The script for a base dataset whose volumes are mounted below a folder.</summary>
    public static string Text(string baseDataset, string places)
    {
        using var reader = new StreamReader(typeof(MountScript).Assembly.GetManifestResourceStream("pgd-zfs.sh")!);
        // Both have been checked to be of letters, digits and a few signs: none can end the quotes.
        return reader.ReadToEnd().Replace("@BASE@", baseDataset, StringComparison.Ordinal).Replace("@PLACES@", places, StringComparison.Ordinal);
    }
}
