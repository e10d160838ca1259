using System.Globalization;
using FsCheck;
using FsCheck.Fluent;
using Microsoft.FSharp.Core;
using Pgd.Tests.Tool;
using Xunit;

namespace Pgd.Tests.Snapshots;

/// <summary>Which snapshots stay, by a clock that stands still.</summary>
public sealed class Keeping
{
    private static readonly bool Soak = !string.IsNullOrEmpty(Environment.GetEnvironmentVariable("PGD_SOAK"));
    // In the build always the same ones; in a soak others each time.
    private static readonly Config Runs = Soak ? Config.QuickThrowOnFailure.WithMaxTest(20_000) : Config.QuickThrowOnFailure.WithMaxTest(2_000).WithReplay(new Replay(new(20_260_301, 1), FSharpOption<int>.None));
    private static readonly DateTimeOffset Now = new ManualClock().GetUtcNow();

    [Theory]
    [InlineData("last=2", "11:59 11:10")]
    [InlineData("hourly=2", "11:59 10:30")]
    [InlineData("hourly=3", "11:59 10:30 09:00")]
    [InlineData("daily=2", "11:59 28T23:59")]
    [InlineData("last=1,daily=3", "11:59 28T23:59 27T08:00")]
    // 2026-03-01 is a Sunday: the week before it ends on 2026-02-22.
    [InlineData("weekly=2", "11:59 22T10:00")]
    [InlineData("monthly=3", "11:59 28T23:59 2026-01-31")]
    [InlineData("yearly=2", "11:59 2025-12-31")]
    [InlineData("yearly=9", "11:59 2025-12-31 2024-12-30")]
    [InlineData("last=3,hourly=24,daily=7,weekly=4", "11:59 11:10 10:30 09:00 28T23:59 28T00:00 27T08:00 22T10:00 2026-01-31 2025-12-31 2024-12-30")]
    public void The_newest_of_each_period_stays(string rules, string stays)
    {
        string[] taken = ["2024-12-30", "2025-12-31", "2026-01-31", "2026-02-22T10:00", "2026-02-27T08:00", "2026-02-28T00:00", "2026-02-28T23:59", "2026-03-01T09:00", "2026-03-01T10:30", "2026-03-01T11:10", "2026-03-01T11:59"];

        var kept = Retention.Parse(rules).Decide(taken.Select(t => Taken(t, Moment(t))), Now, null).Where(v => v.Stays is not null).Select(v => v.Snapshot.Id);

        Assert.Equal(stays.Split(' '), kept.Select(id => id.Replace("2026-03-01T", "", StringComparison.Ordinal).Replace("2026-02-", "", StringComparison.Ordinal)));
    }

    [Fact]
    public void Days_keep_what_is_not_older()
    {
        var verdicts = Retention.OfDays(7).Decide([Taken("young", Now.AddDays(-7)), Taken("old", Now.AddDays(-7).AddTicks(-1))], Now, null);

        Assert.Equal(["it is not older than 7 days", null], verdicts.Select(v => v.Stays));
    }

    [Fact]
    public void Periods_are_those_of_UTC()
    {
        // Half past midnight in Berlin is still the day before.
        var verdicts = Retention.Parse("daily=5").Decide([Taken("a", new(2026, 3, 1, 0, 30, 0, TimeSpan.FromHours(1))), Taken("b", new(2026, 2, 28, 23, 0, 0, TimeSpan.FromHours(1)))], Now, null);

        Assert.Equal(["daily", null], verdicts.Select(v => v.Stays));
    }

    [Fact]
    public void A_week_that_two_years_share_is_one_week()
    {
        // Monday and Wednesday of the first week of 2025.
        var verdicts = Retention.Parse("weekly=9").Decide([Taken("a", Moment("2024-12-30")), Taken("b", Moment("2025-01-01"))], Now, null);

        Assert.Equal([("b", "weekly"), ("a", null)], verdicts.Select(v => (v.Snapshot.Id, v.Stays)));
    }

    [Fact]
    public void The_snapshot_that_a_recovery_begins_with_stays_and_while_none_is_old_enough_the_oldest()
    {
        var rules = Retention.Parse("last=1");
        RetentionCandidate[] taken = [Base("a", 10), Base("b", 8), Base("c", 6), Base("d", 1)];

        Assert.Equal(["d", "b"], Staying(rules, taken, TimeSpan.FromDays(7)));
        Assert.Equal(["d", "a"], Staying(rules, taken, TimeSpan.FromDays(30)));
        // What the branch's log does not continue is no base, nor is what is half made.
        Assert.Equal(["d", "a"], Staying(rules, [taken[0], taken[1] with { BaseAt = null }, .. taken[2..]], TimeSpan.FromDays(7)));
        Assert.Equal(["d", "b", "a"], Staying(rules, [taken[0], taken[1] with { IsHalfMade = true }, .. taken[2..]], TimeSpan.FromDays(7)));

        static RetentionCandidate Base(string id, int days) => Taken(id, Now.AddDays(-days)) with { BaseAt = Now.AddDays(-days) };
    }

    [Theory]
    [InlineData("last=3,hourly=24,daily=7,weekly=4", "last=3,hourly=24,daily=7,weekly=4")]
    [InlineData(" yearly = 1 , last=36500 ", "last=36500,yearly=1")]
    public void Rules_are_read(string text, string rules) => Assert.Equal(rules, Retention.Parse(text).ToString());

    [Theory]
    [InlineData("", "\"\" is not a rule for keeping snapshots", "Write rules as")]
    [InlineData("last", "\"last\" is not a rule", "Write rules as")]
    [InlineData("last=1,", "\"\" is not a rule", "Write rules as")]
    [InlineData("last=1=2", "\"last=1=2\" is not a rule", "Write rules as")]
    [InlineData("dayly=7", "there is no rule \"dayly\"", "Did you mean daily=7?")]
    [InlineData("often=7", "there is no rule \"often\"", "Rules: last, hourly")]
    [InlineData("last=0", "\"last=0\" does not say how many", "from 1 to 36500")]
    [InlineData("last=-1", "\"last=-1\" does not say how many", null)]
    [InlineData("last=99999999999", "does not say how many", null)]
    [InlineData("last=1,last=2", "the rule last is there twice", null)]
    public void What_would_keep_nothing_or_something_else_is_refused(string text, string message, string? hint)
    {
        var refused = Assert.Throws<PgdException>(() => Retention.Parse(text));

        Assert.Equal(ExitCode.Misuse, refused.ExitCode);
        Assert.Contains(message, refused.Message, StringComparison.Ordinal);
        Assert.Contains(hint ?? "", refused.Hint, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(36_501)]
    public void Days_have_bounds(int days) => Assert.Equal(ExitCode.Misuse, Assert.Throws<PgdException>(() => Retention.OfDays(days)).ExitCode);

    [Fact]
    public void Nothing_that_is_protected_or_used_or_half_made_ever_goes() => Always(c =>
        Goes(c).All(s => s.Held is null && !s.IsHalfMade));

    [Fact]
    public void What_could_be_recovered_still_can() => Always(c =>
    {
        var (gone, from) = (Goes(c).Select(s => s.Id).ToHashSet(), c.Now - (c.Window ?? TimeSpan.Zero));
        var bases = c.Snapshots.Where(s => !s.IsHalfMade && s.BaseAt <= c.Now).ToList();
        // For each beginning inside the window there was a snapshot to begin with, or there was not.
        return c.Window is null || bases.Select(s => s.BaseAt!.Value).Append(from).Where(t => t >= from)
            .All(t => bases.Any(s => s.BaseAt <= t) == bases.Any(s => s.BaseAt <= t && !gone.Contains(s.Id)));
    });

    [Fact]
    public void The_last_ones_stay() => Always(c =>
    {
        var gone = Goes(c).Select(s => s.Id).ToHashSet();
        return !c.Counts.TryGetValue("last", out var last)
            || c.Snapshots.Where(s => !s.IsHalfMade && s.TakenAt <= c.Now).OrderByDescending(s => s.TakenAt).ThenBy(s => s.Id, StringComparer.Ordinal).Take(last).All(s => !gone.Contains(s.Id));
    });

    [Fact]
    public void More_rules_never_delete_more() => Always(c =>
        !Goes(c with { Counts = new Dictionary<string, int>(c.Counts) { [c.OtherRule] = Math.Max(c.OtherCount, c.Counts.GetValueOrDefault(c.OtherRule)) } }).Except(Goes(c)).Any());

    [Fact]
    public void A_second_time_deletes_nothing() => Always(c =>
        Goes(c with { Snapshots = [.. c.Snapshots.Except(Goes(c))] }).Count == 0);

    [Fact]
    public void The_order_in_which_they_are_given_does_not_matter() => Always(c =>
        Goes(c).SequenceEqual(Goes(c with { Snapshots = [.. c.Snapshots.OrderBy(s => s.GetHashCode())] })));

    [Fact]
    public void A_clock_that_went_back_makes_nothing_go_that_would_have_stayed() => Always(c =>
        c.Window is not null || !Goes(c with { Now = c.Now.AddHours(-c.Back) }).Except(Goes(c)).Any());

    [Fact]
    public void A_snapshot_from_the_future_stays_and_makes_no_other_go() => Always(c =>
    {
        var present = c with { Snapshots = [.. c.Snapshots.Where(s => s.TakenAt <= c.Now)] };
        return Goes(c).SequenceEqual(Goes(present));
    });

    private static void Always(Func<Case, bool> holds) => Prop.ForAll(Cases(), holds).Check(Runs);

    private static List<RetentionCandidate> Goes(Case c) =>
        [.. Retention.Parse(string.Join(',', c.Counts.Select(r => $"{r.Key}={r.Value}"))).Decide(c.Snapshots, c.Now, c.Window).Where(v => v.Stays is null).Select(v => v.Snapshot)];

    private static List<string> Staying(Retention rules, IEnumerable<RetentionCandidate> snapshots, TimeSpan? window) =>
        [.. rules.Decide(snapshots, Now, window).Where(v => v.Stays is not null).Select(v => v.Snapshot.Id)];

    private static Arbitrary<Case> Cases()
    {
        string[] names = ["last", "hourly", "daily", "weekly", "monthly", "yearly"];
        // Minutes, hours, days and years ago, and some from the future; many at the same moment.
        var ago = Gen.OneOf(Gen.Choose(0, 180), Gen.Choose(0, 72).Select(h => h * 60), Gen.Choose(0, 60).Select(d => d * 1440), Gen.Choose(0, 1500).Select(d => d * 1440), Gen.Choose(-100_000, -1));
        var snapshot = from minutes in ago
                       from kind in Gen.Choose(0, 9)
                       from delay in Gen.Choose(0, 30)
                       select Taken("", Now.AddMinutes(-minutes)) with { Held = kind is 0 ? "it is protected" : kind is 1 ? "the data of shop/dev was made from it" : null, IsHalfMade = kind is 2, BaseAt = kind is 3 ? null : Now.AddMinutes(delay - minutes) };
        var generator = from snapshots in snapshot.ListOf()
                        from rules in Gen.NonEmptyListOf(Gen.Elements(names))
                        from counts in Gen.Choose(1, 12).ArrayOf(names.Length)
                        from otherRule in Gen.Elements(names)
                        from otherCount in Gen.Choose(1, 30)
                        from window in Gen.OneOf(Gen.Constant<TimeSpan?>(null), Gen.Choose(1, 24 * 60).Select(h => (TimeSpan?)TimeSpan.FromHours(h)))
                        from back in Gen.Choose(0, 2000)
                        select new Case([.. snapshots.Select((s, i) => s with { Id = i.ToString("x12", CultureInfo.InvariantCulture) })], rules.Distinct().ToDictionary(r => r, r => counts[Array.IndexOf(names, r)]), otherRule, otherCount, window, back, Now);
        return generator.ToArbitrary();
    }

    private static RetentionCandidate Taken(string id, DateTimeOffset at) => new() { Id = id, TakenAt = at };

    private static DateTimeOffset Moment(string text) => DateTimeOffset.Parse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal);

    private sealed record Case(IReadOnlyList<RetentionCandidate> Snapshots, Dictionary<string, int> Counts, string OtherRule, int OtherCount, TimeSpan? Window, int Back, DateTimeOffset Now);
}
