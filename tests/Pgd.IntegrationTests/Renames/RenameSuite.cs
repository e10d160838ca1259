using Pgd.IntegrationTests.Branches;
using Xunit;

namespace Pgd.IntegrationTests.Renames;

/// <summary>Other names for branches and projects, on every storage.</summary>
public abstract class RenameSuite(ShopFixture fixture)
{
    private readonly Shop _shop = fixture.Shop;

    private Pgd.Branches Branches => _shop.Workspace.Branches;

    [Fact]
    public async Task A_renamed_branch_keeps_its_address_its_rows_its_snapshots_and_what_was_made_from_it()
    {
        var before = _shop.Take();
        await _shop.CreateAsync("old", with: c => c with { Labels = new Dictionary<string, string> { ["owner"] = "ada" }, TimeToLive = TimeSpan.FromDays(2) });
        await _shop.AddAsync("old", 7);
        await TakeAsync("old", "clean");
        await _shop.CreateAsync("child", from: "old");
        await _shop.CreateAsync("late", from: "old", with: c => c with { Snapshot = "clean" });
        await _shop.Workspace.Lifetimes.ProtectAsync(Shop.Name("old"), TimeSpan.FromHours(1), "needed", default);
        var (was, url, sum) = (await _shop.GetAsync("old"), await _shop.ConnectAsync("old"), await _shop.SumAsync("old"));

        var renamed = await Branches.RenameAsync(Shop.Name("old"), "new", default);

        Assert.Equal((Shop.Name("new"), was.Id, was.Port, was.Generation, was.ExpiresAt, "needed", BranchStatus.Running), (renamed.Name, renamed.Id, renamed.Port, renamed.Generation, renamed.ExpiresAt, renamed.ProtectedFor, renamed.Status));
        Assert.Equal("ada", renamed.Labels["owner"]);
        Assert.Equal((url, sum), (await _shop.ConnectAsync("new"), await _shop.SumAsync("new")));
        await _shop.RefusedAsync(ExitCode.NotFound, () => _shop.GetAsync("old"));
        // What was made from it says so, and can be made again from it.
        Assert.Equal((Shop.Name("new"), sum), ((await _shop.GetAsync("child")).Parent, await _shop.SumAsync("child")));
        Assert.Equal("shop/new@clean", (await _shop.GetAsync("late")).Snapshot);
        await Branches.ResetAsync(new() { Name = Shop.Name("late"), ToOrigin = true }, default);
        Assert.Equal(sum, await _shop.SumAsync("late"));
        Assert.Equal(["shop/new@clean"], (await _shop.Workspace.Snapshots.ListAsync("shop", null, default)).Select(s => s.Name));
        Assert.Contains("shop/late", (await _shop.RefusedAsync(ExitCode.Unsafe, () => _shop.Workspace.Snapshots.DeleteAsync(new(Shop.Name("new"), "clean"), ifExists: false, default))).Message, StringComparison.Ordinal);
        Assert.Empty(await _shop.Workspace.Doctor.FixAsync(dryRun: true, default));

        // The old name is free, and back again everything is as it was.
        await _shop.CreateAsync("old");
        await Branches.RenameAsync(Shop.Name("old"), "other", default);
        await Branches.RenameAsync(Shop.Name("new"), "old", default);
        await _shop.RestartAsync("old");
        Assert.Equal((url, sum), (await _shop.ConnectAsync("old"), await _shop.SumAsync("old")));
        await _shop.Workspace.Lifetimes.UnprotectAsync(Shop.Name("old"), default);
        await _shop.DeleteAsync("late", "child", "other");
        await Branches.DeleteAsync(Shop.Name("old"), ifExists: false, withSnapshots: true, default);
        Assert.Empty(_shop.Since(before));
    }

    [Fact]
    public async Task A_stopped_branch_and_a_golden_one_stay_stopped_under_their_new_names()
    {
        var before = _shop.Take();
        await _shop.CreateAsync("still");
        await _shop.StopAsync("still");
        await _shop.CreateAsync("mould", with: c => c with { Golden = true });

        Assert.Equal(BranchStatus.Stopped, (await Branches.RenameAsync(Shop.Name("still"), "quiet", default)).Status);
        var golden = await Branches.RenameAsync(Shop.Name("mould"), "form", default);

        Assert.Equal((true, BranchStatus.Stopped), (golden.Golden, golden.Status));
        await _shop.CreateAsync("cast", from: "form");
        Assert.DoesNotContain("recovery in progress", await _shop.LogAsync("cast"), StringComparison.Ordinal);
        await _shop.StartAsync("quiet");
        Assert.Equal(await _shop.SumAsync("main"), await _shop.SumAsync("quiet"));
        await _shop.DeleteAsync("quiet", "cast");
        await _shop.DeleteAsync("form");
        Assert.Empty(_shop.Since(before));
    }

    [Fact]
    public async Task A_server_that_does_not_start_again_serves_on_under_its_old_name()
    {
        await _shop.CreateAsync("frail");
        await TakeAsync("frail", "kept");
        await _shop.AddAsync("frail", 3);
        var (url, sum) = (await _shop.ConnectAsync("frail"), await _shop.SumAsync("frail"));
        _shop.TakeWarnings();
        // It runs with what it had, and could not start with that.
        await _shop.AdministerAsync("frail", "alter system set max_connections = 1", "alter system set archive_mode = 'on'");
        var before = Steady();

        var renaming = await Assert.ThrowsAsync<PgdException>(() => Branches.RenameAsync(Shop.Name("frail"), "strong", default));
        Assert.Contains("max_connections", renaming.Message, StringComparison.Ordinal);
        Assert.Empty(_shop.TakeWarnings());
        Assert.Equal((url, sum), (await _shop.ConnectAsync("frail"), await _shop.SumAsync("frail")));
        var promoting = await Assert.ThrowsAsync<PgdException>(() => Branches.PromoteAsync(Shop.Name("frail"), "strong", default));
        Assert.Contains("max_connections", promoting.Message, StringComparison.Ordinal);
        Assert.Equal((url, sum), (await _shop.ConnectAsync("frail"), await _shop.SumAsync("frail")));

        Assert.Equal(before, Steady());
        Assert.Equal("on", await _shop.AdministerAsync("frail", "select setting from pg_file_settings where name = 'archive_mode'"));
        await _shop.RefusedAsync(ExitCode.NotFound, () => _shop.GetAsync("strong"));
        await Branches.DeleteAsync(Shop.Name("frail"), ifExists: false, withSnapshots: true, default);

        // Processes are others, and on ZFS the names of snapshots.
        List<string> Steady() => [.. _shop.Take().Entries.Where(e => !e.StartsWith("process ", StringComparison.Ordinal) && !e.Contains(" locks/", StringComparison.Ordinal))];
    }

    [Fact]
    public async Task What_cannot_be_called_so_is_refused_and_nothing_changes()
    {
        await _shop.CreateAsync("one");
        await _shop.CreateAsync("two", from: "one");
        var preview = await _shop.Workspace.Previews.UpAsync(new() { Project = "shop", PullRequest = new() { RepositoryId = 1, Repository = "octo/shop", Number = 7 } }, default);

        await _shop.RefusedAsync(ExitCode.Misuse, () => Branches.RenameAsync(Shop.Main, "first", default));
        await _shop.RefusedAsync(ExitCode.Misuse, () => Branches.RenameAsync(Shop.Name("one"), "main", default));
        await _shop.RefusedAsync(ExitCode.Misuse, () => Branches.RenameAsync(Shop.Name("one"), "one", default));
        await _shop.RefusedAsync(ExitCode.Exists, () => Branches.RenameAsync(Shop.Name("one"), "two", default));
        await _shop.RefusedAsync(ExitCode.NotFound, () => Branches.RenameAsync(Shop.Name("nobody"), "somebody", default));
        Assert.Contains("pull request 7 of octo/shop", (await _shop.RefusedAsync(ExitCode.Unsafe, () => Branches.RenameAsync(preview.Branch.Name, "mine", default))).Message, StringComparison.Ordinal);
        await _shop.RefusedAsync(ExitCode.Unsafe, () => Branches.PromoteAsync(preview.Branch.Name, "mine", default));
        await _shop.RefusedAsync(ExitCode.Misuse, () => Branches.PromoteAsync(Shop.Main, "other", default));
        await _shop.RefusedAsync(ExitCode.Misuse, () => Branches.PromoteAsync(Shop.Name("two"), "shop", default));
        Assert.Contains("shop/two was made from shop/one", (await _shop.RefusedAsync(ExitCode.Unsafe, () => Branches.PromoteAsync(Shop.Name("one"), "other", default))).Message, StringComparison.Ordinal);
        await _shop.RefusedAsync(ExitCode.NotFound, () => _shop.Workspace.Projects.RenameAsync("nothing", "something", default));
        await _shop.RefusedAsync(ExitCode.Misuse, () => _shop.Workspace.Projects.RenameAsync("shop", "shop", default));
        await _shop.DeleteAsync("two", preview.Branch.Name.Branch);
        await _shop.DeleteAsync("one");
    }

    [Fact]
    public async Task A_renamed_project_serves_all_of_its_branches_as_before()
    {
        await _shop.CreateAsync("kept");
        await _shop.CreateAsync("below", from: "kept");
        await TakeAsync("main", "then");
        await TakeAsync("kept", "then");
        await _shop.AddAsync("kept", 9);
        await _shop.CreateAsync("asleep");
        await _shop.StopAsync("asleep");
        var (urls, sums) = (await UrlsAsync("shop"), (await SumAsync("shop", "main"), await SumAsync("shop", "kept"), await SumAsync("shop", "below")));
        // What its servers have handed over.
        var archive = Directory.CreateDirectory(Path.Combine(_shop.Root, "wal", "shop", "main")).FullName;
        await File.WriteAllTextAsync(Path.Combine(archive, "000000010000000000000001"), "", default);
        var before = _shop.Take();

        var renamed = await _shop.Workspace.Projects.RenameAsync("shop", "store", default);

        Assert.Equal(("store", 4), (renamed.Name, renamed.Branches));
        Assert.Equal(urls, await UrlsAsync("store"));
        Assert.Equal(sums, (await SumAsync("store", "main"), await SumAsync("store", "kept"), await SumAsync("store", "below")));
        Assert.Equal(["store"], (await _shop.Workspace.Projects.ListAsync(default)).Select(p => p.Name));
        Assert.Equal(["store/main@then", "store/kept@then"], (await _shop.Workspace.Snapshots.ListAsync("store", null, default)).Select(s => s.Name));
        Assert.DoesNotContain(_shop.Take().Entries, e => (e.Contains("/shop/", StringComparison.Ordinal) || e.EndsWith("/shop", StringComparison.Ordinal)) && !e.Contains(" locks/", StringComparison.Ordinal));
        Assert.Empty(await _shop.Workspace.Doctor.FixAsync(dryRun: true, default));
        // It goes on as a project does.
        var made = await Branches.CreateAsync(new() { Name = BranchName.Parse("store/more"), From = "kept", Snapshot = "then" }, default);
        Assert.Equal(sums.Item1, await SumAsync("store", "more"));
        await Branches.ResetAsync(new() { Name = BranchName.Parse("store/below") }, default);
        Assert.Equal(sums.Item2, await SumAsync("store", "below"));
        await Branches.DeleteAsync(made.Branch.Name, ifExists: false, default);

        Assert.True(File.Exists(Path.Combine(_shop.Root, "wal", "store", "main", "000000010000000000000001")));

        // And back: with the same passwords again.
        await _shop.Workspace.Projects.RenameAsync("store", "shop", default);
        Assert.Equal(urls, await UrlsAsync("shop"));
        Assert.Equal(BranchStatus.Stopped, (await _shop.GetAsync("asleep")).Status);
        // What its server reads is written by its next start.
        await _shop.StartAsync("asleep");
        Assert.Equal(sums.Item1, await SumAsync("shop", "asleep"));
        await _shop.StopAsync("asleep");
        Assert.DoesNotContain(_shop.Since(before), line => !line.Contains("process ", StringComparison.Ordinal) && !line.Contains("/below", StringComparison.Ordinal) && !line.Contains(" s/", StringComparison.Ordinal) && !line.Contains("container ", StringComparison.Ordinal)
            // What a dataset was cloned from is handed to its clone, wherever that is by then.
            && !line.Contains(" snapshot ", StringComparison.Ordinal));
        Directory.Delete(Path.Combine(_shop.Root, "wal"), recursive: true);
        await _shop.DeleteAsync("below", "asleep");
        await Branches.DeleteAsync(Shop.Name("kept"), ifExists: false, withSnapshots: true, default);
        await _shop.Workspace.Snapshots.DeleteAsync(new(Shop.Main, "then"), ifExists: false, default);
        // Over a reset it has another generation, and nothing else is left of it.
        Assert.Empty(await _shop.Workspace.Doctor.FixAsync(dryRun: true, default));
    }

    [Fact]
    public async Task A_promoted_branch_is_a_project_of_its_own_that_touches_nothing_of_its_sources()
    {
        var before = _shop.Take();
        await _shop.CreateAsync("other");
        await _shop.CreateAsync("seed", with: c => c with { TimeToLive = TimeSpan.FromDays(1) });
        await TakeAsync("seed", "kept");
        await _shop.AddAsync("seed", 11);
        // As they come with a source's data.
        var elsewhere = Directory.CreateTempSubdirectory("pgd").FullName;
        File.SetUnixFileMode(elsewhere, (UnixFileMode)0x1FF);
        await _shop.AdministerAsync("seed", "alter system set archive_mode = 'on'", $"alter system set archive_command = 'cp %p {elsewhere}/%f'", "alter system set synchronous_standby_names = 'replica'",
            "alter system set primary_conninfo = 'host=production password=hunter2'", "alter system set max_wal_senders = 7", "create extension postgres_fdw", "create server billing foreign data wrapper postgres_fdw");
        var (url, sum) = (await _shop.ConnectAsync("seed"), await _shop.SumAsync("seed"));
        Assert.Equal("0", await _shop.AskAsync("seed", "show max_wal_senders"));

        var promoted = await Branches.PromoteAsync(Shop.Name("seed"), "nursery", default);

        var main = BranchName.Parse("nursery/main");
        Assert.Equal((Shop.Name("seed"), "nursery", main, null, null), (promoted.From, promoted.Project.Name, promoted.Branch.Name, promoted.Branch.Parent, promoted.Branch.ExpiresAt));
        Assert.Equal((url, sum), (await Branches.ConnectAsync(main, null, null, default), await SumAsync("nursery", "main")));
        Assert.Contains(promoted.Quarantine, i => i is { Name: "max_wal_senders", Lifted: true, Text: "0 → 7" });
        foreach (var setting in (string[])["archive_mode", "archive_command", "synchronous_standby_names", "primary_conninfo"])
            Assert.Contains(promoted.Quarantine, i => i.Name == setting && !i.Lifted);
        Assert.Contains(promoted.Quarantine, i => i.Name == "foreign servers" && i.Text.Contains("billing", StringComparison.Ordinal));
        Assert.DoesNotContain(promoted.Quarantine, i => i.Text.Contains("hunter2", StringComparison.Ordinal));
        await _shop.RefusedAsync(ExitCode.NotFound, () => _shop.GetAsync("seed"));

        // It writes, survives a restart, and archives nothing.
        await Branches.RestartAsync(main, default);
        Assert.Equal("off 7 ", await _shop.AskAsync(main, "select current_setting('archive_mode') || ' ' || current_setting('max_wal_senders') || ' ' || current_setting('synchronous_standby_names')"));
        await _shop.AskAsync(main, "insert into orders select max(id) + 1, 13 from orders");
        var administrator = await Branches.ConnectAsync(main, "shop", "postgres", default);
        await Sql.AskAsync(administrator, "select pg_switch_wal()::text");
        await Sql.AskAsync(administrator, "checkpoint");
        Assert.Equal("0", await Sql.AskAsync(administrator, "select archived_count::text from pg_stat_archiver"));
        Assert.Empty(Directory.EnumerateFileSystemEntries(elsewhere));

        // Branches of its own, and its snapshot.
        await Branches.CreateAsync(new() { Name = BranchName.Parse("nursery/dev"), Snapshot = "kept" }, default);
        await Branches.CreateAsync(new() { Name = BranchName.Parse("nursery/now") }, default);
        Assert.Equal((sum - 11, sum + 13), (await SumAsync("nursery", "dev"), await SumAsync("nursery", "now")));
        // Those that it left go on.
        Assert.Equal(await _shop.SumAsync("main"), await _shop.SumAsync("other"));
        await _shop.ResetAsync("other");
        Assert.Empty(await _shop.Workspace.Doctor.FixAsync(dryRun: true, default));

        await _shop.Workspace.Projects.DeleteAsync("nursery", force: true, default);
        await _shop.DeleteAsync("other");
        Assert.Empty(_shop.Since(before));
        Directory.Delete(elsewhere);
    }

    [Fact]
    public async Task A_golden_branch_that_is_promoted_lets_its_users_in()
    {
        var before = _shop.Take();
        await _shop.CreateAsync("mould", with: c => c with { Golden = true });
        await _shop.CreateAsync("halt");
        await _shop.StopAsync("halt");

        Assert.Equal((false, BranchStatus.Running), await Branches.PromoteAsync(Shop.Name("mould"), "cast", default) is { Branch: var cast } ? (cast.Golden, cast.Status) : default);
        Assert.Equal(BranchStatus.Running, (await Branches.PromoteAsync(Shop.Name("halt"), "march", default)).Branch.Status);

        var sum = await _shop.SumAsync("main");
        Assert.Equal((sum, sum), (await SumAsync("cast", "main"), await SumAsync("march", "main")));
        await _shop.Workspace.Projects.DeleteAsync("cast", force: false, default);
        await _shop.Workspace.Projects.DeleteAsync("march", force: false, default);
        Assert.Empty(_shop.Since(before));
    }

    private Task<Snapshot> TakeAsync(string branch, string label) => _shop.Workspace.Snapshots.CreateAsync(new() { Branch = Shop.Name(branch), Label = label }, default);

    private async Task<List<(string Branch, string Host, int Port, string? User, string? Password)>> UrlsAsync(string project)
    {
        var urls = new List<(string, string, int, string?, string?)>();
        foreach (var branch in await Branches.ListAsync(project, default))
        {
            if (branch.Status == BranchStatus.Running && await Branches.ConnectAsync(branch.Name, "shop", null, default) is var url)
                urls.Add((branch.Name.Branch, url.Host, url.Port, url.User, url.Password));
        }

        return urls;
    }

    private async Task<int> SumAsync(string project, string branch) => int.Parse((await _shop.AskAsync(BranchName.Of(project, branch), "select sum(amount)::text from orders"))!, System.Globalization.CultureInfo.InvariantCulture);
}

/// <inheritdoc/>
[Trait("Only", "soak")]
public sealed class RenamesOnBtrfs15(Btrfs15 fixture) : RenameSuite(fixture), IClassFixture<Btrfs15>;

/// <inheritdoc/>
public sealed class RenamesOnReflink18(Reflink18 fixture) : RenameSuite(fixture), IClassFixture<Reflink18>;

/// <inheritdoc/>
[Trait("Only", "soak")]
public sealed class RenamesOnCopy17(Copy17 fixture) : RenameSuite(fixture), IClassFixture<Copy17>;

/// <inheritdoc/>
[Trait("Only", "soak")]
public sealed class RenamesOnBtrfsInDocker17(BtrfsDocker17 fixture) : RenameSuite(fixture), IClassFixture<BtrfsDocker17>;

/// <inheritdoc/>
[Trait("Needs", "zfs")]
[Trait("Only", "soak")]
public sealed class RenamesOnZfs15(Zfs15 fixture) : RenameSuite(fixture), IClassFixture<Zfs15>;
