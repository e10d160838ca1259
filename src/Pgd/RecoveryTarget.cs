using System.Globalization;
using System.Text.RegularExpressions;
using Pgd.Postgres;

namespace Pgd;

/// <summary>A moment in the past of a branch.</summary>
public sealed partial record RecoveryTarget
{
    private RecoveryTarget(string text) => Text = text;

    internal static List<string> Kinds { get; } = ["time", "lsn", "transaction", "restorePoint"];

    /// <summary>How a record calls it, one of <see cref="Kinds"/>.</summary>
    internal string Kind => Kinds[Time is not null ? 0 : Position is not null ? 1 : Transaction is not null ? 2 : 3];

    /// <summary>What a record says of it.</summary>
    internal string Value => Time?.ToString("O", CultureInfo.InvariantCulture) ?? (Position is { } position ? Lsn.Format(position) : Transaction?.ToString(CultureInfo.InvariantCulture) ?? RestorePoint!);

    /// <summary>As people read it, for example <c>2026-03-01 12:00:00Z</c> or <c>transaction 745</c>.</summary>
    public string Text { get; }

    internal DateTimeOffset? Time { get; private init; }

    internal ulong? Position { get; private init; }

    internal uint? Transaction { get; private init; }

    internal string? RestorePoint { get; private init; }

    /// <summary>All that was committed up to a time, that moment included, by the clock of the branch's server.</summary>
    public static RecoveryTarget AtTime(DateTimeOffset time) =>
        new(time.ToUniversalTime().ToString("yyyy-MM-dd HH:mm:ss.FFFFFF'Z'", CultureInfo.InvariantCulture)) { Time = time };

    /// <summary>All that was written before a position of the write-ahead log, as <c>pg_current_wal_lsn()</c> tells it.</summary>
    /// <exception cref="PgdException">It is none (<see cref="ExitCode.Misuse"/>).</exception>
    public static RecoveryTarget AtLsn(string text) => Lsn.TryParse(text, out var position)
        ? new($"position {Lsn.Format(position)}") { Position = position }
        : throw new PgdException(ExitCode.Misuse, $"\"{text}\" is no position in the write-ahead log", "Write it as pg_current_wal_lsn() does, for example 0/3000028.");

    /// <summary>A transaction, and all that was committed before it, as <c>pg_current_xact_id()</c> tells its number.</summary>
    /// <exception cref="PgdException">It is no number (<see cref="ExitCode.Misuse"/>).</exception>
    public static RecoveryTarget AtTransaction(string text) =>
        // The log has the lower half alone; the upper one counts how often that was used up.
        ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && (uint)number >= 3
            ? new($"transaction {text}") { Transaction = (uint)number }
            : throw new PgdException(ExitCode.Misuse, $"\"{text}\" is no number of a transaction", "Write it as pg_current_xact_id() does, for example 745.");

    /// <summary>The last restore point of that name, as <c>pg_create_restore_point('name')</c> made it.</summary>
    /// <exception cref="PgdException">It cannot be one (<see cref="ExitCode.Misuse"/>).</exception>
    public static RecoveryTarget AtRestorePoint(string name) => PossibleName().IsMatch(name)
        ? new($"restore point {name}") { RestorePoint = name }
        : throw new PgdException(ExitCode.Misuse, $"\"{name}\" cannot be the name of a restore point", "It has 1 to 63 bytes, as it was given to pg_create_restore_point.");

    internal static RecoveryTarget Of(string kind, string value) => Kinds.IndexOf(kind) switch
    {
        0 => AtTime(DateTimeOffset.Parse(value, CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind)),
        1 => AtLsn(value),
        2 => AtTransaction(value),
        _ => AtRestorePoint(value),
    };

    /// <inheritdoc/>
    public override string ToString() => Text;

    [GeneratedRegex(@"\A[^\p{Cc}]{1,63}\z")]
    private static partial Regex PossibleName();
}
