using System.Text;

namespace Pgd.Queries;

/// <summary>
/// Reads what the client program prints with <c>--xml</c>, as it arrives. It is the one form of its output in which NULL is neither the text "NULL" nor the empty string. An XML
/// reader would not do: it makes one line break of <c>\r\n</c>, and refuses characters that a text column may well have.
/// </summary>
internal sealed class MariaDbOutput(TextReader output)
{
    private const string FieldBegins = "field name=\"", Nil = "\" xsi:nil=\"true\" /";
    private readonly char[] buffer = new char[1 << 16];
    private readonly StringBuilder text = new();
    private int at, length;

    /// <summary>Reads it to its end.</summary>
    /// <param name="begin">A result begins, of this statement.</param>
    /// <param name="row">A row of it: names and values.</param>
    /// <param name="end">It ends.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task ReadAsync(Action<string> begin, Action<IReadOnlyList<string>, IReadOnlyList<string?>> row, Action end, CancellationToken cancellationToken)
    {
        var (names, values) = (new List<string>(), new List<string?>());
        while (await UntilAsync('<', cancellationToken) is not null && await UntilAsync('>', cancellationToken) is { } tag)
        {
            if (tag.StartsWith("resultset", StringComparison.Ordinal))
            {
                var first = tag.IndexOf('"', StringComparison.Ordinal) + 1;
                begin(Decoded(tag[first..tag.IndexOf('"', first)]));
            }
            else if (tag == "row")
            {
                names = [];
                values = [];
            }
            else if (tag.StartsWith(FieldBegins, StringComparison.Ordinal))
            {
                var isNull = tag.EndsWith(Nil, StringComparison.Ordinal);
                names.Add(Decoded(tag[FieldBegins.Length..^(isNull ? Nil.Length : 1)]));
                // Its own end comes next, and means nothing by itself.
                values.Add(isNull ? null : Decoded(await UntilAsync('<', cancellationToken) ?? ""));
                if (!isNull)
                    await UntilAsync('>', cancellationToken);
            }
            else if (tag == "/row")
            {
                row(names, values);
            }
            else if (tag == "/resultset")
            {
                end();
            }
        }
    }

    private async ValueTask<string?> UntilAsync(char stop, CancellationToken cancellationToken)
    {
        text.Clear();
        while (true)
        {
            var found = buffer.AsSpan(at, length - at).IndexOf(stop);
            if (found >= 0)
            {
                text.Append(buffer, at, found);
                at += found + 1;
                return text.ToString();
            }

            text.Append(buffer, at, length - at);
            (at, length) = (0, await output.ReadAsync(buffer.AsMemory(), cancellationToken));
            if (length == 0)
                return null;
        }
    }

    private static string Decoded(string text) => !text.Contains('&', StringComparison.Ordinal) ? text
        : text.Replace("&lt;", "<", StringComparison.Ordinal).Replace("&gt;", ">", StringComparison.Ordinal).Replace("&quot;", "\"", StringComparison.Ordinal).Replace("&amp;", "&", StringComparison.Ordinal);
}
