using System.Threading.Channels;

namespace Pgd.Backups;

/// <summary>Reads a pipe or a connection on a thread of its own, some pieces ahead of who wants them: whoever writes into it need not wait for every one of them.</summary>
internal sealed class ReadAhead : ReadLayer
{
    private const int PieceBytes = 1 << 20, Pieces = 4;

    private readonly Channel<ReadOnlyMemory<byte>> _pieces = Channel.CreateBounded<ReadOnlyMemory<byte>>(new BoundedChannelOptions(Pieces) { SingleReader = true, SingleWriter = true });
    private readonly CancellationTokenSource _end = new();
    private readonly byte[][] _buffers = [.. Enumerable.Range(0, Pieces + 2).Select(_ => new byte[PieceBytes])];
    private ReadOnlyMemory<byte> _piece;

    public ReadAhead(Stream source) => new Thread(() => Run(source)) { IsBackground = true, Name = "read ahead" }.Start();

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (_piece.Length == 0)
        {
            if (!await _pieces.Reader.WaitToReadAsync(cancellationToken).ConfigureAwait(false))
                return 0;
            // The piece before it is free from here on: there is one more than can wait, and one that is filled.
            _pieces.Reader.TryRead(out _piece);
        }

        var count = Math.Min(buffer.Length, _piece.Length);
        _piece[..count].CopyTo(buffer);
        _piece = _piece[count..];
        return count;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _end.Cancel();
        base.Dispose(disposing);
    }

    private void Run(Stream source)
    {
        try
        {
            for (var i = 0; ; i = (i + 1) % _buffers.Length)
            {
                var count = source.ReadAtLeast(_buffers[i], PieceBytes, throwOnEndOfStream: false);
                if (count > 0)
                    _pieces.Writer.WriteAsync(_buffers[i].AsMemory(0, count), _end.Token).AsTask().GetAwaiter().GetResult();
                if (count < PieceBytes)
                    break;
            }

            _pieces.Writer.TryComplete();
        }
        catch (Exception e)
        {
            // Whoever reads gets it.
            _pieces.Writer.TryComplete(e);
        }
    }
}
