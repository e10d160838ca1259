namespace Pgd.Processes;

/// <summary>
/// What to take back when an operation fails or is cancelled: each step is pushed before its effect, runs in reverse order,
/// and does nothing where nothing was made. It runs on its own clock, not on the token that was just cancelled.
/// </summary>
internal sealed class Undo(IReporter reporter) : IAsyncDisposable
{
    private readonly Stack<(string What, Func<Task> Step)> _steps = new();
    private bool _kept;

    public void Push(string what, Func<Task> step) => _steps.Push((what, step));

    public void Push(string what, Action step) => Push(what, () =>
    {
        step();
        return Task.CompletedTask;
    });

    /// <summary>The operation succeeded: nothing is taken back.</summary>
    public void Keep() => _kept = true;

    public async ValueTask DisposeAsync()
    {
        if (_kept)
            return;
        while (_steps.TryPop(out var undo))
        {
            try
            {
                await undo.Step().ConfigureAwait(false);
            }
            catch (Exception e)
            {
                // The other steps still have to be taken back; what is left is found by its mark.
                reporter.Warn($"could not {undo.What}: {e.Message}; dotnet pgd doctor --fix will");
            }
        }
    }
}
