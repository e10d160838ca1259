using System.Globalization;
using Pgd.IntegrationTests.Branches;
using Xunit;

namespace Pgd.IntegrationTests.Wal;

/// <summary>What an archive is for: moments that the source's own log no longer reaches.</summary>
public abstract class ArchiveSuite(ShopFixture fixture)
{
    private readonly Shop _shop = fixture.Shop;

    private WriteAheadLogs Wal => _shop.Workspace.Wal;

    private string Folder => Path.Combine(_shop.Root, "wal", "shop", "main");

    private string Volume => Path.Combine(_shop.Root, "volumes", "shop", "main", "g1");

    [Fact]
    public async Task What_the_source_has_recycled_is_reached_by_the_archive_to_the_very_commit_and_what_was_recovered_archives_nothing()
    {
        var url = await _shop.ConnectAsync("main");
        var project = await SetAsync(TimeSpan.FromDays(7));
        Assert.Equal((TimeSpan.FromDays(7), url), (project.PointInTime, await _shop.ConnectAsync("main")));
        await TakeAsync("base");
        var commits = new List<(string Transaction, DateTimeOffset At, int Sum)>();
        for (var i = 0; i < 5; i++)
        {
            var transaction = await _shop.AskAsync("main", "insert into orders select max(id) + 1, 7 from orders; select pg_current_xact_id()::text");
            commits.Add((transaction!, await NowAsync(), await _shop.SumAsync("main")));
            await TurnAsync();
        }

        var first = await RecycledAsync((await Wal.InfoAsync(Shop.Main, default)).Single().Needs.Single(n => n.Snapshot == "shop/main@base").FirstPart);

        await _shop.CreateAsync("by-xid", with: c => c with { Target = RecoveryTarget.AtTransaction(commits[1].Transaction) });
        Assert.Equal(commits[1].Sum, await _shop.SumAsync("by-xid"));
        await _shop.CreateAsync("by-time", with: c => c with { Target = RecoveryTarget.AtTime(commits[3].At) });
        Assert.Equal(commits[3].Sum, await _shop.SumAsync("by-time"));

        // Quarantine: nothing of a branch is ever handed over.
        var before = await HandedOverAsync();
        Assert.Equal("off", await _shop.AskAsync("by-time", "show archive_mode"));
        await _shop.AdministerAsync("by-time", "create table more as select generate_series(1, 1000) i", "select pg_switch_wal()", "checkpoint");
        await _shop.RestartAsync("by-time");
        // Its source may have handed something over meanwhile, and knows it.
        var after = await HandedOverAsync();
        Assert.Equal(before.Files - before.Archived, after.Files - after.Archived);

        var info = await InfoAsync();
        Assert.Equal((TimeSpan.FromDays(7), Folder), (info.PointInTime, info.Directory));
        Assert.Empty(info.Gaps);
        Assert.Contains(info.Windows, w => w is { Snapshot: "shop/main@base", ToPresent: true });
        Assert.False(File.Exists(Path.Combine(Volume, "data", "pg_wal", first)));
        Assert.Empty((await Wal.VerifyAsync(Shop.Main, default)).Problems);
        Assert.DoesNotContain(await _shop.Workspace.Doctor.CheckAsync(default), f => f is { Check: "write-ahead log", Severity: not Severity.Ok });
        await _shop.DeleteAsync("by-xid", "by-time");
        await EndAsync("base");
    }

    [Fact]
    public async Task A_part_that_is_missing_is_named_where_it_is_needed_and_damage_is_found()
    {
        await SetAsync(TimeSpan.FromDays(7));
        await TakeAsync("early");
        string? between = null;
        for (var i = 0; i < 3; i++)
        {
            await _shop.AddAsync("main", 1);
            between = i == 1 ? await _shop.AdministerAsync("main", "select pg_current_wal_insert_lsn()::text") : between;
            await TurnAsync();
        }

        await TakeAsync("late");
        await _shop.AddAsync("main", 1);
        await TurnAsync();
        var start = (await InfoAsync()).Needs.Single(n => n.Snapshot == "shop/main@early").FirstPart;
        await RecycledAsync(start);
        await HandedOverAsync();
        var (missing, damaged) = (Parts().First(p => string.CompareOrdinal(PartOf(p), start) > 0), Parts().Last());
        File.Move(missing, Path.Combine(_shop.Root, "kept-part"));
        var whole = await File.ReadAllBytesAsync(damaged);
        await File.WriteAllBytesAsync(damaged, whole[..^20]);

        var refused = await RefusedAsync(() => _shop.CreateAsync("never", with: c => c with { Target = RecoveryTarget.AtLsn(between!) }));
        Assert.Contains($"the part {PartOf(missing)} is missing", refused.Message, StringComparison.Ordinal);
        Assert.Equal("See what the archive lacks: dotnet pgd wal info shop/main", refused.Hint);
        var verified = await Wal.VerifyAsync(Shop.Main, default);
        Assert.Contains($"{PartOf(missing)} is missing", verified.Problems);
        Assert.Contains(verified.Problems, p => p.StartsWith($"{PartOf(damaged)}: ", StringComparison.Ordinal) && p.Contains(damaged.EndsWith(".zst", StringComparison.Ordinal) ? "cannot be read" : "bytes instead of 16777216", StringComparison.Ordinal));
        Assert.Equal([PartOf(missing)], (await InfoAsync()).Gaps.Select(g => g.First));
        Assert.Contains(await _shop.Workspace.Doctor.CheckAsync(default), f => f is { Check: "write-ahead log", Severity: Severity.Warning } && f.Text.Contains($"{PartOf(missing)} is missing", StringComparison.Ordinal));

        // A part under another's name, and one of another cluster.
        await File.WriteAllBytesAsync(damaged, whole);
        File.Copy(damaged, missing);
        Assert.Contains((await Wal.VerifyAsync(Shop.Main, default)).Problems, p => p.StartsWith($"{PartOf(missing)}: its content is that of ", StringComparison.Ordinal));
        File.Move(Path.Combine(_shop.Root, "kept-part"), missing, overwrite: true);
        Assert.Empty((await Wal.VerifyAsync(Shop.Main, default)).Problems);
        await EndAsync("early", "late");
    }

    [Fact]
    public async Task A_stranger_in_the_next_parts_place_is_not_overwritten_and_the_source_goes_on_and_the_doctor_says_so()
    {
        await SetAsync(TimeSpan.FromDays(7));
        await _shop.AddAsync("main", 1);
        var next = await _shop.AdministerAsync("main", "select pg_walfile_name(pg_current_wal_lsn())");
        var stranger = Path.Combine(Folder, next!);
        await File.WriteAllTextAsync(stranger, "somebody else's");
        await _shop.AdministerAsync("main", "select pg_switch_wal()");

        await Eventually.TrueAsync(async () => (await InfoAsync()).Archiver!.IsFailing, "it fails");
        var sum = await _shop.SumAsync("main");
        await _shop.AddAsync("main", 5);
        Assert.Equal(sum + 5, await _shop.SumAsync("main"));
        Assert.Equal("somebody else's", await File.ReadAllTextAsync(stranger));
        var finding = Assert.Single(await _shop.Workspace.Doctor.CheckAsync(default), f => f is { Check: "write-ahead log", Severity: Severity.Problem });
        Assert.Contains($"could not hand over {next}", finding.Text, StringComparison.Ordinal);
        Assert.Equal("Its log says why: dotnet pgd branch logs shop/main", finding.Remedy);
        Assert.Contains($"{stranger} is there already, with other content", await _shop.LogAsync("main"), StringComparison.Ordinal);

        File.Delete(stranger);
        // Its archiver rests for a minute after three failures, unless it is told that there is something.
        await _shop.RestartAsync("main");
        await _shop.AdministerAsync("main", "select pg_switch_wal()");
        await Eventually.TrueAsync(() => File.Exists(stranger) || File.Exists(stranger + ".zst"), "it is handed over");
        await EndAsync();
    }

    [Fact]
    public async Task A_cleanup_keeps_what_snapshots_need_and_forced_says_what_each_of_them_loses()
    {
        await SetAsync(TimeSpan.FromDays(7));
        await _shop.AddAsync("main", 1);
        await TurnAsync();
        await TakeAsync("one");
        await _shop.AddAsync("main", 1);
        var (sum, moment) = (await _shop.SumAsync("main"), RecoveryTarget.AtLsn((await _shop.AdministerAsync("main", "select pg_current_wal_insert_lsn()::text"))!));
        await TurnAsync();
        await TakeAsync("two");
        await _shop.AddAsync("main", 1);
        await TurnAsync();
        await RecycledAsync((await InfoAsync()).Needs[0].FirstPart);
        Assert.Empty((await CleanAsync(days: 1)).Removed);
        // They are of last month.
        foreach (var part in Parts())
            File.SetLastWriteTimeUtc(part, DateTime.UtcNow.AddDays(-30));

        var dry = await CleanAsync(days: 7, dryRun: true);
        var all = Parts();
        var done = await CleanAsync(days: 7);
        Assert.Equal(dry.Removed, done.Removed);
        Assert.Equal((true, false), (dry.DryRun, done.DryRun));
        Assert.All(done.Removed, name => Assert.True(string.CompareOrdinal(name, done.NeededBy[0].FirstPart) < 0));
        Assert.All(all, part => Assert.Equal(!done.Removed.Contains(PartOf(part)), File.Exists(part)));
        Assert.Equal("shop/main@one", done.NeededBy[0].Snapshot);
        Assert.Empty(done.Lost);
        await _shop.CreateAsync("kept", with: c => c with { Target = moment });
        Assert.Equal(sum, await _shop.SumAsync("kept"));
        await _shop.DeleteAsync("kept");

        var forced = await CleanAsync(days: 7, force: true);
        Assert.NotEmpty(forced.Removed);
        Assert.Contains(forced.Lost, l => l.Snapshot == "shop/main@one");
        await RefusedAsync(() => _shop.CreateAsync("lost", with: c => c with { Target = moment }));
        // The snapshots themselves are whole.
        await _shop.CreateAsync("still", with: c => c with { Snapshot = "one" });
        await _shop.DeleteAsync("still");
        await EndAsync("one", "two");
    }

    [Fact]
    public async Task The_timer_keeps_what_reaches_back_as_far_as_was_asked_for()
    {
        await SetAsync(TimeSpan.FromDays(7));
        Assert.Null(await Wal.TrimAsync("shop", default) is { Removed.Count: > 0 } removed ? string.Join(' ', removed.Removed) : null);
        foreach (var label in (string[])["ancient", "old", "new"])
        {
            await TakeAsync(label);
            await _shop.AddAsync("main", 1);
            await TurnAsync();
        }

        await RecycledAsync((await InfoAsync()).Needs[0].FirstPart);
        foreach (var part in Parts())
            File.SetLastWriteTimeUtc(part, DateTime.UtcNow.AddDays(-30));
        foreach (var (label, days) in (IEnumerable<(string, int)>)[("ancient", 20), ("old", 8), ("new", 1)])
        {
            var record = _shop.Workspace.State.Snapshots("shop", "main").Single(s => s.Label == label);
            _shop.Workspace.State.Write(record with { CreatedAt = DateTimeOffset.UtcNow.AddDays(-days), DataAsOf = DateTimeOffset.UtcNow.AddDays(-days), CompleteAt = DateTimeOffset.UtcNow.AddDays(-days) });
        }

        var needs = (await InfoAsync()).Needs;
        var trimmed = await Wal.TrimAsync("shop", default);

        Assert.NotEmpty(trimmed!.Removed);
        Assert.Contains(trimmed.Lost, l => l.Snapshot == "shop/main@ancient");
        Assert.DoesNotContain(trimmed.Lost, l => l.Snapshot != "shop/main@ancient");
        Assert.Equal(needs.Single(n => n.Snapshot == "shop/main@old").FirstPart, PartOf(Parts()[0]));
        Assert.Contains((await InfoAsync()).Windows, w => w is { Snapshot: "shop/main@old", ToPresent: true });
        await EndAsync("ancient", "old", "new");
    }

    [Fact]
    public async Task Archiving_is_turned_on_and_off_and_what_was_archived_stays_until_the_project_goes()
    {
        var before = _shop.Take();
        await SetAsync(TimeSpan.FromDays(7));
        Assert.Equal("on 1min", await _shop.AskAsync("main", "select current_setting('archive_mode') || ' ' || current_setting('archive_timeout')"));
        var started = await _shop.AskAsync("main", "select pg_postmaster_start_time()::text");
        // Another window needs no restart, and asking again for what is there neither; nor is what is on changed by the timer.
        Assert.Equal(TimeSpan.FromDays(3), (await SetAsync(TimeSpan.FromDays(3))).PointInTime);
        Assert.Equal(TimeSpan.FromDays(3), (await _shop.Workspace.Projects.EnsureArchivingAsync("shop", TimeSpan.FromDays(9), default)).PointInTime);
        Assert.Equal(started, await _shop.AskAsync("main", "select pg_postmaster_start_time()::text"));
        await _shop.AddAsync("main", 1);
        await TurnAsync();

        Assert.Null((await SetAsync(TimeSpan.Zero)).PointInTime);
        Assert.Equal("off", await _shop.AskAsync("main", "show archive_mode"));
        Assert.NotEmpty(Parts());
        // Stopped, it is only noted, and so it starts.
        await _shop.StopAsync("main");
        Assert.Equal(TimeSpan.FromDays(2), (await _shop.Workspace.Projects.EnsureArchivingAsync("shop", TimeSpan.FromDays(2), default)).PointInTime);
        Assert.Equal(BranchStatus.Stopped, (await _shop.GetAsync("main")).Status);
        await _shop.StartAsync("main");
        Assert.Equal("on", await _shop.AskAsync("main", "show archive_mode"));
        await SetAsync(TimeSpan.Zero);
        Directory.Delete(Path.Combine(_shop.Root, "wal"), recursive: true);
        File.Delete(Path.Combine(Volume, "archive.sh"));
        Assert.DoesNotContain(_shop.Since(before), line => line[0] == '+' && !line.Contains("/main/g1/", StringComparison.Ordinal) && !line.Contains(" s/", StringComparison.Ordinal) && !line.Contains("process ", StringComparison.Ordinal) && !line.Contains("port ", StringComparison.Ordinal) && !line.Contains("pgd-", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_source_with_archiving_of_its_own_or_too_little_log_is_refused_and_goes_on_as_it_was()
    {
        await _shop.AdministerAsync("main", "alter system set archive_mode = 'on'");
        var own = await _shop.RefusedAsync(ExitCode.Unsafe, () => SetAsync(TimeSpan.FromDays(1)));
        Assert.Contains("archives its log already", own.Message, StringComparison.Ordinal);
        await _shop.AdministerAsync("main", "alter system reset archive_mode", "alter system set wal_level = 'minimal'");
        await _shop.RefusedAsync(ExitCode.Unsafe, () => SetAsync(TimeSpan.FromDays(1)));
        await _shop.AdministerAsync("main", "alter system reset wal_level");
        Assert.Null((await _shop.Workspace.Projects.GetAsync("shop", default)).PointInTime);

        // A folder with somebody's files in it is not taken.
        Directory.CreateDirectory(Folder);
        await File.WriteAllTextAsync(Path.Combine(Folder, "mine"), "");
        await _shop.RefusedAsync(ExitCode.Unsafe, () => SetAsync(TimeSpan.FromDays(1)));
        Assert.Equal("off", await _shop.AskAsync("main", "show archive_mode"));
        Directory.Delete(Path.Combine(_shop.Root, "wal"), recursive: true);
    }

    private Task<Project> SetAsync(TimeSpan window) => _shop.Workspace.Projects.SetAsync(new() { Name = "shop", PointInTime = window }, default);

    private async Task<WriteAheadLogInfo> InfoAsync() => (await Wal.InfoAsync(Shop.Main, default)).Single();

    private Task<Snapshot> TakeAsync(string label) => _shop.Workspace.Snapshots.CreateAsync(new() { Branch = Shop.Main, Label = label }, default);

    private Task<WriteAheadLogCleaned> CleanAsync(int days, bool dryRun = false, bool force = false) =>
        Wal.CleanupAsync(new() { Branch = Shop.Main, OlderThan = TimeSpan.FromDays(days), DryRun = dryRun, Force = force }, default);

    // In the archive something may come at any time.
    private async Task<PgdException> RefusedAsync(Func<Task> operation)
    {
        var before = _shop.Take();
        var error = await Assert.ThrowsAsync<PgdException>(operation);
        Assert.Equal((ExitCode.NotFound, error.Message), (error.ExitCode, error.Message));
        Assert.DoesNotContain(_shop.Since(before), line => !line.Contains(" wal/shop/main/", StringComparison.Ordinal));
        return error;
    }

    private async Task<(long Files, long Archived)> HandedOverAsync()
    {
        await Eventually.TrueAsync(async () => (await InfoAsync()).Archiver!.Waiting == 0, "all is handed over");
        return ((await InfoAsync()).Files, (await InfoAsync()).Archiver!.Archived);
    }

    private Task<string?> TurnAsync() => _shop.AdministerAsync("main", "select pg_switch_wal()", "checkpoint");

    private async Task<DateTimeOffset> NowAsync() =>
        DateTimeOffset.UnixEpoch.AddMicroseconds(double.Parse((await _shop.AskAsync("main", "select (extract(epoch from clock_timestamp()) * 1000000)::bigint::text"))!, CultureInfo.InvariantCulture));

    // Until the server has handed a part over and has no file of that name any more.
    private async Task<string> RecycledAsync(string part)
    {
        await Eventually.TrueAsync(async () =>
        {
            if (!File.Exists(Path.Combine(Volume, "data", "pg_wal", part)))
                return true;
            await _shop.AdministerAsync("main", "insert into orders select max(id) + 1, 0 from orders", "select pg_switch_wal()", "checkpoint");
            return false;
        }, $"{part} is recycled");
        return part;
    }

    private List<string> Parts() => [.. Directory.GetFiles(Folder).Where(f => Postgres.LogSegment.IsName(PartOf(f))).Order(StringComparer.Ordinal)];

    private static string PartOf(string file) => Path.GetFileNameWithoutExtension(file);

    // For the next test: no archive, no snapshot.
    private async Task EndAsync(params string[] labels)
    {
        foreach (var label in labels)
            await _shop.Workspace.Snapshots.DeleteAsync(new(Shop.Main, label), ifExists: false, default);
        await SetAsync(TimeSpan.Zero);
        Directory.Delete(Folder, recursive: true);
    }
}

/// <inheritdoc/>
[Trait("Only", "soak")]
public sealed class ArchivesOnBtrfs15(Btrfs15 fixture) : ArchiveSuite(fixture), IClassFixture<Btrfs15>;

/// <inheritdoc/>
public sealed class ArchivesOnBtrfsInDocker17(BtrfsDocker17 fixture) : ArchiveSuite(fixture), IClassFixture<BtrfsDocker17>;
