namespace Pgd.IntegrationTests.Storm;

/// <summary>A clock on which the pauses between two tries pass at once. Patience with one request lasts as long as ever.</summary>
internal sealed class HastyTime : TimeProvider
{
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(10);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        base.CreateTimer(callback, state, dueTime > TimeSpan.Zero && dueTime < LongestPause ? TimeSpan.FromMilliseconds(1) : dueTime, period);
}
