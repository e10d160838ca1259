using Pgd.Configuration;

namespace Pgd.Tool.Output;

/// <summary>Prints a result for people: sentences, names with their values, tables.</summary>
internal sealed class Sheet(Session session)
{
    public Screen Screen => session.OutputScreen;

    public void Line(string text = "") => session.Output.WriteLine(text);

    /// <summary>A line that begins with marks; on a terminal, what does not fit goes on below its own beginning.</summary>
    /// <param name="marks">What it begins with.</param>
    /// <param name="width">How wide that is to see: escape codes have no width.</param>
    /// <param name="text">The rest.</param>
    public void Hanging(string marks, int width, string text) => Line(Hang(marks, width, text, Screen));

    /// <summary>The same for whoever prints it.</summary>
    public static string Hang(string marks, int width, string text, Screen screen)
    {
        const int least = 30;
        return marks + string.Join("\n" + new string(' ', width), CommandLine.HelpText.Wrap(text, Math.Max(least, screen.Width - width)));
    }

    /// <summary>Names and values; a value that is null is left out.</summary>
    public void Details(params (string Name, string? Value)[] pairs)
    {
        var width = pairs.Max(pair => pair.Name.Length) + 2;
        foreach (var (name, value) in pairs.Where(pair => pair.Value is not null))
            Line(Screen.Bold($"{name}:".PadRight(width)) + value);
    }

    /// <summary>A table: drawn on a terminal, plain aligned columns elsewhere, where nothing is cut or wrapped.</summary>
    public void Table(IReadOnlyList<string> headers, IReadOnlyList<IReadOnlyList<string>> rows)
    {
        if (Screen.IsTerminal)
            TerminalTable.Write(session.Output, Screen, headers, rows);
        else
            PlainTable.Write(session.Output, headers, rows);
    }

    /// <summary>How long ago a moment was.</summary>
    public string Age(DateTimeOffset moment) => Spoken(session.Clock.GetUtcNow() - moment);

    /// <summary>How long until a moment; null is never.</summary>
    public string Until(DateTimeOffset? moment) =>
        moment is not { } at ? "never" : at <= session.Clock.GetUtcNow() ? "expired" : "in " + Spoken(RoundedUp(at - session.Clock.GetUtcNow()));

    // A branch that was just made to live for two days lives for two days, not for 1d23h.
    private static TimeSpan RoundedUp(TimeSpan span) => TimeSpan.FromMinutes(Math.Ceiling(span.TotalMinutes));

    private static string Spoken(TimeSpan span) => span < TimeSpan.FromSeconds(1) ? "0s" : Duration.Format(span);
}
