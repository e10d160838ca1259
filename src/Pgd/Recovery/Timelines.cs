using System.Globalization;
using Pgd.Postgres;

namespace Pgd.Recovery;

/// <summary>
/// The line of timelines that leads to a branch's present: each recovery of its cluster began a new one. What was written on another one after it was left is no part of the branch's past.
/// </summary>
/// <remarks>Source: src/backend/access/transam/timeline.c.</remarks>
internal sealed class Timelines
{
    // The newest first; that goes on.
    private readonly IReadOnlyList<(uint Timeline, ulong Begin, ulong End)> _line;

    private Timelines(IReadOnlyList<(uint, ulong, ulong)> line) => _line = line;

    /// <summary>The one that is written to now.</summary>
    public uint Current => _line[0].Timeline;

    /// <summary>Reads the line from the history files beside a branch's log, or in its archive.</summary>
    /// <param name="current">The timeline of the last checkpoint.</param>
    /// <param name="read">The content of a history file by its name; null if there is none.</param>
    public static Timelines Read(uint current, Func<string, string?> read)
    {
        // A promotion writes its history first, and its checkpoint some time later.
        while (read(HistoryName(current + 1)) is not null)
            current++;
        var line = new List<(uint, ulong, ulong)>();
        var begin = 0UL;
        // Lines such as: 1 <tab> 0/3000000 <tab> reason. Each says up to where its timeline leads.
        foreach (var fields in (current == 1 ? null : read(HistoryName(current)))?.Split('\n').Select(l => l.Split(['\t', ' '], 3, StringSplitOptions.RemoveEmptyEntries)) ?? [])
        {
            if (fields.Length < 2 || !uint.TryParse(fields[0], NumberStyles.None, CultureInfo.InvariantCulture, out var timeline) || !Lsn.TryParse(fields[1], out var end))
                continue;
            line.Add((timeline, begin, end));
            begin = end;
        }

        line.Add((current, begin, ulong.MaxValue));
        line.Reverse();
        return new(line);
    }

    public static string HistoryName(uint timeline) => string.Create(CultureInfo.InvariantCulture, $"{timeline:X8}.history");

    /// <summary>
    /// The timelines on which a part of the log may have been written, those first that recovery tries first. What comes after the part in which one was left was written by
    /// nobody who leads here.
    /// </summary>
    public IEnumerable<uint> Of(ulong segment, ulong segmentSize) => _line.Where(t => t.Begin / segmentSize <= segment && segment <= t.End / segmentSize).Select(t => t.Timeline);
}
