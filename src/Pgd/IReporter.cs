namespace Pgd;

/// <summary>
/// Hears what the engine does while it works. Front ends show it; it never carries a result or a secret.
/// Calls may come from any thread.
/// </summary>
public interface IReporter
{
    /// <summary>A step begins, for example "copying prod/main".</summary>
    void Step(string text);

    /// <summary>A long step is <paramref name="done"/> of <paramref name="total"/> bytes far.</summary>
    void Progress(string text, long done, long total);

    /// <summary>Something that the user should know, although the work goes on.</summary>
    void Warn(string text);
}

/// <summary>Hears nothing.</summary>
public sealed class SilentReporter : IReporter
{
    /// <summary>The one instance.</summary>
    public static SilentReporter Instance { get; } = new();

    private SilentReporter()
    {
    }

    /// <inheritdoc/>
    public void Step(string text)
    {
    }

    /// <inheritdoc/>
    public void Progress(string text, long done, long total)
    {
    }

    /// <inheritdoc/>
    public void Warn(string text)
    {
    }
}
