using System.Globalization;
using Pgd.Postgres;
using Pgd.State;

namespace Pgd.Recovery;

/// <summary>How to get to a moment in the past: the snapshot or backup to begin with, and how far to go from there. Found in the log itself, before anything is made.</summary>
internal sealed record RecoveryPlan : IDisposable
{
    public required RecoveryTarget Target { get; init; }

    /// <summary>The snapshot; null for a backup.</summary>
    public required SnapshotRecord? Base { get; init; }

    /// <summary>The folder with the parts of the log that are needed; the plan's until it was carried out.</summary>
    public required string Folder { get; init; }

    /// <summary>The record to stop at.</summary>
    public required ulong Stop { get; init; }

    /// <summary>Whether that one still belongs to it.</summary>
    public required bool Inclusive { get; init; }

    /// <summary>The end of the last record that belongs to it.</summary>
    public required ulong End { get; init; }

    /// <summary>The last transaction that belongs to it; null if there was none since the snapshot's own log began.</summary>
    public required DateTimeOffset? LastCommit { get; init; }

    public required uint Timeline { get; init; }

    /// <summary>Whether the snapshot itself shows that moment.</summary>
    public required bool IsSnapshot { get; init; }

    /// <summary>Removes what was gathered for it, unless it was used.</summary>
    public void Dispose()
    {
        if (Directory.Exists(Folder))
            Directory.Delete(Folder, recursive: true);
    }

    /// <summary>The settings of a server that goes there, and becomes a primary of its own.</summary>
    /// <param name="folder">Where its log is by then.</param>
    public Dictionary<string, string> Settings(string folder)
    {
        const string position = "recovery_target_lsn";
        // After the others: a server takes even an empty target after another one for a second one.
        var settings = new Dictionary<string, string>(ServerSettings.Promotion().Where(s => s.Key != position)) { [position] = Lsn.Format(Stop) };
        settings["recovery_target_inclusive"] = Inclusive ? "on" : "off";
        // Never "latest": a history that somebody else's recovery left would lead away.
        settings["recovery_target_timeline"] = Timeline.ToString(CultureInfo.InvariantCulture);
        // What is not there was not asked for in vain: the server looks for histories of later timelines.
        var quoted = $"'{folder.Replace("'", @"'\''", StringComparison.Ordinal).Replace("%", "%%", StringComparison.Ordinal)}/%f'";
        settings["restore_command"] = $"test -f {quoted} && cp {quoted} \"%p\"";
        return settings;
    }
}
