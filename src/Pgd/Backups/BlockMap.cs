using System.IO.Hashing;

namespace Pgd.Backups;

/// <summary>
/// Digests of a file's blocks, in their order: by them a later backup knows what changed, and need not read this one. A block is as large as PostgreSQL's pages, so that hardly more is
/// stored than was written. XXH128 finds every accident, at a tenth of the time of SHA-256; who must not be able to change something on purpose is kept out by the repository's encryption.
/// </summary>
internal static class BlockMap
{
    public const int BlockBytes = 8 << 10, DigestBytes = 16;

    private static readonly byte[] Zeros = XxHash128.Hash(new byte[BlockBytes]);

    /// <summary>The digest of a block of zeros.</summary>
    public static ReadOnlySpan<byte> ZeroBlock => Zeros;

    /// <summary>The length of a file's map.</summary>
    public static int BytesFor(long fileBytes) => checked((int)((fileBytes + BlockBytes - 1) / BlockBytes * DigestBytes));

    /// <summary>The digest of a file, which is that of its map.</summary>
    public static string DigestOf(ReadOnlySpan<byte> map) => Convert.ToHexStringLower(XxHash128.Hash(map));

    /// <summary>Writes the digests of some blocks.</summary>
    /// <param name="blocks">The blocks, the last of which may be short.</param>
    /// <param name="offset">Where in the file they are.</param>
    /// <param name="map">The file's map.</param>
    public static void Digest(ReadOnlySpan<byte> blocks, long offset, Span<byte> map)
    {
        var digests = map[((int)(offset / BlockBytes) * DigestBytes)..];
        while (blocks.Length > 0)
        {
            var block = blocks[..Math.Min(BlockBytes, blocks.Length)];
            XxHash128.Hash(block, digests);
            blocks = blocks[block.Length..];
            digests = digests[DigestBytes..];
        }
    }
}
