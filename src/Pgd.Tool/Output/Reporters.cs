namespace Pgd.Tool.Output;

/// <summary>Chooses who shows what the engine does.</summary>
internal static class Reporters
{
    public static IReporter For(Session session, bool json, bool quiet) =>
        json ? new JsonWarnings(session.Error)
        : quiet ? new WarningsOnly(session)
        : session.ErrorScreen.IsTerminal ? new ProgressLine(session)
        : new ProgressLog(session);

    public static string Warning(Screen screen, string text) => Sheet.Hang($"{screen.Yellow("warning:")} ", "warning: ".Length, text, screen);
}

/// <summary>For <c>--quiet</c>: warnings, but no progress.</summary>
internal sealed class WarningsOnly(Session session) : IReporter
{
    public void Step(string text)
    {
    }

    public void Progress(string text, long done, long total)
    {
    }

    public void Warn(string text) => session.Error.WriteLine(Reporters.Warning(session.ErrorScreen, text));
}

/// <summary>For <c>--json</c>: each warning is an object on a line.</summary>
internal sealed class JsonWarnings(TextWriter error) : IReporter
{
    public void Step(string text)
    {
    }

    public void Progress(string text, long done, long total)
    {
    }

    public void Warn(string text) => error.WriteLine(JsonText.Of(new WarningLine(text), JsonLines.All.WarningLine));
}
