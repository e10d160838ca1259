using System.Globalization;
using Pgd.Configuration;

namespace Pgd;

/// <summary>
/// Which snapshots of a branch stay: <c>last=3,hourly=24,daily=7,weekly=4,monthly=12,yearly=2</c>, or those of the last days. Of each hour, day, ISO week, … the newest
/// stays, for as many of them as are said and have one, in UTC. What any rule keeps, stays. A value of this type always keeps something.
/// </summary>
public sealed class Retention
{
    /// <summary>The most that a rule may keep, and the most days: more is a typing error.</summary>
    public const int Most = 36_500;

    private static readonly (string Name, Func<DateTime, long> Period)[] Periods =
    [
        ("hourly", at => at.Ticks / TimeSpan.TicksPerHour),
        ("daily", at => at.Ticks / TimeSpan.TicksPerDay),
        ("weekly", at => (ISOWeek.GetYear(at) * 100L) + ISOWeek.GetWeekOfYear(at)),
        ("monthly", at => (at.Year * 100L) + at.Month),
        ("yearly", at => at.Year),
    ];

    private static readonly string[] Names = ["last", .. Periods.Select(p => p.Name)];

    private readonly IReadOnlyDictionary<string, int> _counts;
    private readonly int? _days;

    private Retention(IReadOnlyDictionary<string, int> counts, int? days) => (_counts, _days) = (counts, days);

    /// <summary>What scheduled snapshots are kept by unless the configuration says otherwise.</summary>
    public static Retention Default { get; } = Parse("last=3,hourly=24,daily=7,weekly=4");

    /// <summary>Reads rules.</summary>
    /// <exception cref="PgdException">The text is none, or would keep nothing (<see cref="ExitCode.Misuse"/>).</exception>
    public static Retention Parse(string rules)
    {
        ArgumentNullException.ThrowIfNull(rules);
        var counts = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var rule in rules.Split(','))
        {
            if (rule.Split('=') is not [var left, var right])
                throw new PgdException(ExitCode.Misuse, $"\"{rule.Trim()}\" is not a rule for keeping snapshots", "Write rules as NAME=NUMBER, for example last=3,hourly=24,daily=7,weekly=4.");
            var (name, number) = (left.Trim(), right.Trim());
            if (!Names.Contains(name))
                throw new PgdException(ExitCode.Misuse, $"there is no rule \"{name}\" for keeping snapshots", Spelling.Nearest(name, Names) is { } nearest ? $"Did you mean {nearest}={number}?" : $"Rules: {string.Join(", ", Names)}.");
            if (!int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var count) || count is < 1 or > Most)
                throw new PgdException(ExitCode.Misuse, $"\"{name}={number}\" does not say how many to keep", $"Write a number from 1 to {Most}, or leave the rule out.");
            if (!counts.TryAdd(name, count))
                throw new PgdException(ExitCode.Misuse, $"the rule {name} is there twice", "Write it once.");
        }

        return new(counts, null);
    }

    /// <summary>Keeps what is not older than that.</summary>
    /// <exception cref="PgdException">It is not from 1 to <see cref="Most"/> days (<see cref="ExitCode.Misuse"/>).</exception>
    public static Retention OfDays(int days) => days is >= 1 and <= Most ? new(new Dictionary<string, int>(), days)
        : throw new PgdException(ExitCode.Misuse, $"snapshots cannot be kept for {days} days", $"Write a number from 1 to {Most}.");

    /// <inheritdoc/>
    public override string ToString() => _days is { } days ? $"{days} days" : string.Join(',', Names.Where(_counts.ContainsKey).Select(name => string.Create(CultureInfo.InvariantCulture, $"{name}={_counts[name]}")));

    /// <summary>Says of each snapshot of one branch whether it stays. It depends on nothing else, and not on their order.</summary>
    /// <param name="snapshots">All of those that the rules are about.</param>
    /// <param name="now">This machine's clock.</param>
    /// <param name="window">How far back each moment is to be reachable; null if it is not.</param>
    /// <returns>The newest first.</returns>
    internal IReadOnlyList<RetentionVerdict> Decide(IEnumerable<RetentionCandidate> snapshots, DateTimeOffset now, TimeSpan? window)
    {
        var all = snapshots.OrderByDescending(s => s.TakenAt).ThenBy(s => s.Id, StringComparer.Ordinal).Select(s => (Snapshot: s, Reasons: new List<string>())).ToList();
        // What is half made is nothing to rely on. What is from the future was taken when the clock was another one: it stays, and takes nobody's place.
        var past = all.Where(s => !s.Snapshot.IsHalfMade && s.Snapshot.TakenAt <= now).ToList();
        foreach (var (snapshot, reasons) in all)
        {
            if (snapshot.Held is { } held)
                reasons.Add(held);
            if (snapshot.IsHalfMade)
                reasons.Add("it is half made, or half deleted");
            else if (snapshot.TakenAt > now)
                reasons.Add("it was taken in the future, by this machine's clock");
        }

        foreach (var (_, reasons) in past.Take(_counts.GetValueOrDefault("last")))
            reasons.Add("last");
        foreach (var (name, period) in Periods)
        {
            var (left, previous) = (_counts.GetValueOrDefault(name), long.MinValue);
            foreach (var (snapshot, reasons) in past)
            {
                var current = period(snapshot.TakenAt.UtcDateTime);
                if (current == previous)
                    continue;
                if (left-- == 0)
                    break;
                reasons.Add(name);
                previous = current;
            }
        }

        if (_days is { } days)
        {
            foreach (var (_, reasons) in past.Where(s => s.Snapshot.TakenAt >= now.AddDays(-days)))
                reasons.Add($"it is not older than {days} {(days == 1 ? "day" : "days")}");
        }

        if (window is { } reach)
        {
            // Recovery begins with a snapshot and goes forward. As long as none is that old, the oldest reaches furthest: without it the window would never fill.
            var bases = past.Where(s => s.Snapshot.BaseAt <= now).OrderByDescending(s => s.Snapshot.BaseAt).ThenBy(s => s.Snapshot.Id, StringComparer.Ordinal).ToList();
            var needed = bases.FindIndex(s => s.Snapshot.BaseAt <= now - reach);
            if (bases.Count > 0)
                bases[needed >= 0 ? needed : ^1].Reasons.Add($"each moment of the last {Duration.Format(reach)} is reached from it");
        }

        return [.. all.Select(s => new RetentionVerdict(s.Snapshot, s.Reasons.Count == 0 ? null : string.Join("; ", s.Reasons)))];
    }
}

/// <summary>What the rules ask of a snapshot.</summary>
internal sealed record RetentionCandidate
{
    public required string Id { get; init; }

    public required DateTimeOffset TakenAt { get; init; }

    /// <summary>From which moment on its branch can be recovered with it; null if the branch's log does not continue it.</summary>
    public DateTimeOffset? BaseAt { get; init; }

    /// <summary>Why it stays whatever the rules say: it is protected, or in use.</summary>
    public string? Held { get; init; }

    public bool IsHalfMade { get; init; }
}

/// <summary>What becomes of a snapshot.</summary>
/// <param name="Snapshot">The snapshot.</param>
/// <param name="Stays">Why it stays; null if it goes.</param>
internal sealed record RetentionVerdict(RetentionCandidate Snapshot, string? Stays);
