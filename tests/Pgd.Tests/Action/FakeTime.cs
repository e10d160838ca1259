namespace Pgd.Tests.Action;

/// <summary>A clock on which waiting takes no time. Time limits do not pass unless a test lets them.</summary>
internal sealed class FakeTime(DateTimeOffset now) : TimeProvider
{
    private DateTimeOffset now = now;

    /// <summary>Waits longer than this are taken for time limits that must not strike.</summary>
    public TimeSpan? LimitOf { get; init; }

    /// <summary>Whether the time limit strikes at once.</summary>
    public bool LimitStrikes { get; set; }

    public List<TimeSpan> Waits { get; } = [];

    public override DateTimeOffset GetUtcNow() => now;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new FakeTimer(this, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    private sealed class FakeTimer(FakeTime clock, TimerCallback callback, object? state) : ITimer
    {
        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            if (dueTime == Timeout.InfiniteTimeSpan)
                return true;
            if (dueTime == clock.LimitOf)
            {
                if (!clock.LimitStrikes)
                    return true;
            }
            else if (clock.LimitOf is null)
            {
                return true;
            }
            else
            {
                clock.Waits.Add(dueTime);
            }

            clock.now += dueTime;
            // From another thread, as a real timer would: whoever made it is not ready yet.
            ThreadPool.UnsafeQueueUserWorkItem(_ => callback(state), null);
            return true;
        }

        public void Dispose()
        {
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
