using System.IO.Enumeration;
using Microsoft.Win32.SafeHandles;
using Pgd.Linux;
using Pgd.Postgres;
using Pgd.State;

namespace Pgd.Storage;

/// <summary>Copies a data directory file by file, with owner and mode; how one file's content is copied is the storage's.</summary>
internal static class FileTree
{
    public delegate void CopyContent(SafeFileHandle source, SafeFileHandle target, long length, CancellationToken cancellationToken);

    // Reading and writing overlap; more workers than this only wait for the same disk.
    private static readonly int Workers = Math.Clamp(Environment.ProcessorCount, 2, 8);

    /// <summary>Copies a tree. With <paramref name="running"/>, files may vanish or grow meanwhile, and what <see cref="DataDirectory.IsLeftOut"/> names is left out.</summary>
    public static async Task CopyAsync(string source, string target, bool running, CopyContent copy, bool reserve, IReporter reporter, CancellationToken cancellationToken)
    {
        var entries = new FileSystemEnumerable<(string Path, bool IsDirectory, bool IsLink, long Length)>(
            source,
            (ref FileSystemEntry e) => (e.ToFullPath()[(source.Length + 1)..], e.IsDirectory, (e.Attributes & FileAttributes.ReparsePoint) != 0, e.IsDirectory ? 0 : LengthOf(ref e)),
            new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = 0, IgnoreInaccessible = false })
        {
            // What is in a folder that is left out would have no folder to be copied to.
            ShouldRecursePredicate = (ref FileSystemEntry e) => (e.Attributes & FileAttributes.ReparsePoint) == 0 && !(running && DataDirectory.IsLeftOut(e.ToFullPath()[(source.Length + 1)..])),
        };

        var folders = new List<string>();
        var files = new List<(string Path, long Length)>();
        foreach (var (path, isDirectory, isLink, length) in entries)
        {
            if (isLink)
                throw IsLink(Path.Combine(source, path));
            if (running && DataDirectory.IsLeftOut(path))
                continue;
            if (isDirectory)
                folders.Add(path);
            else
                files.Add((path, length));
        }

        var total = files.Sum(f => f.Length);
        if (reserve)
            DiskFull.RefuseWithout(total, Path.GetDirectoryName(target)!);

        MakeFolder(source, target);
        // Parents come before their children, so that each folder is made in an existing one.
        foreach (var folder in folders.Order(StringComparer.Ordinal))
            MakeFolder(Path.Combine(source, folder), Path.Combine(target, folder));
        Fault.Here("copy:folders");

        long done = 0;
        var copied = 0;
        try
        {
            await Parallel.ForEachAsync(files, new ParallelOptions { MaxDegreeOfParallelism = Workers, CancellationToken = cancellationToken }, (file, token) =>
            {
                CopyFile(Path.Combine(source, file.Path), Path.Combine(target, file.Path), mayVanish: running, copy, token);
                if (Interlocked.Increment(ref copied) == files.Count / 2)
                    Fault.Here("copy:half");
                var now = Interlocked.Add(ref done, file.Length);
                if (now / 67108864 != (now - file.Length) / 67108864)
                    reporter.Progress("copying", now, total);
                return ValueTask.CompletedTask;
            }).ConfigureAwait(false);
        }
        catch (IOException e) when (DiskFull.Is(e))
        {
            throw DiskFull.Error(target, e);
        }
    }

    public static void CopyFile(string source, string target, bool mayVanish, CopyContent copy, CancellationToken cancellationToken)
    {
        SafeFileHandle from;
        try
        {
            from = Libc.OpenForReading(source);
        }
        catch (IOException e) when (mayVanish && e.HResult == Libc.ENOENT)
        {
            return;
        }
        catch (IOException e) when (e.HResult == Libc.ENXIO)
        {
            // A socket: a name of its process, not a file.
            return;
        }

        using (from)
        {
            if (!Libc.Status(from).IsRegular)
                return;
            var mode = File.GetUnixFileMode(from);
            using var to = Libc.CreateNew(target, mode);
            copy(from, to, RandomAccess.GetLength(from), cancellationToken);
            TakeOwner(from, to, mode);
        }
    }

    public static PgdException IsLink(string path) =>
        new(ExitCode.Unsafe, $"{path} is a symbolic link; a copy would share what it points to with its source", "Move the files into the data directory first.");

    public static void Delete(string folder)
    {
        foreach (var inner in Directory.EnumerateDirectories(folder))
        {
            Directory.Delete(inner, recursive: true);
            Fault.Here("remove:part");
        }

        Directory.Delete(folder, recursive: true);
    }

    private static long LengthOf(ref FileSystemEntry entry)
    {
        try
        {
            return entry.Length;
        }
        catch (IOException)
        {
            // Vanished between the listing and the question.
            return 0;
        }
    }

    private static void MakeFolder(string source, string target)
    {
        FileStatus status;
        try
        {
            status = Libc.Status(source);
        }
        catch (IOException e) when (e.HResult == Libc.ENOENT)
        {
            return;
        }

        Directory.CreateDirectory(target);
        File.SetUnixFileMode(target, status.Mode);
        if (Libc.EffectiveUserId() == 0 && Libc.LChown(target, status.Owner, status.Group) != 0)
            throw Libc.LastError(target);
    }

    private static void TakeOwner(SafeFileHandle from, SafeFileHandle to, UnixFileMode mode)
    {
        // Only root may give files away; everyone else copies his own.
        if (Libc.EffectiveUserId() == 0)
        {
            var status = Libc.Status(from);
            if ((status.Owner, status.Group) != (0, 0) && Libc.FChown(to, status.Owner, status.Group) != 0)
                throw Libc.LastError("fchown");
        }

        if (File.GetUnixFileMode(to) != mode)
            File.SetUnixFileMode(to, mode);
    }
}
