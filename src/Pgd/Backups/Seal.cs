using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Pgd.Backups;

/// <summary>The lowest layer of an object that is written: makes any later change of it noticeable, and counts and hashes what is stored.</summary>
internal abstract class SealWriter(Stream stored) : WriteLayer
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    /// <summary>Bytes that were stored so far.</summary>
    public long Bytes { get; private set; }

    /// <summary>The hash of them.</summary>
    public byte[] Hash() => _hash.GetCurrentHash();

    protected async ValueTask StoreAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        _hash.AppendData(bytes.Span);
        Bytes += bytes.Length;
        await stored.WriteAsync(bytes, cancellationToken).ConfigureAwait(false);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _hash.Dispose();
        base.Dispose(disposing);
    }
}

/// <summary>
/// An object that is not encrypted is its content and a trailer with length and hash, which also holds its key: a damaged, truncated or swapped object is noticed at its end. To
/// zstd the trailer is a frame to skip, so such a file can be read without us: <c>zstd -d</c>. Against somebody who wants to forge one, there is encryption.
/// </summary>
internal static class PlainSeal
{
    // RFC 8878, 3.1.2: a skippable frame is a magic number, the size of what follows, and that.
    private const uint SkippableFrame = 0x184D2A57;
    private const int HashSize = 32;
    private static readonly byte[] Mark = "pgd1"u8.ToArray();

    /// <summary>Bytes of a trailer.</summary>
    public const int Size = 4 + 4 + 4 + 8 + HashSize;

    public static byte[] Trailer(string key, long length, byte[] hash)
    {
        var trailer = new byte[Size];
        BinaryPrimitives.WriteUInt32LittleEndian(trailer, SkippableFrame);
        BinaryPrimitives.WriteInt32LittleEndian(trailer.AsSpan(4), Size - 8);
        Mark.CopyTo(trailer, 8);
        BinaryPrimitives.WriteInt64LittleEndian(trailer.AsSpan(12), length);
        SHA256.HashData([.. hash, .. trailer[..20], .. Encoding.ASCII.GetBytes(key)]).CopyTo(trailer, 20);
        return trailer;
    }

    /// <summary>Writes content and trailer.</summary>
    public sealed class Writer(Stream stored, string key) : SealWriter(stored)
    {
        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => StoreAsync(buffer, cancellationToken);

        public override ValueTask CompleteAsync(CancellationToken cancellationToken) => StoreAsync(Trailer(key, Bytes, Hash()), cancellationToken);
    }

    /// <summary>Reads content, and compares with the trailer before it tells the end.</summary>
    public sealed class Reader(Stream stored, string key, Func<string, Exception?, PgdException> damaged) : ReadLayer
    {
        private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        private readonly byte[] _buffer = new byte[(128 << 10) + Size];
        private int _from, _to;
        private long _length;
        private bool _ended;

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            // What may be the trailer is held back until it is known not to be.
            while (!_ended && _to - _from <= Size)
            {
                _buffer.AsSpan(_from, _to - _from).CopyTo(_buffer);
                (_from, _to) = (0, _to - _from);
                var read = await stored.ReadAsync(_buffer.AsMemory(_to), cancellationToken).ConfigureAwait(false);
                _to += read;
                _ended = read == 0;
                if (_ended && (_to < Size || !_buffer.AsSpan(0, Size).SequenceEqual(Trailer(key, _length, _hash.GetCurrentHash()))))
                    throw damaged("its length or content is not what was written", null);
            }

            var count = Math.Min(buffer.Length, _to - _from - Size);
            _hash.AppendData(_buffer.AsSpan(_from, count));
            _buffer.AsMemory(_from, count).CopyTo(buffer);
            (_from, _length) = (_from + count, _length + count);
            return count;
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                _hash.Dispose();
                stored.Dispose();
            }

            base.Dispose(disposing);
        }
    }
}

/// <summary>
/// An object that is encrypted: AES-256-GCM in chunks of 1 MiB (the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár, 2015), so that no byte is handed out before it
/// is known to be what was written, and with bounded memory. The nonce is a random prefix, the chunk's number and whether it is the last one: chunks cannot be swapped, left out or
/// cut off. The key is the object's own (<see cref="ObjectKeys"/>), derived with its name, which is authenticated as well: objects cannot be swapped either.
/// </summary>
internal static class EncryptedSeal
{
    private const int ChunkSize = 1 << 20, TagSize = 16, PrefixSize = 7, NonceSize = 12;

    /// <summary>Bytes before the first chunk.</summary>
    public static int HeaderSize(ObjectKeys keys) => keys.Mark.Length + keys.HintSize + PrefixSize;

    // What an object is bound to: how its key is made, and what it is called.
    private static byte[] NameOf(ObjectKeys keys, string key) => [.. keys.Mark, .. Encoding.ASCII.GetBytes(key)];

    /// <summary>Writes header and chunks.</summary>
    public sealed class Writer : SealWriter
    {
        private readonly byte[] _header;
        private readonly Chunks _chunks;
        private readonly byte[] _plain = new byte[ChunkSize], _sealed = new byte[ChunkSize + TagSize];
        private int _used;

        public Writer(Stream stored, string key, ObjectKeys keys)
            : base(stored)
        {
            var (name, prefix) = (NameOf(keys, key), RandomNumberGenerator.GetBytes(PrefixSize));
            var (hint, objectKey) = keys.New(name);
            _header = [.. keys.Mark, .. hint, .. prefix];
            _chunks = new(name, objectKey, prefix);
        }

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            while (buffer.Length > 0)
            {
                // A full chunk waits for what follows: only then is it known not to be the last one.
                if (_used == ChunkSize)
                    await SealAsync(isLast: false, cancellationToken).ConfigureAwait(false);
                var count = Math.Min(buffer.Length, ChunkSize - _used);
                buffer[..count].CopyTo(_plain.AsMemory(_used));
                buffer = buffer[count..];
                _used += count;
            }
        }

        public override ValueTask CompleteAsync(CancellationToken cancellationToken) => SealAsync(isLast: true, cancellationToken);

        protected override void Dispose(bool disposing)
        {
            if (disposing)
                _chunks.Dispose();
            base.Dispose(disposing);
        }

        private async ValueTask SealAsync(bool isLast, CancellationToken cancellationToken)
        {
            if (Bytes == 0)
                await StoreAsync(_header, cancellationToken).ConfigureAwait(false);
            _chunks.Seal(_plain.AsSpan(0, _used), _sealed, isLast);
            await StoreAsync(_sealed.AsMemory(0, _used + TagSize), cancellationToken).ConfigureAwait(false);
            _used = 0;
        }
    }

    /// <summary>Reads chunks, each only after it was authenticated.</summary>
    public sealed class Reader(Stream stored, string key, ObjectKeys keys, Func<string, Exception?, PgdException> damaged) : ReadLayer
    {
        private readonly byte[] _plain = new byte[ChunkSize];
        private byte[] _sealed = new byte[ChunkSize + TagSize], _next = new byte[ChunkSize + TagSize];
        private Chunks? _chunks;
        private int _nextLength, _from, _to;
        private bool _ended;

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (_chunks is null)
                await ReadHeaderAsync(cancellationToken).ConfigureAwait(false);
            if (_from == _to && !_ended && buffer.Length > 0)
                await OpenChunkAsync(cancellationToken).ConfigureAwait(false);
            var count = Math.Min(buffer.Length, _to - _from);
            _plain.AsMemory(_from, count).CopyTo(buffer);
            _from += count;
            return count;
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                _chunks?.Dispose();
                stored.Dispose();
            }

            base.Dispose(disposing);
        }

        private async ValueTask ReadHeaderAsync(CancellationToken cancellationToken)
        {
            var header = new byte[HeaderSize(keys)];
            if (await stored.ReadAtLeastAsync(header, header.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false) < header.Length || !header.AsSpan().StartsWith(keys.Mark))
                throw damaged("it does not begin as an encrypted file does", null);
            var name = NameOf(keys, key);
            try
            {
                _chunks = new(name, keys.Of(header.AsSpan(keys.Mark.Length, keys.HintSize), name), header.AsSpan(header.Length - PrefixSize));
            }
            catch (CryptographicException e)
            {
                throw damaged("it is not what was encrypted, or not all of it", e);
            }

            _nextLength = await stored.ReadAtLeastAsync(_next, _next.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
        }

        private async ValueTask OpenChunkAsync(CancellationToken cancellationToken)
        {
            (_sealed, _next) = (_next, _sealed);
            var length = _nextLength;
            _nextLength = length < _next.Length ? 0 : await stored.ReadAtLeastAsync(_next, _next.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
            _ended = _nextLength == 0;
            try
            {
                if (length < TagSize)
                    throw damaged("it was cut off", null);
                _chunks!.Open(_sealed.AsSpan(0, length), _plain, _ended);
            }
            catch (CryptographicException e)
            {
                throw damaged("it is not what was encrypted, or not all of it", e);
            }

            (_from, _to) = (0, length - TagSize);
        }
    }

    /// <summary>The cipher of one object, which numbers its chunks.</summary>
    private sealed class Chunks : IDisposable
    {
        private readonly AesGcm _cipher;
        private readonly byte[] _name, _nonce = new byte[NonceSize];
        private uint _number;

        public Chunks(byte[] name, byte[] objectKey, ReadOnlySpan<byte> prefix)
        {
            _name = name;
            prefix.CopyTo(_nonce);
            _cipher = new(objectKey, TagSize);
        }

        public void Seal(ReadOnlySpan<byte> plain, Span<byte> target, bool isLast) =>
            _cipher.Encrypt(Nonce(isLast), plain, target[..plain.Length], target.Slice(plain.Length, TagSize), _name);

        public void Open(ReadOnlySpan<byte> chunk, Span<byte> target, bool isLast) =>
            _cipher.Decrypt(Nonce(isLast), chunk[..^TagSize], chunk[^TagSize..], target[..(chunk.Length - TagSize)], _name);

        public void Dispose() => _cipher.Dispose();

        private byte[] Nonce(bool isLast)
        {
            BinaryPrimitives.WriteUInt32BigEndian(_nonce.AsSpan(PrefixSize), checked(_number++));
            _nonce[^1] = isLast ? (byte)1 : (byte)0;
            return _nonce;
        }
    }
}
