using System.Security.Cryptography;

namespace Pgd.Backups;

/// <summary>The uppermost layer of an object that is written: counts and, unless others do, hashes the content, and hands it on in pieces of a useful size.</summary>
internal sealed class ContentWriter(Stream inner, bool digest) : WriteLayer
{
    private readonly IncrementalHash? _hash = digest ? IncrementalHash.CreateHash(HashAlgorithmName.SHA256) : null;
    private readonly byte[] _buffer = new byte[128 << 10];
    private int _used;

    /// <summary>Bytes so far.</summary>
    public long Bytes { get; private set; }

    /// <summary>The hash of all, once it is complete; empty without one.</summary>
    public byte[] Hash() => _hash?.GetCurrentHash() ?? [];

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Bytes += buffer.Length;
        while (buffer.Length > 0)
        {
            // What is large is not gathered.
            if (_used == 0 && buffer.Length >= _buffer.Length)
            {
                _hash?.AppendData(buffer.Span);
                await inner.WriteAsync(buffer, cancellationToken).ConfigureAwait(false);
                return;
            }

            var count = Math.Min(buffer.Length, _buffer.Length - _used);
            buffer[..count].CopyTo(_buffer.AsMemory(_used));
            buffer = buffer[count..];
            _used += count;
            if (_used == _buffer.Length)
                await CompleteAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    public override async ValueTask CompleteAsync(CancellationToken cancellationToken)
    {
        _hash?.AppendData(_buffer.AsSpan(0, _used));
        await inner.WriteAsync(_buffer.AsMemory(0, _used), cancellationToken).ConfigureAwait(false);
        _used = 0;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _hash?.Dispose();
        base.Dispose(disposing);
    }
}
