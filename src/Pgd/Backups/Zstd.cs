using System.Buffers;
using System.Collections.Concurrent;
using ZstdSharp;
using ZstdSharp.Unsafe;

namespace Pgd.Backups;

/// <summary>How hard objects are compressed.</summary>
/// <param name="Level">zstd's level.</param>
/// <param name="Workers">Frames that are compressed at the same time, beside the thread that writes; 0 for none.</param>
/// <param name="ByPort">Whether the port to C# is used where the system has zstd itself.</param>
internal sealed record Compression(int Level, int Workers, bool ByPort = false)
{
    /// <summary>zstd's own level, on all processors that are worth their memory.</summary>
    public static Compression Default { get; } = new(3, Math.Min(4, Environment.ProcessorCount));
}

/// <summary>
/// Compresses into zstd frames of a bounded size, each with its checksum, so that <c>zstd -d</c> reads them and a reader learns early of damage. The frames know nothing of each
/// other, and so can be made in parallel; the port's own workers wait for ever.
/// </summary>
internal sealed class ZstdWriter(Stream inner, Compression compression) : WriteLayer
{
    private const int FrameSize = 4 << 20;
    private readonly ConcurrentBag<FrameCompressor> _compressors = [];
    private readonly Queue<Task<(byte[] Buffer, int Length)>> _running = new();
    private byte[]? _frame;
    private int _used;
    private bool _any;

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (buffer.Length > 0)
        {
            _frame ??= ArrayPool<byte>.Shared.Rent(FrameSize);
            var count = Math.Min(buffer.Length, FrameSize - _used);
            buffer[..count].CopyTo(_frame.AsMemory(_used));
            buffer = buffer[count..];
            _used += count;
            if (_used == FrameSize)
                await EndFrameAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    public override async ValueTask CompleteAsync(CancellationToken cancellationToken)
    {
        // Of nothing there is an empty frame: a file of no bytes is none of zstd's.
        if (_used > 0 || !_any)
            await EndFrameAsync(cancellationToken).ConfigureAwait(false);
        await StoreAsync(upTo: 0, cancellationToken).ConfigureAwait(false);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            // After an error some are still at it, and nobody is interested any more.
            Task.WhenAll(_running).ContinueWith(_ => { }, TaskScheduler.Default).GetAwaiter().GetResult();
            foreach (var compressor in _compressors)
                compressor.Dispose();
        }

        base.Dispose(disposing);
    }

    private async ValueTask EndFrameAsync(CancellationToken cancellationToken)
    {
        var (frame, length) = (_frame ?? [], _used);
        (_frame, _used, _any) = (null, 0, true);
        _running.Enqueue(compression.Workers == 0 ? Task.FromResult(Compress(frame, length)) : Task.Run(() => Compress(frame, length), CancellationToken.None));
        await StoreAsync(compression.Workers, cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask StoreAsync(int upTo, CancellationToken cancellationToken)
    {
        while (_running.Count > upTo)
        {
            var (buffer, length) = await _running.Dequeue().ConfigureAwait(false);
            await inner.WriteAsync(buffer.AsMemory(0, length), cancellationToken).ConfigureAwait(false);
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private (byte[] Buffer, int Length) Compress(byte[] frame, int length)
    {
        if (!_compressors.TryTake(out var compressor))
            compressor = new(compression);
        var target = ArrayPool<byte>.Shared.Rent(Compressor.GetCompressBound(length));
        var written = compressor.Compress(frame.AsSpan(0, length), target);
        _compressors.Add(compressor);
        if (frame.Length > 0)
            ArrayPool<byte>.Shared.Return(frame);
        return (target, written);
    }

    /// <summary>The system's zstd, or the port where there is none.</summary>
    private sealed class FrameCompressor : IDisposable
    {
        private readonly Libzstd? _library;
        private readonly Compressor? _port;

        public FrameCompressor(Compression compression)
        {
            _library = compression.ByPort ? null : Libzstd.TryCreate(compression.Level);
            if (_library is not null)
                return;
            _port = new(compression.Level);
            _port.SetParameter(ZSTD_cParameter.ZSTD_c_checksumFlag, 1);
        }

        public int Compress(ReadOnlySpan<byte> content, Span<byte> frame) => _library?.Compress(content, frame) ?? _port!.Wrap(content, frame);

        public void Dispose()
        {
            _library?.Dispose();
            _port?.Dispose();
        }
    }
}

/// <summary>Decompresses. Its end is the end of what is below it, never that of a frame, so what checks below has checked all.</summary>
internal sealed class ZstdReader(Stream inner, Func<string, Exception?, PgdException> damaged) : ReadLayer
{
    private readonly Decompressor _decompressor = new();
    private readonly byte[] _input = new byte[128 << 10];
    private Memory<byte> _unread;
    private bool _ended, _inFrame, _full;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (buffer.Length > 0)
        {
            // A full buffer may have left more in the decompressor than it has consumed.
            if (_unread.Length == 0 && !_full && !_ended)
            {
                _unread = _input.AsMemory(0, await inner.ReadAsync(_input, cancellationToken).ConfigureAwait(false));
                _ended = _unread.Length == 0;
            }

            if (_ended && !_full)
                return _inFrame ? throw damaged("it ends in the middle of what was compressed", null) : 0;
            try
            {
                var status = _decompressor.UnwrapStream(_unread.Span, buffer.Span, out var consumed, out var written);
                if (consumed == 0 && written == 0 && _unread.Length > 0)
                    throw damaged("it cannot be decompressed", null);
                _unread = _unread[consumed..];
                _full = written == buffer.Length;
                if (consumed > 0 || written > 0)
                    _inFrame = status != OperationStatus.Done;
                if (written > 0)
                    return written;
            }
            catch (ZstdException e)
            {
                throw damaged($"it cannot be decompressed ({e.Message})", e);
            }
        }

        return 0;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _decompressor.Dispose();
            inner.Dispose();
        }

        base.Dispose(disposing);
    }
}
