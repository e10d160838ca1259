using FsCheck;
using FsCheck.Fluent;
using Pgd.Postgres;
using Pgd.Recovery;
using Xunit;

namespace Pgd.Tests.Recovery;

public sealed class ArchiveSelection
{
    private const ulong SegmentSize = 16 << 20;
    private static readonly DateTimeOffset Now = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public void A_cleanup_never_takes_what_a_snapshot_needs_or_what_is_young_or_a_history_whatever_there_is()
    {
        Prop.ForAll(File().ListOf().Zip(Gen.Choose(0, 60).ListOf()).Zip(Gen.Choose(0, 60)).ToArbitrary(), input =>
        {
            var ((there, needs), days) = input;
            var (first, before) = (needs.Count == 0 ? ulong.MaxValue : (ulong)needs.Min(), Now.AddDays(-days));

            var gone = ArchiveChain.Removable(there, SegmentSize, first, before).ToHashSet(ReferenceEqualityComparer.Instance);

            // From its first part on, each snapshot has all that it had.
            Assert.All(there.Where(f => f.Segment is not null && needs.Exists(n => NumberOf(f) >= (ulong)n)), f => Assert.DoesNotContain(f, gone));
            Assert.All(there.Where(f => f.At >= before || f.Kind == ArchivedKind.History), f => Assert.DoesNotContain(f, gone));
            // And nothing else stays.
            Assert.All(there.Where(f => f.At < before && f.Kind != ArchivedKind.History && NumberOf(f) < first), f => Assert.Contains(f, gone));
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void A_cleanup_that_is_interrupted_has_made_no_gap_because_the_oldest_go_first()
    {
        Prop.ForAll(File().ListOf().ToArbitrary(), there =>
        {
            var order = ArchiveChain.Removable(there, SegmentSize, 50, Now).Select(NumberOf).ToList();
            Assert.Equal(order.Order(), order);
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void Gaps_are_all_that_is_missing_between_the_first_and_the_last()
    {
        Prop.ForAll(Gen.Choose(0, 80).ListOf().ToArbitrary(), numbers =>
        {
            var present = numbers.Select(n => (ulong)n).ToHashSet();
            var missing = ArchiveChain.Gaps(present).SelectMany(g => Enumerable.Range((int)g.First, (int)(g.Last - g.First + 1))).Select(n => (ulong)n);

            Assert.Equal(present.Count == 0 ? [] : Enumerable.Range((int)present.Min(), (int)(present.Max() - present.Min() + 1)).Select(n => (ulong)n).Except(present), missing);
        }).QuickCheckThrowOnFailure();
    }

    [Theory]
    [InlineData("0000000100000000000000A1", "Segment")]
    [InlineData("0000000100000000000000A1.given-up", "GivenUp")]
    [InlineData("0000000100000000000000A1.00000028.backup", "Label")]
    [InlineData("0000000100000000000000A1.partial", "Label")]
    [InlineData("00000002.history", "History")]
    [InlineData(".pgd", null)]
    [InlineData(".0000000100000000000000A1.4711.new", null)]
    [InlineData("0000000100000000000000a1", null)]
    [InlineData("0000000100000000000000A1.old", null)]
    [InlineData("lost+found", null)]
    public void What_a_file_is_follows_from_its_name_and_what_is_nobodys_is_never_touched(string name, string? kind) => Assert.Equal(kind, ArchivedFile.KindOf(name)?.ToString());

    private static Gen<ArchivedFile> File() =>
        from number in Gen.Choose(0, 60)
        from timeline in Gen.Choose(1, 3)
        from age in Gen.Choose(-2, 70)
        from kind in Gen.Elements(ArchivedKind.Segment, ArchivedKind.Segment, ArchivedKind.Segment, ArchivedKind.History, ArchivedKind.Label, ArchivedKind.GivenUp)
        let segment = new LogSegment((uint)timeline, (ulong)number).Name(SegmentSize)
        let name = kind switch { ArchivedKind.History => $"{timeline:X8}.history", ArchivedKind.Label => $"{segment}.00000028.backup", ArchivedKind.GivenUp => $"{segment}.given-up", _ => segment }
        select new ArchivedFile(name, name, 1, Now.AddDays(-age), kind, IsCompressed: true);

    private static ulong NumberOf(ArchivedFile file) => LogSegment.Parse(file.Segment!, SegmentSize).Number;
}
