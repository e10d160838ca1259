using System.Globalization;
using System.Text.Json.Nodes;
using Npgsql;
using Pgd.Backups;
using Pgd.IntegrationTests.Branches;
using Pgd.Libpq;
using Pgd.Replication;
using Xunit;

namespace Pgd.IntegrationTests.Replication;

/// <summary>Databases that become copies on another server, follow, and take over.</summary>
public sealed class LogicalReplicas
{
    // Whoever does that keeps the value from being set, and nothing before it.
    private const string Sequence = "alter sequence sales.orders_id_seq cache 5";

    [Theory]
    [InlineData(15)]
    [InlineData(17)]
    public async Task A_copy_that_is_made_under_traffic_has_each_change_once_and_takes_over(int target)
    {
        using var servers = await TwoServers.FilledAsync(target);
        await using var traffic = Traffic.On(servers, seed: target);

        Assert.Contains("Copied shop", await servers.SucceedAsync("init"), StringComparison.Ordinal);
        Assert.Contains("was complete already", await servers.SucceedAsync("init"), StringComparison.Ordinal);
        Assert.Equal("waiting", await StateAsync(servers));
        Assert.Contains("shop follows shop", await servers.SucceedAsync("sync"), StringComparison.Ordinal);
        Assert.Contains("followed already", await servers.SucceedAsync("sync"), StringComparison.Ordinal);
        await Eventually.TrueAsync(async () => await StateAsync(servers) == "following");
        Assert.Contains("could be cut over now", await servers.SucceedAsync("cutover", "--dry-run"), StringComparison.Ordinal);
        Assert.Equal("off", await servers.AskSourceAsync("show default_transaction_read_only"));

        var done = JsonNode.Parse(await servers.SucceedAsync("cutover", "--max-pause", "30s", "--json"))![0]!;
        Assert.True((double)done["pauseSeconds"]! > 0, $"{done}");
        Assert.True(await traffic.EndAsync() > 0);

        Assert.Equal("on", await servers.AskSourceAsync("show default_transaction_read_only"));
        if (target == 15)
            servers.Equal();
        Assert.Equal(await DigestAsync(servers.AskSourceAsync), await DigestAsync(servers.AskTargetAsync));
        await servers.CleanAsync();
        // Who inserts there gets a number that nobody had.
        await servers.AskTargetAsync("insert into sales.orders (amount) values (1)");
    }

    [Fact]
    public async Task What_is_left_out_neither_comes_nor_hinders_and_rows_that_are_not_meant_do_not_either()
    {
        using var servers = await TwoServers.FilledAsync();
        servers.Fill("create table sales.payments (id int primary key, \"order\" bigint references sales.orders, at timestamptz not null default now()); alter table sales.payments replica identity full; insert into sales.payments values (1, 1, now()), (2, 2, now() - interval '90 days'); create view sales.paid as select * from sales.totals");
        string[] filter = ["--exclude-tables", "shop.sales.orders,shop.nothing", "--row-filter", "shop.payments: at > now() - interval '30 days'"];

        var told = await servers.SucceedAsync("init", filter);
        Assert.All((string[])["sales.orders", "sales.totals", "payments_order_fkey"], left => Assert.Contains(left, told, StringComparison.Ordinal));
        await servers.SucceedAsync("sync", filter);
        await servers.AskSourceAsync("delete from sales.orders where id = 5; insert into sales.payments values (3, 3, now()), (4, 4, now() - interval '31 days'); update sales.payments set at = now() where id = 2");
        await servers.SucceedAsync("status", [.. filter, "--fail-above", "30s"]);

        await servers.SucceedAsync("verify", filter);
        Assert.Equal("1,2,3", await servers.AskTargetAsync("select string_agg(id::text, ',' order by id) from sales.payments"));
        Assert.Equal("true", await servers.AskTargetAsync("select (to_regclass('sales.orders') is null and to_regclass('sales.totals') is null and to_regclass('sales.paid') is null and to_regclass('sales.customers') is not null)::text"));
        await servers.RefusedAsync(5, "init", [], "is a copy of");
        await servers.SucceedAsync("cleanup", filter);
        await servers.CleanAsync();
    }

    [Fact]
    public async Task Nobody_who_writes_notices_that_a_publication_comes_and_goes()
    {
        const int rounds = 150, writers = 8, tables = 20;
        using var servers = await TwoServers.StartAsync();
        servers.Fill($"do $$ begin for i in 1..{tables} loop execute format('create table w%s as select 1 as id, 0 as n', i); execute format('alter table w%s add primary key (id)', i); end loop; end $$");
        await servers.Target.AskAsync("create database shop");
        ConnectionUrl there = new() { Host = "127.0.0.1", Port = servers.Source.Port, Database = "shop", User = "postgres" }, here = there with { Port = servers.Target.Port };
        await using var source = await LogicalSource.OpenUnlockedAsync(there, TableSelection.All, snapshot: null, default);
        await using var replica = await DatabaseReplica.OpenAsync(there, here, default);
        using var end = new CancellationTokenSource();
        var writing = Enumerable.Range(0, writers).Select(_ => WriteAsync()).ToList();

        for (var round = 0; round < rounds && writing.TrueForAll(writer => !writer.IsCompleted); round++)
        {
            await Publication.MakeAsync(replica, source.Tables, default);
            await Publication.RemoveAsync(replica, default);
        }

        await end.CancelAsync();
        Assert.All(await Task.WhenAll(writing), count => Assert.True(count > 0));
        Assert.Equal("0", await servers.AskSourceAsync("select count(*) from pg_publication"));

        // One table is being vacuumed, for hours perhaps.
        await Publication.MakeAsync(replica, source.Tables, default);
        await using (var vacuum = new NpgsqlConnection(string.Create(CultureInfo.InvariantCulture, $"Host=127.0.0.1;Port={servers.Source.Port};Database=shop;Username=postgres;Pooling=false")))
        {
            await vacuum.OpenAsync();
            await using var locking = new NpgsqlCommand("begin; lock table w7 in share update exclusive mode", vacuum);
            await locking.ExecuteNonQueryAsync();
            await Publication.RemoveAsync(replica, default);
        }

        Assert.Equal("0", await servers.AskSourceAsync("select count(*) from pg_publication"));

        async Task<int> WriteAsync()
        {
            await using var connection = new NpgsqlConnection(string.Create(CultureInfo.InvariantCulture, $"Host=127.0.0.1;Port={servers.Source.Port};Database=shop;Username=postgres;Pooling=false"));
            await connection.OpenAsync();
            for (var count = 0; ; count++)
            {
                await using var command = new NpgsqlCommand(string.Create(CultureInfo.InvariantCulture, $"update w{1 + (count % tables)} set n = n + 1"), connection);
                await command.ExecuteNonQueryAsync();
                if (end.IsCancellationRequested)
                    return count;
            }
        }
    }

    [Theory]
    [InlineData(15)]
    [InlineData(17)]
    public async Task Text_is_sorted_as_at_the_source_also_by_ICU(int target)
    {
        using var servers = await TwoServers.StartAsync(target);
        await servers.Source.AskAsync("drop database shop");
        await servers.Source.AskAsync("create database shop template template0 locale_provider icu icu_locale 'de-u-kn-true' encoding 'UTF8'");

        await servers.SucceedAsync("init");

        Assert.Equal("t t", await servers.AskTargetAsync("select concat_ws(' ', 'B' > 'a', 'x10' > 'x9')"));
    }

    [Fact]
    public async Task Where_text_cannot_be_sorted_as_at_the_source_that_is_said()
    {
        using var servers = await TwoServers.StartAsync(17);
        await servers.Source.AskAsync("drop database shop");
        await servers.Source.AskAsync("create database shop template template0 locale_provider icu icu_locale 'nonsense-nowhere' encoding 'UTF8'");
        await servers.Target.AskAsync("alter system set icu_validation_level = error");
        await servers.Target.AskAsync("select pg_reload_conf()");
        await Eventually.TrueAsync(async () => await servers.Target.AskAsync("show icu_validation_level") == "error");

        var made = await servers.Root.InProcessAsync(["replicate", "init", .. servers.Addresses]);

        Assert.True(made.Status == 0 && made.Error.ReplaceLineEndings(" ").Contains("is sorted by ICU's nonsense-nowhere where it comes from, which the new server does not have", StringComparison.Ordinal), made.ToString());
        Assert.Equal("c", await servers.AskTargetAsync("select datlocprovider::text from pg_database where datname = current_database()"));
    }

    [Fact]
    public async Task What_cannot_be_replicated_is_said_before_anything_is_made_with_what_to_type()
    {
        using var servers = await TwoServers.StartAsync();
        servers.Fill("create table plain (id int); create table whole (doc json); alter table whole replica identity full; create role reader login; create table keyed (id int primary key, code text not null unique); alter table keyed replica identity nothing; create extension pg_trgm");
        await servers.RefusedAsync(7, "init", [], "UPDATE and DELETE of public.keyed, public.plain would fail", "ALTER TABLE \"public\".\"plain\" REPLICA IDENTITY FULL", "USING INDEX keyed_code_key", "public.whole (doc)");
        await servers.RefusedAsync(7, "validate", [], "problem", "replica identity", "Not ready: shop");
        // What is typed mends it, and nothing was left until then.
        await servers.CleanSourceAsync();
        servers.Fill("alter table plain replica identity full; alter table keyed replica identity default; drop table whole");
        Assert.Contains("Ready.", await servers.SucceedAsync("validate"), StringComparison.Ordinal);

        await servers.RefusedAsync(4, "init", ["--include-tables", "shop.nothing_like_it"], "nothing_like_it");
        var reader = TwoServers.Url(servers.Source).Replace("postgres@", "reader@", StringComparison.Ordinal);
        await RefusedAsync(7, TwoServers.Url(servers.Source), TwoServers.Url(servers.Source), "are the same database");
        await RefusedAsync(7, reader, TwoServers.Url(servers.Target), "may not read", "may not replicate");
        await servers.Target.AskAsync("create database shop");
        await servers.AskTargetAsync("create table something (id int)");
        await servers.RefusedAsync(7, "init", [], "is not empty: it has public.something", "--drop-existing");
        await servers.RefusedAsync(7, "init", ["--drop-existing"], "would drop shop", "--yes");
        await servers.RefusedAsync(4, "sync", [], "is no complete copy", "replicate init");
        using (var newer = ScratchServer.Start(17))
            await RefusedAsync(7, TwoServers.Url(newer, "postgres"), TwoServers.Url(servers.Target), "is PostgreSQL 17", "is 15", "or of a newer one");
        await using (var pooler = Relay.Pooler(servers.Source.Port))
            await RefusedAsync(7, $"postgresql://postgres@127.0.0.1:{pooler.Port}/shop", TwoServers.Url(servers.Target), "answers, but not as a server that can be replicated", "not through a pooler");
        await using (await servers.HoldTargetAsync("select"))
            await servers.RefusedAsync(7, "init", ["--drop-existing", "--yes"], "others are connected to it");
        await servers.CleanSourceAsync();
        Assert.Equal("something", await servers.AskTargetAsync("select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'"));
        await servers.SucceedAsync("init", "--drop-existing", "--yes");

        async Task RefusedAsync(int status, string source, string target, params string[] told)
        {
            var refused = await servers.Root.InProcessAsync("replicate", "init", "--source", source, "--target", target);
            Assert.True(refused.Status == status && told.All(text => refused.Error.Contains(text, StringComparison.Ordinal)), refused.ToString());
        }
    }

    [Fact]
    public async Task A_cutover_that_loses_the_copy_leaves_the_source_so_that_no_change_is_lost()
    {
        using var servers = await TwoServers.FilledAsync();
        await servers.SucceedAsync("init");
        await servers.SucceedAsync("sync");

        // Before the copy may count as on its own: whoever writes goes on.
        await using (await servers.HoldTargetAsync(Sequence))
        {
            var refusing = servers.RefusedAsync(1, "cutover", ["--max-pause", "30s"], "is written to as before");
            await WaitsAsync();
            await CutAsync();
            await refusing;
        }

        Assert.Equal("off", await servers.AskSourceAsync("show default_transaction_read_only"));
        await servers.SucceedAsync("cutover", "--undo");

        // After it, for all that is known: nobody writes until somebody can ask.
        await servers.SucceedAsync("status", "--fail-above", "30s");
        var holder = await servers.HoldTargetAsync(Sequence);
        var stopping = servers.RefusedAsync(11, "cutover", ["--max-pause", "30s"], "is still read-only", "--undo");
        await WaitsAsync();
        await using (await servers.HoldTargetAsync("select from pgd_replicate.replica for update"))
        {
            await holder.DisposeAsync();
            await Eventually.TrueAsync(async () => await servers.Target.AskAsync("select count(*) from pg_stat_activity where application_name = 'pgd replicate' and wait_event_type = 'Lock' and query like 'update pgd_replicate%'") == "1");
            await CutAsync();
            await stopping;
        }

        Assert.Equal("on", await servers.AskSourceAsync("show default_transaction_read_only"));
        await servers.SucceedAsync("cutover", "--undo");
        Assert.Equal("off", await servers.AskSourceAsync("show default_transaction_read_only"));
        await servers.AskSourceAsync("insert into emptied values (-9, 'x')");
        await servers.SucceedAsync("cutover", "--max-pause", "30s");
        servers.Equal();

        Task WaitsAsync() => Eventually.TrueAsync(async () => await servers.Target.AskAsync("select count(*) from pg_stat_activity where application_name = 'pgd replicate' and wait_event_type = 'Lock'") == "1");

        Task<string?> CutAsync() => servers.Target.AskAsync("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pgd replicate'");
    }

    // Settings that a service has and no other server, as its documentation names them.
    [Theory]
    [InlineData("", "ALTER SYSTEM SET wal_level = logical;")]
    [InlineData("rds.logical_replication = off", "rds.logical_replication = 1")]
    [InlineData("neon.timeline_id = 'x'", "at Neon")]
    [InlineData("cloudsql.logical_decoding = off", "cloudsql.logical_decoding = on")]
    [InlineData("azure.extensions = ''", "server parameter wal_level")]
    public async Task A_server_that_does_not_decode_its_log_is_told_what_to_set(string service, string remedy)
    {
        using var servers = await TwoServers.StartAsync(15, "wal_level=replica", service);
        servers.Fill("create table keyed (id int primary key)");
        await servers.RefusedAsync(7, "init", [], "wal_level of the source is replica", remedy);
        await servers.CleanSourceAsync();
        Assert.Contains("Compare them", await servers.SucceedAsync("init", "--no-sync"), StringComparison.Ordinal);
        await servers.RefusedAsync(7, "sync", [], "--no-sync", "--drop-existing");
    }

    [Fact]
    public async Task A_slot_that_somebody_dropped_is_noticed_and_the_copy_is_made_anew()
    {
        using var servers = await TwoServers.FilledAsync();
        await servers.SucceedAsync("init");
        await servers.AskSourceAsync("select pg_drop_replication_slot(slot_name) from pg_replication_slots");
        await servers.RefusedAsync(1, "sync", [], "is gone", "--drop-existing");
        Assert.Equal("lost", await StateAsync(servers));
        await servers.SucceedAsync("init", "--drop-existing", "--yes");
        await servers.SucceedAsync("sync");
        await servers.SucceedAsync("status", "--fail-above", "30s");
        Assert.Equal(await DigestAsync(servers.AskSourceAsync), await DigestAsync(servers.AskTargetAsync));
    }

    [Fact]
    public async Task What_was_redefined_at_the_source_is_named_with_what_to_type_and_then_it_goes_on()
    {
        using var servers = await TwoServers.FilledAsync();
        await servers.SucceedAsync("init");
        await servers.SucceedAsync("sync");
        await servers.AskSourceAsync("alter table sales.customers add column fresh int; insert into sales.customers (name, fresh) values ('with it', 7); create table later (id int primary key)");
        await servers.RefusedAsync(9, "status", ["--fail-above", "1s"], "lacks the column fresh of \"sales\".\"customers\"", "ADD COLUMN fresh integer", "later");
        await servers.RefusedAsync(7, "cutover", [], "is not ready to be cut over");
        await servers.AskTargetAsync("alter table sales.customers add column fresh integer");
        await servers.SucceedAsync("status", "--fail-above", "30s");
        Assert.Equal("7", await servers.AskTargetAsync("select fresh from sales.customers where name = 'with it'"));
    }

    [Fact]
    public async Task A_cutover_that_takes_too_long_or_cannot_be_ends_with_the_source_as_it_was()
    {
        using var servers = await TwoServers.FilledAsync();
        await servers.SucceedAsync("init");
        await servers.SucceedAsync("sync");
        await servers.AskSourceAsync("alter database shop set default_transaction_read_only = off");
        // Who holds what is to be changed keeps the copy from taking it.
        await using (await servers.HoldTargetAsync("lock table sales.customers in access exclusive mode"))
        {
            await servers.AskSourceAsync("update sales.customers set name = 'late' where id = 1");
            await servers.RefusedAsync(7, "cutover", ["--max-pause", "2s"], "is not ready", "Nothing was changed");
        }

        await servers.SucceedAsync("status", "--fail-above", "30s");
        await using (await servers.HoldTargetAsync(Sequence))
            await servers.RefusedAsync(9, "cutover", ["--max-pause", "1s"], "nobody could write", "as before");

        Assert.Equal("off", await servers.AskSourceAsync("show default_transaction_read_only"));
        await servers.AskSourceAsync("begin; insert into emptied values (-1, 'p'); prepare transaction 'later'");
        await servers.RefusedAsync(7, "cutover", [], "was prepared");
        await servers.AskSourceAsync("commit prepared 'later'");
        await servers.SucceedAsync("cutover", "--max-pause", "30s");
        Assert.Equal("1", await servers.AskTargetAsync("select count(*) from emptied where id = -1"));
    }

    [Fact]
    public async Task Any_password_works_and_is_seen_by_nobody()
    {
        using var servers = await TwoServers.FilledAsync();
        var password = string.Concat(Enumerable.Range(' ', '~' - ' ' + 1).Select(c => (char)c)) + "§ключ";
        await servers.AskSourceAsync($"create role careful superuser login; set password_encryption = 'scram-sha-256'; alter role careful password '{password.Replace("'", "''", StringComparison.Ordinal)}'");
        var rules = Path.Combine(servers.Source.Data, "pg_hba.conf");
        await File.WriteAllTextAsync(rules, $"host all careful all scram-sha-256\nhost replication careful all scram-sha-256\n{await File.ReadAllTextAsync(rules)}");
        await servers.AskSourceAsync("select pg_reload_conf()");
        Dictionary<string, string> Environment(string text) => new() { ["PGD_SOURCE_URL"] = TwoServers.Url(servers.Source).Replace("postgres@", $"careful:{Uri.EscapeDataString(text)}@", StringComparison.Ordinal), ["PGD_TARGET_URL"] = TwoServers.Url(servers.Target) };

        var said = new List<string>();
        foreach (var verb in (string[])["validate", "init", "sync", "status", "cleanup"])
        {
            var wrong = await servers.Root.InProcessWithAsync(Environment(password + "!"), "replicate", verb);
            Assert.True(wrong.Status == 1 && wrong.Error.Contains("refuses the login", StringComparison.Ordinal), wrong.ToString());
            using var run = servers.Root.Start(Environment(password), ["replicate", verb, "--json"]);
            while (!run.HasEnded)
            {
                said.AddRange(CommandLines());
                await Task.Delay(20);
            }

            var result = run.Wait();
            Assert.True(result.Status == 0, $"{verb}: {result}");
            said.AddRange([wrong.Output, wrong.Error, result.Output, result.Error]);
            said.Add(await servers.Target.AskAsync("select coalesce(string_agg(query, ' '), '') from pg_stat_activity") ?? "");
        }

        foreach (var server in (ScratchServer[])[servers.Source, servers.Target])
            said.Add(await File.ReadAllTextAsync(Path.Combine(server.Data, "log.txt")));
        // Wherever it begins: escaped in whatever way, these stay together.
        Assert.All(said, text => Assert.DoesNotContain("0123456789", text, StringComparison.Ordinal));
        Assert.All(said, text => Assert.DoesNotContain("ABCDEFGHIJKLMNOPQRSTUVWXYZ", text, StringComparison.Ordinal));

        static IEnumerable<string> CommandLines() => Directory.EnumerateDirectories("/proc").Where(folder => int.TryParse(Path.GetFileName(folder), out _)).Select(folder =>
        {
            try
            {
                return File.ReadAllText(Path.Combine(folder, "cmdline"));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                return "";
            }
        });
    }

    internal static async Task<string> StateAsync(TwoServers servers) => $"{JsonNode.Parse(await servers.SucceedAsync("status", "--json"))![0]!["state"]}";

    internal static async Task<string?> DigestAsync(Func<string, Task<string?>> ask) =>
        await ask("select concat_ws('/', (select concat_ws(' ', count(*), sum(hashtextextended(t::text, 0)::numeric)) from sales.orders t), (select concat_ws(' ', count(*), sum(hashtextextended(t::text, 0)::numeric)) from sales.customers t), (select concat_ws(' ', count(*), sum(hashtextextended(t::text, 0)::numeric)) from parts t), (select concat_ws(' ', count(*), sum(hashtextextended(t::text, 0)::numeric)) from coded t), (select concat_ws(' ', count(*), sum(hashtextextended(t::text, 0)::numeric)) from parent t), (select count(*) from emptied))");
}
