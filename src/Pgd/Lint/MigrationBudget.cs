using System.Globalization;
using Pgd.Configuration;
using Pgd.Tracing;

namespace Pgd.Lint;

/// <summary>What a migration may cost production before somebody has to look at it.</summary>
public sealed record MigrationBudget
{
    /// <summary>The longest that all of it may take; null for any time.</summary>
    public TimeSpan? MaxDuration { get; init; }

    /// <summary>The longest that readers or writers of one table may be held up.</summary>
    public TimeSpan? MaxExclusiveLock { get; init; }

    /// <summary>The most that may be written anew, in bytes.</summary>
    public long? MaxRewriteBytes { get; init; }

    /// <summary>The most write-ahead log, in bytes.</summary>
    public long? MaxWalBytes { get; init; }

    /// <summary>Rules that no statement may break without a waiver, by their ids.</summary>
    public IReadOnlyList<string> Deny { get; init; } = [];

    /// <summary>This budget, with what is given in the place of its own.</summary>
    /// <param name="maxDuration">As people write it: <c>500ms</c> or <c>5m</c>; null for this one's, and so with the others.</param>
    /// <param name="maxExclusiveLock">The same.</param>
    /// <param name="maxRewriteBytes">As people write it: <c>512MB</c>, or <c>0</c>.</param>
    /// <param name="maxWalBytes">The same.</param>
    /// <param name="deny">Rules; they join this one's.</param>
    /// <exception cref="PgdException">One of them is no time and no size, or there is no such rule (<see cref="ExitCode.Misuse"/>).</exception>
    public MigrationBudget With(string? maxDuration, string? maxExclusiveLock, string? maxRewriteBytes, string? maxWalBytes, IReadOnlyList<string> deny)
    {
        var budget = this with
        {
            MaxDuration = maxDuration is null ? MaxDuration : ParseTime(maxDuration),
            MaxExclusiveLock = maxExclusiveLock is null ? MaxExclusiveLock : ParseTime(maxExclusiveLock),
            MaxRewriteBytes = maxRewriteBytes is null ? MaxRewriteBytes : ParseBytes(maxRewriteBytes),
            MaxWalBytes = maxWalBytes is null ? MaxWalBytes : ParseBytes(maxWalBytes),
            Deny = [.. Deny.Union(deny, StringComparer.Ordinal)],
        };
        budget.Check();
        return budget;
    }

    /// <summary>Refuses rules that there are not: a mistyped one would deny nothing.</summary>
    /// <exception cref="PgdException">There is no such rule (<see cref="ExitCode.Misuse"/>).</exception>
    public void Check()
    {
        foreach (var id in Deny)
            Rule.Parse(id);
    }

    internal static TimeSpan ParseTime(string text) =>
        text.EndsWith("ms", StringComparison.Ordinal) && long.TryParse(text.AsSpan(0, text.Length - 2), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? TimeSpan.FromMilliseconds(number)
        : Configuration.Duration.Parse(text);

    internal static long ParseBytes(string text) => text == "0" ? 0 : MemorySize.Parse(text);

    internal IReadOnlyList<ExceededBudget> Exceeded(MigrationTrace trace, IReadOnlyList<LintFinding> findings)
    {
        var exceeded = new List<ExceededBudget>();
        Hold("max-duration", trace.Duration, MaxDuration, "the migration");
        Hold("max-exclusive-lock", trace.LongestBlocking, MaxExclusiveLock, trace.WorstLock?.Relation ?? "");
        var rewrites = trace.Statements.SelectMany(s => s.Rewrites).ToList();
        HoldBytes("max-rewrite-bytes", rewrites.Sum(r => r.Bytes), MaxRewriteBytes, string.Join(", ", rewrites.Select(r => r.Relation).Distinct()));
        HoldBytes("max-wal-bytes", trace.WalBytes, MaxWalBytes, "the migration");
        exceeded.AddRange(findings.Where(f => f.WaivedBecause is null && Deny.Contains(f.Rule)).Select(f => new ExceededBudget("deny", f.Rule, f.Message, f.Place)));
        // Where nothing could be seen, nothing says that it was within its budget.
        if (trace is { Statements.Count: 0, Gaps.Count: > 0 } && (MaxDuration is not null || MaxExclusiveLock is not null || MaxRewriteBytes is not null || MaxWalBytes is not null || Deny.Count > 0))
            exceeded.Add(new("any", "known", "it is not known what the migration did", trace.Gaps[0]));

        return exceeded;

        void Hold(string name, TimeSpan actual, TimeSpan? limit, string where)
        {
            if (limit is { } most && actual > most)
                exceeded.Add(new(name, Measured.Time(most), $"{Measured.Time(actual)}, {Measured.Time(actual - most)} too long", where));
        }

        void HoldBytes(string name, long actual, long? limit, string where)
        {
            if (limit is { } most && actual > most)
                exceeded.Add(new(name, Measured.Size(most), $"{Measured.Size(actual)}, {Measured.Size(actual - most)} too much", where));
        }
    }
}

/// <summary>A budget that a migration exceeded.</summary>
/// <param name="Name">Which: <c>max-duration</c>, <c>max-exclusive-lock</c>, <c>max-rewrite-bytes</c>, <c>max-wal-bytes</c> or <c>deny</c>; <c>any</c> where it could not be seen.</param>
/// <param name="Limit">What it allows; for <c>deny</c> the rule.</param>
/// <param name="Actual">What it came to.</param>
/// <param name="Where">The table, file or statement.</param>
public sealed record ExceededBudget(string Name, string Limit, string Actual, string Where);
