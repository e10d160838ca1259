namespace Pgd.Backups;

/// <summary>
/// Where the files of a repository are: a folder, or a bucket. Objects are written whole or not at all, and read as they were written; what they mean
/// and whether they are intact is the <see cref="BackupRepository"/>'s to know.
/// </summary>
internal interface IBackupStore : IAsyncDisposable
{
    /// <summary>Its address without secrets, for messages.</summary>
    string Url { get; }

    /// <summary>Writes an object. Nobody ever sees a part of it: it is there when this returns, and after an error what was there before still is.</summary>
    /// <param name="key">Its name, see <see cref="ObjectKey"/>.</param>
    /// <param name="write">Writes the content; called once. The stream is only to be written, from the beginning to the end.</param>
    /// <param name="onlyIfAbsent">Whether to fail with <see cref="ExitCode.Exists"/> if there is one, also one that somebody else makes at the same time.</param>
    /// <param name="cancellationToken">Ends it, with nothing written.</param>
    Task WriteAsync(string key, Func<Stream, CancellationToken, Task> write, bool onlyIfAbsent, CancellationToken cancellationToken);

    /// <summary>Reads an object; <see cref="ExitCode.NotFound"/> if there is none.</summary>
    Task<Stream> ReadAsync(string key, CancellationToken cancellationToken);

    /// <summary>The objects whose keys begin with something, ordered by key.</summary>
    IAsyncEnumerable<StoredObject> ListAsync(string prefix, CancellationToken cancellationToken);

    /// <summary>Removes an object; fine if there is none.</summary>
    Task DeleteAsync(string key, CancellationToken cancellationToken);
}

/// <summary>An object of a store.</summary>
/// <param name="Key">Its name.</param>
/// <param name="Bytes">Its size.</param>
/// <param name="WrittenAt">When it was written last, by the store's own clock: to compare with another object's, not with ours.</param>
internal sealed record StoredObject(string Key, long Bytes, DateTimeOffset WrittenAt);

/// <summary>A store whose users on one host can exclude each other by a lock of the operating system, which ends with the process that holds it.</summary>
internal interface IHostLocks
{
    /// <summary>Takes the lock of a name; null if another process of this host has it.</summary>
    IDisposable? TryLock(string name);

    /// <summary>Whether another process of this host has it.</summary>
    bool IsLocked(string name);
}
