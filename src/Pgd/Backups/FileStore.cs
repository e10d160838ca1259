using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Pgd.Linux;
using Pgd.State;

namespace Pgd.Backups;

/// <summary>
/// A folder as a store. An object is written into a folder for what is unfinished, flushed, and renamed to its place. No symbolic link below the root is
/// followed: whoever may write into one repository shall not get at another one's files through it.
/// </summary>
internal sealed class FileStore(string root) : IBackupStore, IHostLocks
{
    private const string Unfinished = ".unfinished", Locks = ".locks";

    // The group's part is up to the umask, as it is for any other program; nobody else may read a database's content.
    private const int MostAttempts = 1000;
    private const UnixFileMode FileMode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite;
    private const UnixFileMode FolderMode = FileMode | UnixFileMode.UserExecute | UnixFileMode.GroupExecute;

    private readonly string _root = Path.TrimEndingDirectorySeparator(Path.GetFullPath(root));
    private int _swept;

    public string Url { get; } = new Uri(Path.TrimEndingDirectorySeparator(Path.GetFullPath(root))).AbsoluteUri;

    public async Task WriteAsync(string key, Func<Stream, CancellationToken, Task> write, bool onlyIfAbsent, CancellationToken cancellationToken)
    {
        var path = PathOf(key);
        if (onlyIfAbsent && Telling(key, () => Libc.Exists(path)))
            throw ThereAlready(key);
        var (file, beside) = Telling(key, () => CreateBeside(path));
        try
        {
            using (file)
            {
                await using (var stream = new FileObject(this, key, file, FileAccess.Write))
                    await write(stream, cancellationToken).ConfigureAwait(false);
                cancellationToken.ThrowIfCancellationRequested();
                Telling(key, () =>
                {
                    RandomAccess.FlushToDisk(file);
                    Fault.Here("store:beside");
                    Put(key, beside, path, onlyIfAbsent);
                    // Not only by being closed: a program that is being started at this moment still has it, and others would find it locked.
                    _ = Libc.Flock(file, Libc.LOCK_UN);
                });
            }
        }
        finally
        {
            // Gone already if all went well. On a disk that fails, that is the error to tell.
            try
            {
                File.Delete(beside);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
            }
        }
    }

    public Task<Stream> ReadAsync(string key, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return Task.FromResult<Stream>(new FileObject(this, key, Open(key), FileAccess.Read));
    }

    public async IAsyncEnumerable<StoredObject> ListAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        ObjectKey.CheckPrefix(prefix);
        await Task.CompletedTask.ConfigureAwait(false);
        // Where the prefix ends in the middle of a name, its folder is where to begin.
        var start = prefix[..(prefix.LastIndexOf('/') + 1)];
        if (start.Length > 0)
            RefuseLinks(start[..^1], andItself: true);
        foreach (var found in Below(start, prefix, cancellationToken))
            yield return found;
    }

    public Task DeleteAsync(string key, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var path = PathOf(key);
        Telling(key, () =>
        {
            try
            {
                File.Delete(path);
            }
            catch (DirectoryNotFoundException)
            {
                return;
            }

            // What held only this goes with it; a writer that needs the folder at this moment makes it again.
            for (var folder = Path.GetDirectoryName(path)!; folder != _root && RemoveIfEmpty(folder); folder = Path.GetDirectoryName(folder)!)
            {
            }
        });
        return Task.CompletedTask;
    }

    public IDisposable? TryLock(string name)
    {
        var path = LockPath(name);
        return Telling(path, () =>
        {
            MakeFolders(Path.GetDirectoryName(path)!);
            while (true)
            {
                var file = Libc.OpenOrCreate(path, FileMode);
                if (!LockFile.TryLock(file, exclusive: true))
                {
                    file.Dispose();
                    return null;
                }

                // Who had it last may have removed the file since we opened it.
                if (LockFile.IsStillAt(file, path))
                    return new LockFile(file, path, subject: null);
                file.Dispose();
            }
        });
    }

    public bool IsLocked(string name)
    {
        var path = LockPath(name);
        return Telling(path, () =>
        {
            if (!Libc.Exists(path))
                return false;
            using var file = Libc.OpenForReading(path);
            return !LockFile.TryLock(file, exclusive: true);
        });
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>What an error of the file system is to the user.</summary>
    internal PgdException Told(string what, Exception e)
    {
        const string permissions = "Run as the user who owns the repository, or make it writable for this one.";
        if (e is PgdException told)
            return told;
        if (DiskFull.Is(e))
            return new(ExitCode.NoRoom, $"no space is left on the file system of the repository {Url}; {what} was not written", "Free some, prune old backups, or use another repository.", e);
        if (e is UnauthorizedAccessException || (e.HResult & 0xFFFF) is Libc.EACCES or Libc.EPERM)
            return new(ExitCode.MachineLacks, $"{what} in the repository {Url} may not be read or written: {e.Message}", permissions, e);
        return (e.HResult & 0xFFFF) switch
        {
            Libc.EROFS => new(ExitCode.MachineLacks, $"the file system of the repository {Url} is read-only; {what} was not written", "Mount it writable, or use another repository.", e),
            Libc.ENOENT or Libc.ENOTDIR => StoreErrors.NotFound(this, what, e),
            Libc.ELOOP => Linked(what),
            _ => new(ExitCode.Failed, $"{what} in the repository {Url} cannot be read or written: {e.Message}", "Look at the disk: the kernel's log has more, journalctl -k.", e),
        };
    }

    private PgdException Linked(string what) => new(ExitCode.Unsafe, $"{what} in the repository {Url} is or goes through a symbolic link, which is not followed", "Remove the link. To keep a repository on another disk, name the folder there.");

    private PgdException ThereAlready(string key) => StoreErrors.Exists(this, key);

    private string PathOf(string key)
    {
        RefuseLinks(ObjectKey.Check(key), andItself: false);
        return Path.Combine(_root, key);
    }

    private void RefuseLinks(string key, bool andItself)
    {
        var path = _root;
        var parts = key.Split('/');
        foreach (var part in andItself ? parts : parts[..^1])
        {
            path = Path.Combine(path, part);
            if (Telling(key, () => new FileInfo(path).LinkTarget) is not null)
                throw Linked(key);
        }
    }

    private string LockPath(string name) => Path.Combine(_root, Locks, ObjectKey.Check(name).Replace('/', '+'));

    private SafeFileHandle Open(string key)
    {
        var path = PathOf(key);
        var file = Telling(key, () => Libc.OpenForReading(path));
        if (Telling(key, () => Libc.Status(file)).IsRegular)
            return file;
        file.Dispose();
        throw StoreErrors.NotFound(this, key);
    }

    private (SafeFileHandle File, string Path) CreateBeside(string path)
    {
        MakeFolders(Path.GetDirectoryName(path)!);
        var folder = Path.Combine(_root, Unfinished);
        MakeFolders(folder);
        Sweep(folder);
        while (true)
        {
            var beside = Path.Combine(folder, Guid.NewGuid().ToString("n"));
            var file = Libc.CreateNew(beside, FileMode);
            // The lock tells others that somebody still writes it; one that swept between these two calls has removed it.
            if (!IsLockable(file) || LockFile.IsStillAt(file, beside))
                return (file, beside);
            file.Dispose();
        }
    }

    // Once is enough: what was left was left by a process that is no more. A file system that cannot lock cannot tell, so there it stays.
    private void Sweep(string folder)
    {
        if (Interlocked.Exchange(ref _swept, 1) != 0)
            return;
        foreach (var left in Directory.GetFiles(folder))
        {
            try
            {
                using var file = Libc.OpenForReading(left);
                if (IsLockable(file))
                    File.Delete(left);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Somebody else's, or swept by another one.
            }
        }
    }

    private static bool IsLockable(SafeFileHandle file)
    {
        try
        {
            return LockFile.TryLock(file, exclusive: true);
        }
        catch (IOException)
        {
            return false;
        }
    }

    private void Put(string key, string beside, string path, bool onlyIfAbsent)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                if (onlyIfAbsent)
                    Link(key, beside, path);
                else
                    File.Move(beside, path, overwrite: true);
                Flush(Path.GetDirectoryName(path)!);
                return;
            }
            catch (IOException e) when (attempt < MostAttempts && (e is DirectoryNotFoundException or FileNotFoundException || e.HResult == Libc.ENOENT) && File.Exists(beside))
            {
                // Somebody deleted the last object of the folder, and with it the folder.
                MakeFolders(Path.GetDirectoryName(path)!);
            }
        }
    }

    // A rename would replace what another one has just put there.
    private void Link(string key, string beside, string path)
    {
        if (Libc.Link(beside, path) == 0)
            return;
        var error = Libc.LastError(path);
        switch (error.HResult)
        {
            case Libc.EEXIST:
                throw ThereAlready(key);
            case Libc.EPERM or Libc.EOPNOTSUPP or Libc.ENOSYS:
                // FAT and some network file systems have no hard links.
                if (Libc.Exists(path))
                    throw ThereAlready(key);
                File.Move(beside, path, overwrite: false);
                return;
            default:
                throw error;
        }
    }

    private static void MakeFolders(string folder)
    {
        if (Directory.Exists(folder))
            return;
        var parent = Path.GetDirectoryName(folder)!;
        MakeFolders(parent);
        Directory.CreateDirectory(folder, FolderMode);
        Flush(parent);
    }

    private static void Flush(string folder)
    {
        using var handle = Libc.OpenDirectory(folder);
        RandomAccess.FlushToDisk(handle);
    }

    private static bool RemoveIfEmpty(string folder)
    {
        try
        {
            Directory.Delete(folder);
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    private IEnumerable<StoredObject> Below(string folder, string prefix, CancellationToken cancellationToken)
    {
        foreach (var (name, info) in Telling(folder.Length == 0 ? "the folder" : folder, () => Entries(folder)))
        {
            cancellationToken.ThrowIfCancellationRequested();
            var key = folder + name;
            if (info is FileInfo file)
            {
                if (key.StartsWith(prefix, StringComparison.Ordinal))
                    yield return new(key, file.Length, new DateTimeOffset(file.LastWriteTimeUtc, TimeSpan.Zero));
            }
            else if (key.StartsWith(prefix, StringComparison.Ordinal) || prefix.StartsWith(key, StringComparison.Ordinal))
            {
                foreach (var found in Below(key, prefix, cancellationToken))
                    yield return found;
            }
        }
    }

    private List<(string Name, FileSystemInfo Info)> Entries(string folder)
    {
        var entries = new List<(string, FileSystemInfo)>();
        try
        {
            foreach (var info in new DirectoryInfo(Path.Combine(_root, folder)).EnumerateFileSystemInfos())
            {
                // Ours, a link, or not of a repository at all, as lost+found.
                if (!ObjectKey.IsWellFormed(info.Name) || info.LinkTarget is not null)
                    continue;
                if (info is DirectoryInfo)
                    entries.Add((info.Name + "/", info));
                else if (info.Exists)
                    entries.Add((info.Name, info));
            }
        }
        catch (DirectoryNotFoundException)
        {
            // A folder without objects is none.
        }

        // As keys are ordered: "a-b" comes before "a/b".
        entries.Sort((a, b) => string.CompareOrdinal(a.Item1, b.Item1));
        return entries;
    }

    private T Telling<T>(string what, Func<T> work)
    {
        try
        {
            return work();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Told(what, e);
        }
    }

    private void Telling(string what, Action work) => Telling(what, () =>
    {
        work();
        return true;
    });
}

/// <summary>An object of a folder while it is read or written, whose errors name it.</summary>
internal sealed class FileObject(FileStore store, string key, SafeFileHandle file, FileAccess access) : Stream
{
    private long _position;

    public override bool CanRead => access == FileAccess.Read;

    public override bool CanSeek => false;

    public override bool CanWrite => access == FileAccess.Write;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override int Read(Span<byte> buffer)
    {
        try
        {
            var read = RandomAccess.Read(file, buffer, _position);
            _position += read;
            return read;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw store.Told(key, e);
        }
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        try
        {
            RandomAccess.Write(file, buffer, _position);
            _position += buffer.Length;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw store.Told(key, e);
        }
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    // Disks have no waiting that could be had without a thread, and the one that we are on is as good as another.
    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return ValueTask.FromResult(Read(buffer.Span));
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Write(buffer.Span);
        return ValueTask.CompletedTask;
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        // What is written is flushed and put in place by who opened it.
        if (disposing && access == FileAccess.Read)
            file.Dispose();
        base.Dispose(disposing);
    }
}
