using Pgd.Linux;
using Pgd.Postgres;

namespace Pgd.Renaming;

/// <summary>The settings that a server keeps of its own, <c>postgresql.auto.conf</c>, as they were before they were written to: until that is sure, they can be had back.</summary>
internal static class AutoConfiguration
{
    private const string Before = "postgresql.auto.conf.before";

    /// <summary>Keeps them. A second time keeps the first.</summary>
    public static void Keep(BranchServer server)
    {
        var volume = server.RequireVolume();
        var (file, kept) = (Path.Combine(volume.Data, "postgresql.auto.conf"), Path.Combine(volume.Directory, Before));
        if (File.Exists(kept))
            return;
        // With the mode that it has: there may be passwords in it.
        File.Copy(file, kept + ".new", overwrite: true);
        Fault.Here("promote:beside");
        File.Move(kept + ".new", kept);
        Fault.Here("promote:kept");
    }

    /// <summary>Puts them back; if nothing was kept, nothing was written.</summary>
    public static void TakeBack(BranchServer server)
    {
        if (server.FindVolume() is not { } volume)
            return;
        var kept = Path.Combine(volume.Directory, Before);
        File.Delete(kept + ".new");
        if (!File.Exists(kept))
            return;
        DataDirectory.Write(volume, Path.Combine(volume.Data, "postgresql.auto.conf"), File.ReadAllText(kept));
        File.Delete(kept);
    }

    /// <summary>They are not needed any more.</summary>
    public static void Forget(BranchServer server)
    {
        if (server.FindVolume() is { } volume)
            File.Delete(Path.Combine(volume.Directory, Before));
    }
}
