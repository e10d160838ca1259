using System.Net;
using System.Net.Sockets;
using Npgsql;
using Pgd.IntegrationTests.Branches;
using Xunit;

namespace Pgd.IntegrationTests.Quarantine;

/// <summary>
/// What a branch must never do to its source or to what its source is connected with. Each test fails without its rule: a snapshot that is
/// simply started archives, subscribes, dials and lets in whomever the source did.
/// </summary>
public abstract class QuarantineSuite(ShopFixture fixture)
{
    private readonly Shop _shop = fixture.Shop;

    [Fact]
    public async Task A_branch_archives_nothing_and_its_source_goes_on_archiving()
    {
        var archive = NewFolder("archive");
        await using var _ = await ConfigureMainAsync("archive_mode = on", $"archive_command = 'test ! -f {archive}/%f && cp %p {archive}/%f'");
        await ArchiveMainAsync();

        await _shop.CreateAsync("unarchived");
        await _shop.AddAsync("unarchived", 1);
        await _shop.AdministerAsync("unarchived", "select pg_switch_wal()", "checkpoint");
        // The source's next segment has the name of the one that the branch has just filled.
        await _shop.AddAsync("main", 1);
        await ArchiveMainAsync();

        Assert.Equal("0", await _shop.AdministerAsync("main", "select failed_count from pg_stat_archiver"));
        Assert.Equal("0", await _shop.AdministerAsync("unarchived", "select archived_count + failed_count from pg_stat_archiver"));
        Assert.Equal(("off", ""), (await _shop.AskAsync("unarchived", "show archive_mode"), await _shop.AdministerAsync("unarchived", "select reset_val from pg_settings where name = 'archive_command'")));
        // Who asks what became of it is told, also after a reset.
        Assert.Contains("archiving", (await _shop.GetAsync("unarchived")).Severed);
        Assert.Contains("archiving", (await _shop.ResetAsync("unarchived")).Severed);
        await _shop.DeleteAsync("unarchived");

        async Task ArchiveMainAsync()
        {
            var segment = await _shop.AdministerAsync("main", "select pg_walfile_name(pg_current_wal_insert_lsn())");
            await _shop.AdministerAsync("main", "select pg_switch_wal()");
            await Eventually.TrueAsync(async () => await _shop.AdministerAsync("main", $"select count(*) from pg_ls_archive_statusdir() where name = '{segment}.done'") == "1", $"{segment} is archived");
        }
    }

    [Fact]
    public async Task A_branch_of_a_subscriber_takes_nothing_from_the_publisher_and_leaves_its_slot()
    {
        using var publisher = ScratchServer.Start(_shop.Major, "wal_level = logical");
        await publisher.AskAsync("create table news (id int primary key); insert into news values (1); create publication p for table news");
        await _shop.AdministerAsync("main", "create table news (id int primary key)", $"create subscription s connection '{publisher.Conninfo("postgres")}' publication p with (synchronous_commit = on)");
        try
        {
            await NewsAsync("main", "1");
            // Running: the source's worker holds the slot.
            await _shop.CreateAsync("of-running");
            await AssertCutOffAsync("of-running");
            await publisher.AskAsync("insert into news values (2)");
            await NewsAsync("main", "1,2");

            // Stopped: whoever comes first gets the slot, and with it what the source has not seen yet.
            await _shop.StopAsync("main");
            await publisher.AskAsync("insert into news select generate_series(3, 100)");
            await _shop.CreateAsync("of-stopped");
            await AssertCutOffAsync("of-stopped");
            await _shop.StartAsync("main");
            await publisher.AskAsync("insert into news values (101)");
            await NewsAsync("main", string.Join(',', Enumerable.Range(1, 101)));

            Assert.Equal("1", await _shop.AdministerAsync("of-running", "select count(*) from news"));
            Assert.Equal("2", await _shop.AdministerAsync("of-stopped", "select count(*) from news"));
            Assert.All([await _shop.GetAsync("of-running"), await _shop.GetAsync("of-stopped")], branch => Assert.Contains("1 subscription", branch.Severed));
            await _shop.DeleteAsync("of-running", "of-stopped");
            Assert.Equal("s", await publisher.AskAsync("select string_agg(slot_name, ',') from pg_replication_slots"));
        }
        finally
        {
            await _shop.StartAsync("main");
            await _shop.AdministerAsync("main", "alter subscription s disable", "alter subscription s set (slot_name = none)", "drop subscription s", "drop table news");
        }

        Task NewsAsync(string branch, string ids) => Eventually.TrueAsync(async () => await _shop.AdministerAsync(branch, "select string_agg(id::text, ',' order by id) from news") == ids, $"news in {branch}");

        async Task AssertCutOffAsync(string branch)
        {
            Assert.Equal("0", await _shop.AdministerAsync(branch, "select count(*) from pg_subscription"));
            Assert.Equal("s", await publisher.AskAsync("select string_agg(slot_name, ',') from pg_replication_slots"));
            Assert.DoesNotContain("apply worker for subscription", await _shop.LogAsync(branch), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Replication_slots_stay_with_the_source()
    {
        await using (await ConfigureMainAsync("wal_level = logical"))
        {
            await _shop.AdministerAsync("main", "select pg_create_physical_replication_slot('standby', true)", "select pg_create_logical_replication_slot('consumer', 'pgoutput')");
            await _shop.CreateAsync("slots");

            Assert.Equal("0", await _shop.AdministerAsync("slots", "select count(*) from pg_replication_slots"));
            Assert.Empty(Directory.EnumerateFileSystemEntries($"{await _shop.DataAsync("slots")}/pg_replslot"));
            Assert.Equal("consumer,standby", await _shop.AdministerAsync("main", "select string_agg(slot_name, ',' order by slot_name) from pg_replication_slots"));
            await _shop.AdministerAsync("main", "select pg_drop_replication_slot(slot_name) from pg_replication_slots");
            Assert.Contains("2 replication slots", (await _shop.GetAsync("slots")).Severed);
            await _shop.DeleteAsync("slots");
        }
    }

    [Fact]
    public async Task A_commit_in_a_branch_does_not_wait_for_its_sources_standbys()
    {
        await using var _ = await ConfigureMainAsync("synchronous_standby_names = 'nobody'");

        await _shop.CreateAsync("alone");
        await Sql.AskAsync(await _shop.ConnectAsync("alone"), "insert into orders values (-1, 1)", TimeSpan.FromSeconds(20));

        Assert.Contains("synchronous standbys", (await _shop.GetAsync("alone")).Severed);
        await _shop.DeleteAsync("alone");
    }

    [Fact]
    public async Task A_branch_of_a_standby_is_a_primary_of_its_own_and_never_dialed_the_sources()
    {
        using var primary = new TcpListener(IPAddress.Loopback, 0);
        primary.Start();
        var outside = NewFolder("outside");
        var conninfo = $"host=127.0.0.1 port={((IPEndPoint)primary.LocalEndpoint).Port} user=replicator password=secret";
        // The source is a branch itself: it does not dial either, so that whoever does is its branch.
        await _shop.CreateAsync("standby");
        await _shop.StopAsync("standby");
        await AppendSettingsAsync("standby", $"primary_conninfo = '{conninfo}'", "primary_slot_name = 'taken'", "recovery_target_timeline = 'latest'", "recovery_min_apply_delay = '1h'", $"restore_command = 'touch {outside}/restored; false'");
        await WriteAsync("standby", "standby.signal", "");
        await _shop.StartAsync("standby");
        Assert.Equal("true", await _shop.AskAsync("standby", "select pg_is_in_recovery()::text"));

        // With a bracket or without one, whichever the storage does not need.
        await _shop.CreateAsync("otherwise", from: "standby", with: c => c with { Consistency = Consistency.Backup });
        await _shop.AddAsync("otherwise", 1);
        Assert.Equal(await _shop.SumAsync("main") + 1, await _shop.SumAsync("otherwise"));
        await _shop.DeleteAsync("otherwise");
        await _shop.CreateAsync("promoted", from: "standby");

        await _shop.AddAsync("promoted", 1);
        Assert.Equal(await _shop.SumAsync("main") + 1, await _shop.SumAsync("promoted"));
        Assert.Equal("false 2", await _shop.AdministerAsync("promoted", "select pg_is_in_recovery()::text || ' ' || timeline_id::text from pg_control_checkpoint()"));
        Assert.False(File.Exists($"{await _shop.DataAsync("promoted")}/recovery.signal"));
        await _shop.RestartAsync("promoted");
        Assert.Equal("false", await _shop.AskAsync("promoted", "select pg_is_in_recovery()::text"));
        Assert.Equal("", await _shop.AdministerAsync("promoted", "show primary_conninfo"));
        Assert.False(primary.Pending());
        Assert.Empty(Directory.EnumerateFileSystemEntries(outside));
        // The source is still what it was.
        Assert.True(File.Exists($"{await _shop.DataAsync("standby")}/standby.signal"));
        await _shop.DeleteAsync("promoted");
        await _shop.DeleteAsync("standby");
    }

    [Theory]
    [InlineData("postmaster.pid", "$$\n/elsewhere\n1700000000\n5432\n/tmp\n*\n  1 1\nready\n")]
    [InlineData("postmaster.opts", "/usr/bin/postgres \"-D\" \"/elsewhere\"\n")]
    [InlineData("backup_label", "START WAL LOCATION: 7F/28 (file 000000010000007F00000000)\nCHECKPOINT LOCATION: 7F/60\nBACKUP METHOD: streamed\nBACKUP FROM: primary\nSTART TIME: 2020-01-01 00:00:00 UTC\nLABEL: left over\nSTART TIMELINE: 1\n")]
    [InlineData("tablespace_map", "99999 /elsewhere\n")]
    [InlineData("recovery.signal", "")]
    [InlineData("standby.signal", "")]
    public async Task What_speaks_of_another_servers_run_does_not_reach_the_branchs_first_start(string file, string content)
    {
        var name = file.Replace('.', '-').Replace('_', '-');
        await _shop.CreateAsync(name);
        await _shop.StopAsync(name);
        // A process that lives, as the source's server does; a server takes no notice of its own parent's.
        content = content.Replace("$$", (await File.ReadAllLinesAsync($"{await _shop.DataAsync("main")}/postmaster.pid"))[0], StringComparison.Ordinal);
        await WriteAsync(name, file, content);

        await _shop.CreateAsync($"of-{name}", from: name);

        await _shop.AddAsync($"of-{name}", 1);
        Assert.Equal(await _shop.SumAsync("main") + 1, await _shop.SumAsync($"of-{name}"));
        Assert.Equal("false", await _shop.AskAsync($"of-{name}", "select pg_is_in_recovery()::text"));
        Assert.Equal(content, await File.ReadAllTextAsync($"{await _shop.DataAsync(name)}/{file}"));
        await _shop.DeleteAsync($"of-{name}");
        await _shop.DeleteAsync(name);
    }

    [Fact]
    public async Task What_lies_about_in_a_running_source_does_not_reach_the_branch()
    {
        await _shop.CreateAsync("littered");
        foreach (var file in (string[])["backup_label", "tablespace_map", "recovery.signal", "standby.signal"])
            await WriteAsync("littered", file, "left over");

        await _shop.CreateAsync("of-littered", from: "littered");

        await _shop.AddAsync("of-littered", 1);
        Assert.Equal(await _shop.SumAsync("main") + 1, await _shop.SumAsync("of-littered"));
        await _shop.DeleteAsync("of-littered");
        await _shop.DeleteAsync("littered");
    }

    [Theory]
    [InlineData("external-pid-file", "external_pid_file = 'ROOT/source.pid'")]
    [InlineData("log-directory", "logging_collector = on; log_directory = 'ROOT/source-log'; log_destination = 'csvlog'")]
    [InlineData("ssl", "ssl = on; ssl_cert_file = 'ROOT/none.crt'; ssl_key_file = 'ROOT/none.key'; ssl_ca_file = 'ROOT/none.ca'")]
    [InlineData("recovery-target", "recovery_target_time = '2001-01-01 00:00:00+00'; recovery_target_action = 'shutdown'; recovery_target_timeline = '7'")]
    [InlineData("commands", "restore_command = 'touch ROOT/ran'; archive_cleanup_command = 'touch ROOT/ran'; recovery_end_command = 'touch ROOT/ran'; archive_mode = always; archive_command = 'touch ROOT/ran'")]
    [InlineData("library", "archive_mode = on; archive_library = 'no_such_library'")]
    [InlineData("addresses", "listen_addresses = '*'; port = 1; unix_socket_directories = 'ROOT/nowhere'; unix_socket_permissions = 0777")]
    [InlineData("socket-group", "unix_socket_group = 'no_such_group'")]
    [InlineData("files", "hba_file = 'ROOT/none.conf'; ident_file = 'ROOT/none.conf'")]
    [InlineData("name", "cluster_name = 'production'")]
    [InlineData("standby", "primary_conninfo = 'host=127.0.0.1 port=1'; primary_slot_name = 'slot'; hot_standby = off; wal_keep_size = '10GB'")]
    public async Task Settings_that_the_source_left_do_not_reach_outside_the_branch_or_keep_it_from_starting(string name, string settings)
    {
        var source = $"left-{name}";
        // The servers' account may write there: what stays untouched was left alone, and not out of reach.
        var outside = NewFolder("outside");
        File.WriteAllText($"{outside}/source.pid", "the source's");
        LabCommand.Run("chown", "postgres", $"{outside}/source.pid");
        await _shop.CreateAsync(source);
        await _shop.StopAsync(source);
        await AppendSettingsAsync(source, settings.Replace("ROOT", outside, StringComparison.Ordinal).Split("; "));

        var branch = await _shop.CreateAsync($"of-{source}", from: source);

        await _shop.AddAsync($"of-{source}", 1);
        await _shop.AdministerAsync($"of-{source}", "select pg_switch_wal()", "checkpoint");
        Assert.Equal(await _shop.SumAsync("main") + 1, await _shop.SumAsync($"of-{source}"));
        Assert.Equal($"pgd-{branch.Id}-g1", await _shop.AskAsync($"of-{source}", "show cluster_name"));
        Assert.Equal("127.0.0.1", await _shop.AskAsync($"of-{source}", "show listen_addresses"));
        Assert.Equal("the source's", File.ReadAllText($"{outside}/source.pid"));
        Assert.Equal(["source.pid"], Directory.EnumerateFileSystemEntries(outside).Select(Path.GetFileName));
        Assert.DoesNotContain("no_such_library", await _shop.LogAsync($"of-{source}"), StringComparison.Ordinal);
        await _shop.StopAsync($"of-{source}");
        Assert.Equal("the source's", File.ReadAllText($"{outside}/source.pid"));
        await _shop.DeleteAsync($"of-{source}");
        await _shop.DeleteAsync(source);
        Directory.Delete(outside, recursive: true);
    }

    [Fact]
    public async Task A_data_directory_that_the_sources_configuration_names_is_not_the_branchs()
    {
        await _shop.CreateAsync("named");
        await _shop.StopAsync("named");
        var data = await _shop.DataAsync("named");
        // As distributions write it.
        await File.AppendAllTextAsync($"{data}/postgresql.conf", $"\ndata_directory = '{data}'\n");

        await _shop.CreateAsync("of-named", from: "named");

        Assert.Equal(await _shop.DataAsync("of-named"), await _shop.AdministerAsync("of-named", "show data_directory"));
        Assert.False(File.Exists($"{data}/postmaster.pid"));
        await _shop.DeleteAsync("of-named");
        await _shop.DeleteAsync("named");
    }

    [Fact]
    public async Task A_prepared_transaction_of_the_source_does_not_keep_its_branch_from_starting()
    {
        await using (await ConfigureMainAsync("max_prepared_transactions = 5"))
        {
            await Sql.AskAsync(await _shop.ConnectAsync("main"), "begin; insert into orders values (-2, 2); prepare transaction 'open'");

            await _shop.CreateAsync("prepared");

            Assert.Equal(await _shop.SumAsync("main"), await _shop.SumAsync("prepared"));
            Assert.Equal("1", await _shop.AskAsync("prepared", "select count(*) from pg_prepared_xacts"));
            await _shop.AskAsync("prepared", "rollback prepared 'open'");
            Assert.Equal("1", await _shop.AskAsync("main", "select count(*) from pg_prepared_xacts"));
            await _shop.AskAsync("main", "rollback prepared 'open'");
            await _shop.DeleteAsync("prepared");
        }
    }

    [Fact]
    public async Task A_setting_that_is_wrong_is_told_in_the_servers_own_words_and_nothing_is_left()
    {
        await _shop.CreateAsync("needy");
        await _shop.StopAsync("needy");
        await AppendSettingsAsync("needy", "wal_compression = 'sometimes'");

        var error = await _shop.RefusedAsync(ExitCode.Failed, () => _shop.CreateAsync("of-needy", from: "needy"));

        Assert.Contains("invalid value for parameter \"wal_compression\": \"sometimes\"", error.Message, StringComparison.Ordinal);
        await _shop.DeleteAsync("needy");
    }

    [Fact]
    public async Task Whom_the_source_trusts_the_branch_does_not()
    {
        await _shop.CreateAsync("trusting");
        await File.WriteAllTextAsync($"{await _shop.DataAsync("trusting")}/pg_hba.conf", "local all all trust\nhost all all all trust\n");

        var branch = await _shop.CreateAsync("of-trusting", from: "trusting");

        foreach (var (database, user) in (ValueTuple<string, string>[])[("shop", "shop"), ("postgres", "postgres")])
        {
            await Assert.ThrowsAnyAsync<NpgsqlException>(() => Sql.AskAsync("127.0.0.1", branch.Port, database, user, null, "select 1"));
            await Assert.ThrowsAnyAsync<NpgsqlException>(() => Sql.AskAsync("127.0.0.1", branch.Port, database, user, "wrong", "select 1"));
        }

        Assert.Equal("scram-sha-256", await _shop.AdministerAsync("of-trusting", "select string_agg(distinct auth_method, ',') from pg_hba_file_rules where auth_method not in ('reject', 'peer')"));
        await _shop.DeleteAsync("of-trusting");
        await _shop.DeleteAsync("trusting");
    }

    private async Task<IAsyncDisposable> ConfigureMainAsync(params IReadOnlyList<string> settings)
    {
        foreach (var setting in settings)
            await _shop.AdministerAsync("main", $"alter system set {setting}");
        await _shop.RestartAsync("main");
        return new Restored(_shop);
    }

    private async Task AppendSettingsAsync(string branch, params IEnumerable<string> settings) =>
        await File.AppendAllLinesAsync($"{await _shop.DataAsync(branch)}/postgresql.auto.conf", settings);

    private async Task WriteAsync(string branch, string file, string content)
    {
        var path = $"{await _shop.DataAsync(branch)}/{file}";
        await File.WriteAllTextAsync(path, content);
        LabCommand.Run("chown", "postgres:postgres", path);
    }

    private string NewFolder(string name)
    {
        var folder = $"{_shop.Root}/{name}";
        LabCommand.Run("install", "-d", "-o", "postgres", "-m", "700", folder);
        return folder;
    }

    private sealed class Restored(Shop shop) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            await shop.AdministerAsync("main", "alter system reset all");
            await shop.RestartAsync("main");
        }
    }
}

/// <inheritdoc/>
[Trait("Only", "soak")]
public sealed class QuarantineOnBtrfs15(Btrfs15 fixture) : QuarantineSuite(fixture), IClassFixture<Btrfs15>;

/// <inheritdoc/>
[Trait("Only", "soak")]
public sealed class QuarantineOnCopy15(Copy15 fixture) : QuarantineSuite(fixture), IClassFixture<Copy15>;

/// <inheritdoc/>
public sealed class QuarantineOnReflink17(Reflink17 fixture) : QuarantineSuite(fixture), IClassFixture<Reflink17>;

/// <inheritdoc/>
[Trait("Only", "soak")]
public sealed class QuarantineOnBtrfs18(Btrfs18 fixture) : QuarantineSuite(fixture), IClassFixture<Btrfs18>;
