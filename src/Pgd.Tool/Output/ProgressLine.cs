namespace Pgd.Tool.Output;

/// <summary>On a terminal: one line that moves, and is gone when the work is done.</summary>
internal sealed class ProgressLine : IReporter, IDisposable
{
    // Work that is over sooner shows nothing: a line that flashes up is worse than none.
    private static readonly TimeSpan Delay = TimeSpan.FromMilliseconds(300);
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);
    private const string Frames = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏";

    private readonly Session _session;
    private readonly ITimer _timer;
    private readonly Lock _gate = new();
    private readonly Pace _pace;
    private string _text = "";
    private (long Done, long Total)? _amount;
    private int _frame;
    private bool _shown;
    private bool _over;

    public ProgressLine(Session session)
    {
        (_session, _pace) = (session, new(session.Clock));
        _timer = session.Clock.CreateTimer(_ => Draw(), null, Delay, Interval);
    }

    public void Step(string text)
    {
        lock (_gate)
        {
            (_text, _amount) = (text, null);
            if (text.Length == 0)
                Clear();
        }
    }

    public void Progress(string text, long done, long total)
    {
        lock (_gate)
        {
            (_text, _amount) = (text, (done, total));
            _pace.Tell(text, done);
        }
    }

    public void Warn(string text)
    {
        lock (_gate)
        {
            Clear();
            _session.Error.WriteLine(Reporters.Warning(_session.ErrorScreen, text));
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _over = true;
            Clear();
        }

        _timer.Dispose();
    }

    private void Draw()
    {
        lock (_gate)
        {
            if (_over || _text.Length == 0)
                return;
            var (width, frame) = (_session.ErrorScreen.Width - 1, Frames[_frame++ % Frames.Length]);
            var line = $"{frame} {_text}";
            if (_amount is var (done, total))
            {
                var amount = _pace.Of(done, total);
                line = $"{frame} {_text} {Meter.Bar(done, total)} {amount}";
                // The numbers say more than the bar.
                if (line.Length > width)
                    line = $"{frame} {_text}: {amount}";
            }

            // A line that wraps could not be taken back.
            _session.Error.Write($"\r\e[K{(line.Length > width ? line[..width] : line)}");
            _shown = true;
        }
    }

    private void Clear()
    {
        if (_shown)
            _session.Error.Write("\r\e[K");
        _shown = false;
    }
}
