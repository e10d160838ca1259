using Pgd.Configuration;

namespace Pgd.Backups;

/// <summary>Which backups stay, and why. It only looks at what was listed.</summary>
internal static class PruneRules
{
    /// <summary>Says of each backup that stays why it does; what is not in it goes.</summary>
    /// <param name="all">The backups, the oldest first.</param>
    /// <param name="keep">Rules that count; null for none.</param>
    /// <param name="window">How far back each moment is to be restored; null if it is not.</param>
    /// <param name="now">This machine's clock.</param>
    public static Dictionary<string, string> Staying(IReadOnlyList<StoredBackup> all, Retention? keep, TimeSpan? window, DateTimeOffset now)
    {
        var stays = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var ofOne in all.GroupBy(found => found.Series))
        {
            // What is damaged or incomplete is nothing to rely on, and takes no place of the others.
            var complete = ofOne.Where(found => found.Backup.Status == BackupStatus.Complete).ToList();
            var counted = keep?.Decide(complete.Select(found => new RetentionCandidate { Id = found.Backup.Id, TakenAt = found.Backup.CreatedAt!.Value, Held = found.Backup.Pinned?.Told }), now, window: null).ToDictionary(v => v.Snapshot.Id, v => v.Stays, StringComparer.Ordinal);
            var within = window is { } reach ? Within(complete, reach, now) : [];
            foreach (var found in ofOne)
            {
                var reason = found.Backup.Status switch
                {
                    BackupStatus.Complete => string.Join("; ", new[] { counted is null ? found.Backup.Pinned?.Told : counted[found.Backup.Id], within.GetValueOrDefault(found.Backup.Id) }.OfType<string>()),
                    BackupStatus.Running => "somebody is at it",
                    BackupStatus.Damaged => $"it is damaged, and perhaps not beyond help: {found.Backup.Problem}",
                    _ => "",
                };
                if (reason.Length > 0)
                    stays[found.Backup.Id] = reason;
            }
        }

        // From the newest on: what builds on others is newer than those.
        foreach (var found in all.Where(found => found.Backup.Parent is not null).Reverse())
        {
            if (stays.ContainsKey(found.Backup.Id))
                stays.TryAdd(found.Backup.Parent!, BackupCatalog.Needed(found.Backup.Id));
        }

        return stays;
    }

    // By the clock of the source: whoever asks for a moment means that one. Without a log the window's beginning is shown by the last backup before it, and with one all begins there.
    private static Dictionary<string, string> Within(IEnumerable<StoredBackup> complete, TimeSpan window, DateTimeOffset now)
    {
        var stays = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var found in complete.OrderByDescending(MomentOf).ThenByDescending(found => found.Backup.Id, StringComparer.Ordinal))
        {
            if (MomentOf(found) <= now - window)
            {
                stays[found.Backup.Id] = $"the last {Duration.Format(window)} begin with it";
                break;
            }

            stays[found.Backup.Id] = $"it is of the last {Duration.Format(window)}";
        }

        return stays;

        static DateTimeOffset MomentOf(StoredBackup found) => found.Backup.DataAsOf ?? found.Backup.CreatedAt!.Value;
    }
}
