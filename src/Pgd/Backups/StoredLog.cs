using System.Globalization;
using Pgd.Linux;
using Pgd.Postgres;

namespace Pgd.Backups;

/// <summary>The write-ahead log of one run of a branch, as far as it is in a repository.</summary>
/// <param name="SystemIdentifier">The cluster's number.</param>
/// <param name="BranchId">The branch's identity.</param>
/// <param name="Generation">Which of its servers wrote it.</param>
/// <param name="Parts">Its objects.</param>
internal sealed record StoredLog(string SystemIdentifier, string BranchId, int Generation, IReadOnlyList<StoredObject> Parts)
{
    /// <summary>Where the objects of a log are.</summary>
    public static string PrefixOf(string systemIdentifier, string branchId, int generation) => string.Create(CultureInfo.InvariantCulture, $"i/{systemIdentifier}/wal/{branchId}-{generation}/");

    /// <summary>All that there are.</summary>
    public static async Task<IReadOnlyList<StoredLog>> AllAsync(BackupRepository repository, CancellationToken cancellationToken)
    {
        var logs = new SortedDictionary<string, StoredLog>(StringComparer.Ordinal);
        await foreach (var stored in repository.Store.ListAsync("i/", cancellationToken).ConfigureAwait(false))
        {
            if (stored.Key.Split('/') is not [_, var system, "wal", var line, _] || line.LastIndexOf('-') is not (> 0 and var dash) || !int.TryParse(line.AsSpan(dash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var generation))
                continue;
            var prefix = PrefixOf(system, line[..dash], generation);
            if (!logs.TryGetValue(prefix, out var log))
                logs[prefix] = log = new(system, line[..dash], generation, new List<StoredObject>());
            ((List<StoredObject>)log.Parts).Add(stored);
        }

        return [.. logs.Values];
    }

    /// <summary>The part from which on a backup needs all: from the end of its own log on. Null if nothing leads on from it.</summary>
    public static (LogSegment Part, ulong SegmentSize)? FirstAfter(BackupManifest manifest)
    {
        var own = manifest.Files.Where(file => Path.GetDirectoryName(file.Path) == "pg_wal" && LogSegment.IsName(Path.GetFileName(file.Path))).MaxBy(file => file.Path, StringComparer.Ordinal);
        if (own is not { Bytes: > 0 } || !Lsn.TryParse(manifest.Lsn, out var end))
            return null;
        var size = (ulong)own.Bytes;
        return (new(LogSegment.Parse(Path.GetFileName(own.Path), size).Timeline, end / size), size);
    }

    /// <summary>What of it no backup that stays needs: by need, and never by age.</summary>
    /// <param name="all">All backups of the repository, the oldest first.</param>
    /// <param name="stays">Those that stay.</param>
    /// <param name="here">The name and the generation of its branch, if that is on this machine.</param>
    public LogVerdict Decide(IReadOnlyList<StoredBackup> all, IReadOnlySet<string> stays, (BranchName Name, int Generation)? here)
    {
        var physical = all.Where(found => found.Manifest is { Mode: BackupMode.Physical, BranchId: not null, Generation: not null } manifest && manifest.SystemIdentifier == SystemIdentifier).ToList();
        var own = physical.Where(found => found.Manifest!.BranchId == BranchId && found.Manifest.Generation == Generation).ToList();
        var left = own.Where(found => stays.Contains(found.Backup.Id)).ToList();
        var name = own.Count > 0 ? own[^1].Manifest!.Source : here?.Name.ToString() ?? $"branch {BranchId}";
        LogVerdict Keep(string reason) => new(name, [], Parts, reason);
        // What is not complete yet, or cannot be read now, may be of this log; unless an older one needs all that it could.
        if (all.FirstOrDefault(found => found.Manifest is null && stays.Contains(found.Backup.Id) && found.Prefix.StartsWith($"i/{SystemIdentifier}/", StringComparison.Ordinal) && !(left.Count > 0 && string.CompareOrdinal(left[0].Backup.Id, found.Backup.Id) < 0)) is { } unknown)
            return Keep($"{unknown.Backup.Id} may need it: {unknown.Backup.Problem}");
        if (left.Count == 0)
        {
            if (here?.Generation == Generation)
                return Keep($"there is no backup yet that it leads on from, but {here.Value.Name} goes on");
            // Its branch was reset, or is another one of that name by now: nothing is backed up any more that it could lead on from.
            var isOver = here?.Generation > Generation || physical.Exists(found => found.Manifest!.BranchId == BranchId && found.Manifest.Generation > Generation)
                || (own.Count > 0 && physical.Exists(found => stays.Contains(found.Backup.Id) && found.Manifest!.Source == name && found.Manifest.BranchId != BranchId && string.CompareOrdinal(found.Backup.Id, own[^1].Backup.Id) > 0));
            return isOver ? new(name, Parts, [], null) : Keep("there is no backup that it leads on from, but its branch may go on on another machine");
        }

        ulong? first = null;
        var (reason, needed) = ("", LogSegmentOf(left[0]));
        foreach (var backup in left)
        {
            if (LogSegmentOf(backup) is not { } need)
                return Keep($"{backup.Backup.Id} does not say from where on it needs it");
            if (need.Part.Number < first || first is null)
                (first, needed, reason) = (need.Part.Number, need, $"{backup.Backup.Id} needs all from {need.Part.Name(need.SegmentSize)} on");
        }

        // The newest part always stays: it says how far the log was brought here, so that a push does not begin again. Histories of timelines say where a log leads.
        var parts = Parts.Where(part => LogSegment.IsName(NameOf(part))).OrderBy(NumberOf).ThenBy(part => part.Key, StringComparer.Ordinal).ToList();
        List<StoredObject> gone = [.. parts.SkipLast(1).Where(part => NumberOf(part) < first)];
        return new(name, gone, [.. Parts.Except(gone)], reason);

        ulong NumberOf(StoredObject part) => LogSegment.Parse(NameOf(part), needed!.Value.SegmentSize).Number;

        static (LogSegment Part, ulong SegmentSize)? LogSegmentOf(StoredBackup backup) => FirstAfter(backup.Manifest!);
    }

    private static string NameOf(StoredObject part) => part.Key[(part.Key.LastIndexOf('/') + 1)..];
}

/// <summary>What becomes of a log.</summary>
/// <param name="Source">Whose it is.</param>
/// <param name="Gone">What goes, the oldest first: whatever ends the removal, what is left has no new gap.</param>
/// <param name="Left">What stays.</param>
/// <param name="Reason">Why that stays; null if nothing does.</param>
internal sealed record LogVerdict(string Source, IReadOnlyList<StoredObject> Gone, IReadOnlyList<StoredObject> Left, string? Reason);
