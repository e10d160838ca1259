using System.Text;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Pgd.Tool.Output;

/// <summary>A table on a terminal, fitted to its width. The only place that needs Spectre.Console: nothing else pays for loading it.</summary>
internal static class TerminalTable
{
    public static void Write(TextWriter output, Screen screen, IReadOnlyList<string> headers, IReadOnlyList<IReadOnlyList<string>> rows)
    {
        var console = AnsiConsole.Create(new()
        {
            Ansi = screen.Color ? AnsiSupport.Yes : AnsiSupport.No,
            ColorSystem = screen.Color ? ColorSystemSupport.Standard : ColorSystemSupport.NoColors,
            Interactive = InteractionSupport.No,
            Out = new Terminal(output, screen.Width),
        });
        console.Profile.Capabilities.Unicode = true;

        var table = new Table { Border = TableBorder.None, ShowHeaders = true, Expand = false };
        foreach (var header in headers)
            table.AddColumn(new TableColumn(new Text(header, new Style(decoration: Decoration.Bold))) { Padding = new(0, 0, 2, 0), NoWrap = header is "NAME" or "STATUS" });
        foreach (var row in rows)
            table.AddRow(row.Select(cell => (IRenderable)new Text(cell, StyleOf(cell))));
        console.Write(table);
    }

    private static Style StyleOf(string cell) => cell switch
    {
        "running" or "ok" => new(Color.Green),
        "creating" or "deleting" or "expired" or "warning" => new(Color.Yellow),
        "stopped" => new(Color.Grey),
        "problem" => new(Color.Red),
        _ => Style.Plain,
    };

    // Spectre's own would ask System.Console, which initializes the terminal.
    private sealed class Terminal(TextWriter writer, int width) : IAnsiConsoleOutput
    {
        public TextWriter Writer => writer;

        public bool IsTerminal => true;

        public int Width => width;

        public int Height => int.MaxValue;

        public void SetEncoding(Encoding encoding)
        {
        }
    }
}
