using System.Security.Cryptography;
using System.Text;
using Microsoft.Win32.SafeHandles;
using Pgd.Linux;
using Pgd.Provisioning;

namespace Pgd.State;

/// <summary>Where things are under the root.</summary>
internal sealed class Layout(string root)
{
    // A unix socket's path may have 107 bytes; PostgreSQL refuses to start with a longer one.
    private const int LongestSocketPath = 107;
    // Servers may run under another account: they may pass through, and read nothing of ours.
    private const UnixFileMode Passable = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;
    private bool? _isShared;

    public string Root { get; } = root;

    /// <summary>Whether setup made it, for an administrator and a user.</summary>
    public bool IsShared => _isShared ??= SetupMark.Read(Root) is not null;

    /// <summary>The mode of files with nothing but records in them.</summary>
    public UnixFileMode FileMode => IsShared ? SharedRoot.File : UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>Who did what, a line for each operation. Among the records, because in a shared root only root makes files beside them.</summary>
    public string AuditLog => Path.Combine(State, "audit.log");

    /// <summary>A file for each pull request that was closed.</summary>
    public string Closed => Path.Combine(State, "~closed");

    /// <summary>Makes that folder.</summary>
    public void EnsureClosed()
    {
        if (IsShared && !Directory.Exists(Closed))
            MakeFolder(Closed, SharedRoot.Folder);
        else
            Directory.CreateDirectory(Closed);
    }

    public string State => Path.Combine(Root, "state");

    public string Volumes => Path.Combine(Root, "volumes");

    /// <summary>Where datasets are mounted.</summary>
    public string Mounts => Path.Combine(Root, "zfs");

    /// <summary>The file with the name of the dataset that holds the volumes of this root, where they are on ZFS.</summary>
    public string Dataset => Path.Combine(Root, "zfs.dataset");

    public string Locks => Path.Combine(Root, "locks");

    public string Sockets => Path.Combine(Root, "s");

    /// <summary>The certificate that branches' servers are verified by. In the one folder that others may pass through in every root, for their clients read it.</summary>
    public string CertificateAuthority => Path.Combine(Sockets, "ca.crt");

    public string HostKey => Path.Combine(Root, "host.key");

    /// <summary>A umask takes the group's right to write from a file in a shared root. Whoever made it gives it back.</summary>
    public void GiveToGroup(SafeFileHandle file)
    {
        if (IsShared && Libc.Status(file) is var status && status.Mode != FileMode && status.Owner == Libc.EffectiveUserId())
            File.SetUnixFileMode(file, FileMode);
    }

    public string ProjectState(string project) => Path.Combine(State, project);

    public string ProjectFile(string project) => Path.Combine(State, project, "_project.json");

    public string BranchFile(BranchName name) => Path.Combine(State, name.Project, name.Branch + ".json");

    // Beside the branches' own files: a name with that character is no branch's.
    public string SnapshotFile(BranchName branch, string id) => Path.Combine(State, branch.Project, $"{branch.Branch}@{id}.json");

    public string Wal => Path.Combine(Root, "wal");

    /// <summary>Where a branch's server hands over its write-ahead log, if it was told to.</summary>
    public string Archive(BranchName branch) => Path.Combine(Wal, branch.Project, branch.Branch);

    /// <summary>Makes the folder of a project's archives.</summary>
    public void EnsureWal(string project)
    {
        try
        {
            foreach (var folder in (string[])[Wal, Path.Combine(Wal, project)])
                MakeFolder(folder, IsShared ? SharedRoot.PassableFolder : Passable);
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException)
        {
            // In a shared root only root makes folders.
            throw new PgdException(ExitCode.MachineLacks, $"the folder {Wal} cannot be used: {e.Message}", IsShared ? "Let setup make it: sudo dotnet-pgd setup" : "Make it writable, or choose another root with --root or PGD_ROOT.", e);
        }
    }

    /// <summary>The folder of the administrative socket: short, and different for each generation, so that two of them can run at once.</summary>
    public string SocketFolder(string branchId, int generation) => Path.Combine(Sockets, ShortHash($"{branchId}/{generation}"));

    public static string ShortHash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..8];

    /// <summary>Makes the root and its folders.</summary>
    public void Ensure()
    {
        const UnixFileMode closed = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        var longest = Encoding.UTF8.GetByteCount(Path.Combine(Sockets, "01234567", ".s.PGSQL.65535.lock"));
        if (longest > LongestSocketPath)
        {
            throw new PgdException(ExitCode.MachineLacks, $"the root {Root} is too long: the path of a unix socket in it would have {longest} bytes, and {LongestSocketPath} is the limit",
                "Choose a shorter one with --root or PGD_ROOT.");
        }

        try
        {
            if (!IsShared)
                MakeFolder(Root, Passable);
            MakeFolder(State, IsShared ? SharedRoot.Folder : closed);
            MakeFolder(Volumes, IsShared ? SharedRoot.PassableFolder : Passable);
            MakeFolder(Locks, IsShared ? SharedRoot.Folder : closed);
            MakeFolder(Sockets, IsShared ? SharedRoot.PassableFolder : Passable);
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException)
        {
            throw new PgdException(ExitCode.MachineLacks, $"the root {Root} cannot be used: {e.Message}", "Choose another with --root or PGD_ROOT, or make this one writable.", e);
        }
    }

    /// <summary>Makes the folder of a project's records.</summary>
    public void EnsureProject(string project)
    {
        if (IsShared && !Directory.Exists(ProjectState(project)))
            MakeFolder(ProjectState(project), SharedRoot.Folder);
        else
            Directory.CreateDirectory(ProjectState(project), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    private static void MakeFolder(string path, UnixFileMode mode)
    {
        if (!Directory.Exists(path))
            Directory.CreateDirectory(path, mode);
        // Directory.CreateDirectory is subject to the umask, and an existing folder of another account stays as it is.
        else if (Libc.Status(path) is var status && (status.Owner != Libc.EffectiveUserId() || status.Mode.HasFlag(mode)))
            return;
        File.SetUnixFileMode(path, mode | (File.GetUnixFileMode(path) & (UnixFileMode)0xE00));
    }
}
