using System.Runtime.InteropServices;

namespace Pgd.Tool;

/// <summary>How a run is told to stop.</summary>
internal interface IInterruption
{
    CancellationToken Token { get; }

    /// <summary>The exit status of a run that was stopped.</summary>
    int ExitStatus { get; }
}

/// <summary>A run that nothing stops.</summary>
internal sealed class NoInterruption : IInterruption
{
    public static NoInterruption Instance { get; } = new();

    public CancellationToken Token => CancellationToken.None;

    public int ExitStatus => (int)ExitCode.Interrupted;
}

/// <summary>
/// Turns the signals that end a program into a cancellation, so that what was begun is undone, however long that takes. System.CommandLine's own
/// handling knows two signals and gives two seconds. A second signal of the same kind ends the program at once; one of another kind does not:
/// CI systems send SIGINT, then SIGTERM, and the undo should use all the time until SIGKILL.
/// </summary>
internal sealed class Signals : IInterruption, IDisposable
{
    private readonly CancellationTokenSource _source = new();
    private readonly List<PosixSignalRegistration> _registrations = [];
    private readonly List<PosixSignal> _seen = [];

    public Signals()
    {
        foreach (var signal in new[] { PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP, PosixSignal.SIGQUIT })
            _registrations.Add(PosixSignalRegistration.Create(signal, Handle));
    }

    public CancellationToken Token => _source.Token;

    public int ExitStatus { get; private set; } = (int)ExitCode.Interrupted;

    public void Dispose()
    {
        _registrations.ForEach(registration => registration.Dispose());
        _source.Dispose();
    }

    private void Handle(PosixSignalContext context)
    {
        context.Cancel = true;
        lock (_seen)
        {
            if (_seen.Contains(context.Signal))
                Environment.Exit(StatusOf(context.Signal));
            _seen.Add(context.Signal);
            if (_seen.Count > 1)
                return;
            ExitStatus = StatusOf(context.Signal);
        }

        // Not here: a callback that takes long would keep the next signal waiting.
        _ = _source.CancelAsync();
    }

    // A shell reports 128 and the signal's number.
    private static int StatusOf(PosixSignal signal) => 128 + signal switch
    {
        PosixSignal.SIGHUP => 1,
        PosixSignal.SIGINT => 2,
        PosixSignal.SIGQUIT => 3,
        _ => 15,
    };
}
