using System.Text;

namespace Pgd.Postgres;

/// <summary>What a file is, by its first bytes.</summary>
/// <param name="Format">Null when only decompressing tells.</param>
/// <param name="Compression">How it is compressed.</param>
internal readonly record struct DumpKind(DumpFormat? Format, DumpCompression Compression)
{
    public static DumpKind Of(ReadOnlySpan<byte> head, string shown)
    {
        if (head.StartsWith(DumpArchiveHeader.Magic))
            return new(DumpFormat.Custom, DumpCompression.None);
        if (head.StartsWith<byte>([0x1F, 0x8B]))
            return new(null, DumpCompression.Gzip);
        if (head.StartsWith<byte>([0x28, 0xB5, 0x2F, 0xFD]))
            return new(null, DumpCompression.Zstd);
        if (head.Length > 262 && head[257..].StartsWith("ustar"u8))
        {
            return head.StartsWith("toc.dat\0"u8) && head.Length > 517 && head[512..].StartsWith(DumpArchiveHeader.Magic)
                ? new(DumpFormat.Tar, DumpCompression.None)
                : throw Refused(shown, "it is a tar file that pg_dump did not make", "Unpack it if it holds a dump. A base backup is not a dump.");
        }

        if (head.IsEmpty)
            throw Refused(shown, "it is empty", null);
        var (other, hint) = head switch
        {
            [0xFD, (byte)'7', (byte)'z', (byte)'X', (byte)'Z', ..] => ("it is compressed with xz", "Pass it on decompressed: xz -dc FILE | … --from-dump -"),
            [(byte)'B', (byte)'Z', (byte)'h', ..] => ("it is compressed with bzip2", "Pass it on decompressed: bzip2 -dc FILE | … --from-dump -"),
            [0x04, 0x22, 0x4D, 0x18, ..] => ("it is compressed with lz4", "Pass it on decompressed: lz4 -dc FILE | … --from-dump -"),
            [(byte)'P', (byte)'K', 3, 4, ..] => ("it is a zip file", "Pass it on unpacked: unzip -p FILE | … --from-dump -"),
            [0xFF, 0xFE, ..] or [0xFE, 0xFF, ..] => ("it is UTF-16", "PowerShell's > wrote it so; let pg_dump write the file: pg_dump --file=FILE"),
            _ when head.Contains((byte)0) => ("it is neither text nor an archive of pg_dump", (string?)null),
            _ => ((string?)null, (string?)null),
        };
        return other is null ? new(DumpFormat.Plain, DumpCompression.None) : throw Refused(shown, other, hint);
    }

    private static PgdException Refused(string shown, string fault, string? hint) => new(ExitCode.Misuse, $"{shown} is not a dump that can be restored: {fault}", hint);
}
