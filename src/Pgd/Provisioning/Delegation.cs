using Pgd.Configuration;

namespace Pgd.Provisioning;

/// <summary>
/// What <c>zfs allow</c> grants on the base dataset: to make a child of it, and everything below. Nothing on the base itself, so that nobody can
/// take its mark away or destroy it, and no <c>mountpoint</c>: where a volume is mounted is not for its maker to say.
/// </summary>
internal sealed record Delegation(IReadOnlySet<string> Local, IReadOnlySet<string> Below)
{
    private const string LocalHeading = "Local permissions:", BelowHeading = "Descendent permissions:", BothHeading = "Local+Descendent permissions:";

    // On Linux "mount" does not let anybody mount: making, cloning, promoting and destroying ask for it.
    private static readonly string[] ForVolumes = ["create", "destroy", "snapshot", "clone", "promote", "mount", "userprop", "canmount", "compression", "recordsize", "atime", "refquota", "refreservation"];

    // What a configuration may add. None says where something is mounted, or what may be done with what is in it.
    private static readonly string[] Harmless = ["acltype", "checksum", "copies", "dedup", "dnodesize", "logbias", "primarycache", "redundant_metadata", "relatime", "secondarycache", "special_small_blocks", "sync", "xattr"];

    /// <summary>What branches need. Each of these was left out once on a real pool, and something failed.</summary>
    public static Delegation NeededFor(HostConfiguration configuration) => new(
        new SortedSet<string>(["create", "mount"], StringComparer.Ordinal),
        new SortedSet<string>([.. ForVolumes, .. (configuration.Zfs?.Properties.Keys ?? []).Where(Harmless.Contains)], StringComparer.Ordinal));

    public bool Covers(Delegation other) => other.Local.IsSubsetOf(Local) && other.Below.IsSubsetOf(Below);

    /// <summary>Reads what <c>zfs allow DATASET</c> prints of one user or group, and of that dataset only: it also prints what is inherited.</summary>
    public static Delegation Parse(string text, string dataset, string kind, string name)
    {
        HashSet<string> local = [], below = [];
        var (ours, heading) = (false, "");
        foreach (var line in text.Split('\n'))
        {
            if (line.StartsWith("---- Permissions on ", StringComparison.Ordinal))
                ours = line["---- Permissions on ".Length..].TrimEnd('-').Trim() == dataset;
            else if (line.Length > 0 && line[0] != '\t')
                heading = line.Trim();
            else if (ours && line.Trim().Split(' ', 3) is [var who, var whose, var permissions] && who == kind && whose == name)
            {
                if (heading is LocalHeading or BothHeading)
                    local.UnionWith(permissions.Split(','));
                if (heading is BelowHeading or BothHeading)
                    below.UnionWith(permissions.Split(','));
            }
        }

        return new(local, below);
    }
}
