using System.Globalization;
using Npgsql;

namespace Pgd.Postgres;

/// <summary>
/// PostgreSQL's non-exclusive backup around a copy that is not atomic: start, copy, stop, all in one held connection, because a backup
/// ends with the session that began it. A temporary slot keeps the needed write-ahead log from being recycled, and goes with the session too.
/// </summary>
/// <remarks>https://www.postgresql.org/docs/current/continuous-archiving.html#BACKUP-LOWLEVEL-BASE-BACKUP</remarks>
internal sealed class BackupBracket
{
    private readonly AdminConnection _connection;
    private readonly int _major;
    /// <summary>How the names of our slots begin.</summary>
    public const string SlotPrefix = "pgd_";

    private readonly string _slot;

    private BackupBracket(AdminConnection connection, int major, string slot)
    {
        _connection = connection;
        _major = major;
        _slot = slot;
    }

    public static async Task<BackupBracket> StartAsync(AdminConnection connection, int major, BranchName source, string label, CancellationToken cancellationToken)
    {
        if (connection.Scalar("show wal_level", cancellationToken) == "minimal")
        {
            throw new PgdException(ExitCode.Unsafe, $"{source} runs with wal_level=minimal, so a copy of its files cannot be made consistent while it runs",
                $"Stop it first (dotnet pgd stop {source}), or set wal_level=replica and restart it.");
        }

        var slot = $"{SlotPrefix}{Guid.NewGuid():N}";
        try
        {
            // Immediately reserved: a slot without a position would hold nothing.
            connection.Execute($"select pg_create_physical_replication_slot('{slot}', true, true)", cancellationToken);
        }
        catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.ConfigurationLimitExceeded or PostgresErrorCodes.ObjectNotInPrerequisiteState)
        {
            throw new PgdException(ExitCode.Unsafe, $"{source} has no replication slot left for the copy: {e.MessageText}", "Raise its max_replication_slots, or drop a slot that nothing uses (pg_replication_slots).", e);
        }

        var start = major >= 15 ? $"pg_backup_start('{label}', true)" : $"pg_start_backup('{label}', true, false)";
        try
        {
            await connection.ExecuteAsync($"select {start}", cancellationToken).ConfigureAwait(false);
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.ObjectNotInPrerequisiteState)
        {
            // A standby cannot do anything about what its primary leaves out of the log.
            throw new PgdException(ExitCode.Unsafe, $"{source} cannot be copied while it runs: {e.MessageText}", $"Stop it first: dotnet pgd stop {source}", e);
        }

        return new(connection, major, slot);
    }

    /// <summary>Ends the backup. The write-ahead log from the start to here makes the copy consistent.</summary>
    public async Task<BackupEnd> StopAsync(CancellationToken cancellationToken)
    {
        var stop = _major >= 15 ? "pg_backup_stop(false)" : "pg_stop_backup(false, false)";
        var at = DateTimeOffset.UtcNow;
        // A standby's backup ends with what its files have, and it has replayed more than that.
        var row = (await _connection.QueryAsync($"select (case when pg_is_in_recovery() then greatest(lsn, pg_last_wal_replay_lsn()) else lsn end)::text, labelfile, spcmapfile, current_setting('wal_segment_size') from {stop}", cancellationToken).ConfigureAwait(false))[0];
        // The server would name the last file as well, if it is no standby.
        return BackupEnd.StartFileIn(row[1]!) is { } first && Lsn.TryParse(row[0], out var end) && SegmentBytes(row[3]!) is var bytes
            ? new(at, row[1]!, string.IsNullOrEmpty(row[2]) ? null : row[2], Segments(first, LastFile(first, end, bytes), bytes))
            : throw new PgdException(ExitCode.Failed, $"the server's label of the backup is of a form that this version does not know: {row[1]}");
    }

    /// <summary>Lets the source recycle its write-ahead log again. The end of the session would do so too, a moment later.</summary>
    public void Release(CancellationToken cancellationToken) => _connection.Execute($"select pg_drop_replication_slot('{_slot}')", cancellationToken);

    // What ends where a segment begins is in the one before it.
    private static string LastFile(string first, ulong end, long segmentBytes)
    {
        var (number, perLog) = ((end - 1) / (ulong)segmentBytes, (ulong)(0x1_0000_0000 / segmentBytes));
        return string.Create(CultureInfo.InvariantCulture, $"{first[..8]}{number / perLog:X8}{number % perLog:X8}");
    }

    /// <summary>The names of all segments from one to another, both included.</summary>
    internal static IReadOnlyList<string> Segments(string first, string last, long segmentBytes)
    {
        var perLog = 0x1_0000_0000 / segmentBytes;
        var (from, to) = (Number(first), Number(last));
        return [.. Enumerable.Range(0, (int)(to - from + 1)).Select(i => from + i)
            .Select(n => string.Create(CultureInfo.InvariantCulture, $"{first[..8]}{n / perLog:X8}{n % perLog:X8}"))];

        long Number(string name) => (long.Parse(name.AsSpan(8, 8), NumberStyles.HexNumber, CultureInfo.InvariantCulture) * perLog) + long.Parse(name.AsSpan(16, 8), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
    }

    // The server prints it with a unit: 16MB, 1GB.
    private static long SegmentBytes(string text) => long.Parse(text[..^2], CultureInfo.InvariantCulture) * (text.EndsWith("GB", StringComparison.Ordinal) ? 1L << 30 : 1L << 20);
}

/// <summary>What a copy needs to recover: the label, the map of tablespaces, and these segments. It then shows the moment <paramref name="At"/>.</summary>
internal sealed record BackupEnd(DateTimeOffset At, string Label, string? TablespaceMap, IReadOnlyList<string> Segments)
{
    /// <summary>The file of the write-ahead log that recovery from a label begins in.</summary>
    public static string? StartFileIn(string label) => label.Split('\n')[0].Split("(file ") is [_, { Length: > 24 } rest] && rest[24] == ')' ? rest[..24] : null;

    /// <summary>Where recovery from a label begins: <c>START WAL LOCATION: 0/2000028 (file …)</c>.</summary>
    public static ulong? StartIn(string label) => label.Split('\n')[0].Split(' ') is ["START", "WAL", "LOCATION:", var position, ..] && Lsn.TryParse(position, out var start) ? start : null;
}
