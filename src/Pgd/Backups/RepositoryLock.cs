using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Pgd.State;

namespace Pgd.Backups;

/// <summary>
/// A lock on something of a repository, held until this is disposed of. It is the object with the highest number below <c>locks/NAME/</c>: whoever makes the next number has it, and only one
/// can. A number is never used twice, so one that lost it, and does not know yet, cannot take it back. Nobody's clock is believed: how old a lock is, is the difference
/// between two times of the store itself.
/// </summary>
internal sealed class RepositoryLock : IAsyncDisposable
{
    /// <summary>How long a lock holds without being renewed.</summary>
    public static readonly TimeSpan Lease = TimeSpan.FromSeconds(60);

    private static readonly TimeSpan Renewal = TimeSpan.FromSeconds(15);

    private readonly IBackupStore _store;
    private readonly string _prefix;
    private readonly LockHolder _holder;
    private readonly IDisposable? _onHost;
    private readonly bool _isForGood;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _ended = new(), _lost = new();
    private readonly Task _renewing;
    private int _disposed;

    private RepositoryLock(IBackupStore store, string name, long generation, LockHolder holder, IDisposable? onHost, bool isForGood, TimeProvider time)
    {
        (_store, Name, Generation, _holder, _onHost, _isForGood, _time) = (store, name, generation, holder, onHost, isForGood, time);
        _prefix = PrefixOf(name);
        _renewing = RenewAsync();
    }

    /// <summary>What it is on.</summary>
    public string Name { get; }

    /// <summary>Its number: higher than that of everyone who had it before.</summary>
    public long Generation { get; }

    /// <summary>Cancelled when it is lost, because the store could not be reached for so long that others may take it: whatever it protects must stop.</summary>
    public CancellationToken Lost => _lost.Token;

    /// <param name="store">The repository's store.</param>
    /// <param name="name">What it is on.</param>
    /// <param name="isForGood">Whether nobody needs the name after this, so that nothing of the lock is kept.</param>
    /// <param name="time">The clock of its renewals.</param>
    /// <param name="cancellationToken">Ends it.</param>
    internal static async Task<RepositoryLock> TakeAsync(IBackupStore store, string name, bool isForGood, TimeProvider time, CancellationToken cancellationToken)
    {
        var prefix = PrefixOf(ObjectKey.Check(name));
        var onHost = (store as IHostLocks)?.TryLock(name);
        try
        {
            var last = await LastAsync(store, prefix, cancellationToken).ConfigureAwait(false);
            var previous = last is null ? null : await LockHolder.ReadAsync(store, last.Key, cancellationToken).ConfigureAwait(false);
            if (store is IHostLocks && onHost is null)
                throw Locked(store, name, previous);
            if (last is not null && await IsHeldAsync(store, last, previous, onHost is not null, cancellationToken).ConfigureAwait(false))
                throw Locked(store, name, previous);

            var (generation, holder) = (last is null ? 1 : NumberOf(last.Key, prefix) + 1, LockHolder.Here(time.GetUtcNow()));
            try
            {
                await holder.WriteAsync(store, KeyOf(prefix, generation), onlyIfAbsent: true, cancellationToken).ConfigureAwait(false);
            }
            catch (PgdException e) when (e.ExitCode == ExitCode.Exists)
            {
                throw Locked(store, name, await LockHolder.ReadAsync(store, KeyOf(prefix, generation), cancellationToken).ConfigureAwait(false));
            }

            // The number may have been used, and deleted, between our looking and our writing: then there is a higher one.
            if (await LastAsync(store, prefix, cancellationToken).ConfigureAwait(false) is { } now && NumberOf(now.Key, prefix) > generation)
            {
                await store.DeleteAsync(KeyOf(prefix, generation), cancellationToken).ConfigureAwait(false);
                throw Locked(store, name, await LockHolder.ReadAsync(store, now.Key, cancellationToken).ConfigureAwait(false));
            }

            if (last is not null)
                await store.DeleteAsync(last.Key, cancellationToken).ConfigureAwait(false);
            return new(store, name, generation, holder, onHost, isForGood, time);
        }
        catch
        {
            onHost?.Dispose();
            throw;
        }
    }

    /// <summary>Whether somebody has it, without taking it.</summary>
    internal static async Task<bool> IsHeldAsync(IBackupStore store, string name, CancellationToken cancellationToken)
    {
        if (store is IHostLocks host && host.IsLocked(name))
            return true;
        return await LastAsync(store, PrefixOf(ObjectKey.Check(name)), cancellationToken).ConfigureAwait(false) is { } last
            && await IsHeldAsync(store, last, await LockHolder.ReadAsync(store, last.Key, cancellationToken).ConfigureAwait(false), store is IHostLocks, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Fails if it is lost, for the moment before something that cannot be taken back: the store is asked, as this process may have slept.</summary>
    public async Task ConfirmAsync(CancellationToken cancellationToken)
    {
        if (_lost.IsCancellationRequested || !await IsLastAsync(cancellationToken).ConfigureAwait(false))
            throw new PgdException(ExitCode.Locked, $"the lock {Name} of the repository {_store.Url} was lost: it could not be renewed for {Lease.TotalSeconds:0} s", "Others may have changed the repository meanwhile. Run it again.");
    }

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        await _ended.CancelAsync().ConfigureAwait(false);
        await _renewing.ConfigureAwait(false);
        try
        {
            // Else it stays, as the number that the next one counts from.
            if (!_lost.IsCancellationRequested)
            {
                using var patience = new CancellationTokenSource(Lease, _time);
                if (_isForGood)
                    await _store.DeleteAsync(KeyOf(_prefix, Generation), patience.Token).ConfigureAwait(false);
                else
                    await (_holder with { IsReleased = true }).WriteAsync(_store, KeyOf(_prefix, Generation), onlyIfAbsent: false, patience.Token).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is PgdException or OperationCanceledException)
        {
            // Then it ends by itself, and what it protected is done.
        }

        _onHost?.Dispose();
        _ended.Dispose();
    }

    private async Task RenewAsync()
    {
        using var timer = new PeriodicTimer(Renewal, _time);
        var renewed = _time.GetTimestamp();
        try
        {
            while (await timer.WaitForNextTickAsync(_ended.Token).ConfigureAwait(false))
            {
                var begun = _time.GetTimestamp();
                try
                {
                    if (!await IsLastAsync(_ended.Token).ConfigureAwait(false))
                        break;
                    await _holder.WriteAsync(_store, KeyOf(_prefix, Generation), onlyIfAbsent: false, _ended.Token).ConfigureAwait(false);
                    renewed = begun;
                }
                catch (PgdException) when (_time.GetElapsedTime(renewed) < Lease)
                {
                    // The next time, perhaps.
                }
                catch (PgdException)
                {
                    break;
                }

                if (_time.GetElapsedTime(renewed) >= Lease)
                    break;
            }

            await _lost.CancelAsync().ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // Released.
        }
    }

    private async Task<bool> IsLastAsync(CancellationToken cancellationToken) =>
        await LastAsync(_store, _prefix, cancellationToken).ConfigureAwait(false) is { } last && NumberOf(last.Key, _prefix) == Generation;

    // The kernel knows that nobody on this host has it; about others only time tells.
    private static async Task<bool> IsHeldAsync(IBackupStore store, StoredObject last, LockHolder? holder, bool isFreeOnHost, CancellationToken cancellationToken) =>
        holder is not { IsReleased: true } && (!isFreeOnHost || holder?.Boot != LockHolder.ThisBoot)
        && await NowAsync(store, cancellationToken).ConfigureAwait(false) - last.WrittenAt < Lease;

    private static string PrefixOf(string name) => $"locks/{name}/";

    private static string KeyOf(string prefix, long generation) => prefix + generation.ToString("D12", CultureInfo.InvariantCulture);

    private static long NumberOf(string key, string prefix) => long.Parse(key.AsSpan(prefix.Length), CultureInfo.InvariantCulture);

    private static async Task<StoredObject?> LastAsync(IBackupStore store, string prefix, CancellationToken cancellationToken)
    {
        StoredObject? last = null;
        await foreach (var found in store.ListAsync(prefix, cancellationToken).ConfigureAwait(false))
        {
            if (long.TryParse(found.Key.AsSpan(prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out _))
                last = found;
        }

        return last;
    }

    // What time it is to the store.
    private static async Task<DateTimeOffset> NowAsync(IBackupStore store, CancellationToken cancellationToken)
    {
        var key = $"clock/{Guid.NewGuid():n}";
        await store.WriteAsync(key, (_, _) => Task.CompletedTask, onlyIfAbsent: false, cancellationToken).ConfigureAwait(false);
        try
        {
            await foreach (var found in store.ListAsync(key, cancellationToken).ConfigureAwait(false))
                return found.WrittenAt;
            throw StoreErrors.NotFound(store, key);
        }
        finally
        {
            await store.DeleteAsync(key, CancellationToken.None).ConfigureAwait(false);
        }
    }

    private static PgdException Locked(IBackupStore store, string name, LockHolder? holder) =>
        new(ExitCode.Locked, $"{name} of the repository {store.Url} is locked by {holder?.Title ?? "another operation"}", $"Try again when that has ended. If it died, its lock is free {Lease.TotalSeconds:0} s later.");
}

/// <summary>Who holds a lock of a repository, as it is stored in it.</summary>
internal sealed record LockHolder(string Title, string Boot, bool IsReleased)
{
    private const string BootFile = "/proc/sys/kernel/random/boot_id";

    /// <summary>What differs with every start of every kernel.</summary>
    public static string ThisBoot { get; } = File.Exists(BootFile) ? File.ReadAllText(BootFile).Trim() : "";

    public static LockHolder Here(DateTimeOffset now)
    {
        var run = Invocation.Run is { } url ? $" of {url}" : "";
        return new($"process {Environment.ProcessId} on {Environment.MachineName}{run} since {now:u}", ThisBoot, IsReleased: false);
    }

    public Task WriteAsync(IBackupStore store, string key, bool onlyIfAbsent, CancellationToken cancellationToken) =>
        store.WriteAsync(key, (stream, token) => stream.WriteAsync(ToJson(), token).AsTask(), onlyIfAbsent, cancellationToken);

    /// <summary>Null if it is gone or cannot be understood, which says nothing about whether somebody holds the lock.</summary>
    public static async Task<LockHolder?> ReadAsync(IBackupStore store, string key, CancellationToken cancellationToken)
    {
        try
        {
            await using var stream = await store.ReadAsync(key, cancellationToken).ConfigureAwait(false);
            using var document = await JsonDocument.ParseAsync(stream, cancellationToken: cancellationToken).ConfigureAwait(false);
            var root = document.RootElement;
            return new(root.GetProperty("holder").GetString()!, root.GetProperty("boot").GetString()!, root.GetProperty("released").GetBoolean());
        }
        catch (PgdException e) when (e.ExitCode == ExitCode.NotFound)
        {
            return null;
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return null;
        }
    }

    private byte[] ToJson()
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            writer.WriteNumber("format", 1);
            writer.WriteString("holder", Title);
            writer.WriteString("boot", Boot);
            writer.WriteBoolean("released", IsReleased);
            writer.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }
}
