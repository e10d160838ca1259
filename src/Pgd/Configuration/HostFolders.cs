namespace Pgd.Configuration;

/// <summary>Where a host keeps configuration and data, by the XDG base directory rules.</summary>
internal sealed record HostFolders
{
    public required string Home { get; init; }

    public required string SystemFile { get; init; }

    public required string UserFile { get; init; }

    public required string DefaultRoot { get; init; }

    public static HostFolders From(IReadOnlyDictionary<string, string> environment)
    {
        var home = Absolute("HOME") ?? Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        const string shared = "/var/lib/pgd";
        return new()
        {
            Home = home,
            SystemFile = "/etc/pgd/config.yaml",
            UserFile = Path.Combine(Absolute("XDG_CONFIG_HOME") ?? Path.Combine(home, ".config"), "pgd", "config.yaml"),
            // Set-up makes the shared root; until then only root may, and for root a home folder would be the wrong place for data.
            DefaultRoot = File.Exists(Provisioning.SetupMark.FileIn(shared)) || Environment.IsPrivilegedProcess
                ? shared
                : Path.Combine(Absolute("XDG_DATA_HOME") ?? Path.Combine(home, ".local", "share"), "pgd"),
        };

        // The specification says that relative paths are to be ignored.
        string? Absolute(string name) => environment.TryGetValue(name, out var value) && value.StartsWith('/') ? value : null;
    }
}
