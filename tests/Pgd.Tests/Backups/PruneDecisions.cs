using Pgd.Backups;
using Xunit;

namespace Pgd.Tests.Backups;

/// <summary>What of a repository stays when it is pruned, and why.</summary>
public sealed class PruneDecisions
{
    private const string Main = "shop/main", System = "7000000000000000001";
    private static readonly DateTimeOffset Now = new(2026, 11, 30, 12, 0, 0, TimeSpan.Zero);

    /// <summary>Any moment of the window is restored by one of those that stay: the newest before it, and the log from there, or that backup as it is.</summary>
    [Theory]
    [InlineData("20 15 13 1", "15 13 1")]
    [InlineData("20 14 13", "14 13")]
    [InlineData("13 1", "13 1")]
    [InlineData("40 30 20", "20")]
    [InlineData("30 20>30 15>20 1", "30 20 15 1")]
    [InlineData("30 29>30 16 15>16", "16 15")]
    [InlineData("20! 16 15? 13", "20 16 15 13")]
    public void A_recovery_window_keeps_all_of_it_and_the_newest_before_it_with_what_that_is_built_on(string days, string expected)
    {
        var stays = PruneRules.Staying(Backups(days), null, TimeSpan.FromDays(14), Now);

        Assert.Equal(expected.Split(' ').Select(day => IdOf(int.Parse(day))).Order(StringComparer.Ordinal), stays.Keys.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Each_backup_that_stays_says_why_and_rules_and_window_both_count()
    {
        var stays = PruneRules.Staying(Backups("100 60>100 20 13 1!"), Retention.Parse("last=1,yearly=1"), TimeSpan.FromDays(14), Now);

        Assert.Equal("the last 14d begin with it", stays[IdOf(20)]);
        Assert.Equal("it is of the last 14d", stays[IdOf(13)]);
        Assert.Equal("pinned; last; yearly; it is of the last 14d", stays[IdOf(1)]);
        Assert.DoesNotContain(IdOf(60), stays.Keys);
        Assert.Equal($"{IdOf(60)} is built on it", PruneRules.Staying(Backups("100 60>100"), Retention.Parse("last=1"), null, Now)[IdOf(100)]);
    }

    /// <summary>Else a backup of one table would be taken for the state of all.</summary>
    [Fact]
    public void Each_series_has_a_window_of_its_own()
    {
        var other = Backups("40 30").Select(found => found with { Prefix = found.Prefix + "x/", Manifest = found.Manifest! with { Source = "shop/other" } });

        var stays = PruneRules.Staying([.. Backups("35 20"), .. other], null, TimeSpan.FromDays(14), Now);

        Assert.Equal([IdOf(20), IdOf(30)], stays.Keys.Order(StringComparer.Ordinal).Reverse());
    }

    /// <summary>What its data shows counts, by the source's clock, and not when somebody got round to it.</summary>
    [Fact]
    public void The_moment_of_the_data_counts_and_not_that_of_the_backup()
    {
        var backups = Backups("20 13");
        backups[1] = backups[1] with { Backup = backups[1].Backup with { DataAsOf = Now.AddDays(-15) } };

        Assert.Equal([IdOf(13)], PruneRules.Staying(backups, null, TimeSpan.FromDays(14), Now).Keys);
    }

    [Theory]
    [InlineData("0/3000100", "1 2", "needs all from 000000010000000000000003 on")]
    [InlineData("0/1FFFFFF", "", "needs all from 000000010000000000000001 on")]
    [InlineData("1/0", "1 2 3 4", "needs all from 000000010000000100000000 on")]
    public void The_log_before_the_oldest_backup_that_stays_goes_but_not_its_newest_part_and_no_history(string lsn, string gone, string reason)
    {
        List<StoredBackup> backups = [Physical(3, lsn), Physical(2, "2/0")];

        var verdict = Log("1 2 3 4 5").Decide(backups, Ids(backups), (BranchName.Parse(Main), 1));

        Assert.Equal(gone.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(Segment), verdict.Gone.Select(part => part.Key[^24..]));
        Assert.Equal(6 - verdict.Gone.Count, verdict.Left.Count);
        Assert.Contains(verdict.Left, part => part.Key.EndsWith(".history", StringComparison.Ordinal));
        Assert.EndsWith(reason, verdict.Reason, StringComparison.Ordinal);
    }

    /// <summary>It is of this log or not: nobody knows before it is complete, or somebody has looked.</summary>
    [Fact]
    public void The_log_stays_as_long_as_a_backup_may_need_it_that_cannot_be_read_and_goes_if_an_older_one_needs_more()
    {
        var newer = Physical(2, "0/4000000");
        var damaged = Unreadable(3);

        Assert.Empty(Log("1 2 3 4 5").Decide([damaged, newer], Ids([damaged, newer]), null).Gone);
        Assert.StartsWith($"{IdOf(3)} may need it", Log("1 2").Decide([damaged], Ids([damaged]), (BranchName.Parse(Main), 2)).Reason, StringComparison.Ordinal);
        // Of another cluster, gone, or younger than what is kept anyway.
        Assert.Equal(3, Log("1 2 3 4 5").Decide([damaged with { Prefix = "i/1/b/x/" }, newer], Ids([damaged, newer]), null).Gone.Count);
        Assert.Equal(3, Log("1 2 3 4 5").Decide([damaged, newer], Ids([newer]), null).Gone.Count);
        Assert.Equal(3, Log("1 2 3 4 5").Decide([newer, Unreadable(1)], Ids([newer, Unreadable(1)]), null).Gone.Count);
        Assert.Empty(Log("1 2 3").Decide([Physical(3, "0/0") with { Manifest = Physical(3, "").Manifest! with { Files = [] } }, newer], Ids([Physical(3, ""), newer]), null).Gone);
    }

    /// <summary>What another server of the branch wrote after a reset leads elsewhere, and its backups need nothing of this.</summary>
    [Theory]
    [InlineData("nothing is known of its branch", null, "may go on on another machine")]
    [InlineData("it goes on here", 1, "goes on")]
    [InlineData("it was reset", 2, null)]
    public void The_log_that_no_backup_is_left_of_stays_unless_its_branch_is_another_one_by_now(string _, int? generation, string? reason)
    {
        var verdict = Log("1 2 3").Decide([], Ids([]), generation is null ? null : (BranchName.Parse(Main), generation.Value));

        Assert.Equal(reason is null ? 4 : 0, verdict.Gone.Count);
        Assert.EndsWith(reason ?? "", verdict.Reason ?? "", StringComparison.Ordinal);
    }

    [Fact]
    public void The_log_of_a_branch_goes_with_its_last_backup_once_another_one_of_its_name_or_its_next_server_is_backed_up()
    {
        var own = Physical(3, "0/2000000");
        var reset = Physical(2, "0/2000000") with { Manifest = Physical(2, "0/2000000").Manifest! with { Generation = 2 } };
        var another = Physical(2, "0/2000000") with { Manifest = Physical(2, "0/2000000").Manifest! with { BranchId = "b2" } };

        Assert.Equal(3, Log("1 2").Decide([own, reset], Ids([reset]), null).Gone.Count);
        Assert.Equal(3, Log("1 2").Decide([own, another], Ids([another]), null).Gone.Count);
        Assert.Empty(Log("1 2").Decide([own], Ids([]), null).Gone);
        // It lives under another name.
        Assert.Empty(Log("1 2").Decide([own, another], Ids([another]), (BranchName.Parse("shop/renamed"), 1)).Gone);
        Assert.Empty(Log("1 2 3").Decide([own, reset], Ids([own, reset]), null).Gone.Skip(1));
    }

    // "30 20>30 15! 14?": made that many days ago; built on another one, pinned, damaged.
    private static List<StoredBackup> Backups(string days)
    {
        var made = new List<StoredBackup>();
        foreach (var word in days.Split(' '))
        {
            var parts = word.TrimEnd('!', '?').Split('>');
            var day = int.Parse(parts[0]);
            var parent = parts.Length > 1 ? IdOf(int.Parse(parts[1])) : null;
            var manifest = new BackupManifest { Id = IdOf(day), Source = Main, SystemIdentifier = System, CreatedAt = Now.AddDays(-day), Parent = parent };
            made.Add(new($"i/{System}/b/{manifest.Id}/", word.EndsWith('?') ? null : manifest, new()
            {
                Id = manifest.Id,
                Status = word.EndsWith('?') ? BackupStatus.Damaged : BackupStatus.Complete,
                CreatedAt = manifest.CreatedAt,
                Parent = parent,
                Pinned = word.EndsWith('!') ? new(Now, null) : null,
            }));
        }

        return made;
    }

    private static StoredBackup Physical(int day, string lsn) => Backups($"{day}")[0] is var made ? made with
    {
        Manifest = made.Manifest! with { BranchId = "b1", Generation = 1, Lsn = lsn, Files = [new("pg_wal/000000010000000000000001", 16 << 20, 0, "")] },
    } : null!;

    private static StoredBackup Unreadable(int day) => Backups($"{day}?")[0];

    private static HashSet<string> Ids(IEnumerable<StoredBackup> backups) => [.. backups.Select(found => found.Backup.Id)];

    private static StoredLog Log(string parts) => new(System, "b1", 1, [.. parts.Split(' ').Select(Segment).Append("00000002.history").Select(name => new StoredObject($"i/{System}/wal/b1-1/{name}", 100, Now))]);

    private static string Segment(string number) => $"0000000100000000{int.Parse(number):X8}";

    private static string IdOf(int day) => $"{Now.AddDays(-day):yyyyMMddTHHmmss.fffZ}-F-{day:x6}";
}
