using System.Globalization;
using Pgd.Configuration;

namespace Pgd.Tool.Output;

/// <summary>How far something is, how fast it goes, and how long it still takes if it goes on like that.</summary>
internal sealed class Pace(TimeProvider clock)
{
    // What a moment says of hours is worth nothing.
    private static readonly TimeSpan Soonest = TimeSpan.FromSeconds(2);
    private string? _text;
    private long _first;
    private DateTimeOffset _began;

    /// <summary>What is done of something, now.</summary>
    public void Tell(string? text, long done)
    {
        if (text == _text && done >= _first)
            return;
        (_text, _first, _began) = (text, done, clock.GetUtcNow());
    }

    /// <summary>The share, and what is known beyond that.</summary>
    public string Of(long done, long total)
    {
        var spent = clock.GetUtcNow() - _began;
        if (spent < Soonest || done <= _first || done >= total)
            return Meter.Amount(done, total);
        var perSecond = (done - _first) / spent.TotalSeconds;
        var left = TimeSpan.FromSeconds(Math.Clamp((total - done) / perSecond, 1, TimeSpan.FromDays(365).TotalSeconds));
        return string.Create(CultureInfo.InvariantCulture, $"{Meter.Amount(done, total)}, {Meter.Bytes((long)perSecond)}/s, {Duration.Format(left)} left");
    }
}
