using Pgd.Linux;
using Pgd.Storage;

namespace Pgd.Postgres;

/// <summary>A clone's data directory before its server has ever run: what must not be in it, and what must.</summary>
internal static class DataDirectory
{
    // What pg_basebackup leaves out of a running server's directory, and for the same reasons (protocol.html, BASE_BACKUP).
    private static readonly string[] EmptiedFolders = ["pg_dynshmem", "pg_notify", "pg_replslot", "pg_serial", "pg_snapshots", "pg_stat_tmp", "pg_subtrans"];

    private static readonly string[] LeftOutFiles =
        ["postmaster.pid", "postmaster.opts", "backup_label", "backup_label.old", "tablespace_map", "tablespace_map.old", "backup_manifest", "current_logfiles", "postgresql.auto.conf.tmp"];

    private static readonly string[] LeftOverFiles = [.. LeftOutFiles, "recovery.signal", "standby.signal"];

    /// <summary>Whether a copy of a running server's directory does without this file or folder; the path is relative.</summary>
    public static bool IsLeftOut(string path)
    {
        var slash = path.IndexOf('/', StringComparison.Ordinal);
        var top = slash < 0 ? path : path[..slash];
        var names = path.Split('/');
        return slash < 0
            ? LeftOutFiles.Contains(path)
            // pg_control is copied last, by hand: it may be caught in the middle of a write.
            : top == "pg_wal" ? path is not ("pg_wal/archive_status" or "pg_wal/summaries")
            : EmptiedFolders.Contains(top) || path == "global/pg_control" || names[^1].StartsWith("pg_internal.init", StringComparison.Ordinal)
            // Folders too: parallel workers share their temporary files in pgsql_tmp/pgsql_tmp<pid>.<n>.fileset/, under names of any form.
            || Array.Exists(names, n => n.StartsWith("pgsql_tmp", StringComparison.Ordinal));
    }

    /// <summary>Refuses a source whose files are not all inside it: a clone's server would write into the source's own.</summary>
    /// <exception cref="PgdException"><see cref="ExitCode.Unsafe"/>.</exception>
    /// <param name="dataDirectory">The source's data directory.</param>
    /// <param name="name">Whose it is.</param>
    /// <param name="followed">The links that the storage follows.</param>
    public static void RefuseLinks(string dataDirectory, BranchName name, Func<string, bool> followed)
    {
        foreach (var (link, _) in FolderListing.FoldersAndLinks(dataDirectory, changing: true).Where(e => e.IsLink))
        {
            var inside = link[(dataDirectory.Length + 1)..];
            if (followed(inside))
                continue;
            var target = new FileInfo(link).LinkTarget ?? "?";
            throw new PgdException(ExitCode.Unsafe,
                inside.StartsWith("pg_tblspc/", StringComparison.Ordinal)
                    ? $"{name} has a tablespace outside its data directory, in {target}; a branch would write into it"
                    : $"{name} has a symbolic link {inside} to {target}; a branch would share what is there",
                inside.StartsWith("pg_tblspc/", StringComparison.Ordinal)
                    ? "Move its tables back (ALTER TABLE … SET TABLESPACE pg_default) and drop the tablespace."
                    : "Stop the branch, move the files into the data directory, and start it again.");
        }
    }

    /// <summary>Whether its server is a standby, or in the middle of a recovery from an archive.</summary>
    public static bool IsStandby(string data) => File.Exists(Path.Combine(data, "standby.signal")) || File.Exists(Path.Combine(data, "recovery.signal"));

    /// <summary>How many replication slots a source has, beside those that our own copies have for a moment.</summary>
    public static int Slots(string data) =>
        Path.Combine(data, "pg_replslot") is var folder && Directory.Exists(folder) ? Directory.EnumerateDirectories(folder).Count(s => !Path.GetFileName(s).StartsWith(BackupBracket.SlotPrefix, StringComparison.Ordinal)) : 0;

    /// <summary>Removes everything that speaks of another server's run. Returns whether the source was a standby or in the middle of a recovery.</summary>
    public static bool Sanitize(Volume volume)
    {
        var data = volume.Data;
        var recovering = IsStandby(data);
        foreach (var file in LeftOverFiles)
            File.Delete(Path.Combine(data, file));
        foreach (var folder in EmptiedFolders.Select(f => Path.Combine(data, f)).Where(Directory.Exists))
        {
            foreach (var file in Directory.EnumerateFiles(folder))
                File.Delete(file);
            // Folders inside are slots, and snapshots of slots.
            foreach (var inner in Directory.EnumerateDirectories(folder))
                Directory.Delete(inner, recursive: true);
        }

        return recovering;
    }

    /// <summary>Writes a file that the server must be able to read, as the owner of the data directory.</summary>
    public static void Write(Volume volume, string path, string content)
    {
        var owner = Libc.Status(volume.Data);
        var beside = path + ".new";
        File.Delete(beside);
        using (var file = Libc.CreateNew(beside, UnixFileMode.UserRead | UnixFileMode.UserWrite))
        {
            RandomAccess.Write(file, System.Text.Encoding.UTF8.GetBytes(content), 0);
            if (Libc.EffectiveUserId() == 0 && Libc.FChown(file, owner.Owner, owner.Group) != 0)
                throw Libc.LastError(path);
        }

        Fault.Here("file:beside");
        File.Move(beside, path, overwrite: true);
    }
}
