using Pgd.Linux;
using Pgd.Provisioning;

namespace Pgd;

/// <summary>
/// Makes, as root, an empty directory for a PostgreSQL cluster on a file system where files share what they have in common: there <c>file_copy_method=clone</c> of PostgreSQL 18
/// copies a database in moments. Every step looks first, so a second run changes nothing.
/// </summary>
public sealed class DataDirectorySetup
{
    private const string Usual = "postgres";
    private static readonly IReadOnlyDictionary<DataFileSystem, string> Packages = new Dictionary<DataFileSystem, string> { [DataFileSystem.Btrfs] = "btrfs-progs", [DataFileSystem.Xfs] = "xfsprogs" };
    private readonly IReporter _reporter;
    private readonly Fstab _fstab = new();

    /// <summary>Prepares it.</summary>
    public DataDirectorySetup(IReporter reporter) => _reporter = reporter;

    /// <summary>Does what is not done yet, or with <see cref="DataDirectoryRequest.DryRun"/> only says it.</summary>
    /// <exception cref="PgdException">
    /// We are not root, or a program, the device or the account is missing (<see cref="ExitCode.MachineLacks"/>); the directory or the device is in use or not empty (<see cref="ExitCode.Unsafe"/>);
    /// there is another file system for that directory already (<see cref="ExitCode.Exists"/>); there is less room than the size asks for (<see cref="ExitCode.NoRoom"/>); a step failed after others were
    /// done (<see cref="ExitCode.Partial"/>).
    /// </exception>
    public async Task<DataDirectoryReport> RunAsync(DataDirectoryRequest request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        var (folder, pool) = (request.Directory, request.Pool ?? PoolData.DefaultPool);
        if (request.Device is null == request.ImageSize is null)
        {
            throw new PgdException(ExitCode.Misuse, $"it is not said where the file system of {folder} is to be{(request.Device is null ? "" : ": on a device or in a file, not both")}",
                "Name an empty device (--device /dev/sdb), or say how large a file beside the directory may become (--loop 20G).");
        }

        if (request.Pool is not null && request.FileSystem != DataFileSystem.Zfs)
            throw new PgdException(ExitCode.Misuse, $"a pool is for zfs, not for {request.FileSystem.Name()}", "Leave out --pool, or write --filesystem zfs.");
        if (!Setup.PoolName().IsMatch(pool))
            throw new PgdException(ExitCode.Misuse, $"the pool \"{pool}\" has more than letters, digits, dots, hyphens and underscores in its name", "Choose another with --pool.");
        RequireRoot();
        CheckPath(folder);
        var owner = OwnerOf(request);
        var notes = new List<string>();
        var steps = request.FileSystem == DataFileSystem.Zfs
            ? await new PoolData(_fstab).StepsAsync(request, owner, notes, cancellationToken).ConfigureAwait(false)
            : await new FstabData(_fstab, Packages).StepsAsync(request, owner, notes, cancellationToken).ConfigureAwait(false);
        var done = await DoAsync(steps, request.DryRun, cancellationToken).ConfigureAwait(false);
        if (request.FileSystem == DataFileSystem.Zfs)
            notes.AddRange(await PoolData.CloningNotesAsync(pool, cancellationToken).ConfigureAwait(false));
        if (done.Any(step => step.Outcome == SetupOutcome.Done))
            notes.Add($"make a cluster there as {owner.Name}: initdb -D {folder} -c file_copy_method=clone (PostgreSQL 18). Then its databases are cloned by CREATE DATABASE … TEMPLATE … STRATEGY FILE_COPY");
        return new(folder, request.FileSystem, owner.Name, request.DryRun, done, notes);
    }

    /// <summary>Removes what was made for a directory that has nothing in it. Data is never removed.</summary>
    /// <exception cref="PgdException">The directory has anything in it, or that cannot be told (<see cref="ExitCode.Unsafe"/>).</exception>
    public async Task<DataDirectoryReport> UndoAsync(string directory, bool dryRun, CancellationToken cancellationToken)
    {
        RequireRoot();
        CheckPath(directory);
        var steps = await new FstabData(_fstab, Packages).UndoStepsAsync(directory, cancellationToken).ConfigureAwait(false)
            ?? await PoolData.UndoStepsAsync(directory, cancellationToken).ConfigureAwait(false);
        return steps is null ? new(directory, null, null, dryRun, [], [$"setup has made no file system for {directory}: there is nothing to remove"])
            : new(directory, null, null, dryRun, await DoAsync(steps, dryRun, cancellationToken).ConfigureAwait(false), []);
    }

    // What is made is noted by the steps themselves, in what makes it last over a boot.
    private Task<IReadOnlyList<SetupStep>> DoAsync(IReadOnlyList<Step> steps, bool dryRun, CancellationToken cancellationToken) =>
        Steps.DoAsync(steps, dryRun, _reporter, _ => { }, cancellationToken);

    private static void RequireRoot()
    {
        Workspace.RequireLinux();
        if (Libc.EffectiveUserId() != 0)
            throw new PgdException(ExitCode.MachineLacks, "setup --data-dir needs root: it makes a file system and mounts it", "See first what it would do: sudo dotnet-pgd setup --data-dir … --dry-run");
    }

    private static void CheckPath(string folder)
    {
        // It goes into a table of mounts.
        if (!Setup.RootPath().IsMatch(folder))
            throw new PgdException(ExitCode.Misuse, $"the directory {folder} has more than letters, digits, dots, hyphens and underscores in its path", "Choose another with --data-dir.");
        if (new FileInfo(folder).LinkTarget is { } target)
            throw new PgdException(ExitCode.Unsafe, $"{folder} is a symbolic link to {target}", "Name with --data-dir where it is to be mounted itself.");
        if (SharedRoot.WritableByOthers(Path.GetDirectoryName(folder)) is { } parent)
        {
            throw new PgdException(ExitCode.Unsafe, $"others than root can write in {Path.GetDirectoryName(parent) ?? parent} or {parent}: they could put another folder in the place of {folder}, at which root mounts a file system",
                "Choose a directory in a folder of root's with --data-dir, for example /srv/pg.");
        }
    }

    private static Account OwnerOf(DataDirectoryRequest request)
    {
        var name = request.Owner ?? (Libc.FindAccount(Usual) is not null ? Usual : request.User)
            ?? throw new PgdException(ExitCode.Misuse, $"it is not clear whose {request.Directory} is to be: there is no account {Usual}", "Name the account that the server runs as: --owner NAME");
        var account = Libc.FindAccount(name) ?? throw new PgdException(ExitCode.MachineLacks, $"there is no account {name} on this machine", $"Make it (useradd --create-home {name}), or name another with --owner.");
        return account.UserId != 0 ? account : throw new PgdException(ExitCode.Misuse, $"the account {name} is root, and PostgreSQL does not run as root", "Name the account that the server runs as: --owner NAME");
    }
}

/// <summary>File systems on which files share extents.</summary>
public enum DataFileSystem
{
    /// <summary>btrfs, with copy-on-write and checksums on.</summary>
    Btrfs,

    /// <summary>XFS with reflinks.</summary>
    Xfs,

    /// <summary>ZFS, from OpenZFS 2.2 on.</summary>
    Zfs,
}

/// <summary>Which data directory to make.</summary>
public sealed record DataDirectoryRequest
{
    /// <summary>Its whole path. The file system is mounted right there.</summary>
    public required string Directory { get; init; }

    /// <summary>What it is on.</summary>
    public required DataFileSystem FileSystem { get; init; }

    /// <summary>The empty device that the file system is made on; null for a file.</summary>
    public string? Device { get; init; }

    /// <summary>How large the sparse file beside the directory may become that the file system is made in, in bytes; null for a device.</summary>
    public long? ImageSize { get; init; }

    /// <summary>On ZFS the new pool's name; null for <c>pgdata</c>.</summary>
    public string? Pool { get; init; }

    /// <summary>The account that the server runs as; null for <c>postgres</c>, and where there is none <see cref="User"/>.</summary>
    public string? Owner { get; init; }

    /// <summary>The user that setup is for.</summary>
    public string? User { get; init; }

    /// <summary>Only say what would be done.</summary>
    public bool DryRun { get; init; }
}

/// <summary>What was done for a data directory.</summary>
/// <param name="Directory">Its path.</param>
/// <param name="FileSystem">What it is on; null where it was removed.</param>
/// <param name="Owner">Whose it is; null where it was removed.</param>
/// <param name="DryRun">Whether nothing was done.</param>
/// <param name="Steps">Every step, in order.</param>
/// <param name="Notes">What the administrator should know.</param>
public sealed record DataDirectoryReport(string Directory, DataFileSystem? FileSystem, string? Owner, bool DryRun, IReadOnlyList<SetupStep> Steps, IReadOnlyList<string> Notes);

internal static class DataFileSystemNames
{
    /// <summary>As mkfs and mount(8) call it.</summary>
    public static string Name(this DataFileSystem type) => type switch { DataFileSystem.Btrfs => "btrfs", DataFileSystem.Xfs => "xfs", _ => "zfs" };
}
