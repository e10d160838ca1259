using System.Globalization;
using Npgsql;
using Pgd.IntegrationTests.Branches;
using Pgd.Libpq;
using Pgd.Replication;
using Xunit;

namespace Pgd.IntegrationTests.Replication;

/// <summary>A comparison finds what differs, all of it, and nothing else.</summary>
public sealed class Comparisons : IDisposable
{
    private const int MutationsAtOnce = 100;

    // NULL and the empty text, separators inside of values, types without hash functions, types of one's own, names that have to be quoted.
    private const string Definitions = """
        create schema odd;
        create type odd.mood as enum ('sad', 'ok', 'happy', 'p|q');
        create type odd.pair as (a int, b text);
        create domain odd.short as text check (length(value) < 1000);
        create table odd.bag (a text, b text, n int);
        create table odd."T a.b""c" (id int primary key, "Serial No" bigint generated always as identity, a text, b text, j json, jb jsonb, x xml, pt point, bt bit(8), vb bit varying, ts tsvector, m money, e odd.mood, d odd.short, c odd.pair,
            arr int[], tarr text[], n numeric, doubled numeric generated always as (n * 2) stored, f float8, by bytea, i interval, tz timestamptz, r int4range, u uuid, net inet, ch char(10), q "char", nm name, cls regclass, es odd.mood[], dt date, bl bool, "select" text);
        insert into odd."T a.b""c" (id, a, b, j, jb, x, pt, bt, vb, ts, m, e, d, c, arr, tarr, n, f, by, i, tz, r, u, net, ch, q, nm, cls, es, dt, bl, "select")
        select i, case i % 3 when 0 then null when 1 then '' else 'text ' || i end, case i % 4 when 0 then null when 1 then '' when 2 then 'p|q' else 'b' || i end, ('{"k": ' || i || ', "l": [1,2]}')::json, jsonb_build_object('k', i, 'l', null), ('<a>' || i || '</a>')::xml,
            point(i, i / 7.0), (i % 256)::bit(8), (i % 16)::bit(4)::varbit, to_tsvector('simple', 'some words ' || i), (i * 1.25)::numeric::money, (enum_range(null::odd.mood))[1 + i % 4], 'short ' || i, row(i, 'x' || i)::odd.pair, array[i, null, i + 1], array['a,b', 'c', i::text],
            i * 1.10, i / 3.0, decode(md5(i::text), 'hex'), make_interval(months => 1 + i % 5), timestamptz '2024-03-31 01:59:59+00' + i * interval '1 minute', int4range(i, i + 5), md5(i::text)::uuid, ('10.0.' || i % 256 || '.1/24')::inet, 'c' || i, chr(65 + i % 26)::"char", ('n' || i)::name,
            'pg_catalog.pg_class'::regclass, array['ok', 'sad']::odd.mood[], date '2024-02-29' + i, i % 2 = 0, E'line\nbreak\\' || i || '''"'
        from generate_series(1, 2000) i;
        insert into odd.bag select 'v' || i % 500, nullif('w' || i % 500, 'w7'), i % 500 from generate_series(1, 1500) i;
        create table odd.pairs (k1 text, k2 text, u int unique, primary key (k1, k2));
        insert into odd.pairs select 'p|' || i, 'q', i from generate_series(1, 1000) i;
        insert into odd.pairs select 'p', i || '|q', -i from generate_series(1, 1000) i;
        create table odd.parts (id int, at int, note text, primary key (id, at)) partition by range (at);
        create table odd.parts_0 partition of odd.parts for values from (0) to (5);
        create table odd.parts_5 partition of odd.parts for values from (5) to (10);
        insert into odd.parts select i, i % 10, 'note ' || i from generate_series(1, 1000) i;
        create table odd.nothing ();
        insert into odd.nothing default values;
        create table odd.empty (id int primary key);
        """;

    private const string TreeAtSource = """
        create table odd.tree (id int primary key, note text) partition by hash (id);
        create table odd.tree_0 partition of odd.tree for values with (modulus 2, remainder 0);
        create table odd.tree_1 partition of odd.tree for values with (modulus 2, remainder 1);
        """;

    private const string TreeRows = "insert into odd.tree select i, 'note ' || i from generate_series(1, 1000) i;";

    private readonly ScratchServer _source = ScratchServer.Start(15, "wal_level = logical", "fsync = off");
    private readonly List<ScratchServer> _targets = [];

    /// <inheritdoc/>
    public void Dispose()
    {
        _targets.ForEach(target => target.Dispose());
        _source.Dispose();
    }

    [Theory]
    [InlineData(15)]
    [InlineData(17)]
    public async Task Each_single_change_is_found_and_nothing_else_and_the_fix_undoes_it(int major)
    {
        var target = Target(major);
        await FillAsync(_source, Definitions + TreeAtSource + TreeRows);
        await FillAsync(target, Definitions + "create table odd.tree (id int primary key, note text);" + TreeRows);
        var rounds = (Soak.IsOn ? 10_000 : 1_000) / 2 / MutationsAtOnce;
        for (var round = 0; round < rounds; round++)
        {
            var (random, hash) = (new Random((major * 1_000) + round), (RowHash)(round % 3));
            var strict = hash != RowHash.Values;
            await EqualAsync(hash);
            var expected = await MutateAsync(target, random, strict);
            using var fix = new StringWriter();

            var compared = await CompareAsync(target, hash, fix);

            var told = compared.Databases[0].Tables.SelectMany(table => table.Rows.Select(row => (Name: $"{row.Kind} {(table.Name.StartsWith("parts", StringComparison.Ordinal) ? "parts" : table.Name)} {string.Join('/', row.Key.Where(column => table.Name != "bag" || column.Key == "a").Select(column => column.Value))}", row.Columns))).ToList();
            var differences = expected.Keys.Except(told.Select(one => one.Name)).Select(one => $"not found: {one}").Concat(told.Select(one => one.Name).Except(expected.Keys).Select(one => $"no difference: {one}")).ToList();
            Assert.True(differences.Count == 0, $"round {round}, {hash}: {string.Join("; ", differences.Take(10))}");
            Assert.All(told.Where(one => expected[one.Name] is not null), one => Assert.Contains(expected[one.Name], one.Columns.Select(column => column.Column)));
            await Sql.AskAsync("127.0.0.1", target.Port, "shop", "postgres", null, fix.ToString());
            await Sql.AskAsync("127.0.0.1", target.Port, "shop", "postgres", null, "truncate odd.bag; insert into odd.bag select 'v' || i % 500, nullif('w' || i % 500, 'w7'), i % 500 from generate_series(1, 1500) i");
        }

        await EqualAsync(RowHash.Bytes);
        foreach (var server in new[] { _source, target })
            Assert.Equal("0", await server.AskAsync("select sum(temp_bytes) from pg_stat_database"));

        async Task EqualAsync(RowHash hash) =>
            Assert.DoesNotContain((await CompareAsync(target, hash, null)).Databases[0].Tables, table => !table.IsEqual);
    }

    [Theory]
    [InlineData(15)]
    [InlineData(17)]
    public async Task Nothing_is_reported_that_is_only_on_its_way_and_what_differs_is(int major)
    {
        var target = Target(major);
        await FillAsync(_source, "create table moving (id bigint primary key, n int, note text); insert into moving select i, 0, 'x' from generate_series(1, 5000) i; create table hot (id int primary key, n bigint); insert into hot values (1, 0); create table plain (n int); alter table plain replica identity full; create publication p for all tables");
        await FillAsync(target, "create table moving (id bigint primary key, n int, note text); create table hot (id int primary key, n bigint); create table plain (n int); alter table plain replica identity full");
        await TargetAsync($"create subscription pgd_test connection '{_source.Conninfo("shop")}' publication p");
        await Eventually.TrueAsync(async () => await TargetAsync("select count(*) from pg_subscription_rel where srsubstate = 'r'") == "3");
        using var end = new CancellationTokenSource();
        var writing = Enumerable.Range(0, 2).Select(i => WriteAsync(i, end.Token)).ToList();
        try
        {
            for (var i = 0; i < (Soak.IsOn ? 50 : 5); i++)
            {
                var compared = await CompareAsync(target, (RowHash)(i % 3), null);
                Assert.True(compared.Databases[0] is { IsFollowing: true, Tables.Count: 3 } && compared.IsEqual, Told(compared));
            }

            await TargetAsync("update moving set note = 'wrong' where id = 17; delete from moving where id = 18; insert into moving values (-1, 0, 'nobody''s'); insert into plain values (-5)");
            var different = await CompareAsync(target, null, null);
            Assert.Equal(["Different 17", "Extra -1", "Extra -5", "Missing 18"], different.Databases[0].Tables.SelectMany(table => table.Rows.Select(row => $"{row.Kind} {row.Key.First().Value}")).Order(StringComparer.Ordinal));
        }
        finally
        {
            await end.CancelAsync();
            Assert.True((await Task.WhenAll(writing)).Sum() > 100);
        }

        Task<string?> TargetAsync(string sql) => Sql.AskAsync("127.0.0.1", target.Port, "shop", "postgres", null, sql);
    }

    [Theory]
    [InlineData("alter table large add primary key (id)", "Different 299999, Different 5, Extra -1, Missing 150000", 100_000)]
    [InlineData("select 1", "Extra -1, Extra 299999, Extra 5, Missing 150000, Missing 299999, Missing 5", 10_000)]
    public async Task Of_a_large_table_only_what_differs_comes_here(string key, string told, int most)
    {
        var definitions = $"create table large (id int not null, note text); insert into large select i, md5(i::text) from generate_series(1, 300000) i; {key}";
        await FillAsync(_source, definitions);
        var target = Target(15);
        await FillAsync(target, definitions);
        await Sql.AskAsync("127.0.0.1", target.Port, "shop", "postgres", null, "update large set note = 'x' where id in (5, 299999); delete from large where id = 150000; insert into large values (-1, null)");
        foreach (var server in new[] { _source, target })
            await Sql.AskAsync("127.0.0.1", server.Port, "shop", "postgres", null, "select pg_stat_reset()");

        var large = Assert.Single((await CompareAsync(target, null, null)).Databases[0].Tables);

        Assert.Equal(told, string.Join(", ", large.Rows.Select(row => $"{row.Kind} {row.Key["id"]}").Order(StringComparer.Ordinal)));
        Assert.Equal((300_000, 300_000), (large.SourceRows, large.TargetRows));
        await Sql.AskAsync("127.0.0.1", target.Port, "shop", "postgres", null, "truncate large");
        var emptied = Assert.Single((await CompareAsync(target, null, null)).Databases[0].Tables);
        Assert.Equal((true, most, 0L), (emptied.AndMore, emptied.Missing, emptied.TargetRows));
        foreach (var server in new[] { _source, target })
            Assert.Equal("0", await Sql.AskAsync("127.0.0.1", server.Port, "shop", "postgres", null, "select temp_bytes from pg_stat_database where datname = 'shop'"));
    }

    private static string Told(Compared compared) => string.Join("; ", compared.Databases.SelectMany(database => database.Tables).Where(table => !table.IsEqual).Select(table => $"{table.Name}: {table.Missing} missing, {table.Extra} extra, {table.Different} different, {table.Undecided} undecided: {string.Join(", ", table.Rows)}").Concat(compared.Databases.SelectMany(database => database.Schema.Select(one => one.ToString()))));

    // New rows, changed ones, deleted ones, other keys; one that everybody changes; rows below 100 rest.
    private async Task<int> WriteAsync(int writer, CancellationToken end)
    {
        await using var connection = new NpgsqlConnection($"{new NpgsqlConnectionStringBuilder { Host = "127.0.0.1", Port = _source.Port, Database = "shop", Username = "postgres", Pooling = false }}");
        await connection.OpenAsync(CancellationToken.None);
        var (random, written) = (new Random(writer), 0);
        while (!end.IsCancellationRequested)
        {
            var id = random.Next(100, 5000);
            var sql = random.Next(6) switch
            {
                0 => $"insert into moving values ({10_000 + (written * 2) + writer}, 1, 'new')",
                1 => $"delete from moving where id = {random.Next(10_000, 10_000 + (2 * written) + 1)}",
                2 => $"update moving set id = {100_000_000 + (written * 2) + writer} where id = {random.Next(10_000, 10_000 + (2 * written) + 1)}",
                3 => $"insert into plain values ({random.Next(10)})",
                4 => $"delete from plain where ctid = (select ctid from plain limit 1)",
                _ => $"update moving set n = n + 1, note = repeat('y', {random.Next(20)}) where id = {id}",
            };
            await using var command = new NpgsqlCommand($"begin; update hot set n = n + 1; {sql}; commit", connection);
            await command.ExecuteNonQueryAsync(CancellationToken.None);
            written++;
        }

        return written;
    }

    /// <summary>Changes rows of the target, each in one way that is to be found: what is told of them, and a column of those that differ.</summary>
    private static async Task<Dictionary<string, string?>> MutateAsync(ScratchServer target, Random random, bool strict)
    {
        List<(string Column, string Value)> values =
        [
            ("a", "case when a is null then '' when a = '' then null else overlay(a placing chr(ascii(right(a, 1)) + 1) from length(a)) end"), ("b", "case when b is null then '' when b = '' then null else b || ' ' end"),
            ("j", "(j::text || ' ')::json"), ("jb", "jb || '{\"z\": 1}'"), ("x", "('<b/>' || x::text)::xml"), ("pt", "pt + point(1e-9, 0)"), ("bt", "bt # B'00000001'"), ("vb", "vb || B'0'"), ("ts", "ts || 'zz:1'::tsvector"), ("m", "m + 0.01::numeric::money"),
            ("e", "case e when 'sad' then 'ok' else 'sad' end::odd.mood"), ("d", "d || '.'"), ("c", "row((c).a, null)::odd.pair"), ("c", "row(null, (c).a || (c).b)::odd.pair"), ("arr", "arr || null::int"), ("arr", "arr[3:3] || arr[2:2] || arr[1:1]"), ("tarr", "array[array_to_string(tarr, ',')]"),
            ("n", "n + 0.000001"), ("doubled", "n - 1"), ("f", "f + f * 1e-15"), ("by", "set_byte(by, 3, get_byte(by, 3) # 1)"), ("i", "make_interval(days => 30 * (extract(month from i))::int)"), ("tz", "tz + interval '1 microsecond'"), ("r", "int4range(lower(r), upper(r), '[]')"),
            ("u", "md5(u::text)::uuid"), ("net", "set_masklen(net, 25)"), ("ch", "rtrim(ch) || 'x'"), ("q", "chr(97 + ascii(q::text) % 26)::\"char\""), ("nm", "(nm::text || '_')::name"), ("cls", "'odd.bag'::regclass"), ("es", "es || 'ok'::odd.mood"), ("dt", "dt - 1"), ("bl", "not bl"), ("bl", "null"),
            ("select", "replace(\"select\", E'\\n', E'\\r\\n')"),
        ];
        if (strict)
            values.AddRange([("n", "(n::text || '0')::numeric"), ("jb", "jsonb_set(jb, '{k}', ((jb ->> 'k') || '.0')::jsonb)"), ("f", "'-0'")]);
        var (expected, statements) = (new Dictionary<string, string?>(StringComparer.Ordinal), new List<string>());
        var (ids, bags, pairs, parts, trees) = (Fresh(2000), Fresh(499), Fresh(1000), Fresh(1000), Fresh(1000));
        for (var i = 0; i < MutationsAtOnce; i++)
        {
            switch (random.Next(14))
            {
                case 0:
                    Add($"delete from odd.\"T a.b\"\"c\" where id = {ids.Peek()}", $"Missing T a.b\"c {ids.Dequeue()}");
                    break;
                case 1:
                    Add($"insert into odd.\"T a.b\"\"c\" (id, a) values ({i - 100_000}, 'nobody''s')", $"Extra T a.b\"c {i - 100_000}");
                    break;
                case 2:
                    Add($"update odd.\"T a.b\"\"c\" set id = -id where id = {ids.Peek()}", $"Missing T a.b\"c {ids.Peek()}", $"Extra T a.b\"c -{ids.Dequeue()}");
                    break;
                case 3:
                    // The columns together would read the same with a separator between them.
                    Add($"update odd.pairs set k1 = 'p', k2 = '{pairs.Peek() + 5_000}|q' where (k1, k2) = ('p|{pairs.Peek()}', 'q')", $"Missing pairs p|{pairs.Peek()}/q", $"Extra pairs p/{pairs.Dequeue() + 5_000}|q");
                    break;
                case 4:
                    var (one, other) = (pairs.Dequeue(), pairs.Dequeue());
                    Add($"update odd.pairs set u = 100000 where u = {one}; update odd.pairs set u = {one} where u = {other}; update odd.pairs set u = {other} where u = 100000", $"Different pairs p|{one}/q", $"Different pairs p|{other}/q");
                    break;
                case 5:
                    Add($"delete from odd.bag where ctid = (select ctid from odd.bag where a = 'v{bags.Peek()}' limit 1)", $"Missing bag v{bags.Dequeue()}");
                    break;
                case 6:
                    Add($"insert into odd.bag select * from odd.bag where a = 'v{bags.Peek()}' limit 1", $"Extra bag v{bags.Dequeue()}");
                    break;
                case 7:
                    Add($"update odd.bag set a = a || '!' where ctid = (select ctid from odd.bag where a = 'v{bags.Peek()}' limit 1)", $"Missing bag v{bags.Peek()}", $"Extra bag v{bags.Dequeue()}!");
                    break;
                case 8:
                    Add($"update odd.parts set note = note || '.' where id = {parts.Peek()}", $"Different parts {parts.Peek() % 10}/{parts.Dequeue()}");
                    break;
                case 9:
                    Add($"update odd.tree set note = null where id = {trees.Peek()}", $"Different tree {trees.Dequeue()}");
                    break;
                default:
                    var (column, value) = values[random.Next(values.Count)];
                    Add($"update odd.\"T a.b\"\"c\" set \"{(column == "doubled" ? "n" : column)}\" = {value} where id = {ids.Peek()}", $"Different T a.b\"c {ids.Peek()}");
                    expected[$"Different T a.b\"c {ids.Dequeue()}"] = column;
                    break;
            }
        }

        await Sql.AskAsync("127.0.0.1", target.Port, "shop", "postgres", null, string.Join(";\n", statements));
        return expected;

        void Add(string sql, params string[] told)
        {
            statements.Add(sql);
            foreach (var one in told)
                expected[one] = null;
        }

        Queue<int> Fresh(int count)
        {
            var all = Enumerable.Range(1, count).ToArray();
            random.Shuffle(all);
            return new(all);
        }
    }

    private Task<Compared> CompareAsync(ScratchServer target, RowHash? hash, StringWriter? fix) =>
        new Comparison { Source = UrlOf(_source), Target = UrlOf(target), Hash = hash, ShownRows = 10_000, SqlFix = fix }.RunAsync(SilentReporter.Instance, default);

    private ScratchServer Target(int major)
    {
        _targets.Add(ScratchServer.Start(major, "fsync = off"));
        return _targets[^1];
    }

    private static ConnectionUrl UrlOf(ScratchServer server) => new() { Host = "127.0.0.1", Port = server.Port, Database = "shop", User = "postgres" };

    private static async Task FillAsync(ScratchServer server, string sql)
    {
        await server.AskAsync("create database shop");
        LabCommand.Run("psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--output=/dev/null", string.Create(CultureInfo.InvariantCulture, $"--dbname=postgresql://postgres@127.0.0.1:{server.Port}/shop"), $"--command={sql}");
    }
}
