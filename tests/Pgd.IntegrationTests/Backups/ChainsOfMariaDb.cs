using System.Diagnostics;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Pgd.IntegrationTests.GitHub;
using Pgd.IntegrationTests.SqlCommands;
using Xunit;

namespace Pgd.IntegrationTests.Backups;

/// <summary>Differential and incremental backups of MariaDB by a column: what came between them is not lost as long as rows have the time of their last change, and what is gone is gone.</summary>
public sealed class ChainsOfMariaDb : IAsyncLifetime
{
    private const string Definitions = """
        create sequence numbers;
        create table main (id bigint primary key auto_increment, v text, n decimal(30,8), f float, d double, b bit(10), bits bit(64), bin varbinary(50), bl longblob, j json, e enum('a','é','') character set latin1, s set('x','y','z'),
            l varchar(30) character set latin1, u varchar(30) character set utf16, sj varchar(30) character set sjis, dt datetime(3), y year, t time(6), p point, `odd ``name` int default 7, twice varchar(100) generated always as (concat(left(v, 20), '2')) stored, g int generated always as (id + 1) virtual,
            hidden int invisible default 3, updated_at timestamp(6) null default current_timestamp(6) on update current_timestamp(6));
        create table `Odd ``t/able``; -- #P#` (`a key` varchar(30) not null, `Select` int not null, `ключ` date, x longtext, updated_at timestamp not null default current_timestamp on update current_timestamp, primary key (`a key`, `Select`));
        create table parts (id int primary key auto_increment, v double, updated_at timestamp null) partition by hash (id) partitions 3;
        create table by_binary (u binary(16) primary key, v varchar(200), unique (v), updated_at timestamp not null default current_timestamp on update current_timestamp);
        create table clocks (id int primary key, v text, updated_at datetime default current_timestamp on update current_timestamp);
        create table days (id int primary key, v text, updated_at date);
        create table without_key (a int, b text, updated_at timestamp not null default current_timestamp);
        create table without_column (id int primary key, v text);
        create table quick (id int primary key, v text, updated_at timestamp not null default current_timestamp on update current_timestamp);
        create table versioned (id int primary key, v text, updated_at timestamp not null default current_timestamp on update current_timestamp) with system versioning;
        create table dates (id int primary key, a date, b datetime, updated_at timestamp not null default current_timestamp on update current_timestamp);
        create table parent (id int primary key, updated_at timestamp null);
        create table child (id int primary key, parent int, foreign key (parent) references parent (id) on delete cascade, updated_at timestamp null);
        create function twice(a int) returns int deterministic return 2 * a;
        create view seen as select id, twice(id) t from main;
        create procedure hello() select 'x;y';
        create trigger loud before insert on without_column for each row set new.v = concat('by trigger ', new.v);
        create event never on schedule every 1 year disable do select 1;
        set time_zone = '+00:00', sql_mode = 'ALLOW_INVALID_DATES';
        insert into main (v, n, f, d, b, bits, bin, bl, j, e, s, l, u, sj, dt, y, t, p, updated_at) select concat('v', seq), seq / 7, seq / 3, seq / 7e0, seq, 18446744073709551615 - seq, unhex(hex(seq)), concat(x'00090a0d1a5c27ff', seq), json_object('a', concat('\\"', seq)),
            1 + seq % 3, seq % 8, 'ÿé', 'aé', _sjis x'955c8145', '2026-03-29 02:30:00.123', 2026, '-23:59:59.123456', point(seq, 1 / seq), '2020-01-01 00:00:00' + interval seq second from seq_1_to_400;
        insert into main (v, e, updated_at) values (null, 0, '2020-01-01'), ('NULL', null, null), ('', '', '2020-01-01'), ('\0\t\n\r\\N\Z''"`\\', null, '2020-01-01');
        insert into `Odd ``t/able``; -- #P#` select concat('k\t\\', seq, '\n'), seq, '2026-01-01' + interval seq day, repeat('é😀', seq), '2020-01-01' from seq_1_to_100;
        insert into parts (v, updated_at) select rand(1), '2020-01-01' from seq_1_to_100;
        insert into by_binary select unhex(md5(seq)), concat('w', seq), '2020-01-01' from seq_1_to_60;
        insert into clocks select seq, 'c', '2020-01-01' from seq_1_to_50;
        insert into days select seq, 'd', '2020-01-01' from seq_1_to_50;
        insert into without_key select seq % 5, 'same', '2020-01-01' from seq_1_to_20;
        insert into without_column select seq, 'w' from seq_1_to_20;
        insert into quick select seq, 'q', '2020-01-01' from seq_1_to_50;
        insert into versioned (id, v) select seq, 'v' from seq_1_to_20;
        insert into dates values (1, '0000-00-00', '0000-00-00 00:00:00', '2020-01-01'), (2, '2026-02-31', '2026-11-31 00:00:00', '2020-01-01'), (0, null, null, '2020-01-01');
        insert into parent select seq, '2020-01-01' from seq_1_to_20; insert into child select seq, 1 + seq % 20, '2020-01-01' from seq_1_to_60;
        """;

    private static readonly int Runs = Soak.IsOn ? 200 : 10;

    private readonly TemporaryFolder _folder = new();
    private MariaDbServer _server = null!;

    /// <inheritdoc/>
    public async ValueTask InitializeAsync()
    {
        _server = await MariaDbServer.StartAsync();
        // Neither the server nor those who write have the zone of whoever makes backups; and a backslash is not what it is elsewhere.
        _server.Ask("set global time_zone = '+05:45', global sql_mode = 'NO_BACKSLASH_ESCAPES,ANSI_QUOTES,PAD_CHAR_TO_FULL_LENGTH'");
        Run(Definitions);
        await SucceedAsync("init");
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _server.Dispose();
        _folder.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>Open transactions at both moments, changed keys, rows that come back with old times, truncation, redefinition, rewriting, dropping; texts in all kinds of character sets.</summary>
    [Fact]
    public async Task After_any_changes_the_chain_restores_what_a_dump_shows()
    {
        var random = new Random(20261129);
        var kinds = new Dictionary<string, int>();
        await SucceedAsync(Create());
        for (var run = 0; run < Runs; run++)
        {
            var done = new List<string>();
            using var open = new OpenSession(_server);
            var early = random.Next(2) == 0;
            if (early)
                open.Begin(run);
            for (var i = random.Next(1, 8); i > 0; i--)
                Step(random, run, early, done);
            if (!early)
                open.Begin(run);

            var made = JsonNode.Parse(await SucceedAsync(Create(random.Next(3) == 0 ? "--differential" : "--incremental", "--max-chain", "6")))!;
            kinds[$"{made["kind"]}"] = kinds.GetValueOrDefault($"{made["kind"]}") + 1;
            var expected = Dump("shop");
            open.End(random.Next(3) == 0 ? "rollback" : "commit");

            _server.Ask("drop database if exists copy; create database copy character set latin1");
            // By the program alone it is the same.
            if (run % 5 == 4)
                LabCommand.Run("bash", "-o", "pipefail", "-c", $"zstd -dc '{JsonNode.Parse(await SucceedAsync(["export", $"{made["id"]}", "--to", Path.Combine(_folder.Path, $"exported{run}"), "--json"]))!["folder"]}'/*.sql.zst | mariadb --no-defaults --socket={_server.Socket} --user=root copy");
            else
                await SucceedAsync("restore", $"{made["id"]}", "--to-url", Source("copy"));
            Assert.True(expected == Dump("copy"), $"run {run}, {made["kind"]}, after {string.Join("; ", done)}:\n{Dumps.FirstDifference(expected, Dump("copy"))}");
        }

        Assert.True(kinds.GetValueOrDefault("incremental") >= Runs / 5 && kinds.GetValueOrDefault("differential") >= Runs / 10, string.Join(", ", kinds));
        Assert.Contains("is whole (content)", await SucceedAsync("verify", "latest"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_a_transaction_wrote_that_was_open_at_the_earlier_moment_is_not_lost()
    {
        using var open = new OpenSession(_server);
        // Twice in a second: the row's time is that of the backup, and only when the transaction began tells more.
        var second = _server.Ask("select unix_timestamp()").Trim();
        Run($"set timestamp = {second}; update quick set v = 'first' where id = 3");
        open.Say($"set timestamp = {second}; begin; update quick set v = 'second' where id = 3; insert into quick (id, v) values (1000, 'late'); update clocks set v = 'late' where id = 3");
        await Until.TrueAsync(() => _server.Ask("select count(*) from information_schema.innodb_trx where trx_rows_modified > 1").Trim() != "0", "the transaction has written");
        // Longer than what is allowed for what is at work at the very moment.
        await Task.Delay(3500);
        var full = JsonNode.Parse(await SucceedAsync(Create()))!;
        Assert.Equal("full", $"{full["kind"]}");
        open.End("commit");
        await Task.Delay(100);

        Assert.Equal("incremental", $"{JsonNode.Parse(await SucceedAsync(Create("--incremental")))!["kind"]}");

        _server.Ask("create database copy");
        await SucceedAsync("restore", "latest", "--to-url", Source("copy"));
        Assert.Equal("late late second", _server.Ask("select concat((select v from quick where id = 1000), ' ', (select v from clocks where id = 3), ' ', (select v from quick where id = 3))", "copy").Trim());
        Assert.Equal(Dump("shop"), Dump("copy"));
    }

    [Fact]
    public async Task What_did_not_change_is_not_stored_again_and_a_chain_ends_where_it_cannot_be_trusted()
    {
        Run("insert into quick select seq + 1000, md5(seq), '2020-01-01' from seq_1_to_20000");
        var full = JsonNode.Parse(await SucceedAsync(Create("--differential")))!;
        Assert.Equal(("full", "there is none to build on"), ($"{full["kind"]}", $"{full["fullBecause"]}"));
        Run("delete from quick where id = 1007; update quick set v = 'new' where id = 1008; insert into quick (id, v) values (5, 'more') on duplicate key update v = 'more'; drop table days");
        var result = await RunAsync(Create("--differential"));
        Assert.Contains("what changes in a row without its updated_at is not seen; as a whole, for want of that column or a primary key: ", result.Error, StringComparison.Ordinal);
        Assert.Contains("without_column", result.Error, StringComparison.Ordinal);
        var list = JsonNode.Parse(await SucceedAsync("list", "--json"))!.AsArray();
        Assert.True((long)list[1]!["storedBytes"]! < (long)list[0]!["storedBytes"]! / 10, $"{list[1]!["storedBytes"]} of {list[0]!["storedBytes"]}");
        _server.Ask("create database copy");
        await SucceedAsync("restore", "latest", "--to-url", Source("copy"));
        Assert.Equal(Dump("shop"), Dump("copy"));

        Run("alter table quick add touched timestamp null");
        Assert.Contains("was made by the column updated_at", await SucceedAsync("create", "--source", Source("shop"), "--incremental", "--changed-by", "touched"), StringComparison.Ordinal);
        await SucceedAsync("create", "--source", Source("shop"));
        Assert.Contains("was made without --changed-by", await SucceedAsync(Create("--incremental")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_column_that_says_nothing_of_changes_is_refused_with_what_to_type()
    {
        await RefusedAsync(4, "no table of", "--changed-by updated_at", "--changed-by", "updatedat");
        await RefusedAsync(2, "clocks.updated_at is datetime, which has no time zone", "--changed-zone UTC", "--changed-by", "updated_at");
        await RefusedAsync(7, "main.n is decimal, which does not say when a row was changed", "--exclude-table", "--changed-by", "n");
        await RefusedAsync(7, "main.twice is computed from other columns", "--exclude-table", "--changed-by", "twice");
        await RefusedAsync(2, "there is no time zone \"Berlin\"", "Europe/Berlin", "--changed-by", "updated_at", "--changed-zone", "Berlin");
        await RefusedAsync(2, "do not say by themselves when they were written", "--changed-by updated_at", "--incremental");
        _server.Ask("create user 'reader' identified by 'x'; grant select, show view, trigger, event on shop.* to 'reader'");
        var reader = new Dictionary<string, string> { ["MYSQL_PWD"] = "x" };
        string[] create = ["create", "--source", $"mariadb://reader@127.0.0.1:{_server.Port}/shop", "--table", "quick", "--changed-by", "updated_at"];
        var result = await RunAsync(create, reader);
        Assert.True(result.Status == 7 && result.Error.Contains("GRANT PROCESS ON *.*", StringComparison.Ordinal), result.ToString());
        result = await RunAsync([.. create, "--changed-margin", "1h"], reader);
        Assert.True(result.Status == 0, result.ToString());

        async Task RefusedAsync(int status, string error, string hint, params string[] arguments)
        {
            var refused = await RunAsync(["create", "--source", Source("shop"), .. arguments]);
            Assert.True(refused.Status == status && refused.Error.Contains(error, StringComparison.Ordinal) && refused.Error.Contains(hint, StringComparison.Ordinal), refused.ToString());
        }
    }

    private string[] Create(params string[] more) => ["create", "--source", Source("shop"), "--changed-by", "updated_at", "--changed-zone", "+05:45", "--json", .. more];

    private void Step(Random random, int run, bool early, List<string> done)
    {
        var n = random.Next(1, 10_000);
        string[] writes =
        [
            $"insert into main (v, n, l, bl, d) select md5(seq + {n}), seq, 'é', x'00ff', rand() from seq_1_to_{1 + (n % 50)}",
            $"update main set v = concat(v, '!') where id % 2 = 1 and id % {2 + (n % 20)} = 0",
            $"delete from main where id % 2 = 1 and id % {3 + (n % 40)} = 0",
            $"update main set id = -id where id % 2 = 1 and id % {5 + (n % 20)} = 0",
            $"update main set id = -id, updated_at = updated_at where id % 2 = 1 and id % {5 + (n % 20)} = 0",
            $"insert into main (v, updated_at) values ('from an archive', '2019-01-01'), ('no time', null)",
            $"begin; update main set v = 'never' where id % 2 = 1; delete from by_binary; rollback",
            $"insert ignore into `Odd ``t/able``; -- #P#` select concat('n\\\\{n}\\t', seq), seq, null, '\\'', now() from seq_1_to_{1 + (n % 9)}",
            $"update `Odd ``t/able``; -- #P#` set `Select` = `Select` + 100000, `a key` = concat('\\\\N', `a key`) where `Select` % 13 = {n % 13}",
            $"update `Odd ``t/able``; -- #P#` set `a key` = upper(`a key`) where `Select` % 13 = {n % 13}",
            $"delete from `Odd ``t/able``; -- #P#` where `Select` % 17 = {n % 17}",
            $"insert into parts (v, updated_at) select {n} / 7, now() from seq_1_to_{1 + (n % 60)}",
            $"update parts set v = v + 1, updated_at = now() where id % 5 = {n % 5}; delete from parts where id % 7 = {n % 7}",
            $"insert into without_key values ({n}, null, now()); delete from without_key where a = {n % 10}",
            $"update without_column set v = concat(v, '{n}') where id % 3 = {n % 3}",
            $"update by_binary a join by_binary b on a.v = 'w{1 + (n % 60)}' and b.v = 'w{1 + (n % 59)}' set a.v = concat(a.v, 'x'); update by_binary set u = unhex(md5(u)) where u < 0x40; insert ignore into by_binary (u, v) values (unhex(md5({n})), 'w{n % 70}')",
            $"update by_binary set v = concat('t', v) where v in ('w1', 'w2'); update by_binary set v = if(v = 'tw1', 'w2', 'w1') where v in ('tw1', 'tw2')",
            $"insert into clocks (id, v) values ({n}, 'x') on duplicate key update v = 'y'; delete from clocks where id % 11 = {n % 11} and id <> 3",
            $"insert into days values ({n}, 'x', curdate()) on duplicate key update v = 'y', updated_at = curdate(); delete from days where id % 11 = {n % 11}",
            $"insert into versioned (id, v) values ({n}, 'x') on duplicate key update v = 'y'; delete from versioned where id % 11 = {n % 11}",
            $"delete from parent where id % 9 = {n % 9}; insert ignore into parent values ({n}, now()); insert ignore into child values ({n}, {n}, now())",
            $"insert into dates values ({n}, '0000-00-00', '2026-02-31', now()) on duplicate key update a = '2026-06-31'",
            "select nextval(numbers)",
            "analyze table main",
        ];
        string[] definitions =
        [
            $"truncate quick; insert into quick select seq, 't', '2019-01-01' from seq_1_to_{1 + (n % 70)}",
            $"delete from quick; insert into quick select seq, 'n{n}', '2018-01-01' + interval {n} second from seq_1_to_{1 + (n % 70)}",
            "truncate parts",
            $"alter table main add column c{run}_{n} int default {n}",
            $"alter table by_binary add column if not exists extra text default 'e{n}'",
            "alter table by_binary drop column if exists extra",
            $"alter table quick modify id {(n % 2 == 0 ? "bigint" : "int")}",
            $"alter table main auto_increment = {10_000 + (run * 1000)}",
            $"alter table main modify l varchar(30) character set {(n % 2 == 0 ? "latin1" : "cp1251")}",
            "alter table clocks engine = InnoDB", "optimize table by_binary",
            $"create table made_{run}_{n} (id int primary key, v text, updated_at timestamp null); insert into made_{run}_{n} values (1, '{n}', null)",
            $"create table copied_{run}_{n} as select * from main",
            "rename table days to days_b", "rename table days_b to days",
            "alter table quick drop primary key; insert into quick values (1, 'twice', now()), (1, 'twice', now())",
            "delete from quick; alter table quick add primary key (id)",
            $"create or replace view seen as select id, {n} t from main", $"create or replace procedure hello() select '{n}'",
            "drop table if exists dates", "create table if not exists dates (id int primary key, a date, b datetime, updated_at timestamp null)",
            "alter table parts remove partitioning", "alter table parts partition by hash (id) partitions 2",
        ];
        var pick = early ? writes[random.Next(writes.Length)] : random.Next(3) > 0 ? writes[random.Next(writes.Length)] : definitions[random.Next(definitions.Length)];
        try
        {
            Run("set sql_mode = 'ALLOW_INVALID_DATES'; " + pick);
            done.Add(pick);
        }
        catch (InvalidOperationException e) when (Regex.IsMatch(e.Message, "ERROR (1050|1051|1054|1060|1062|1068|1091|1146|1205|1366|1477|1505) "))
        {
            // What is renamed already, or has a row twice.
            done.Add($"refused: {pick}");
        }
    }

    private string Run(string sql) => _server.Ask("set innodb_lock_wait_timeout = 1, sql_mode = ''; " + sql);

    private string Source(string database) => $"mariadb://root@localhost/{database}?socket={_server.Socket}";

    private string Dump(string database) => Dumps.OfMariaDb(_server, database);

    private async Task<ToolResult> RunAsync(IReadOnlyList<string> arguments, Dictionary<string, string>? environment = null)
    {
        using StringWriter output = new(), error = new();
        environment = new(environment ?? []) { ["PGD_BACKUP_REPOSITORY"] = Path.Combine(_folder.Path, "repository"), ["PGD_ROOT"] = Path.Combine(_folder.Path, "root"), ["HOME"] = "/nonexistent", ["TZ"] = "America/St_Johns" };
        var status = await Pgd.Tool.Entry.RunAsync(["backup", .. arguments], new() { Output = output, Error = error, Environment = environment });
        return new(status, output.ToString(), error.ToString());
    }

    private async Task<string> SucceedAsync(params string[] arguments)
    {
        var result = await RunAsync(arguments);
        Assert.True(result.Status == 0, $"dotnet pgd backup {string.Join(' ', arguments)}: {result}");
        return result.Output;
    }

    /// <summary>Somebody who is at work for a while.</summary>
    private sealed class OpenSession(MariaDbServer server) : IDisposable
    {
        private readonly Process _process = Process.Start(new ProcessStartInfo("mariadb", ["--no-defaults", $"--socket={server.Socket}", "--user=root", "--batch", "--skip-column-names", "--unbuffered", "shop"]) { RedirectStandardInput = true, RedirectStandardOutput = true })!;

        public void Begin(int run) => Say($"begin; insert into main (v) values ('open {run}'); savepoint a; insert into main (v) values ('inner {run}'); rollback to a; update main set n = {run} where id > 0 and id % 2 = 0 limit 1; update clocks set v = 'open {run}' where id = 3");

        public void Say(string sql)
        {
            _process.StandardInput.WriteLine($"{sql};\nselect 'said';");
            _process.StandardInput.Flush();
            Assert.Equal("said", _process.StandardOutput.ReadLine());
        }

        public void End(string how) => Say(how);

        public void Dispose()
        {
            _process.StandardInput.Dispose();
            _process.WaitForExit();
            _process.Dispose();
        }
    }
}
