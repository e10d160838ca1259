namespace Pgd.Provisioning;

/// <summary>A step of setup: it can tell whether it is needed.</summary>
internal sealed record Step(string Key, string Subject, string Text, Func<CancellationToken, Task<bool>> IsDone, Func<CancellationToken, Task> Do)
{
    public static Step Of(string key, string subject, string text, Func<bool> isDone, Action @do) => new(key, subject, text, _ => Task.FromResult(isDone()), _ =>
    {
        @do();
        return Task.CompletedTask;
    });
}
