using System.Security.Cryptography;

namespace Pgd.Backups;

/// <summary>
/// A store that holds backups: what is written into it is compressed, encrypted if the repository is, and sealed, so that whatever happens to it later is noticed when it is read.
/// </summary>
internal sealed class BackupRepository
{
    private const int LargestHeader = 64 << 10;
    private readonly ObjectKeys? _keys;

    private BackupRepository(IBackupStore store, RepositoryHeader header, ObjectKeys? keys) => (Store, Id, _keys) = (store, header.Id, keys);

    /// <summary>Which repository it is, wherever it is moved.</summary>
    public string Id { get; }

    /// <summary>Where it is.</summary>
    public IBackupStore Store { get; }

    /// <summary>Whether nobody without the key can read it.</summary>
    public bool IsEncrypted => _keys is not null;

    /// <summary>Whether what is in it can be read; who has the public key alone writes only.</summary>
    public bool IsReadable => _keys is null or { CanRead: true };

    /// <summary>How hard what is written from now on is compressed.</summary>
    public Compression Compression { get; set; } = Compression.Default;

    /// <summary>The clock of its locks.</summary>
    internal TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Opens what <see cref="InitializeAsync"/> has made.</summary>
    /// <exception cref="PgdException">There is none, it is of a newer version, or the key is missing or not its.</exception>
    public static async Task<BackupRepository> OpenAsync(IBackupStore store, BackupKey? key, CancellationToken cancellationToken)
    {
        var header = RepositoryHeader.FromJson(store, await ReadHeaderAsync(store, cancellationToken).ConfigureAwait(false));
        if (!header.IsEncrypted)
        {
            return key is null ? new(store, header, null) : throw new PgdException(ExitCode.Unsafe,
                $"the repository {store.Url} is not encrypted, but a key for it was given", "Leave the key away, or make a new repository with it.");
        }

        if (key is null)
            throw new PgdException(ExitCode.Misuse, $"the repository {store.Url} is encrypted with {BackupKey.Kind(header.Derivation)}, and none was given", "Give the one with which it was made. Without it nobody can read the backups.");
        if (key.Derivation != header.Derivation)
            throw new PgdException(ExitCode.Misuse, $"the repository {store.Url} is encrypted with {BackupKey.Kind(header.Derivation)}, and {BackupKey.Kind(key.Derivation)} was given", "Give the one with which it was made.");
        var keys = key.Of(header.Salt);
        return CryptographicOperations.FixedTimeEquals(header.CheckOf(keys), header.Check) ? new(store, header, keys)
            : throw new PgdException(ExitCode.Misuse, $"the key is not that of the repository {store.Url}", "Give the one with which it was made. If it is, then repo.json there was changed: get it back from a copy.");
    }

    /// <summary>Makes a repository, encrypted if there is a key.</summary>
    /// <exception cref="PgdException">There is one (<see cref="ExitCode.Exists"/>).</exception>
    public static async Task<BackupRepository> InitializeAsync(IBackupStore store, BackupKey? key, CancellationToken cancellationToken)
    {
        // With a new header, encrypted backups of the old one could never be read again.
        await foreach (var left in store.ListAsync("i/", cancellationToken).ConfigureAwait(false))
            throw new PgdException(ExitCode.Exists, $"there are backups in {store.Url}, as {left.Key}", "Open it instead of making it. If its repo.json is lost, get that back from a copy; or choose another place.");
        var (header, keys) = RepositoryHeader.New(key, TimeProvider.System.GetUtcNow());
        await store.WriteAsync(RepositoryHeader.Key, (stream, token) => stream.WriteAsync(header.ToJson(), token).AsTask(), onlyIfAbsent: true, cancellationToken).ConfigureAwait(false);
        return new(store, header, keys);
    }

    /// <summary>Refuses who has the public key alone.</summary>
    /// <exception cref="PgdException">He cannot read (<see cref="ExitCode.Misuse"/>).</exception>
    public void RequireReadable()
    {
        if (!IsReadable)
            throw new PgdException(ExitCode.Misuse, $"what is in the repository {Store.Url} is read with its private key, and only the public one was given, which writes", "Give the private key: --key-file FILE, or PGD_BACKUP_KEY_FILE.");
    }

    /// <summary>Writes an object, whole or not at all, and tells what was stored.</summary>
    public Task<StoredPart> WriteAsync(string key, Func<Stream, CancellationToken, Task> write, bool compress, CancellationToken cancellationToken) => WriteAsync(key, write, compress, digest: true, cancellationToken);

    /// <summary>The same, where what is in the object has digests of its own: then it needs none for all of its content.</summary>
    public async Task<StoredPart> WriteAsync(string key, Func<Stream, CancellationToken, Task> write, bool compress, bool digest, CancellationToken cancellationToken)
    {
        StoredPart? part = null;
        await Store.WriteAsync(key, async (stored, token) =>
        {
            using SealWriter seal = _keys is null ? new PlainSeal.Writer(stored, key) : new EncryptedSeal.Writer(stored, key, _keys);
            using var zstd = compress ? new ZstdWriter(seal, Compression) : null;
            using var content = new ContentWriter((Stream?)zstd ?? seal, digest);
            await write(content, token).ConfigureAwait(false);
            foreach (var layer in new WriteLayer?[] { content, zstd, seal }.OfType<WriteLayer>())
                await layer.CompleteAsync(token).ConfigureAwait(false);
            part = new(key, content.Bytes, seal.Bytes, Convert.ToHexStringLower(seal.Hash()), Convert.ToHexStringLower(content.Hash()));
        }, onlyIfAbsent: false, cancellationToken).ConfigureAwait(false);
        return part!;
    }

    /// <summary>
    /// Reads what was written. An encrypted object never gives a byte that was not written; any other one may, but then it ends with an error, and so does every
    /// object that is not whole: what was read counts only when the end has come.
    /// </summary>
    public async Task<Stream> ReadAsync(string key, bool compressed, CancellationToken cancellationToken)
    {
        RequireReadable();
        var stored = await Store.ReadAsync(key, cancellationToken).ConfigureAwait(false);
        ReadLayer content = _keys is null ? new PlainSeal.Reader(stored, key, Damaged) : new EncryptedSeal.Reader(stored, key, _keys, Damaged);
        return compressed ? new ZstdReader(content, Damaged) : content;

        PgdException Damaged(string what, Exception? inner) => StoreErrors.Damaged(Store, key, what, inner);
    }

    /// <summary>
    /// Excludes other operations of the same name on this repository, on whatever host. It is renewed while it is held; one whose holder died is free a minute later, in a folder and
    /// on the same host at once.
    /// </summary>
    /// <param name="name">What it is on.</param>
    /// <param name="isForGood">Whether nobody needs the name after this, so that nothing of the lock is kept.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="PgdException">Somebody has it (<see cref="ExitCode.Locked"/>); the message says who.</exception>
    public Task<RepositoryLock> LockAsync(string name, bool isForGood, CancellationToken cancellationToken) => RepositoryLock.TakeAsync(Store, name, isForGood, Time, cancellationToken);

    /// <summary>Whether somebody has a lock now.</summary>
    public Task<bool> IsLockedAsync(string name, CancellationToken cancellationToken) => RepositoryLock.IsHeldAsync(Store, name, cancellationToken);

    private static async Task<byte[]> ReadHeaderAsync(IBackupStore store, CancellationToken cancellationToken)
    {
        try
        {
            await using var stream = await store.ReadAsync(RepositoryHeader.Key, cancellationToken).ConfigureAwait(false);
            var buffer = new byte[LargestHeader];
            return buffer[..await stream.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false)];
        }
        catch (PgdException e) when (e.ExitCode == ExitCode.NotFound)
        {
            throw new PgdException(ExitCode.NotFound, $"there is no backup repository at {store.Url}", "Check the address. A new repository has to be made first.", e);
        }
    }
}

/// <summary>What an object of a repository is.</summary>
/// <param name="Key">Its name.</param>
/// <param name="Bytes">Bytes of its content.</param>
/// <param name="StoredBytes">Bytes in the store.</param>
/// <param name="Sha256">Hash of those.</param>
/// <param name="ContentSha256">Hash of the content; empty where the manifest has that of each file in it.</param>
internal sealed record StoredPart(string Key, long Bytes, long StoredBytes, string Sha256, string ContentSha256);
