using Pgd.Backups;
using Xunit;

namespace Pgd.Tests.Backups;

/// <summary>Two operations on one repository, and what is left of one that died.</summary>
public sealed class RepositoryLocks : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private readonly RepositoryFolder _folder = new();

    /// <inheritdoc/>
    public void Dispose() => _folder.Dispose();

    /// <summary>Until the first one is through.</summary>
    [Fact]
    public async Task A_second_one_is_refused_with_the_name_of_the_first()
    {
        var repository = await _folder.InitializeAsync(encrypted: false);
        await using (var first = await repository.LockAsync("prune", isForGood: false, default))
        {
            var error = await Assert.ThrowsAsync<PgdException>(() => repository.LockAsync("prune", isForGood: false, default));
            Assert.Equal(ExitCode.Locked, error.ExitCode);
            Assert.Contains($"prune of the repository {repository.Store.Url} is locked by process {Environment.ProcessId} on {Environment.MachineName}", error.Message, StringComparison.Ordinal);
            await using var other = await repository.LockAsync("backup/shop", isForGood: false, default);
            Assert.Equal((1, 1), (first.Generation, other.Generation));
        }

        await using var next = await repository.LockAsync("prune", isForGood: false, default);
        Assert.Equal(2, next.Generation);
        await next.ConfirmAsync(default);
    }

    /// <summary>However many try at once, and however often.</summary>
    [Fact]
    public async Task Only_one_has_it_at_any_time()
    {
        var repository = await _folder.InitializeAsync(encrypted: false);
        var (inside, had) = (0, 0);
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            for (var i = 0; i < 25; i++)
            {
                try
                {
                    // Another lock file of the host for each: what is tested is the store's own rule.
                    await using var held = await RepositoryLock.TakeAsync(new StoreOnly(_folder.Store), "x", isForGood: false, TimeProvider.System, default);
                    Assert.Equal(1, Interlocked.Increment(ref inside));
                    had++;
                    await Task.Yield();
                    Interlocked.Decrement(ref inside);
                }
                catch (PgdException e) when (e.ExitCode == ExitCode.Locked)
                {
                }
            }
        })));
        Assert.True(had > 0);
    }

    /// <summary>It is not known to be dead before a minute has gone, by the clock of the store and not by ours.</summary>
    [Fact]
    public async Task A_lock_of_another_host_is_free_when_it_was_not_renewed()
    {
        await _folder.InitializeAsync(encrypted: false);
        await new LockHolder("process 1 on elsewhere", "another boot", IsReleased: false).WriteAsync(_folder.Store, "locks/x/000000000007", onlyIfAbsent: true, default);
        var error = await Assert.ThrowsAsync<PgdException>(() => RepositoryLock.TakeAsync(_folder.Store, "x", isForGood: false, TimeProvider.System, default));
        Assert.Contains("process 1 on elsewhere", error.Message, StringComparison.Ordinal);
        File.SetLastWriteTimeUtc(_folder.FileOf("locks/x/000000000007"), DateTime.UtcNow - (2 * RepositoryLock.Lease));

        await using var taken = await RepositoryLock.TakeAsync(_folder.Store, "x", isForGood: false, TimeProvider.System, default);

        Assert.Equal(8, taken.Generation);
        Assert.False(Directory.Exists(_folder.FileOf("clock")));
    }

    /// <summary>The kernel knows.</summary>
    [Fact]
    public async Task A_lock_of_this_host_is_free_as_soon_as_its_holder_is_dead()
    {
        await _folder.InitializeAsync(encrypted: false);
        await LockHolder.Here(DateTimeOffset.UtcNow).WriteAsync(_folder.Store, "locks/x/000000000001", onlyIfAbsent: true, default);

        await using var taken = await RepositoryLock.TakeAsync(_folder.Store, "x", isForGood: false, TimeProvider.System, default);

        Assert.Equal(2, taken.Generation);
    }

    /// <summary>It may be a lock all the same.</summary>
    [Fact]
    public async Task A_lock_that_cannot_be_understood_holds_as_long_as_another_one()
    {
        await _folder.InitializeAsync(encrypted: false);
        Directory.CreateDirectory(_folder.FileOf("locks/x"));
        File.WriteAllText(_folder.FileOf("locks/x/000000000001"), "{}");

        var error = await Assert.ThrowsAsync<PgdException>(() => RepositoryLock.TakeAsync(_folder.Store, "x", isForGood: false, TimeProvider.System, default));

        Assert.Contains("another operation", error.Message, StringComparison.Ordinal);
    }

    /// <summary>So nobody takes it for dead.</summary>
    [Fact]
    public async Task A_lock_is_renewed_while_it_is_held()
    {
        await _folder.InitializeAsync(encrypted: false);
        var time = new ManualTime();
        await using var held = await RepositoryLock.TakeAsync(_folder.Store, "x", isForGood: false, time, default);
        File.SetLastWriteTimeUtc(_folder.FileOf("locks/x/000000000001"), DateTime.UnixEpoch);

        time.Advance(TimeSpan.FromSeconds(15));

        Assert.True(SpinWait.SpinUntil(() => File.GetLastWriteTimeUtc(_folder.FileOf("locks/x/000000000001")).Year > 2000, Patience));
        Assert.False(held.Lost.IsCancellationRequested);
    }

    /// <summary>For example because the machine slept.</summary>
    [Fact]
    public async Task Who_lost_a_lock_to_another_one_is_told_and_does_not_disturb_him()
    {
        await _folder.InitializeAsync(encrypted: false);
        var time = new ManualTime();
        await using var held = await RepositoryLock.TakeAsync(_folder.Store, "x", isForGood: false, time, default);
        await LockHolder.Here(DateTimeOffset.UtcNow).WriteAsync(_folder.Store, "locks/x/000000000002", onlyIfAbsent: true, default);
        File.Delete(_folder.FileOf("locks/x/000000000001"));

        time.Advance(TimeSpan.FromSeconds(15));

        Assert.True(held.Lost.WaitHandle.WaitOne(Patience));
        Assert.Equal(ExitCode.Locked, (await Assert.ThrowsAsync<PgdException>(() => held.ConfirmAsync(default))).ExitCode);
        await held.DisposeAsync();
        Assert.False(File.Exists(_folder.FileOf("locks/x/000000000001")));
    }

    /// <summary>Its own clock may have stood still: then the store has to say so.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Who_does_not_know_yet_that_he_lost_a_lock_finds_out_before_what_cannot_be_taken_back(bool isThere)
    {
        await _folder.InitializeAsync(encrypted: false);
        await using var held = await RepositoryLock.TakeAsync(_folder.Store, "x", isForGood: true, new ManualTime(), default);
        await held.ConfirmAsync(default);
        // Another one had it, and is still at it or has gone again.
        File.Delete(_folder.FileOf("locks/x/000000000001"));
        if (isThere)
            await LockHolder.Here(DateTimeOffset.UtcNow).WriteAsync(_folder.Store, "locks/x/000000000002", onlyIfAbsent: true, default);

        Assert.False(held.Lost.IsCancellationRequested);
        Assert.Equal(ExitCode.Locked, (await Assert.ThrowsAsync<PgdException>(() => held.ConfirmAsync(default))).ExitCode);
    }

    /// <summary>Every backup has a name of its own.</summary>
    [Fact]
    public async Task Nothing_is_kept_of_a_lock_whose_name_nobody_needs_again_and_to_ask_for_it_takes_nothing()
    {
        var repository = await _folder.InitializeAsync(encrypted: false);
        await using (await repository.LockAsync("x", isForGood: true, default))
        {
            var before = Directory.GetFiles(_folder.Path, "*", SearchOption.AllDirectories).Order();
            Assert.True(await repository.IsLockedAsync("x", default));
            Assert.False(await repository.IsLockedAsync("y", default));
            Assert.Equal(before, Directory.GetFiles(_folder.Path, "*", SearchOption.AllDirectories).Order());
        }

        Assert.False(await repository.IsLockedAsync("x", default));
        Assert.Equal(["repo.json"], Directory.GetFiles(_folder.Path, "*", SearchOption.AllDirectories).Select(Path.GetFileName));
    }

    /// <summary>For whom the store is out of reach, time runs out.</summary>
    [Fact]
    public async Task A_lock_that_cannot_be_renewed_is_lost_in_time()
    {
        await _folder.InitializeAsync(encrypted: false);
        var time = new ManualTime();
        await using var held = await RepositoryLock.TakeAsync(_folder.Store, "x", isForGood: false, time, default);
        Directory.Delete(_folder.FileOf("locks"), recursive: true);
        File.WriteAllText(_folder.FileOf("locks"), "");

        // More than a minute goes by while it tries once.
        time.Advance(RepositoryLock.Lease);

        Assert.True(held.Lost.WaitHandle.WaitOne(Patience));
    }

    /// <summary>A store without its host's locks.</summary>
    private sealed class StoreOnly(IBackupStore store) : IBackupStore
    {
        public string Url => store.Url;

        public Task WriteAsync(string key, Func<Stream, CancellationToken, Task> write, bool onlyIfAbsent, CancellationToken cancellationToken) => store.WriteAsync(key, write, onlyIfAbsent, cancellationToken);

        public Task<Stream> ReadAsync(string key, CancellationToken cancellationToken) => store.ReadAsync(key, cancellationToken);

        public IAsyncEnumerable<StoredObject> ListAsync(string prefix, CancellationToken cancellationToken) => store.ListAsync(prefix, cancellationToken);

        public Task DeleteAsync(string key, CancellationToken cancellationToken) => store.DeleteAsync(key, cancellationToken);

        public ValueTask DisposeAsync() => store.DisposeAsync();
    }

    /// <summary>A clock that stands still until it is moved.</summary>
    private sealed class ManualTime : TimeProvider
    {
        private readonly Lock _lock = new();
        private readonly List<ManualTimer> _timers = [];
        private long _now;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Volatile.Read(ref _now);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            var timer = new ManualTimer(this, () => callback(state));
            timer.Change(dueTime, period);
            lock (_lock)
                _timers.Add(timer);
            return timer;
        }

        public void Advance(TimeSpan time)
        {
            ManualTimer[] timers;
            lock (_lock)
                timers = [.. _timers];
            Interlocked.Add(ref _now, time.Ticks);
            foreach (var timer in timers)
                timer.FireIfDue(Volatile.Read(ref _now));
        }

        private sealed class ManualTimer(ManualTime time, System.Action fire) : ITimer
        {
            private long _due = long.MaxValue, _period;

            public bool Change(TimeSpan dueTime, TimeSpan period)
            {
                _due = dueTime == Timeout.InfiniteTimeSpan ? long.MaxValue : time.GetTimestamp() + dueTime.Ticks;
                _period = period == Timeout.InfiniteTimeSpan ? 0 : period.Ticks;
                return true;
            }

            public void FireIfDue(long now)
            {
                if (now < _due)
                    return;
                _due = _period == 0 ? long.MaxValue : _due + _period;
                fire();
            }

            public void Dispose() => _due = long.MaxValue;

            public ValueTask DisposeAsync()
            {
                Dispose();
                return ValueTask.CompletedTask;
            }
        }
    }
}
