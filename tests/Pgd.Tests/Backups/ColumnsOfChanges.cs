using System.Globalization;
using Pgd.Backups;
using Pgd.Configuration;
using Xunit;

namespace Pgd.Tests.Backups;

public sealed class ColumnsOfChanges
{
    [Theory]
    [InlineData("2026-10-25T00:50:00Z", "UTC", nameof(TimeOfChange.Clock), "2026-10-25 00:50:00")]
    [InlineData("2026-07-01T00:50:00Z", "Europe/Berlin", nameof(TimeOfChange.Clock), "2026-07-01 02:50:00")]
    // Ten minutes later the clocks there are put back to two.
    [InlineData("2026-10-25T00:50:00Z", "Europe/Berlin", nameof(TimeOfChange.Clock), "2026-10-25 01:50:00")]
    [InlineData("2026-03-29T00:50:00Z", "Europe/Berlin", nameof(TimeOfChange.Clock), "2026-03-29 01:50:00")]
    [InlineData("2026-10-25T00:50:00Z", "Europe/Berlin", nameof(TimeOfChange.Moment), "2026-10-25 00:50:00")]
    [InlineData("2026-07-01T23:30:00Z", "Europe/Berlin", nameof(TimeOfChange.Day), "2026-07-02")]
    [InlineData("2026-07-01T11:30:00Z", null, nameof(TimeOfChange.Day), "2026-06-30")]
    public void A_column_never_shows_an_earlier_time_after_the_moment(string moment, string? zone, string type, string shown)
    {
        var at = DateTimeOffset.Parse(moment, CultureInfo.InvariantCulture);
        var by = new ChangedBy { Column = "c", Zone = zone is null ? null : Moment.Zone(zone) };

        Assert.Equal(shown, by.Shown(at, Enum.Parse<TimeOfChange>(type), at.AddHours(1)));
    }

    [Theory]
    [InlineData(null, "2026-01-01T09:59:58Z")]
    [InlineData("1h", "2026-01-01T08:59:58Z")]
    public void What_is_not_in_a_backup_yet_is_as_old_as_the_oldest_who_was_at_work(string? margin, string expected)
    {
        var by = new ChangedBy { Column = "c", Margin = margin is null ? null : Duration.Parse(margin) };

        Assert.Equal(DateTimeOffset.Parse(expected, CultureInfo.InvariantCulture), by.LowWatermark(At("10:00:05.5"), null, At("09:59:59.9")));

        static DateTimeOffset At(string time) => DateTimeOffset.Parse($"2026-01-01T{time}Z", CultureInfo.InvariantCulture);
    }

    [Theory]
    [InlineData("c", "0/A0", "0/A0", null)]
    [InlineData("c", "0/A1", "0/A0", "later moment")]
    [InlineData("c", "1/0", "0/FFFFFFFF", "later moment")]
    [InlineData("c", "99", "100", null)]
    [InlineData("c", "101", "100", "later moment")]
    [InlineData("other", "99", "100", "by the column other")]
    [InlineData(null, "99", "100", "without --changed-by")]
    public void Only_an_earlier_backup_by_the_same_column_is_built_on(string? column, string log, string now, string? whyNot)
    {
        var earlier = new BackupManifest { Id = "x", Source = "s", SystemIdentifier = "1", CreatedAt = DateTimeOffset.UtcNow, Lsn = log, Database = new() { Name = "d", ChangedBy = column is null ? null : new(column, DateTimeOffset.UtcNow) } };

        var told = new ChangedBy { Column = "c" }.WhyNot(earlier, now);

        Assert.Equal(whyNot is null, told is null);
        Assert.Contains(whyNot ?? "", told ?? "", StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_changed_of_a_table_is_told_by_its_keys()
    {
        var had = new BackedUpTable("s", "t", "", 4, "", 0, 0) { Hashes = new("", 0, 0, 4, KeyHashes.SumOf([1, 2, 3, 4])) };
        (long Key, bool Later)[] now = [(1, false), (3, false), (5, true), (6, false)];

        // 2 is gone, 4 was changed and is 5 now, and 6 is from an archive.
        var difference = (await FindAsync(now))!;
        Assert.Equal(("2,4", "5,6", "6"), (Text(difference.Gone), Text(difference.Added), Text(difference.Old)));

        // A row that is gone and one with an old time in its place are as many as before.
        Assert.Equal("4", Text((await FindAsync([(1, false), (2, false), (3, false), (7, false)]))!.Gone));
        Assert.Empty((await FindAsync([(1, false), (2, false), (3, false), (4, false), (9, true)]))!.Gone);
        Assert.Null(await FindAsync([(1, true), (9, true)]));
        Assert.Null(await FindAsync([(1, false), (1, false)]));

        static string Text(IEnumerable<long> keys) => string.Join(',', keys);

        Task<RowDifference?> FindAsync((long Key, bool Later)[] rows)
        {
            var kept = rows.Where(row => !row.Later).Select(row => row.Key).ToArray();
            var counts = new RowCounts(rows.Length, kept.Length, KeyHashes.SumOf(rows.Select(row => row.Key)), KeyHashes.SumOf(kept));
            return RowDifference.FindAsync(had, counts, () => Task.FromResult<long[]?>([1, 2, 3, 4]), (onlyLater, see) =>
            {
                foreach (var row in rows.Where(row => row.Later || !onlyLater))
                    see(row.Key, row.Later);
                return Task.CompletedTask;
            });
        }
    }
}
