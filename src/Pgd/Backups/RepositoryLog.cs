using System.Globalization;
using Pgd.Linux;
using Pgd.Postgres;
using Pgd.Recovery;

namespace Pgd.Backups;

/// <summary>The write-ahead log of a branch in a repository: each part as its server archived it, an object of its own, written once. It leads from a backup of the branch to any later moment.</summary>
/// <param name="repository">The repository.</param>
/// <param name="systemIdentifier">The cluster's number, which all of its clones have.</param>
/// <param name="branchId">The branch's identity.</param>
/// <param name="generation">Which of its servers: what another one wrote after a reset has the same names, and leads elsewhere.</param>
internal sealed class RepositoryLog(BackupRepository repository, string systemIdentifier, string branchId, int generation)
{
    private string Prefix => StoredLog.PrefixOf(systemIdentifier, branchId, generation);

    /// <summary>Puts there what an archive has and the repository lacks, the oldest first.</summary>
    /// <exception cref="PgdException">A part is damaged (<see cref="ExitCode.Failed"/>); those before it are there.</exception>
    public async Task<LogPushed> PushAsync(WalArchive archive, ulong segmentSize, string scratch, IReporter reporter, CancellationToken cancellationToken)
    {
        var there = await NamesAsync(cancellationToken).ConfigureAwait(false);
        var (files, pushed, bytes) = (archive.Files().Where(file => file.Kind is ArchivedKind.Segment or ArchivedKind.History).ToList(), new List<string>(), 0L);
        // What is older than all that is there was there, and went with the backups that needed it.
        var oldest = there.Where(LogSegment.IsName).Select(name => LogSegment.Parse(name, segmentSize).Number).DefaultIfEmpty().Min();
        var missing = files.Where(file => !there.Contains(file.Name) && !(file.Kind == ArchivedKind.Segment && LogSegment.Parse(file.Name, segmentSize).Number < oldest)).ToList();
        var system = ulong.Parse(systemIdentifier, CultureInfo.InvariantCulture);
        foreach (var file in missing)
        {
            var content = Path.Combine(scratch, "part");
            if (WalArchive.Damage(file, content, segmentSize, system) is { } damage)
                throw new PgdException(ExitCode.Failed, $"the part {file.Name} of the write-ahead log is damaged, and was not brought to {repository.Store.Url}: {damage}", "What came before it is there. From here on only a new backup leads further: dotnet pgd backup create");
            var stored = await repository.WriteAsync(Prefix + file.Name, async (stream, token) =>
            {
                var part = new FileStream(content, new FileStreamOptions { Access = FileAccess.Read, Options = FileOptions.SequentialScan | FileOptions.Asynchronous });
                await using var _ = part.ConfigureAwait(false);
                await part.CopyToAsync(stream, token).ConfigureAwait(false);
            }, compress: true, cancellationToken).ConfigureAwait(false);
            Fault.Here("wal-push:part");
            pushed.Add(file.Name);
            bytes += stored.StoredBytes;
            reporter.Progress($"bringing the log to {repository.Store.Url}", pushed.Count, missing.Count);
        }

        return new(pushed, there.Count(LogSegment.IsName) + pushed.Count(LogSegment.IsName), bytes, files.LastOrDefault(file => file.Kind == ArchivedKind.Segment)?.Name);
    }

    /// <summary>Finds the way from a backup to a later moment, and gathers the log that it needs: before anything is made.</summary>
    /// <param name="manifest">The backup.</param>
    /// <param name="target">The moment.</param>
    /// <param name="folder">Where the log is gathered; the plan's, if there is one.</param>
    /// <param name="reporter">Hears how far it is.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>Null if the backup itself shows that moment.</returns>
    /// <exception cref="PgdException">It cannot be reached (<see cref="ExitCode.NotFound"/>).</exception>
    public async Task<RecoveryPlan?> PlanAsync(BackupManifest manifest, RecoveryTarget target, string folder, IReporter reporter, CancellationToken cancellationToken)
    {
        if (StoredLog.FirstAfter(manifest) is not ({ } first, var segmentSize) || !Lsn.TryParse(manifest.Lsn, out var begin))
            throw new PgdException(ExitCode.NotFound, $"{manifest.Id} does not say where its write-ahead log ends, so nothing leads on from it", "Choose another backup: dotnet pgd backup list");
        if (target.Time < manifest.DataAsOf || target.Position < begin)
            throw new PgdException(ExitCode.NotFound, $"{target} is before {manifest.Id}, which is as of {RecoveryTarget.AtTime(manifest.DataAsOf!.Value)} ({manifest.Lsn})", "Choose an earlier backup: dotnet pgd backup list");
        var timeline = first.Timeline;
        var there = await NamesAsync(cancellationToken).ConfigureAwait(false);
        using var log = new WriteAheadLog(segmentSize, Fetch);
        var (found, reached) = await Task.Run(() => new TargetSearch(manifest.Source, reporter).Run(log, target, begin, ulong.MaxValue, target.Position is null ? ulong.MaxValue : 0, manifest.DataAsOf ?? manifest.CreatedAt, manifest.IsRecovering, cancellationToken), cancellationToken).ConfigureAwait(false);
        if (found is null || found.End < begin)
            throw new PgdException(ExitCode.NotFound, $"{target} cannot be reached: the write-ahead log in {repository.Store.Url} that goes on from {manifest.Id} ends at {Lsn.Format(reached)}{(there.Count == 0 ? ", as none was brought there" : "")}", $"Bring there what was written since: dotnet pgd wal push {manifest.Source}; or choose an earlier moment, or --at-lsn {Lsn.Format(reached)} for all that there is.");
        return found.End == begin ? null : new()
        {
            Target = target,
            Base = null,
            Folder = folder,
            Stop = found.Stop,
            Inclusive = found.Inclusive,
            End = found.End,
            LastCommit = found.LastCommit,
            Timeline = timeline,
            IsSnapshot = false,
        };

        string? Fetch(ulong number)
        {
            var name = new LogSegment(timeline, number).Name(segmentSize);
            var file = Path.Combine(folder, name);
            // The log is read on a thread of its own, one part after the other.
            return File.Exists(file) || (there.Contains(name) && FetchAsync(name, file, cancellationToken).GetAwaiter().GetResult()) ? file : null;
        }
    }

    private async Task<bool> FetchAsync(string name, string file, CancellationToken cancellationToken)
    {
        var stored = await repository.ReadAsync(Prefix + name, compressed: true, cancellationToken).ConfigureAwait(false);
        await using var _ = stored.ConfigureAwait(false);
        var part = new FileStream(file, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Options = FileOptions.Asynchronous, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite });
        await using var __ = part.ConfigureAwait(false);
        await stored.CopyToAsync(part, cancellationToken).ConfigureAwait(false);
        return true;
    }

    private async Task<HashSet<string>> NamesAsync(CancellationToken cancellationToken)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        await foreach (var stored in repository.Store.ListAsync(Prefix, cancellationToken).ConfigureAwait(false))
            names.Add(stored.Key[Prefix.Length..]);
        return names;
    }
}

/// <summary>What of a write-ahead log was brought to a repository.</summary>
/// <param name="Pushed">The parts that were brought there now.</param>
/// <param name="Parts">How many are there.</param>
/// <param name="StoredBytes">The bytes that the new ones take there.</param>
/// <param name="Last">The last part that was archived; null if there is none.</param>
public sealed record LogPushed(IReadOnlyList<string> Pushed, int Parts, long StoredBytes, string? Last);
