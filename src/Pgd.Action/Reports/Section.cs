namespace Pgd.Action.Reports;

/// <summary>A part of a report. What is too long loses lines; head and tail stay, so that tables and code blocks stay whole.</summary>
internal sealed record Section
{
    public IReadOnlyList<string> Head { get; init; } = [];

    public required IReadOnlyList<string> Lines { get; init; }

    public IReadOnlyList<string> Tail { get; init; } = [];

    /// <summary>Which sections lose lines first: the highest. Zero never does.</summary>
    public int Expendability { get; init; }

    /// <summary>Whether the last lines say more than the first ones, as in a log.</summary>
    public bool LastLinesMatter { get; init; }

    /// <summary>How many lines were left out.</summary>
    public int LeftOut { get; init; }

    public string Render(string whereTheRestIs)
    {
        IEnumerable<string> note = LeftOut == 0 ? [] : ["", $"_{LeftOut} more {(LeftOut == 1 ? "line" : "lines")} {whereTheRestIs}._"];
        return string.Join('\n', [.. Head, .. Lines, .. Tail, .. note]);
    }

    /// <summary>The section without enough lines to be <paramref name="excess"/> shorter, as far as it goes; <paramref name="measure"/> says how long a line is.</summary>
    public Section Shorten(int excess, Func<string, int> measure)
    {
        var lines = Lines.ToList();
        for (var saved = 0; saved < excess && lines.Count > 0;)
        {
            var at = LastLinesMatter ? 0 : lines.Count - 1;
            saved += measure(lines[at]) + 1;
            lines.RemoveAt(at);
        }

        return this with { Lines = lines, LeftOut = LeftOut + Lines.Count - lines.Count };
    }
}
