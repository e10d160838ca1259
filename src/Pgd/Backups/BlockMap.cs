using System.IO.Hashing;

namespace Pgd.Backups;

/// <summary>
/// Digests of a file's blocks, in their order: by them a later backup knows what changed, and need not read this one. A block is as large as PostgreSQL's pages, so that hardly more is
/// stored than was written; small files have no map and are stored whole. They only say what changed (XXH128, a tenth of the time of SHA-256); that all is as it was is proved by the file's own digest.
/// </summary>
internal static class BlockMap
{
    public const int BlockBytes = 8 << 10, DigestBytes = 16;

    private const long LargestWithout = 64 << 10;

    /// <summary>The length of a file's map.</summary>
    public static int BytesFor(long fileBytes) => fileBytes <= LargestWithout ? 0 : checked((int)((fileBytes + BlockBytes - 1) / BlockBytes * DigestBytes));

    /// <summary>Writes the digests of some blocks, the last of which may be short.</summary>
    public static void Digest(ReadOnlySpan<byte> blocks, Span<byte> digests)
    {
        while (blocks.Length > 0)
        {
            var block = blocks[..Math.Min(BlockBytes, blocks.Length)];
            XxHash128.Hash(block, digests);
            blocks = blocks[block.Length..];
            digests = digests[DigestBytes..];
        }
    }
}
