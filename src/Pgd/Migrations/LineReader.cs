using System.Text;

namespace Pgd.Migrations;

/// <summary>
/// Cuts a stream into lines and covers secrets in them, also where a secret arrives in two chunks. A line that is longer than
/// <see cref="LongestLine"/> is passed on in pieces, so that memory stays bounded whatever the program prints.
/// </summary>
internal sealed class LineReader(SecretMask mask, Action<string> output)
{
    public const int LongestLine = 32 * 1024;

    private readonly StringBuilder pending = new();
    private bool afterCarriageReturn;

    public async Task ReadAsync(Stream stream, CancellationToken cancellationToken)
    {
        // What is not UTF-8 is shown as replacement characters rather than lost.
        using var reader = new StreamReader(stream, new UTF8Encoding(false), detectEncodingFromByteOrderMarks: false, bufferSize: 16 * 1024, leaveOpen: true);
        var buffer = new char[16 * 1024];
        int read;
        while ((read = await reader.ReadAsync(buffer, cancellationToken)) > 0)
            Add(buffer.AsSpan(0, read));
        Finish();
    }

    public void Add(ReadOnlySpan<char> chunk)
    {
        // A lone carriage return ends a line too: progress bars would otherwise be one endless line.
        while (chunk.Length > 0)
        {
            if (afterCarriageReturn && chunk[0] == '\n')
                chunk = chunk[1..];
            afterCarriageReturn = false;
            var end = chunk.IndexOfAny('\n', '\r');
            pending.Append(end < 0 ? chunk : chunk[..end]);
            if (end < 0)
                break;
            afterCarriageReturn = chunk[end] == '\r';
            PassOnLine();
            chunk = chunk[(end + 1)..];
        }

        if (pending.Length > LongestLine + mask.Longest)
            PassOnPiece();
    }

    public void Finish()
    {
        if (pending.Length > 0)
            PassOnLine();
    }

    private void PassOnLine()
    {
        while (pending.Length > LongestLine + mask.Longest)
            PassOnPiece();
        output(mask.Apply(pending.ToString()));
        pending.Clear();
    }

    // What could be the beginning of a secret stays until the rest of it is there.
    private void PassOnPiece()
    {
        var text = pending.ToString();
        var piece = mask.Cover(text, LongestLine, out var end);
        pending.Clear().Append(text, end, text.Length - end);
        output(piece);
    }
}
