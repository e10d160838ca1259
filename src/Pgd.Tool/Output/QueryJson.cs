using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Pgd.Queries;

namespace Pgd.Tool.Output;

/// <summary>
/// Writes each result as an object on a line of its own, as it arrives: its columns, its rows as objects, and the command. A name that another column
/// has gets a number. Numbers, booleans and JSON are written as such, as PostgreSQL's to_json does; everything else as text.
/// </summary>
internal sealed class QueryJson(TextWriter output) : IQueryResults
{
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };
    private readonly ArrayBufferWriter<byte> _buffer = new();
    private IReadOnlyList<QueryColumn>? _columns;
    private JsonEncodedText[] _names = [];
    private bool _first;

    public void Begin(IReadOnlyList<QueryColumn> columns)
    {
        _columns = columns;
        var (names, taken) = (new List<string>(), new HashSet<string>(columns.Select(column => column.Name)));
        foreach (var column in columns)
        {
            var name = column.Name;
            for (var number = 2; names.Contains(name) || (name != column.Name && taken.Contains(name)); number++)
                name = $"{column.Name}_{number}";
            names.Add(name);
        }

        _names = [.. names.Select(name => JsonEncodedText.Encode(name, JavaScriptEncoder.UnsafeRelaxedJsonEscaping))];
        _first = true;
        Write(writer =>
        {
            writer.WriteStartArray();
            foreach (var name in _names)
                writer.WriteStringValue(name);
            writer.WriteEndArray();
        }, "{\"columns\":", ",\"rows\":[");
    }

    public void Row(IReadOnlyList<string?> values)
    {
        Write(writer =>
        {
            writer.WriteStartObject();
            for (var i = 0; i < values.Count; i++)
            {
                writer.WritePropertyName(_names[i]);
                Value(writer, values[i], _columns![i].Form);
            }

            writer.WriteEndObject();
        }, _first ? "" : ",", "");
        _first = false;
    }

    public void End(string command)
    {
        Write(writer => writer.WriteStringValue(command), _columns is null ? "{\"command\":" : "],\"command\":", "}\n");
        _columns = null;
    }

    private static void Value(Utf8JsonWriter writer, string? value, ValueForm form)
    {
        if (value is null)
            writer.WriteNullValue();
        else if (form == ValueForm.Boolean && value is "t" or "f")
            writer.WriteBooleanValue(value == "t");
        // NaN and Infinity are no numbers to JSON.
        else if (form == ValueForm.Number && value.Length > 0 && char.IsAsciiDigit(value[^1]))
            writer.WriteRawValue(value, skipInputValidation: true);
        // A line break can only be white space there; the object has to stay on its line.
        else if (form == ValueForm.Json)
            writer.WriteRawValue(value.Replace('\n', ' ').Replace('\r', ' '), skipInputValidation: true);
        else
            writer.WriteStringValue(value);
    }

    private void Write(Action<Utf8JsonWriter> write, string before, string after)
    {
        _buffer.ResetWrittenCount();
        using (var writer = new Utf8JsonWriter(_buffer, Options))
            write(writer);
        output.Write(string.Concat(before, Encoding.UTF8.GetString(_buffer.WrittenSpan), after));
    }
}
