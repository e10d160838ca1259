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
    private string _text = "";
    private int _frame;
    private bool _shown;
    private bool _over;

    public ProgressLine(Session session)
    {
        _session = session;
        _timer = session.Clock.CreateTimer(_ => Draw(), null, Delay, Interval);
    }

    public void Step(string text)
    {
        lock (_gate)
            _text = text;
    }

    public void Progress(string text, long done, long total)
    {
        lock (_gate)
            _text = $"{text} {Meter.Bar(done, total)}";
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
            var line = $"{Frames[_frame++ % Frames.Length]} {_text}";
            // A line that wraps could not be taken back.
            var width = _session.ErrorScreen.Width - 1;
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
