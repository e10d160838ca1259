using Pgd.Tool;
using Pgd.Tool.Output;
using Xunit;

namespace Pgd.Tests.Tool;

public sealed class Progress
{
    private readonly StringWriter _error = new() { NewLine = "\n" };
    private readonly ManualClock _clock = new();

    [Fact]
    public void Quick_work_prints_nothing_in_a_log()
    {
        using (var log = new ProgressLog(Session(Screen.None)))
        {
            log.Step("copying prod/main");
            _clock.Advance(TimeSpan.FromSeconds(2));
        }

        _clock.Advance(TimeSpan.FromSeconds(10));
        Assert.Empty(_error.ToString());
    }

    [Fact]
    public void Long_work_prints_a_line_every_few_seconds_in_a_log()
    {
        using var log = new ProgressLog(Session(Screen.None));
        log.Step("checking the source");
        log.Progress("copying prod/main", 512 << 20, 2L << 30);
        _clock.Advance(TimeSpan.FromSeconds(3));
        log.Progress("copying prod/main", 1L << 30, 2L << 30);
        _clock.Advance(TimeSpan.FromSeconds(4));
        _clock.Advance(TimeSpan.FromSeconds(4));

        Assert.Equal("copying prod/main: 25% of 2.0 GiB …\ncopying prod/main: 50% of 2.0 GiB, 85.3 MiB/s, 12s left …\n", _error.ToString());
    }

    [Fact]
    public void On_a_terminal_the_line_is_gone_when_the_work_is_done()
    {
        using (var line = new ProgressLine(Session(new(true, false, 80))))
        {
            line.Step("starting prod/dev");
            _clock.Advance(TimeSpan.FromMilliseconds(400));
        }

        Assert.Equal("\r\e[K⠋ starting prod/dev\r\e[K⠙ starting prod/dev\r\e[K", _error.ToString());
    }

    [Fact]
    public void On_a_terminal_quick_work_shows_nothing()
    {
        using (var line = new ProgressLine(Session(new(true, false, 80))))
        {
            line.Step("starting prod/dev");
            _clock.Advance(TimeSpan.FromMilliseconds(200));
        }

        Assert.Empty(_error.ToString());
    }

    [Fact]
    public void What_takes_long_tells_how_fast_it_goes_and_how_long_it_still_takes()
    {
        using var line = new ProgressLine(Session(new(true, false, 90)));
        line.Progress("copying shop", 0, 15L << 30);
        _clock.Advance(TimeSpan.FromSeconds(56));
        line.Progress("copying shop", 6298L << 20, 15L << 30);
        _clock.Advance(TimeSpan.FromMilliseconds(100));

        Assert.EndsWith("copying shop ━━━━━━━━──────────── 41% of 15.0 GiB, 112.3 MiB/s, 1m20s left", _error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void On_a_narrow_terminal_the_numbers_stay_and_the_bar_goes()
    {
        using var line = new ProgressLine(Session(new(true, false, 60)));
        line.Progress("copying shop", 0, 15L << 30);
        _clock.Advance(TimeSpan.FromSeconds(56));
        line.Progress("copying shop", 6298L << 20, 15L << 30);
        _clock.Advance(TimeSpan.FromMilliseconds(100));

        Assert.EndsWith("copying shop: 41% of 15.0 GiB, 112.3 MiB/s, 1m20s left", _error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Of_other_work_the_time_begins_anew()
    {
        using var log = new ProgressLog(Session(Screen.None));
        log.Progress("copying shop", 0, 100);
        _clock.Advance(TimeSpan.FromSeconds(2));
        log.Progress("copying crm", 50, 100);
        _clock.Advance(TimeSpan.FromSeconds(1));

        Assert.Equal("copying crm: 50% of 100 B …\n", _error.ToString());
    }

    [Fact]
    public void A_question_has_no_line_that_moves_beside_it()
    {
        using var line = new ProgressLine(Session(new(true, false, 80)));
        line.Step("measuring shop");
        _clock.Advance(TimeSpan.FromMilliseconds(300));
        line.Step("");
        _clock.Advance(TimeSpan.FromSeconds(5));

        Assert.Equal("\r\e[K⠋ measuring shop\r\e[K", _error.ToString());
    }

    [Fact]
    public void A_line_never_wraps()
    {
        using var line = new ProgressLine(Session(new(true, false, 20)));
        line.Step(new string('x', 100));
        _clock.Advance(TimeSpan.FromMilliseconds(300));

        Assert.Equal("\r\e[K⠋ " + new string('x', 17), _error.ToString());
    }

    [Fact]
    public void A_warning_does_not_mix_with_the_line()
    {
        using var line = new ProgressLine(Session(new(true, false, 80)));
        line.Step("a");
        _clock.Advance(TimeSpan.FromMilliseconds(300));
        line.Warn("watch out");

        Assert.Equal("\r\e[K⠋ a\r\e[Kwarning: watch out\n", _error.ToString());
    }

    [Fact]
    public void Quiet_keeps_warnings()
    {
        var reporter = Reporters.For(Session(new(true, false, 80)), json: false, quiet: true);
        reporter.Step("a");
        _clock.Advance(TimeSpan.FromSeconds(9));
        reporter.Warn("watch out");

        Assert.Equal("warning: watch out\n", _error.ToString());
    }

    [Theory]
    [InlineData(0, 100, "────────────────────")]
    [InlineData(50, 100, "━━━━━━━━━━──────────")]
    [InlineData(200, 100, "━━━━━━━━━━━━━━━━━━━━")]
    [InlineData(1536, 0, "────────────────────")]
    public void A_bar_shows_the_share(long done, long total, string expected) => Assert.Equal(expected, Meter.Bar(done, total));

    private Session Session(Screen screen) => new() { Output = TextWriter.Null, Error = _error, ErrorScreen = screen, Clock = _clock };
}
