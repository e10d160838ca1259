using Pgd.Postgres;

namespace Pgd.Recovery;

/// <summary>What of an archive is missing, and what of it can go.</summary>
internal static class ArchiveChain
{
    /// <summary>The stretches that are missing between the first part that is there and the last.</summary>
    public static IReadOnlyList<(ulong First, ulong Last)> Gaps(IEnumerable<ulong> present)
    {
        var gaps = new List<(ulong, ulong)>();
        ulong? previous = null;
        foreach (var number in present.Order())
        {
            if (number > previous + 1)
                gaps.Add((previous!.Value + 1, number - 1));
            previous = number;
        }

        return gaps;
    }

    /// <summary>
    /// What nobody needs and was put there before a moment, the oldest part first: whatever ends the removal, what is left has no new gap. Age only says what may go. Need says what
    /// must stay: histories of timelines, which say where a log leads, always do.
    /// </summary>
    /// <param name="files">What there is.</param>
    /// <param name="segmentSize">The size of each part.</param>
    /// <param name="firstNeeded">The first part that must stay, with all that follow.</param>
    /// <param name="before">The moment.</param>
    public static IReadOnlyList<ArchivedFile> Removable(IEnumerable<ArchivedFile> files, ulong segmentSize, ulong firstNeeded, DateTimeOffset before) =>
        [.. files.Where(f => f.Segment is not null && f.At < before).Select(f => (File: f, LogSegment.Parse(f.Segment!, segmentSize).Number)).Where(f => f.Number < firstNeeded)
            .OrderBy(f => f.Number).ThenBy(f => f.File.Name, StringComparer.Ordinal).Select(f => f.File)];
}
