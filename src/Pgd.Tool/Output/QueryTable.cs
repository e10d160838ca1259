using System.Globalization;
using System.Text;
using Pgd.Queries;

namespace Pgd.Tool.Output;

/// <summary>Shows results as tables. Of many rows each so-and-so-many are a table of their own: memory stays bounded, and the first are seen at once.</summary>
internal sealed class QueryTable(Session session) : IQueryResults
{
    private const int RowsOfATable = 1000, LongestOnTerminal = 60;
    private readonly Sheet _sheet = new(session);
    private readonly List<IReadOnlyList<string>> _rows = [];
    private IReadOnlyList<string>? _headers;
    private bool _shown;

    public void Begin(IReadOnlyList<QueryColumn> columns)
    {
        _headers = [.. columns.Select(column => Shown(column.Name))];
        _shown = false;
    }

    public void Row(IReadOnlyList<string?> values)
    {
        _rows.Add([.. values.Select(value => Shown(value ?? "NULL"))]);
        if (_rows.Count == RowsOfATable)
            Flush();
    }

    public void End(string command)
    {
        if (_headers is not null && (_rows.Count > 0 || !_shown))
            Flush();
        _headers = null;
        _sheet.Line(session.OutputScreen.Dim(command));
    }

    private void Flush()
    {
        if (_headers is { Count: > 0 })
            _sheet.Table(_headers, _rows);
        _rows.Clear();
        _shown = true;
    }

    // What a value does to a terminal is not up to the value; and a line of a table is a line.
    private string Shown(string value)
    {
        var limit = session.OutputScreen.IsTerminal ? LongestOnTerminal : int.MaxValue;
        if (value.Length <= limit && !value.Any(char.IsControl))
            return value;
        var text = new StringBuilder();
        foreach (var c in value)
        {
            if (text.Length >= limit)
                return text.ToString(0, limit - 1) + "…";
            text.Append(c switch
            {
                '\n' => "\\n",
                '\r' => "\\r",
                '\t' => "\\t",
                _ when char.IsControl(c) => string.Create(CultureInfo.InvariantCulture, $"\\x{(int)c:x2}"),
                _ => c.ToString(),
            });
        }

        return text.ToString();
    }
}
