using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Pgd.Postgres;

/// <summary>The write-ahead log that a clone's recovery will replay, as far as we must know what is in it.</summary>
/// <remarks>Sources: src/include/access/xlog_internal.h, xlogrecord.h, commands/tablespace.h; the same from PostgreSQL 13 to 18.</remarks>
internal sealed class WriteAheadLog : IDisposable
{
    private const int SegmentNameLength = 24, RecordHeader = 24, ShortPageHeader = 24, LongPageHeader = 40, BlockSizeOffset = 36, PageAddressOffset = 8;
    private const byte RmgrXlog = 0, RmgrTablespace = 5, XlogSwitch = 0x40, TablespaceCreate = 0x00, InfoMask = 0xF0, DataShort = 255, DataLong = 254;

    // The largest page there can be, so that a page is never in two windows.
    private const int WindowSize = 65536;

    private readonly Dictionary<ulong, string> _segments = [];
    private readonly ulong _segmentSize;
    private readonly byte[] _window = new byte[WindowSize];
    private ulong _loaded = ulong.MaxValue, _pageSize = 8192;
    private (ulong Number, SafeFileHandle File)? _open;

    private WriteAheadLog(string folder)
    {
        // Of one part on several timelines recovery takes the newest.
        foreach (var file in new DirectoryInfo(folder).EnumerateFiles().Where(f => f.Name.Length == SegmentNameLength && f.Name.All(char.IsAsciiHexDigitUpper)).OrderBy(f => f.Name, StringComparer.Ordinal))
        {
            _segmentSize = (ulong)file.Length;
            if (_segmentSize == 0)
                continue;
            var number = (Hex(file.Name.AsSpan(8, 8)) * (0x1_0000_0000 / _segmentSize)) + Hex(file.Name.AsSpan(16, 8));
            _segments[number] = file.FullName;
        }
    }

    /// <summary>
    /// The first tablespace that recovery would make when it replays the log from a position on; null if none. It makes them where the source has them, whatever links a
    /// clone was given: a branch would write into the source's files.
    /// </summary>
    public static string? TablespaceMadeSince(string folder, ulong from)
    {
        using var log = new WriteAheadLog(folder);
        return log.FindTablespace(from);
    }

    /// <summary>Whether the log has been written up to a position and beyond, to a page.</summary>
    public static bool Reaches(string folder, ulong position)
    {
        using var log = new WriteAheadLog(folder);
        return log.Step(ref position, out _);
    }

    public void Dispose() => _open?.File.Dispose();

    private static ulong Hex(ReadOnlySpan<char> digits) => ulong.Parse(digits, NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    private string? FindTablespace(ulong position)
    {
        var header = new byte[RecordHeader];
        ulong previous = 0;
        while (true)
        {
            position = (position + 7) & ~7UL;
            var (start, next) = (AtRecord(position), position);
            if (!Read(ref next, header))
                return null;
            var length = BinaryPrimitives.ReadUInt32LittleEndian(header);
            // What was there before the segment was used again, or nothing: the log ends here.
            if (length < RecordHeader || (previous != 0 && BinaryPrimitives.ReadUInt64LittleEndian(header.AsSpan(8)) != previous))
                return null;
            var (info, rmgr) = ((byte)(header[16] & InfoMask), header[17]);
            previous = start;
            if (rmgr == RmgrTablespace && info == TablespaceCreate)
            {
                var body = new byte[length - RecordHeader];
                if (!Read(ref next, body))
                    return null;
                // One without a path is a folder inside the data directory.
                if (PathIn(body) is { Length: > 0 } path)
                    return path;
            }
            else if (rmgr == RmgrXlog && info == XlogSwitch)
                next = (((next - 1) / _segmentSize) + 1) * _segmentSize;
            else if (!Skip(ref next, length - RecordHeader))
                return null;
            position = next;
        }
    }

    // xl_tblspc_create_rec { Oid ts_id; char ts_path[]; }
    private static string PathIn(byte[] body)
    {
        var data = body switch { [DataShort, ..] => body.AsSpan(2), [DataLong, ..] => body.AsSpan(5), _ => default };
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
            if (!_segments.TryGetValue(number, out var file))
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
