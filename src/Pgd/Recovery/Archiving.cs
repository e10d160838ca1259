using System.Globalization;
using System.Text;
using Pgd.Linux;
using Pgd.State;
using Pgd.Storage;

namespace Pgd.Recovery;

/// <summary>
/// How the server of a project's first branch hands over its write-ahead log, and the folder that it goes to. That belongs to the server's account, and carries the branch's
/// identity; other branches are quarantined, and never hand anything over.
/// </summary>
internal sealed class Archiving(Layout layout, ProjectRecord project, BranchRecord branch)
{
    /// <summary>The file in an archive that says whose it is.</summary>
    public const string MarkFile = ".pgd";

    // So far behind the archive may be: what matters if the disk of the server is lost.
    private static readonly TimeSpan LongestDelay = TimeSpan.FromMinutes(1);

    public string Folder { get; } = layout.Archive(branch.FullName);

    /// <summary>Whether the branch's server is to hand its log over.</summary>
    public bool IsOn => project.PointInTime is not null && branch.Parent is null && !branch.IsAdopted;

    /// <summary>Whether the folder is there, and the branch's.</summary>
    public bool IsThere => OwnerOf(Folder) == branch.Id;

    /// <summary>What the server has to see beside its volume. Where it is missing, the server goes on without.</summary>
    public IReadOnlyList<string> Folders => IsOn && IsThere ? [Folder] : [];

    /// <summary>The identity of the branch that an archive belongs to; null if it carries none.</summary>
    public static string? OwnerOf(string folder)
    {
        var mark = Path.Combine(folder, MarkFile);
        return Libc.Exists(mark) ? File.ReadAllText(mark).Trim() : null;
    }

    /// <summary>Makes the folder; one that is there and empty, as a disk that was just mounted, is taken.</summary>
    /// <exception cref="PgdException">There is one that is not the branch's (<see cref="ExitCode.Unsafe"/>), or none can be made (<see cref="ExitCode.MachineLacks"/>).</exception>
    public void Make(Volume volume)
    {
        layout.EnsureWal(branch.Project);
        if (IsThere)
            return;
        if (Directory.Exists(Folder) && !IsEmpty(Folder))
        {
            throw new PgdException(ExitCode.Unsafe, OwnerOf(Folder) is { } other ? $"{Folder} is the archive of another branch, with the id {other}" : $"{Folder} has files that are no archive of {branch.FullName}",
                "It is left untouched. Move it away.");
        }

        const UnixFileMode closed = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        Directory.CreateDirectory(Folder, closed);
        File.SetUnixFileMode(Folder, closed);
        var owner = Libc.Status(volume.Data);
        // It may be a link to another disk.
        if (Libc.EffectiveUserId() == 0 && Libc.LChown(Libc.RealFolder(Folder)!, owner.Owner, owner.Group) != 0)
            throw Libc.LastError(Folder);
        Fault.Here("archive:folder");
        // Last: without it nothing is put there, and an empty folder is taken again.
        Write(Path.Combine(Folder, MarkFile), branch.Id + "\n");
        Fault.Here("archive:made");
    }

    /// <summary>The settings of a server that hands its log over, and what it does so by; none where it does not.</summary>
    public IReadOnlyDictionary<string, string> Settings(Volume volume)
    {
        var settings = new Dictionary<string, string>();
        if (!IsOn)
            return settings;
        using var reader = new StreamReader(typeof(Archiving).Assembly.GetManifestResourceStream("archive.sh")!);
        Write(volume.Archiver, reader.ReadToEnd());
        settings["archive_mode"] = "on";
        settings["archive_command"] = Command(volume);
        settings["archive_timeout"] = LongestDelay.TotalSeconds.ToString(CultureInfo.InvariantCulture);
        // With both, the server does not start.
        if (project.PostgresMajor >= 15)
            settings["archive_library"] = "";
        return settings;
    }

    /// <summary>What the server runs for each part. No file of a volume need be one that can be run.</summary>
    public string Command(Volume volume) => $"/bin/sh {Quoted(volume.Archiver)} \"%p\" \"%f\" {Quoted(Folder)} {branch.Id}";

    /// <summary>Removes the archive with all that is in it, if it is the branch's. None is fine.</summary>
    public void Remove()
    {
        if (Directory.Exists(Folder))
        {
            if (IsThere)
            {
                foreach (var file in Directory.EnumerateFiles(Folder).Where(f => Path.GetFileName(f) != MarkFile).ToList())
                    File.Delete(file);
                Fault.Here("archive:emptied");
                File.Delete(Path.Combine(Folder, MarkFile));
                Fault.Here("archive:unmarked");
            }

            RemoveIfEmpty(Folder);
        }

        RemoveIfEmpty(Path.GetDirectoryName(Folder)!);
    }

    /// <summary>Removes a folder that has nothing in it. A disk that is mounted there stays.</summary>
    public static void RemoveIfEmpty(string folder)
    {
        try
        {
            if (Directory.Exists(folder) && IsEmpty(folder))
                Directory.Delete(folder);
        }
        catch (IOException)
        {
            // Mounted, or something has just been put there.
        }
    }

    // What mkfs makes is nobody's.
    private static bool IsEmpty(string folder) => !Directory.EnumerateFileSystemEntries(folder).Any(e => Path.GetFileName(e) != "lost+found");

    // Beside and renamed over: a server may be running the old one.
    private static void Write(string file, string text)
    {
        const UnixFileMode forEverybody = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
        var beside = file + ".new";
        File.Delete(beside);
        using (var made = Libc.CreateNew(beside, forEverybody))
        {
            RandomAccess.Write(made, Encoding.UTF8.GetBytes(text), 0);
            // A umask may have taken the others' right to read.
            File.SetUnixFileMode(made, forEverybody);
        }

        File.Move(beside, file, overwrite: true);
    }

    // The server replaces what follows a percent sign, and the shell takes the rest.
    private static string Quoted(string path) => $"'{path.Replace("'", @"'\''", StringComparison.Ordinal).Replace("%", "%%", StringComparison.Ordinal)}'";
}
