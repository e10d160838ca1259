using System.Globalization;
using System.Text;
using DiffPlex;
using DiffPlex.Chunkers;
using DiffPlex.Model;

namespace Pgd.Schema;

/// <summary>Two texts as the hunks of a unified diff.</summary>
internal static class UnifiedDiff
{
    private const int Context = 3;

    // Nothing but a line feed ends a line: a carriage return that came or went is a difference.
    private static readonly CustomFunctionChunker Lines = new(text => text.Length == 0 ? [] : text.Split('\n'));

    /// <summary>Writes the hunks; the title stands at the beginning of each.</summary>
    public static void Write(StringBuilder output, string title, string old, string @new)
    {
        var diff = Differ.Instance.CreateDiffs(old, @new, ignoreWhiteSpace: false, ignoreCase: false, Lines);
        for (var first = 0; first < diff.DiffBlocks.Count;)
        {
            var last = first;
            while (last + 1 < diff.DiffBlocks.Count && diff.DiffBlocks[last + 1].DeleteStartA - End(diff.DiffBlocks[last]) <= 2 * Context)
                last++;
            Hunk(output, title, diff, diff.DiffBlocks.Skip(first).Take(last - first + 1).ToList());
            first = last + 1;
        }
    }

    private static int End(DiffBlock block) => block.DeleteStartA + block.DeleteCountA;

    private static void Hunk(StringBuilder output, string title, DiffResult diff, List<DiffBlock> blocks)
    {
        var (old, @new) = (diff.PiecesOld, diff.PiecesNew);
        var begin = Math.Max(0, blocks[0].DeleteStartA - Context);
        var end = Math.Min(old.Count, End(blocks[^1]) + Context);
        var newBegin = begin + blocks[0].InsertStartB - blocks[0].DeleteStartA;
        var newCount = end - begin + blocks.Sum(b => b.InsertCountB - b.DeleteCountA);
        output.Append("@@ -").Append(Range(begin, end - begin)).Append(" +").Append(Range(newBegin, newCount)).Append(" @@ ").Append(Visible(title)).Append('\n');
        var at = begin;
        foreach (var block in blocks)
        {
            Append(' ', old, at, block.DeleteStartA);
            Append('-', old, block.DeleteStartA, End(block));
            Append('+', @new, block.InsertStartB, block.InsertStartB + block.InsertCountB);
            at = End(block);
        }

        Append(' ', old, at, end);

        void Append(char sign, IReadOnlyList<string> lines, int from, int to)
        {
            for (var i = from; i < to; i++)
                output.Append(sign).Append(Visible(lines[i])).Append('\n');
        }
    }

    private static string Range(int begin, int count) => string.Create(CultureInfo.InvariantCulture, $"{(count == 0 ? begin : begin + 1)}{(count == 1 ? "" : $",{count}")}");

    // A definition may hold what moves a terminal's cursor, or a carriage return that is all of a difference: control characters get their pictures.
    private static string Visible(string line) => !line.AsSpan().ContainsAnyInRange('\0', '\x1f') && !line.AsSpan().ContainsAnyInRange('\x7f', '\x9f') ? line
        : string.Concat(line.Select(c => c == '\t' ? c : c < ' ' ? (char)('\u2400' + c) : c == '\x7f' ? '\u2421' : c is > '\x7f' and <= '\x9f' ? '\ufffd' : c));
}
