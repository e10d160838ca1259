using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;

namespace Pgd.Backups;

/// <summary>What is read through it gets a CRC-32C, as PostgreSQL computes it.</summary>
internal sealed class ChecksummedStream(Stream inner) : ReadLayer
{
    private uint _crc = uint.MaxValue;

    /// <summary>The CRC-32C of all that was read, in the byte order of PostgreSQL's manifests.</summary>
    public string Checksum()
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, ~_crc);
        return Convert.ToHexStringLower(bytes);
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var count = await inner.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        _crc = Append(_crc, buffer.Span[..count]);
        return count;
    }

    private static uint Append(uint crc, ReadOnlySpan<byte> bytes)
    {
        var words = MemoryMarshal.Cast<byte, ulong>(bytes);
        foreach (var word in words)
            crc = BitOperations.Crc32C(crc, word);
        foreach (var rest in bytes[(words.Length * sizeof(ulong))..])
            crc = BitOperations.Crc32C(crc, rest);
        return crc;
    }
}
