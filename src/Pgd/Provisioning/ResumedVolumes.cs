using Pgd.Linux;

namespace Pgd.Provisioning;

/// <summary>The volumes of a root that setup made on ZFS, after a boot: nobody but the mount script mounts them.</summary>
internal static class ResumedVolumes
{
    /// <summary>Mounts those that are not, and returns their datasets; what fails is added to the problems.</summary>
    public static async Task<IReadOnlyList<string>> MountAsync(string root, List<string> problems, CancellationToken cancellationToken)
    {
        if (SetupMark.Read(root)?.Base is not { } dataset)
            return [];
        var mounted = new List<string>();
        try
        {
            foreach (var volume in await ZfsHost.UnmountedVolumesAsync(dataset, cancellationToken).ConfigureAwait(false))
            {
                var result = await MountScript.RunAsync("mount", volume, cancellationToken).ConfigureAwait(false);
                if (result.Status == 0)
                    mounted.Add(volume);
                else
                    problems.Add($"{volume} could not be mounted: {result.Error.Trim()}");
            }
        }
        catch (PgdException e)
        {
            problems.Add($"the volumes in {dataset} could not be mounted: {e.Message}");
        }

        return mounted;
    }
}
