namespace Pgd.Migrations;

/// <summary>The last lines that a program printed.</summary>
internal sealed class OutputTail
{
    private const int Lines = 200;
    private const int LongestLine = 2000;

    private readonly Queue<string> lines = new(Lines);

    public void Add(string line)
    {
        if (lines.Count == Lines)
            lines.Dequeue();
        lines.Enqueue(line.Length <= LongestLine ? line : string.Concat(line.AsSpan(0, LongestLine), "…"));
    }

    public IReadOnlyList<string> ToList() => [.. lines];
}
