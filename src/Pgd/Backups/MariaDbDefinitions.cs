namespace Pgd.Backups;

/// <summary>
/// Lets through what a dump of MariaDB has without the rows: those are between a line that locks a table and one that unlocks it. In the body of a routine, which has another delimiter,
/// such lines mean nothing, and in a value there is no end of a line. Only the beginning of a line is kept, as a line may be a gigabyte.
/// </summary>
internal sealed class MariaDbDefinitions(Stream inner) : WriteLayer
{
    private static readonly byte[] Locks = "LOCK TABLES `"u8.ToArray(), Unlocks = "UNLOCK TABLES;"u8.ToArray(), Delimiter = "DELIMITER "u8.ToArray(), Usual = "DELIMITER ;\n"u8.ToArray();
    private readonly MemoryStream _beginning = new();
    private bool _isKnown, _isRow, _inRows, _inRoutine;

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (buffer.Length > 0)
        {
            var end = buffer.Span.IndexOf((byte)'\n') + 1;
            var line = end > 0 ? buffer[..end] : buffer;
            buffer = buffer[line.Length..];
            if (!_isKnown)
            {
                _beginning.Write(line.Span);
                if (end == 0 && _beginning.Length < Unlocks.Length)
                    continue;
                await BeginAsync(cancellationToken).ConfigureAwait(false);
            }
            else if (!_isRow)
            {
                await inner.WriteAsync(line, cancellationToken).ConfigureAwait(false);
            }

            if (end > 0)
                _isKnown = false;
        }
    }

    public override async ValueTask CompleteAsync(CancellationToken cancellationToken)
    {
        if (_beginning.Length > 0)
            await BeginAsync(cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask BeginAsync(CancellationToken cancellationToken)
    {
        var line = _beginning.GetBuffer().AsMemory(0, (int)_beginning.Length);
        if (line.Span.StartsWith(Delimiter))
            _inRoutine = !line.Span.SequenceEqual(Usual);
        _inRows = _inRows || (!_inRoutine && line.Span.StartsWith(Locks));
        _isRow = _inRows;
        if (_inRows && line.Span.StartsWith(Unlocks))
            _inRows = false;
        if (!_isRow)
            await inner.WriteAsync(line, cancellationToken).ConfigureAwait(false);
        _beginning.SetLength(0);
        _isKnown = true;
    }
}
