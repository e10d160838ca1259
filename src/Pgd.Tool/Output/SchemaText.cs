using Pgd.Schema;

namespace Pgd.Tool.Output;

/// <summary>A difference of schemas as text: what can be read, and what a viewer of diffs takes.</summary>
internal static class SchemaText
{
    public static void Write(SchemaDiff diff, Sheet sheet)
    {
        if (diff.IsEmpty)
        {
            sheet.Line("No difference.");
            return;
        }

        sheet.Line(diff.Summary);
        sheet.Line();
        var inside = false;
        foreach (var line in diff.Text.TrimEnd('\n').Split('\n'))
        {
            inside |= line.StartsWith("@@", StringComparison.Ordinal);
            sheet.Line(line switch
            {
                _ when !inside => sheet.Screen.Bold(line),
                ['@', ..] => sheet.Screen.Dim(line),
                ['-', ..] => sheet.Screen.Red(line),
                ['+', ..] => sheet.Screen.Green(line),
                _ => line,
            });
        }
    }
}
