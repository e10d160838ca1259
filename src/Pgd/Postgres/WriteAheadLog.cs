using System.Buffers.Binary;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Pgd.Postgres;

/// <summary>The write-ahead log that a clone's recovery will replay, as far as we must know what is in it.</summary>
/// <remarks>Sources: src/include/access/xlog_internal.h, xlogrecord.h, commands/tablespace.h; the same from PostgreSQL 13 to 18.</remarks>
internal sealed class WriteAheadLog : IDisposable
{
    private const int RecordHeader = 24, ShortPageHeader = 24, LongPageHeader = 40, BlockSizeOffset = 36, PageAddressOffset = 8;
    private const byte RmgrXlog = 0, RmgrTransaction = 1, RmgrTablespace = 5, XlogSwitch = 0x40, TablespaceCreate = 0x00, InfoMask = 0xF0;

    // The largest page there can be, so that a page is never in two windows.
    private const int WindowSize = 65536;

    private readonly Func<ulong, string?> _find;
    private readonly ulong _segmentSize;
    private readonly byte[] _window = new byte[WindowSize];
    private ulong _loaded = ulong.MaxValue, _pageSize = 8192;
    private (ulong Number, SafeFileHandle File)? _open;

    /// <summary>A log whose segments are found one by one.</summary>
    /// <param name="segmentSize">The size of each, in bytes.</param>
    /// <param name="find">The file of a segment by its number; null if there is none.</param>
    public WriteAheadLog(ulong segmentSize, Func<ulong, string?> find) => (_segmentSize, _find) = (segmentSize, find);

    private WriteAheadLog(string folder)
    {
        var segments = new Dictionary<ulong, string>();
        // Of one part on several timelines recovery takes the newest.
        foreach (var file in new DirectoryInfo(folder).EnumerateFiles().Where(f => LogSegment.IsName(f.Name)).OrderBy(f => f.Name, StringComparer.Ordinal))
        {
            _segmentSize = (ulong)file.Length;
            if (_segmentSize != 0)
                segments[LogSegment.Parse(file.Name, _segmentSize).Number] = file.FullName;
        }

        _find = number => segments.GetValueOrDefault(number);
    }

    /// <summary>
    /// The first tablespace that recovery would make when it replays the log from a position on; null if none. It makes them where the source has them, whatever links a
    /// clone was given: a branch would write into the source's files.
    /// </summary>
    public static string? TablespaceMadeSince(string folder, ulong from)
    {
        using var log = new WriteAheadLog(folder);
        // One without a path is a folder inside the data directory.
        return log.Records(from).Where(r => r.Manager == RmgrTablespace && r.Info == TablespaceCreate).Select(r => PathIn(r.Body!)).FirstOrDefault(path => path.Length > 0);
    }

    /// <summary>Whether the log has been written up to a position and beyond, to a page.</summary>
    public static bool Reaches(string folder, ulong position)
    {
        using var log = new WriteAheadLog(folder);
        return log.Step(ref position, out _);
    }

    /// <summary>Where the log of a data directory ends; null if it has none that recovery could begin with.</summary>
    public static ulong? EndOf(string data) => EndOf(data, out _);

    /// <summary>The same, and the time of the last transaction in it; null if it is not known.</summary>
    public static ulong? EndOf(string data, out DateTimeOffset? lastCommit)
    {
        lastCommit = null;
        if (StartOf(data) is not { } start)
            return null;
        using var log = new WriteAheadLog(Path.Combine(data, "pg_wal"));
        ulong? end = null;
        foreach (var record in log.Records(start))
        {
            end = record.End;
            if (TransactionEnd.Of(record) is { IsCommit: true } commit)
                lastCommit = commit.At;
        }

        return end;
    }

    /// <summary>Where recovery of a data directory begins: as the label of a backup says, or else its last checkpoint. Null if that cannot be told.</summary>
    public static ulong? StartOf(string data)
    {
        var label = Path.Combine(data, "backup_label");
        return (File.Exists(label) ? BackupEnd.StartIn(File.ReadAllText(label)) : null) ?? ControlData.TryRead(data)?.Redo;
    }

    public void Dispose() => _open?.File.Dispose();

    /// <summary>
    /// The records from the beginning of one on, up to the first that is not whole. Only the ends of transactions, tablespaces and restore points come with their content; the
    /// others are gone over.
    /// </summary>
    public IEnumerable<LogRecord> Records(ulong position)
    {
        var header = new byte[RecordHeader];
        ulong previous = 0;
        while (true)
        {
            position = (position + 7) & ~7UL;
            var (start, next) = (AtRecord(position), position);
            if (!Read(ref next, header))
                yield break;
            var length = BinaryPrimitives.ReadUInt32LittleEndian(header);
            // What was there before the segment was used again, or nothing: the log ends here.
            if (length < RecordHeader || (previous != 0 && BinaryPrimitives.ReadUInt64LittleEndian(header.AsSpan(8)) != previous))
                yield break;
            var (info, manager) = ((byte)(header[16] & InfoMask), header[17]);
            previous = start;
            byte[]? body = null;
            // Page images are the log's own as well, and most of it.
            if (manager is RmgrTransaction or RmgrTablespace || (manager == RmgrXlog && info == LogRecord.RestorePointInfo))
            {
                body = new byte[length - RecordHeader];
                if (!Read(ref next, body))
                    yield break;
            }
            else if (!Skip(ref next, length - RecordHeader))
            {
                yield break;
            }

            // The rest of the segment is empty.
            if (manager == RmgrXlog && info == XlogSwitch)
                next = (((next - 1) / _segmentSize) + 1) * _segmentSize;
            yield return new(start, next, manager, info, BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(4)), body);
            position = next;
        }
    }

    // xl_tblspc_create_rec { Oid ts_id; char ts_path[]; }
    private static string PathIn(byte[] body)
    {
        var data = LogRecord.MainData(body);
        if (data.Length < 5)
            return "?";
        var path = data[4..];
        return Encoding.UTF8.GetString(path.IndexOf((byte)0) is var end and >= 0 ? path[..end] : path);
    }

    // A record that would begin at a page's beginning begins after its header.
    private ulong AtRecord(ulong position) => position % _pageSize == 0 ? position + (ulong)HeaderAt(position) : position;

    private int HeaderAt(ulong page) => page % _segmentSize == 0 ? LongPageHeader : ShortPageHeader;

    private bool Read(ref ulong position, Span<byte> target)
    {
        while (target.Length > 0)
        {
            if (!Step(ref position, out var inPage))
                return false;
            var count = (int)Math.Min((ulong)target.Length, inPage);
            _window.AsSpan((int)(position % WindowSize), count).CopyTo(target);
            target = target[count..];
            position += (ulong)count;
        }

        return true;
    }

    private bool Skip(ref ulong position, ulong count)
    {
        while (count > 0)
        {
            if (!Step(ref position, out var inPage))
                return false;
            var step = Math.Min(count, inPage);
            position += step;
            count -= step;
        }

        return true;
    }

    // Goes over a page's header, and tells how much of the page is left.
    private bool Step(ref ulong position, out ulong inPage)
    {
        inPage = 0;
        if (!Load(position))
            return false;
        var page = position / _pageSize * _pageSize;
        // A page of the segment's former use says where it was then.
        if (BinaryPrimitives.ReadUInt64LittleEndian(_window.AsSpan((int)(page % WindowSize) + PageAddressOffset)) != page)
            return false;
        if (position == page)
            position += (ulong)HeaderAt(page);
        inPage = page + _pageSize - position;
        return true;
    }

    // A segment is mostly the room for what comes: read whole, it takes longer than the copy did.
    private bool Load(ulong position)
    {
        if (_segmentSize == 0)
            return false;
        var window = position / WindowSize;
        if (window == _loaded)
            return true;
        var number = position / _segmentSize;
        if (_open?.Number != number)
        {
            if (_find(number) is not { } file)
                return false;
            _open?.File.Dispose();
            _open = (number, File.OpenHandle(file));
            if (!Fill(0))
                return false;
            if (BinaryPrimitives.ReadUInt32LittleEndian(_window.AsSpan(BlockSizeOffset)) is var size and >= 1024 and <= WindowSize)
                _pageSize = size;
        }

        if (!Fill(position % _segmentSize / WindowSize * WindowSize))
            return false;
        _loaded = window;
        return true;
    }

    private bool Fill(ulong offset)
    {
        _loaded = ulong.MaxValue;
        var count = 0;
        while (count < WindowSize && RandomAccess.Read(_open!.Value.File, _window.AsSpan(count), (long)offset + count) is var read and > 0)
            count += read;
        return count == WindowSize;
    }
}
