namespace Pgd.Configuration;

/// <summary>
/// What belongs to a host: read from <c>/etc/pgd/config.yaml</c>, <c>~/.config/pgd/config.yaml</c>, <c>PGD_*</c> and options,
/// each layer over the one before. Null means: not said in this layer.
/// </summary>
public sealed record HostConfiguration
{
    /// <summary>The folder that holds everything; <c>PGD_ROOT</c>, <c>--root</c>.</summary>
    public string? Root { get; init; }

    /// <summary>The storage of new projects: <c>auto</c>, <c>zfs</c>, <c>btrfs</c>, <c>reflink</c> or <c>copy</c>.</summary>
    public string? Storage { get; init; }

    /// <summary>The runtime of new projects: <c>auto</c>, <c>native</c> or <c>docker</c>.</summary>
    public string? Runtime { get; init; }

    /// <summary>The network of new projects' branches in containers: <c>bridge</c>, or <c>internal</c>, which leads nowhere but to this machine.</summary>
    public string? Network { get; init; }

    /// <summary>The ports of new projects' branches.</summary>
    public PortRange? PortRange { get; init; }

    /// <summary>How long a branch lives unless it says otherwise; <see cref="TimeSpan.Zero"/> is for ever.</summary>
    public TimeSpan? DefaultTimeToLive { get; init; }

    /// <summary>
    /// The address that branches are published on. By default <c>auto</c>: 127.0.0.1, and for a job that runs in a container itself one that it
    /// can reach.
    /// </summary>
    public string? Host { get; init; }

    /// <summary>What this machine is called in comments and records, where several work for one repository; its own name by default.</summary>
    public string? HostName { get; init; }

    /// <summary>Whether new branches are reached by TLS alone, verified by a certificate authority of this root; false by default.</summary>
    public bool? Tls { get; init; }

    /// <summary>The bytes of memory that one branch may use; a quarter of this machine's by default. Its server's buffers are at most a quarter of that.</summary>
    public long? BranchMemory { get; init; }

    /// <summary>How many branches a project may have beside its first; no limit by default.</summary>
    public int? MaximumBranches { get; init; }

    /// <summary>How many previews a repository may have at once, in all projects; no limit by default.</summary>
    public int? MaximumPreviews { get; init; }

    /// <summary>The bytes of disk that have to be left for a branch to be made; beside the storage's own limits.</summary>
    public long? MinimumFreeDisk { get; init; }

    /// <summary>The bytes of memory that have to be left for a branch to be made.</summary>
    public long? MinimumFreeMemory { get; init; }

    /// <summary>After how long without a session <c>gc</c> stops a branch; never by default.</summary>
    public TimeSpan? StopIdle { get; init; }

    /// <summary>How long an operation waits for another one's lock; one minute by default.</summary>
    public TimeSpan? WaitForLock { get; init; }

    /// <summary>More folders with server binaries, searched before the usual ones.</summary>
    public IReadOnlyList<string> PostgresBinaries { get; init; } = [];

    /// <summary>The account that servers run as when the tool runs as root; <c>postgres</c> by default.</summary>
    public string? PostgresUser { get; init; }

    /// <summary>What the storage <c>zfs</c> needs to know.</summary>
    public ZfsConfiguration? Zfs { get; init; }

    /// <summary>What is said about projects, by their names.</summary>
    public IReadOnlyDictionary<string, ProjectConfiguration> Projects { get; init; } = new Dictionary<string, ProjectConfiguration>();

    /// <summary>The settings of a project's servers.</summary>
    internal IReadOnlyDictionary<string, ServerSetting> SettingsOf(string project) => (Projects.GetValueOrDefault(project) ?? ProjectConfiguration.Nothing).Settings;

    /// <summary>Which snapshots that the timer took are kept; <see cref="Retention.Default"/> by default.</summary>
    public Retention? KeepSnapshots { get; init; }

    /// <summary>The branches that the timer takes snapshots of; each project's first by default.</summary>
    public IReadOnlyList<BranchName> SnapshotBranches { get; init; } = [];

    /// <summary>This layer, with what it does not say taken from <paramref name="below"/>.</summary>
    public HostConfiguration Over(HostConfiguration below)
    {
        ArgumentNullException.ThrowIfNull(below);
        return new()
        {
            Root = Root ?? below.Root,
            Storage = Storage ?? below.Storage,
            Runtime = Runtime ?? below.Runtime,
            Network = Network ?? below.Network,
            PortRange = PortRange ?? below.PortRange,
            DefaultTimeToLive = DefaultTimeToLive ?? below.DefaultTimeToLive,
            Host = Host ?? below.Host,
            HostName = HostName ?? below.HostName,
            Tls = Tls ?? below.Tls,
            BranchMemory = BranchMemory ?? below.BranchMemory,
            MaximumBranches = MaximumBranches ?? below.MaximumBranches,
            MaximumPreviews = MaximumPreviews ?? below.MaximumPreviews,
            MinimumFreeDisk = MinimumFreeDisk ?? below.MinimumFreeDisk,
            MinimumFreeMemory = MinimumFreeMemory ?? below.MinimumFreeMemory,
            StopIdle = StopIdle ?? below.StopIdle,
            WaitForLock = WaitForLock ?? below.WaitForLock,
            PostgresBinaries = PostgresBinaries.Count > 0 ? PostgresBinaries : below.PostgresBinaries,
            PostgresUser = PostgresUser ?? below.PostgresUser,
            KeepSnapshots = KeepSnapshots ?? below.KeepSnapshots,
            SnapshotBranches = SnapshotBranches.Count > 0 ? SnapshotBranches : below.SnapshotBranches,
            Zfs = Zfs is null ? below.Zfs : below.Zfs is null ? Zfs : Zfs.Over(below.Zfs),
            Projects = Projects.Count == 0 ? below.Projects : Projects.Keys.Union(below.Projects.Keys).ToDictionary(name => name,
                name => (Projects.GetValueOrDefault(name) ?? ProjectConfiguration.Nothing).Over(below.Projects.GetValueOrDefault(name) ?? ProjectConfiguration.Nothing)),
        };
    }
}
