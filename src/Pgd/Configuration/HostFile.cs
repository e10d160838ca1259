namespace Pgd.Configuration;

/// <summary>The host's part of the configuration as a file says it.</summary>
internal static class HostFile
{
    public static readonly string[] Storages = ["auto", "zfs", "btrfs", "reflink", "copy"];

    public static readonly string[] Runtimes = ["auto", "native", "docker"];

    public static readonly string[] Networks = ["bridge", "internal"];

    public static HostConfiguration From(YamlSection top, string home)
    {
        var postgres = top.Section("postgres");
        var zfs = top.Section("zfs");
        var snapshots = top.Section("snapshots");
        var configuration = new HostConfiguration
        {
            Root = Folder(top.Text("root", value => Fault(value)), home),
            Storage = top.OneOf("storage", Storages),
            Runtime = top.OneOf("runtime", Runtimes),
            Network = top.OneOf("network", Networks),
            PortRange = top.Value("port-range", PortRange.Parse),
            DefaultTimeToLive = top.Span("default-ttl"),
            Host = top.Text("host"),
            HostName = top.Object("host-name", MachineName.Parse),
            Tls = top.Flag("tls"),
            BranchMemory = top.Value("branch-memory", MemorySize.ParseForBranch),
            MaximumBranches = AtLeastOne(top, "max-branches"),
            MaximumPreviews = AtLeastOne(top, "max-previews"),
            MinimumFreeDisk = top.Value("min-free-disk", MemorySize.Parse),
            MinimumFreeMemory = top.Value("min-free-memory", MemorySize.Parse),
            StopIdle = top.Span("stop-idle"),
            WaitForLock = top.Span("wait-lock"),
            PostgresBinaries = [.. postgres.Texts("binaries").Select(value => Fault(value) is { } fault ? throw postgres.Misuse("binaries", $"\"postgres.binaries\" {fault}") : Folder(value, home)!)],
            PostgresUser = postgres.Text("user"),
            KeepSnapshots = snapshots.Object("keep", Retention.Parse),
            SnapshotBranches = snapshots.Objects("branches", BranchName.Parse),
            Zfs = new()
            {
                Pool = zfs.Text("pool"),
                RefuseAbove = Percent(zfs, "refuse-above"),
                WarnAbove = Percent(zfs, "warn-above"),
                BranchQuota = zfs.Text("branch-quota"),
                SourceReservation = zfs.Text("source-reservation"),
                Properties = zfs.Section("properties").Map(),
            },
            Projects = top.Section("projects").Sections().ToDictionary(p => p.Name, p => Project(top, p.Name, p.Section)),
        };
        top.RefuseUnknown();
        postgres.RefuseUnknown();
        zfs.RefuseUnknown();
        snapshots.RefuseUnknown();
        return configuration;
    }

    private static ProjectConfiguration Project(YamlSection top, string name, YamlSection section)
    {
        if (!BranchName.IsWellFormed(name))
            throw top.Misuse("projects", $"\"projects.{name}\" cannot be the name of a project: it has 1 to {BranchName.MaximumLength} lower-case letters, digits and inner hyphens");
        var settings = section.Section("settings").Entries(ReservedSettings.Fault);
        section.RefuseUnknown();
        return new() { Settings = settings.ToDictionary(s => s.Key, s => new ServerSetting(s.Value, s.Place)) };
    }

    private static int? AtLeastOne(YamlSection section, string key) =>
        section.Number(key) is not { } number ? null : number >= 1 ? number : throw section.Misuse(key, $"\"{key}\" must be at least 1, not {number}");

    private static int? Percent(YamlSection section, string key) =>
        section.Number(key) is not { } number ? null : number is >= 1 and <= 100 ? number : throw section.Misuse(key, $"\"zfs.{key}\" must be between 1 and 100, not {number}");

    // The same file serves callers in any folder: a relative path would mean something else for each.
    private static string? Fault(string value) =>
        value[0] == '/' || value == "~" || value.StartsWith("~/", StringComparison.Ordinal) ? null : $"must be an absolute path, not \"{value}\"";

    private static string? Folder(string? value, string home) => value is ['~', ..] ? home + value[1..] : value;
}
