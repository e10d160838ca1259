using System.Text;

namespace Pgd.Tool.Output;

/// <summary>A table as text: columns two spaces apart, nothing behind the last one.</summary>
internal static class PlainTable
{
    public static void Write(TextWriter output, IReadOnlyList<string> headers, IReadOnlyList<IReadOnlyList<string>> rows)
    {
        // Loops and strings alone: LINQ over numbers would be compiled at run time, for every listing.
        var widths = new int[headers.Count];
        foreach (var row in rows.Prepend(headers))
        {
            for (var column = 0; column < widths.Length; column++)
                widths[column] = Math.Max(widths[column], row[column].Length);
        }

        var line = new StringBuilder();
        foreach (var row in rows.Prepend(headers))
        {
            line.Clear();
            for (var column = 0; column < widths.Length; column++)
                line.Append(row[column].PadRight(widths[column] + 2));
            output.WriteLine(line.ToString().TrimEnd());
        }
    }
}
