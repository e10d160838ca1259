namespace Pgd.Tool.Output;

/// <summary>In a log: a line every few seconds while something takes long, and nothing otherwise.</summary>
internal sealed class ProgressLog : IReporter, IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(3);

    private readonly Session _session;
    private readonly ITimer _timer;
    private readonly Lock _gate = new();
    private readonly Pace _pace;
    private string? _text;
    private (long Done, long Total)? _amount, _printedAmount;
    private string? _printed;

    public ProgressLog(Session session)
    {
        (_session, _pace) = (session, new(session.Clock));
        _timer = session.Clock.CreateTimer(_ => Print(), null, Interval, Interval);
    }

    public void Step(string text)
    {
        lock (_gate)
            (_text, _amount) = (text.Length == 0 ? null : text, null);
    }

    public void Progress(string text, long done, long total)
    {
        lock (_gate)
        {
            (_text, _amount) = (text, (done, total));
            _pace.Tell(text, done);
        }
    }

    public void Warn(string text) => _session.Error.WriteLine(Reporters.Warning(_session.ErrorScreen, text));

    public void Dispose()
    {
        lock (_gate)
            _text = null;
        _timer.Dispose();
    }

    private void Print()
    {
        lock (_gate)
        {
            if (_text is null || (_text == _printed && _amount == _printedAmount))
                return;
            _session.Error.WriteLine($"{_text}{(_amount is var (done, total) ? $": {_pace.Of(done, total)}" : "")} …");
            (_printed, _printedAmount) = (_text, _amount);
        }
    }
}
