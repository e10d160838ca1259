using System.Text;

namespace Pgd.Postgres;

/// <summary>
/// The beginning of an archive (and of the <c>toc.dat</c> of a tar or directory): ReadHead of pg_backup_archiver.c. Read here, because the
/// version that it names decides which pg_restore can read the rest.
/// </summary>
/// <param name="ServerMajor">The major version of the server that was dumped; null if it is not known.</param>
/// <param name="DumpMajor">The major version of the pg_dump that made it.</param>
internal sealed record DumpArchiveHeader(int? ServerMajor, int? DumpMajor)
{
    public static readonly byte[] Magic = [.. "PGDMP"u8];

    /// <summary>Reads the header; null when it is damaged or of a version that did not have it.</summary>
    public static DumpArchiveHeader? Read(Stream stream)
    {
        try
        {
            using var reader = new BinaryReader(stream, Encoding.UTF8, leaveOpen: true);
            if (!reader.ReadBytes(Magic.Length).AsSpan().SequenceEqual(Magic))
                return null;
            var version = (reader.ReadByte() << 8) | reader.ReadByte();
            reader.ReadByte(); // revision
            var integerSize = reader.ReadByte();
            reader.ReadByte(); // size of offsets
            reader.ReadByte(); // format
            if (version >= 0x010F)
                reader.ReadByte(); // compression algorithm
            else
                ReadInteger(reader, integerSize);
            for (var i = 0; i < 7; i++)
                ReadInteger(reader, integerSize); // creation time
            ReadText(reader, integerSize); // database
            var server = ReadText(reader, integerSize);
            var dump = ReadText(reader, integerSize);
            return new(DumpText.Major(server), DumpText.Major(dump));
        }
        catch (EndOfStreamException)
        {
            return null;
        }
    }

    private static int ReadInteger(BinaryReader reader, int size)
    {
        var negative = reader.ReadByte() != 0;
        var value = 0;
        for (var i = 0; i < size; i++)
        {
            var part = reader.ReadByte();
            if (i < 4)
                value |= part << (8 * i);
        }

        return negative ? -value : value;
    }

    private static string ReadText(BinaryReader reader, int size)
    {
        var length = ReadInteger(reader, size);
        return length switch
        {
            <= 0 => "",
            > 1 << 20 => throw new EndOfStreamException(),
            _ => Encoding.UTF8.GetString(reader.ReadBytes(length)),
        };
    }
}
