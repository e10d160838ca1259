using Pgd.Configuration;
using Pgd.Runtime;
using Pgd.State;
using Pgd.Storage;

namespace Pgd;

/// <summary>The door to the engine: a root folder and its configuration, and from there the nouns.</summary>
public sealed class Workspace
{
    private static readonly TimeSpan DefaultWaitForLock = TimeSpan.FromMinutes(1);

    /// <summary>Opens the root that the configuration names; nothing is written until something is made.</summary>
    /// <exception cref="PgdException">The configuration names no root (<see cref="ExitCode.Misuse"/>).</exception>
    public Workspace(HostConfiguration configuration, IReporter reporter)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        ArgumentNullException.ThrowIfNull(reporter);
        Configuration = configuration;
        Reporter = reporter;
        Root = Path.GetFullPath(configuration.Root ?? throw new PgdException(ExitCode.Misuse, "the configuration names no root", "Load it with ConfigurationFiles.Load, which always has one."));
        Layout = new(Root);
        State = new(Layout);
        Locks = new(Layout, configuration.WaitForLock ?? DefaultWaitForLock, reporter);
        HostKey = new(Layout);
        CertificateAuthority = new(Layout, HostKey, Locks, TimeProvider.System);
        Audit = new(Layout, reporter);
        Tombstones = new(Layout);
        Ports = new(State, Locks);
        Storages = new(Layout, configuration);
        Runtimes = new(configuration, Layout);
        Projects = new(this);
        Branches = new(this);
        Snapshots = new(this);
        Databases = new(this);
        Wal = new(this);
        Previews = new(this);
        Lifetimes = new(this);
        Leases = new(this);
        Migrations = new(this);
        Backups = new(this);
        Doctor = new(this);
    }

    /// <summary>
    /// Opens the root that the configuration names. As root, in a root that setup made, this process first becomes the user that the root belongs
    /// to, for good: what an administrator makes is then what the user can work with.
    /// </summary>
    /// <exception cref="PgdException">The configuration names no root (<see cref="ExitCode.Misuse"/>), or the user is gone (<see cref="ExitCode.MachineLacks"/>).</exception>
    public static Workspace OpenAsItsUser(HostConfiguration configuration, IReporter reporter)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        if (configuration.Root is { } root)
            Provisioning.SharedRoot.BecomeItsUser(Path.GetFullPath(root));
        return new(configuration, reporter);
    }

    /// <summary>The folder that holds everything.</summary>
    public string Root { get; }

    /// <summary>The configuration, all layers folded.</summary>
    public HostConfiguration Configuration { get; }

    /// <summary>What this machine is called: as the configuration says, else as it calls itself.</summary>
    public string HostName => Configuration.HostName ?? MachineName.Of(Environment.MachineName);

    /// <summary>Who hears what the engine does.</summary>
    public IReporter Reporter { get; }

    /// <summary>Projects.</summary>
    public Projects Projects { get; }

    /// <summary>Branches.</summary>
    public Branches Branches { get; }

    /// <summary>Snapshots of branches.</summary>
    public Snapshots Snapshots { get; }

    /// <summary>Databases inside one server.</summary>
    public Databases Databases { get; }

    /// <summary>Write-ahead logs and their archives.</summary>
    public WriteAheadLogs Wal { get; }

    /// <summary>Branches of pull requests.</summary>
    public Previews Previews { get; }

    /// <summary>Expiry and protection of branches.</summary>
    public Lifetimes Lifetimes { get; }

    /// <summary>Claims of processes on what they make.</summary>
    public Leases Leases { get; }

    /// <summary>Migrations.</summary>
    public Migrations.Migrations Migrations { get; }

    /// <summary>Backups in repositories.</summary>
    public Backups.Backups Backups { get; }

    /// <summary>Checks and repairs.</summary>
    public Doctor Doctor { get; }

    /// <summary>The bytes of memory that one branch may use.</summary>
    internal long BranchMemory => Configuration.BranchMemory ?? MemorySize.OfMachine() / 4;

    internal Layout Layout { get; }

    internal StateStore State { get; }

    internal OperatingSystemLocks Locks { get; }

    internal HostKey HostKey { get; }

    internal Tls.CertificateAuthority CertificateAuthority { get; }

    internal AuditLog Audit { get; }

    internal Tombstones Tombstones { get; }

    internal Ports Ports { get; }

    internal Storages Storages { get; }

    internal Runtimes Runtimes { get; }

    /// <summary>Refuses where branches cannot be had.</summary>
    internal static void RequireLinux()
    {
        if (!OperatingSystem.IsLinux())
            throw new PgdException(ExitCode.MachineLacks, "branches need Linux", "Run it on a self-hosted runner with Linux; what needs no branch works here too.");
    }
}
