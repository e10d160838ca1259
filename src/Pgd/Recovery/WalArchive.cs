using System.Buffers.Binary;
using Pgd.Linux;
using Pgd.Postgres;
using Pgd.Processes;

namespace Pgd.Recovery;

/// <summary>A folder with the parts of a branch's write-ahead log that its server has handed over, plain or compressed by zstd.</summary>
internal sealed class WalArchive(string folder)
{
    /// <summary>The program that compresses.</summary>
    public const string Zstd = "zstd";

    private const string Compressed = ".zst";

    public string Folder => folder;

    public bool Exists => Directory.Exists(folder);

    public bool Has(string name) => Find(name) is not null;

    /// <summary>What is in it, by name. What is being written has another name until it is whole.</summary>
    public IReadOnlyList<ArchivedFile> Files()
    {
        var files = new List<ArchivedFile>();
        foreach (var file in Exists ? new DirectoryInfo(folder).EnumerateFiles() : [])
        {
            try
            {
                var isCompressed = file.Name.EndsWith(Compressed, StringComparison.Ordinal);
                if (ArchivedFile.KindOf(isCompressed ? file.Name[..^Compressed.Length] : file.Name) is { } kind)
                    files.Add(new(isCompressed ? file.Name[..^Compressed.Length] : file.Name, file.FullName, file.Length, new(file.LastWriteTimeUtc, TimeSpan.Zero), kind, isCompressed));
            }
            catch (FileNotFoundException)
            {
                // Removed meanwhile.
            }
        }

        files.Sort(static (one, other) => string.CompareOrdinal(one.Name, other.Name));
        return files;
    }

    /// <summary>Puts a part into a file; false if it is not here.</summary>
    /// <exception cref="PgdException">It is damaged (<see cref="ExitCode.Failed"/>), or zstd is missing (<see cref="ExitCode.MachineLacks"/>).</exception>
    public bool Extract(string name, string target)
    {
        if (Find(name) is not { } file)
            return false;
        Extract(file, target, file.EndsWith(Compressed, StringComparison.Ordinal));
        return true;
    }

    /// <summary>The content of a small text in it; null if it is not here.</summary>
    public string? Read(string name) => Find(name) switch
    {
        null => null,
        var file when file.EndsWith(Compressed, StringComparison.Ordinal) => Decompress("-d", "-q", "-c", file),
        var file => File.ReadAllText(file),
    };

    /// <summary>What is wrong with a part, as far as it can be told by itself; null if nothing is.</summary>
    /// <param name="file">The file.</param>
    /// <param name="scratch">A file to put it into.</param>
    /// <param name="segmentSize">The size of each part.</param>
    /// <param name="systemIdentifier">The cluster's.</param>
    public static string? Damage(ArchivedFile file, string scratch, ulong segmentSize, ulong systemIdentifier)
    {
        try
        {
            Extract(file.Path, scratch, file.IsCompressed);
        }
        catch (PgdException e) when (e.ExitCode == ExitCode.Failed)
        {
            return e.Message;
        }

        if (file.Kind != ArchivedKind.Segment)
            return null;
        // struct XLogLongPageHeaderData, src/include/access/xlog_internal.h
        const int timelineOffset = 4, addressOffset = 8, systemOffset = 24, segmentSizeOffset = 32, headerSize = 40;
        using var part = File.OpenHandle(scratch);
        if (RandomAccess.GetLength(part) is var length && (ulong)length != segmentSize)
            return $"it has {length} bytes instead of {segmentSize}";
        var header = new byte[headerSize];
        RandomAccess.Read(part, header, 0);
        var (address, named) = (BinaryPrimitives.ReadUInt64LittleEndian(header.AsSpan(addressOffset)), LogSegment.Parse(file.Name, segmentSize));
        return address != named.Number * segmentSize ? $"its content is that of {Lsn.Format(address)}"
            : BinaryPrimitives.ReadUInt64LittleEndian(header.AsSpan(systemOffset)) is var system && system != systemIdentifier ? $"it is of the cluster {system}, and not of {systemIdentifier}"
            : BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(segmentSizeOffset)) != segmentSize ? "it is of a cluster with parts of another size"
            // A new timeline begins in the middle of a part, with the old one's pages before it.
            : BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(timelineOffset)) is var timeline && timeline > named.Timeline ? $"it is of the timeline {timeline}"
            : null;
    }

    private string? Find(string name) => Path.Combine(folder, name) is var plain && Libc.Exists(plain) ? plain : Libc.Exists(plain + Compressed) ? plain + Compressed : null;

    private static void Extract(string file, string target, bool isCompressed)
    {
        if (isCompressed)
            Decompress("-d", "-q", "-f", "-o", target, file);
        else
            File.Copy(file, target, overwrite: true);
    }

    private static string Decompress(params string[] arguments)
    {
        CommandResult result;
        try
        {
            result = Shell.Run(new(Zstd, arguments));
        }
        catch (PgdException e) when (e.ExitCode == ExitCode.MachineLacks)
        {
            throw new PgdException(ExitCode.MachineLacks, "the program zstd is missing, and the archive of the write-ahead log is compressed by it", "apt-get install zstd", e);
        }

        return result.Status == 0 ? result.Output
            : throw new PgdException(ExitCode.Failed, $"{arguments[^1]} cannot be read: {Shell.LastLines(result.Error)}", $"See what is damaged: dotnet pgd wal verify {string.Join('/', Path.GetDirectoryName(arguments[^1])!.Split('/').TakeLast(2))}");
    }
}

/// <summary>A file in an archive.</summary>
/// <param name="Name">Its name, without that of a compression.</param>
/// <param name="Path">Where it is.</param>
/// <param name="Bytes">What it takes.</param>
/// <param name="At">When it was put there.</param>
/// <param name="Kind">What it is.</param>
/// <param name="IsCompressed">Whether it is compressed.</param>
internal sealed record ArchivedFile(string Name, string Path, long Bytes, DateTimeOffset At, ArchivedKind Kind, bool IsCompressed)
{
    private const int SegmentName = 24;
    private const string GivenUp = ".given-up";

    /// <summary>The part that it is, or that it speaks of; null for a history.</summary>
    public string? Segment => Kind == ArchivedKind.History ? null : Name[..SegmentName];

    /// <summary>What a name means; null for what the archiver never makes.</summary>
    public static ArchivedKind? KindOf(string name) =>
        LogSegment.IsName(name) ? ArchivedKind.Segment
        : name.EndsWith(GivenUp, StringComparison.Ordinal) && name.Length > SegmentName && LogSegment.IsName(name[..SegmentName]) ? ArchivedKind.GivenUp
        : name.EndsWith(".history", StringComparison.Ordinal) && name.Length == 16 ? ArchivedKind.History
        : name.Length > SegmentName && LogSegment.IsName(name[..SegmentName]) && (name.EndsWith(".backup", StringComparison.Ordinal) || name.EndsWith(".partial", StringComparison.Ordinal)) ? ArchivedKind.Label
        : null;
}

/// <summary>What a file in an archive is.</summary>
internal enum ArchivedKind
{
    /// <summary>A part of the log.</summary>
    Segment,

    /// <summary>The history of a timeline.</summary>
    History,

    /// <summary>The label of a backup, or the beginning of a part that a promotion ended.</summary>
    Label,

    /// <summary>A part that is missing, because it was given up.</summary>
    GivenUp,
}
