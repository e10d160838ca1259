namespace Pgd.Queries;

/// <summary>CSV as PostgreSQL's COPY writes it: NULL is nothing, the empty string is <c>""</c>, a line ends with a line feed.</summary>
internal static class CsvText
{
    public static void Row(TextWriter csv, IReadOnlyList<string?> values)
    {
        for (var i = 0; i < values.Count; i++)
        {
            if (i > 0)
                csv.Write(',');
            if (values[i] is not { } value)
                continue;
            // A line of \. alone ends the data for COPY.
            if (value.Length > 0 && !value.AsSpan().ContainsAny(",\"\r\n") && !(value == "\\." && values.Count == 1))
            {
                csv.Write(value);
            }
            else
            {
                csv.Write('"');
                csv.Write(value.Replace("\"", "\"\"", StringComparison.Ordinal));
                csv.Write('"');
            }
        }

        csv.Write('\n');
    }
}

/// <summary>Counts the lines of CSV that passes in pieces: a line feed inside quotes ends none.</summary>
internal sealed class CsvLines
{
    private bool quoted;

    public long Count { get; private set; }

    public void Add(ReadOnlySpan<char> piece)
    {
        foreach (var c in piece)
        {
            // A doubled quote toggles twice.
            if (c == '"')
                quoted = !quoted;
            else if (c == '\n' && !quoted)
                Count++;
        }
    }
}
