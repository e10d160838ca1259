using System.Globalization;

namespace Pgd.Backups;

/// <summary>
/// The column by which rows say when they were changed last, such as <c>updated_at</c>. What changes in a row without it is not seen, so it is for where rows do not tell by themselves: MariaDB and MySQL,
/// and standbys of PostgreSQL. Rows that are gone, and rows whose time is another old one, are found by comparing keys and times.
/// </summary>
public sealed record ChangedBy
{
    /// <summary>The column's name. Tables without it are backed up as a whole.</summary>
    public required string Column { get; init; }

    /// <summary>The zone of columns that have none: MariaDB's <c>datetime</c>, PostgreSQL's <c>timestamp</c>; null to refuse those.</summary>
    public TimeZoneInfo? Zone { get; init; }

    /// <summary>How long before it was committed a change may have got its time, where that cannot be asked: of a standby or replica, for a role that may not see others, after a transaction was prepared.</summary>
    public TimeSpan? Margin { get; init; }

    /// <summary>The lowest time that a row may have which a backup of this moment does not have yet.</summary>
    /// <param name="times">The server's clock, and when those began who were at work then.</param>
    // A second more for what began at that very moment and is not shown yet, and whole seconds, because a column may have no others.
    internal DateTimeOffset LowWatermark(params IEnumerable<DateTimeOffset?> times)
    {
        var lowest = times.OfType<DateTimeOffset>().Min() - TimeSpan.FromSeconds(1) - (Margin ?? TimeSpan.Zero);
        return DateTimeOffset.FromUnixTimeSeconds(lowest.ToUnixTimeSeconds() - (lowest < DateTimeOffset.UnixEpoch ? 1 : 0));
    }

    /// <summary>A moment as a column shows it, or an earlier one where a clock on the wall may show a later moment as an earlier one.</summary>
    /// <param name="watermark">The moment.</param>
    /// <param name="type">What the column knows.</param>
    /// <param name="now">Until when it was written.</param>
    internal string Shown(DateTimeOffset watermark, TimeOfChange type, DateTimeOffset now) => type switch
    {
        TimeOfChange.Moment => Text(watermark.UtcDateTime, "yyyy-MM-dd HH:mm:ss"),
        TimeOfChange.Clock => Text(watermark.UtcDateTime + LowestOffset(Zone ?? throw new InvalidOperationException("there is no zone"), watermark, now), "yyyy-MM-dd HH:mm:ss"),
        // Nowhere is it an earlier day than twelve hours west.
        _ => Text(watermark.UtcDateTime + (Zone is null ? TimeSpan.FromHours(-12) : LowestOffset(Zone, watermark, now)), "yyyy-MM-dd"),
    };

    /// <exception cref="PgdException">The column is of another type (<see cref="ExitCode.Unsafe"/>), or has no zone and none is given (<see cref="ExitCode.Misuse"/>).</exception>
    internal TimeOfChange TypeOf(string table, string type, bool isGenerated)
    {
        TimeOfChange? known = type switch
        {
            "timestamptz" => TimeOfChange.Moment,
            "timestamp" or "datetime" => TimeOfChange.Clock,
            "date" => TimeOfChange.Day,
            _ => null,
        };
        // A number would have to be compared with one that a transaction has not written yet.
        if (known is not { } found || isGenerated)
            throw new PgdException(ExitCode.Unsafe, $"{table}.{Column} is {(isGenerated ? "computed from other columns" : type)}, which does not say when a row was changed", "Name a column with the time of the last change (timestamp, datetime, timestamptz, date), or leave that table out: --exclude-table NAME");
        if (found == TimeOfChange.Clock && Zone is null)
            throw new PgdException(ExitCode.Misuse, $"{table}.{Column} is {type}, which has no time zone", "Say in which one its times are: --changed-zone UTC, --changed-zone Europe/Berlin");
        return found;
    }

    /// <exception cref="PgdException">No table has the column (<see cref="ExitCode.NotFound"/>).</exception>
    internal void RequireSome(string source, bool some)
    {
        if (!some)
            throw new PgdException(ExitCode.NotFound, $"no table of {source} that is meant has a column {Column}", "Name the one that says when a row was changed last, such as --changed-by updated_at.");
    }

    /// <summary>What is said about it once.</summary>
    internal string Warning(IReadOnlyList<string> wholeTables) =>
        $"what changes in a row without its {Column} is not seen" + (wholeTables.Count == 0 ? "" : $"; as a whole, for want of that column or a primary key: {string.Join(", ", wholeTables.Take(10))}{(wholeTables.Count > 10 ? $" and {wholeTables.Count - 10} more" : "")}");

    /// <summary>Why nothing can be built by this column on a backup; null if something can.</summary>
    /// <param name="earlier">The backup, whose log was read after its moment.</param>
    /// <param name="log">Where the server's log ended before the later moment.</param>
    internal string? WhyNot(BackupManifest earlier, string? log) =>
        earlier.Database!.ChangedBy is not { } by ? $"{earlier.Id} was made without --changed-by"
        : !by.Column.Equals(Column, StringComparison.Ordinal) ? $"{earlier.Id} was made by the column {by.Column}"
        : Position(earlier.Lsn) > Position(log) ? $"{earlier.Id} shows a later moment: it was made meanwhile, or its source was restored"
        : null;

    // PostgreSQL writes two numbers, MariaDB one.
    private static ulong Position(string? log) => log?.Split('/') switch
    {
        [var high, var low] => (ulong.Parse(high, NumberStyles.HexNumber, CultureInfo.InvariantCulture) << 32) + ulong.Parse(low, NumberStyles.HexNumber, CultureInfo.InvariantCulture),
        [var all] => ulong.Parse(all, CultureInfo.InvariantCulture),
        _ => 0,
    };

    // When clocks are put back, later moments have earlier times: the lowest that they ever showed since is on the safe side.
    private static TimeSpan LowestOffset(TimeZoneInfo zone, DateTimeOffset since, DateTimeOffset now)
    {
        var lowest = zone.GetUtcOffset(since);
        for (var at = since; at < now.AddDays(1); at = at.AddHours(1))
            lowest = zone.GetUtcOffset(at) is var offset && offset < lowest ? offset : lowest;
        return lowest;
    }

    private static string Text(DateTime time, string form) => time.ToString(form, CultureInfo.InvariantCulture);
}

/// <summary>What a column knows of a change.</summary>
internal enum TimeOfChange
{
    /// <summary>The moment.</summary>
    Moment,

    /// <summary>What the clock showed somewhere.</summary>
    Clock,

    /// <summary>The day, there.</summary>
    Day,
}

/// <summary>By which column later backups can build on one.</summary>
/// <param name="Column">The column.</param>
/// <param name="LowWatermark">The lowest time that a row may have which the backup does not have yet.</param>
internal sealed record ChangedSince(string Column, DateTimeOffset LowWatermark);
