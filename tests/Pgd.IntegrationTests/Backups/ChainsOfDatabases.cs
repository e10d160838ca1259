using System.Globalization;
using System.Text.Json.Nodes;
using Npgsql;
using Pgd.IntegrationTests.Branches;
using Pgd.IntegrationTests.GitHub;
using Xunit;

namespace Pgd.IntegrationTests.Backups;

/// <summary>Differential and incremental backups of databases: what came between them is never lost, whoever wrote it and however.</summary>
public sealed class ChainsOfDatabases : IAsyncLifetime
{
    private const string Definitions = """"
        create type mood as enum ('sad', 'glad');
        create type pair as (a int, b mood);
        create sequence ids; create sequence others;
        create table main (id bigint primary key default nextval('ids'), v text, n numeric, twice text generated always as (coalesce(v, '') || '2') stored, feeling mood, made timestamptz default clock_timestamp());
        create table "Odd ""T""; --" ("a key" text, "Select" int, "ключ" date, x jsonb, primary key ("a key", "Select"));
        create table parts (id bigint generated always as identity, at date not null, v float8, primary key (id, at)) partition by range (at);
        create table parts_1 partition of parts for values from ('2026-01-01') to ('2026-07-01');
        create table parts_2 partition of parts default;
        create table without_key (a int, b text);
        create table times (id int primary key, a timestamptz, b timestamp, c date, d interval, e timetz, f tstzrange, g bytea);
        insert into times select i, '2026-03-29 00:59:00+00'::timestamptz + i * interval '1 minute', '2026-10-25 02:30', '0044-03-15 BC', '-1 year 2 mons -3 days 04:05:06.789', '23:59+05:45', tstzrange('2026-10-25 02:30 Europe/Berlin', null), '\\x00ff' from generate_series(1, 20) i;
        create table by_unique (u uuid not null unique, p pair, r int[]);
        create table quick (id int primary key, v text);
        create table named_a (id int primary key); insert into named_a values (1);
        create table refers (id int primary key, what regclass); insert into refers values (1, 'named_a');
        create table parent (id int primary key); create table child (more text, primary key (id)) inherits (parent);
        insert into main (v, n, feeling) select 'v' || i, i / 7.0, (enum_range(null::mood))[1 + i % 2] from generate_series(1, 400) i;
        insert into "Odd ""T""; --" select E'k\t\\' || i || E'\n', i, '2026-01-01'::date + i, jsonb_build_object('i', i) from generate_series(1, 100) i;
        insert into parts (at, v) select '2026-05-01'::date + i, random() from generate_series(1, 100) i;
        insert into without_key select i % 10, 'same' from generate_series(1, 50) i;
        insert into by_unique select md5(i::text)::uuid, row (i, 'sad')::pair, array[i, null] from generate_series(1, 50) i;
        insert into quick select i, 'x' from generate_series(1, 50) i;
        insert into parent select generate_series(1, 10); insert into child select i, 'c' from generate_series(1, 10) i;
        select lo_from_bytea(5000, '\xc0ffee');
        """";

    private static readonly int Runs = Soak.IsOn ? 200 : 20;

    private readonly TemporaryFolder _folder = new();
    private ScratchServer _server = null!;

    /// <inheritdoc/>
    public async ValueTask InitializeAsync()
    {
        // Clocks and forms of a server, a database, a role and a client (see SucceedAsync), each of them another one.
        _server = ScratchServer.Start(15, "max_prepared_transactions = 10", "fsync = off", "full_page_writes = off", "timezone = 'Europe/Berlin'", "datestyle = 'German, DMY'");
        await ExecuteAsync("postgres", "create database source; alter database source set timezone to 'Asia/Kathmandu'; alter database source set intervalstyle to sql_standard; alter role postgres set datestyle to 'SQL, MDY'; alter role postgres set bytea_output to escape");
        await ExecuteAsync("source", Definitions);
        await SucceedAsync("init");
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _server.Dispose();
        _folder.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>Open and prepared transactions at both moments, savepoints, changed keys, truncation, redefinition, rewriting, renaming, freezing, large objects, partitions.</summary>
    [Fact]
    public async Task After_any_changes_the_chain_restores_what_a_dump_shows()
    {
        var random = new Random(20261129);
        var kinds = new Dictionary<string, int>();
        await SucceedAsync("create", "--source", Url("source"));
        for (var run = 0; run < Runs; run++)
        {
            var done = new List<string>();
            await using var open = new NpgsqlConnection(ConnectionString("source"));
            await open.OpenAsync();
            // Whoever is open may be open over the whole run, and then nothing can be redefined; or from its end on.
            var early = random.Next(2) == 0;
            if (early)
                await BeginAsync(open, random, run);
            for (var i = random.Next(1, 8); i > 0; i--)
                await StepAsync(random, run, early, done);
            if (!early)
                await BeginAsync(open, random, run);

            var kind = random.Next(3) switch { 0 => "--differential", _ => "--incremental" };
            var made = JsonNode.Parse(await SucceedAsync("create", "--source", Url("source"), kind, "--max-chain", "6", "--json"))!;
            kinds[$"{made["kind"]}"] = kinds.GetValueOrDefault($"{made["kind"]}") + 1;
            var expected = Dump("source");
            await ExecuteAsync(open, random.Next(3) == 0 ? "rollback" : "commit");
            await ExecuteAsync("source", random.Next(3) == 0 ? $"rollback prepared 'p{run}'" : $"commit prepared 'p{run}'");

            await ExecuteAsync("postgres", "drop database if exists target");
            await ExecuteAsync("postgres", "create database target");
            // By psql alone it is the same.
            if (run % 5 == 4)
                Export($"{made["id"]}", JsonNode.Parse(await SucceedAsync("export", $"{made["id"]}", "--to", Path.Combine(_folder.Path, $"exported{run}"), "--json"))!);
            else
                await SucceedAsync("restore", $"{made["id"]}", "--to-url", Url("target"));
            Assert.True(expected == Dump("target"), $"run {run}, {made["kind"]}, after {string.Join("; ", done)}:\n{Dumps.FirstDifference(expected, Dump("target"))}");
        }

        Assert.True(kinds.GetValueOrDefault("incremental") > Runs / 4 && kinds.GetValueOrDefault("differential") > Runs / 8, string.Join(", ", kinds));
        Assert.Contains("is whole (content)", await SucceedAsync("verify", "latest"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_did_not_change_is_not_stored_again_and_what_is_gone_is_not_restored()
    {
        await ExecuteAsync("source", "insert into main (v) select repeat(md5(i::text), 10) from generate_series(1, 20000) i");
        var full = JsonNode.Parse(await SucceedAsync("create", "--source", Url("source"), "--table", "main", "--incremental", "--json"))!;
        Assert.Equal(("full", "there is none to build on"), ($"{full["kind"]}", $"{full["fullBecause"]}"));

        await ExecuteAsync("source", "delete from main where id = 7; update main set v = 'new' where id = 8; insert into main (v) values ('more')");
        var text = await SucceedAsync("create", "--source", Url("source"), "--table", "main", "--incremental");
        Assert.Contains($"incremental, built on {full["id"]}", text, StringComparison.Ordinal);
        Assert.Contains("without the sequence public.ids, from which public.main takes values", text, StringComparison.Ordinal);
        var list = JsonNode.Parse(await SucceedAsync("list", "--json"))!.AsArray();
        Assert.True((long)list[1]!["storedBytes"]! < (long)list[0]!["storedBytes"]! / 10, $"{list[1]!["storedBytes"]} of {list[0]!["storedBytes"]}");

        await ExecuteAsync("postgres", "create database target");
        await ExecuteAsync("target", "create type mood as enum ('sad', 'glad'); create sequence ids");
        await SucceedAsync("restore", "latest", "--to-url", Url("target"));
        Assert.Equal("20400 / 0 / new", await AskAsync("target", "select count(*) || ' / ' || count(*) filter (where id = 7) || ' / ' || max(v) filter (where id = 8) from main"));
    }

    [Fact]
    public async Task A_source_that_was_brought_back_gets_a_full_backup_with_the_reason()
    {
        await SucceedAsync("create", "--source", Url("source"));
        _server.Stop();
        LabCommand.Run("cp", "-a", _server.Data, _server.Data + ".then");
        _server.Start();
        await ExecuteAsync("source", "delete from main where id % 2 = 0");
        Assert.Contains("incremental, built on", await SucceedAsync("create", "--source", Url("source"), "--incremental"), StringComparison.Ordinal);
        _server.Stop();
        LabCommand.Run("rm", "-rf", _server.Data);
        LabCommand.Run("mv", _server.Data + ".then", _server.Data);
        _server.Start();

        Assert.Contains("its source was restored", await SucceedAsync("create", "--source", Url("source"), "--incremental"), StringComparison.Ordinal);
        var root = Directory.CreateDirectory(Path.Combine(_folder.Path, "standby")).FullName;
        using var standby = _server.NewStandby(root, $"{root}/data", ScratchServer.FreePort());
        Assert.Contains("its source is a standby", await SucceedAsync("create", "--source", string.Create(CultureInfo.InvariantCulture, $"postgresql://postgres@127.0.0.1:{standby.Port}/source"), "--incremental"), StringComparison.Ordinal);
        Assert.Contains("the chain of", await SucceedAsync("create", "--source", Url("source"), "--incremental", "--max-chain", "1"), StringComparison.Ordinal);
    }

    private static async Task BeginAsync(NpgsqlConnection open, Random random, int run)
    {
        await ExecuteAsync(open, $"begin; insert into main (v) values ('open {run}'); savepoint a; insert into main (v) values ('inner {run}'); {(random.Next(2) == 0 ? "rollback to a" : "release a")}; update main set n = {run} where id = (select id from main where id > 0 and id % 2 = 0 order by md5(id::text || '{run}') limit 1 for update skip locked)");
        await OnceAsync(open.ConnectionString, $"begin; insert into main (v) values ('prepared {run}'); delete from quick where id = {random.Next(1000)}; prepare transaction 'p{run}'");
    }

    private async Task StepAsync(Random random, int run, bool early, List<string> done)
    {
        var n = random.Next(1, 10_000);
        string[] writes =
        [
            $"insert into main (v, n, feeling) select md5(i::text || '{n}'), i, (enum_range(null::mood))[1] from generate_series(1, {n % 50}) i",
            $"update main set v = v || '!' where id % 2 = 1 and id % {2 + (n % 20)} = 0",
            $"delete from main where id % 2 = 1 and id % {3 + (n % 40)} = 0",
            "update main set id = -id where id % 2 = 1 and id % 7 = 0",
            $"begin; insert into main (v) values ('s{n}'); savepoint a; update main set v = 'lost' where id % 2 = 1; rollback to a; savepoint b; delete from main where id % 2 = 1 and id % 11 = {n % 11}; savepoint c; insert into main (v) values ('kept{n}'); release b; commit",
            $"begin; update main set v = 'never' where id % 2 = 1; delete from by_unique; rollback",
            $"insert into \"Odd \"\"T\"\"; --\" select E'n\\\\{n}\\t' || i, i, null, '{{\"a\": [1, null]}}' from generate_series(1, {n % 9}) i on conflict do nothing",
            $"update \"Odd \"\"T\"\"; --\" set \"Select\" = \"Select\" + 100000, \"a key\" = '\\N' || \"a key\" where \"Select\" % 13 = {n % 13}",
            $"delete from \"Odd \"\"T\"\"; --\" where \"Select\" % 17 = {n % 17}",
            $"insert into parts (at, v) select '2026-06-01'::date + i, {n} from generate_series(1, {n % 60}) i",
            $"update parts set at = at + {n % 90} where id % 5 = {n % 5}",
            $"insert into without_key values ({n}, null); delete from without_key where a = {n % 10}",
            $"update by_unique set u = md5(u::text)::uuid where (p).a % 9 = {n % 9}; insert into by_unique values (md5('{n}{run}')::uuid, row ({n}, null)::pair, '{{}}')",
            $"delete from child where id = {n % 12}; insert into parent values ({n} + {run} * 10000) on conflict do nothing",
            $"select lo_from_bytea({6000 + (run * 20) + (n % 20)}, decode(md5('{n}'), 'hex')) where not exists (select from pg_largeobject_metadata where oid = {6000 + (run * 20) + (n % 20)}); select lo_put(5000, {n % 5000}, '\\xff')",
            $"update times set a = a + interval '1 day', d = d * 2 where id % 5 = {n % 5}; delete from times where id = {n % 30}; insert into times (id, a) values (1000 + {run} * 10 + {n % 10}, clock_timestamp()) on conflict do nothing",
            "select setval('others', nextval('others') + 5)",
            "vacuum freeze parts_1", "vacuum freeze by_unique", "vacuum without_key",
        ];
        string[] definitions =
        [
            $"truncate quick; insert into quick select i, 't' from generate_series(1, {n % 70}) i",
            $"begin; truncate quick; insert into quick values (1); rollback",
            $"alter table main add column c{run}_{n} int default {n}",
            $"alter table by_unique add column if not exists extra text default 'e{n}'",
            "alter table by_unique drop column if exists extra",
            $"alter table quick alter column id type {(n % 2 == 0 ? "bigint" : "int")}",
            $"alter type mood rename value '{(n % 2 == 0 ? "sad" : "blue")}' to '{(n % 2 == 0 ? "blue" : "sad")}'",
            $"alter type mood add value if not exists 'm{n % 7}'",
            "alter table named_a rename to named_b", "alter table named_b rename to named_a",
            "vacuum full main", "vacuum freeze main", "cluster by_unique using by_unique_u_key",
            $"create table made_{run}_{n} (id int primary key, v text); insert into made_{run}_{n} values (1, '{n}')",
            $"create table copied_{run}_{n} as select * from main",
            "alter table parts detach partition parts_1; delete from parts_1 where id % 3 = 0; alter table parts attach partition parts_1 for values from ('2026-01-01') to ('2026-07-01')",
            "alter table quick drop constraint quick_pkey; insert into quick values (1, 'twice'), (1, 'twice')",
            "delete from quick; alter table quick add constraint quick_pkey primary key (id)",
        ];
        var pick = early ? writes[random.Next(writes.Length)] : random.Next(3) > 0 ? writes[random.Next(writes.Length)] : definitions[random.Next(definitions.Length)];
        try
        {
            await ExecuteAsync("source", pick);
            done.Add(pick);
        }
        catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.UndefinedTable or PostgresErrorCodes.UndefinedObject or PostgresErrorCodes.InvalidParameterValue or PostgresErrorCodes.UniqueViolation or PostgresErrorCodes.DuplicateTable
            or PostgresErrorCodes.InvalidTableDefinition or PostgresErrorCodes.DuplicateObject or PostgresErrorCodes.DuplicateColumn or PostgresErrorCodes.CheckViolation)
        {
            // What is renamed already, or has a row twice: the step undoes nothing and does nothing.
            done.Add($"refused ({e.SqlState}): {pick}");
        }
    }

    private string Url(string database) => string.Create(CultureInfo.InvariantCulture, $"postgresql://postgres@127.0.0.1:{_server.Port}/{database}");

    private string ConnectionString(string database) => string.Create(CultureInfo.InvariantCulture, $"Host=127.0.0.1;Port={_server.Port};Username=postgres;Database={database};Pooling=false");

    private Task ExecuteAsync(string database, string sql) => OnceAsync(ConnectionString(database), sql);

    private static async Task OnceAsync(string connectionString, string sql)
    {
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync();
        await ExecuteAsync(connection, sql);
    }

    // One by one: some run in no transaction, and several in one message would be one.
    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql)
    {
        foreach (var statement in Pgd.Migrations.SqlScript.Split(sql))
        {
            await using var command = new NpgsqlCommand(statement.Text, connection) { AllResultTypesAreUnknown = true };
            await command.ExecuteNonQueryAsync();
        }
    }

    private async Task<string?> AskAsync(string database, string sql)
    {
        await using var connection = new NpgsqlConnection(ConnectionString(database));
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        return (await command.ExecuteScalarAsync())?.ToString();
    }

    private void Export(string id, JsonNode exported)
    {
        var file = Directory.EnumerateFiles($"{exported["folder"]}", "*.sql.zst").Single();
        var log = LabCommand.Run("bash", "-o", "pipefail", "-c", $"zstd -dc '{file}' | psql -qXv ON_ERROR_STOP=1 '{Url("target")}' 2>&1 >/dev/null");
        Assert.True(log.Length == 0, $"{id}: {log}");
    }

    private string Dump(string database) => Dumps.OfPostgres(Url(database));

    private async Task<string> SucceedAsync(params string[] arguments)
    {
        using StringWriter output = new(), error = new();
        var environment = new Dictionary<string, string> { ["PGD_BACKUP_REPOSITORY"] = Path.Combine(_folder.Path, "repository"), ["PGD_ROOT"] = Path.Combine(_folder.Path, "root"), ["HOME"] = "/nonexistent", ["TZ"] = "America/St_Johns", ["PGTZ"] = "America/St_Johns" };
        var status = await Pgd.Tool.Entry.RunAsync(["backup", .. arguments], new() { Output = output, Error = error, Environment = environment });
        Assert.True(status == 0, $"dotnet pgd backup {string.Join(' ', arguments)}: {status} {output} {error}");
        return output.ToString();
    }
}
