using System.Text.Json.Nodes;
using Pgd.Backups;
using Pgd.IntegrationTests.Branches;
using Pgd.IntegrationTests.GitHub;
using Pgd.Libpq;
using Pgd.Migrations;
using Pgd.Postgres;
using Xunit;

namespace Pgd.IntegrationTests.Backups;

/// <summary>Backups of databases and of some of their tables, from servers that are no branches and from branches.</summary>
public sealed class LogicalBackups : IAsyncLifetime
{
    // Everything that a dump gets wrong sooner or later.
    internal const string Definitions = """"
        create role app; create role "odd ""role""";
        create schema sales; create schema "Odd schema";
        create type sales.mood as enum ('sad', 'a "happy" one');
        create domain sales.positive as int check (value > 0);
        create table sales.customers (id int generated always as identity primary key, name text not null, twice text generated always as (name || name) stored, feeling sales.mood, n sales.positive);
        insert into sales.customers (name, feeling, n) select E'line\nend\t\\' || i, 'a "happy" one', i from generate_series(1, 500) i;
        create table sales.orders (id bigserial primary key, customer int references sales.customers, at timestamptz default now(), amount numeric(12, 2), data jsonb, raw bytea, gone int) ;
        alter table sales.orders drop column gone;
        insert into sales.orders (customer, amount, data, raw, at) select 1 + i % 500, i / 7.0, jsonb_build_object('i', i), decode(md5(i::text), 'hex'), '2026-03-29 02:30:00+01'::timestamptz + i * interval '1 minute' from generate_series(1, 5000) i;
        create index on sales.orders (customer);
        create view sales.totals as select customer, sum(amount) from sales.orders group by 1;
        create materialized view sales.frozen as select count(*) from sales.orders;
        create table "Odd schema"."a ""table""; drop" ("a column" text, "select" int, "ключ" date);
        insert into "Odd schema"."a ""table""; drop" values ('', 1, '0044-03-15 BC'), (null, null, 'infinity'), ('\N', -1, '2026-02-28');
        create table parts (id int, at date not null) partition by range (at);
        create table parts_1 partition of parts for values from ('2026-01-01') to ('2026-07-01');
        create table parts_2 partition of parts default;
        insert into parts select i, '2026-06-28'::date + i from generate_series(1, 9) i;
        create table nothing (); insert into nothing default values; insert into nothing default values;
        create table parent (id int); create table child (more text) inherits (parent); insert into parent values (1); insert into child values (2, 'x');
        create unlogged table quick (id int); insert into quick values (7);
        create function answer() returns int language sql begin atomic select 42; end;
        create function shout() returns trigger language plpgsql as $x$ begin raise exception 'a trigger ran; not now'; end $x$;
        create trigger loud before insert on parts for each row execute function shout();
        grant select on sales.orders to app; alter table parent owner to "odd ""role""";
        select lo_from_bytea(4711, decode(repeat('c0ffee', 700000), 'hex')), lo_create(4712);
        alter large object 4712 owner to "odd ""role"""; grant update on large object 4712 to app with grant option; grant select on large object 4711 to public; revoke update on large object 4711 from current_user; comment on large object 4711 is 'it''s \ "it"';
        select setval('sales.orders_id_seq', 9000);
        """";

    private readonly TemporaryFolder _folder = new();
    private ToolRoot _root = null!;

    private string Repository => Path.Combine(_folder.Path, "repository");

    /// <inheritdoc/>
    public async ValueTask InitializeAsync()
    {
        _root = await ToolRoot.WithUsedProjectAsync("reflink");
        await _root.SqlAsync(ToolRoot.Main, "create database source");
        await ExecuteAsync("source", Definitions);
        await SucceedAsync("init");
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _root.Dispose();
        _folder.Dispose();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task A_database_of_any_server_comes_back_equal_in_another_one_and_as_a_branch()
    {
        var before = await DumpAsync("source");
        var backup = JsonNode.Parse(await SucceedAsync("create", "--source", await UrlAsync("source"), "--json"))!;
        Assert.Equal(("logical", "source", 9L), ($"{backup["mode"]}", $"{backup["database"]}", (long)backup["tables"]!));
        await ExecuteAsync("source", "delete from sales.orders");

        await _root.SqlAsync(ToolRoot.Main, "create database target");
        await SucceedAsync("restore", "latest", "--to-url", await UrlAsync("target"));

        Assert.Equal(before, await DumpAsync("target"));
        Assert.Equal("42 / 5000 / 2100000 / 9001", await ScalarAsync("target", "select answer() || ' / ' || (select * from sales.frozen) || ' / ' || length(lo_get(4711)) || ' / ' || nextval('sales.orders_id_seq')"));
        var again = await RunAsync("restore", "latest", "--to-url", await UrlAsync("target"));
        Assert.True(again.Status == 5 && again.Error.Contains("already", StringComparison.Ordinal) && again.Error.Contains("Nothing was changed", StringComparison.Ordinal), again.ToString());

        Assert.Contains("is whole (restored)", await SucceedAsync("verify", "latest", "--level", "restore", "--project", "shop"), StringComparison.Ordinal);
        await SucceedAsync("restore", "latest", "--to-branch", "shop/restored");
        Assert.Equal("5000", await ScalarAsync("source", "select count(*) from sales.orders", ToolRoot.Branch("restored")));
    }

    [Fact]
    public async Task A_restore_proves_each_row_and_not_only_how_many_there_are()
    {
        var full = await IdAsync("create", "shop/main", "--database", "source", "--json");
        var proved = JsonNode.Parse(await SucceedAsync("verify", full, "--level", "restore", "--json"))!["verified"]!;
        Assert.Equal((9, 0), ((int)proved["tablesCompared"]!, (int)proved["tablesCounted"]!));
        await ExecuteAsync("source", "update sales.customers set name = name || '!' where id = 1");
        await SucceedAsync("create", "shop/main", "--database", "source", "--incremental");
        var told = await SucceedAsync("verify", "latest", "--level", "restore");
        Assert.Contains("every row of 8 tables was compared", told, StringComparison.Ordinal);
        Assert.Contains("the rows of 1 table were counted only", told, StringComparison.Ordinal);

        // Rows that are others than those that were read, and as many.
        var repository = await BackupRepository.OpenAsync(BackupStores.Open(Repository, new Dictionary<string, string>(), TimeProvider.System), null, default);
        var prefix = Path.GetRelativePath(Repository, Path.GetDirectoryName(Directory.EnumerateFiles(Repository, "COMMITTED", SearchOption.AllDirectories).Single(file => file.Contains(full, StringComparison.Ordinal)))!);
        using var reader = new StreamReader(await repository.ReadAsync($"{prefix}/manifest.json", compressed: true, default));
        var manifest = JsonNode.Parse(await reader.ReadToEndAsync())!;
        var orders = manifest["database"]!["tables"]!.AsArray().Single(table => $"{table!["name"]}" == "orders")!;
        orders["rowDigest"] = $"{orders["rowDigest"]}"[1..] + "0";
        var written = await repository.WriteAsync($"{prefix}/manifest.json", (stream, token) => stream.WriteAsync(System.Text.Encoding.UTF8.GetBytes(manifest.ToJsonString()), token).AsTask(), compress: true, default);
        await File.WriteAllTextAsync(Path.Combine(Repository, prefix, "COMMITTED"), written.Sha256 + "\n");

        foreach (var id in new[] { full, "latest" })
        {
            var different = await RunAsync("verify", id, "--level", "restore");
            Assert.True(different.Status == 1 && different.Output.Contains("sales.orders has 5000 rows, but they are not those that were backed up", StringComparison.Ordinal), different.ToString());
        }
    }

    [Fact]
    public async Task A_newer_server_takes_it_an_older_one_does_not_and_roles_that_are_missing_are_named()
    {
        await SucceedAsync("create", "--source", await UrlAsync("source"));
        using ScratchServer newer = ScratchServer.Start(18), older = ScratchServer.Start(14);
        string Url(ScratchServer server) => $"postgresql://postgres@127.0.0.1:{server.Port}/postgres";

        var missing = await RunAsync("restore", "latest", "--to-url", Url(newer));
        Assert.True(missing.Status == 4 && missing.Error.Contains("CREATE ROLE \"app\"; CREATE ROLE \"odd \"\"role\"\"\";", StringComparison.Ordinal), missing.ToString());
        await SucceedAsync("restore", "latest", "--to-url", Url(newer), "--no-owner");
        Assert.Equal("5000|1", LabCommand.Run("psql", "-Atc", "select (select count(*) from sales.orders), (select count(distinct relowner) from pg_class)", Url(newer)).Trim());
        var refused = await RunAsync("restore", "latest", "--to-url", Url(older));
        Assert.True(refused.Status == 7 && refused.Error.Contains("is of PostgreSQL 15", StringComparison.Ordinal), refused.ToString());
        var unknown = await RunAsync("create", "--source", Url(newer));
        Assert.True(unknown.Status == 3 && unknown.Error.Contains("postgresql-client-18", StringComparison.Ordinal), unknown.ToString());
    }

    [Fact]
    public async Task One_table_comes_back_beside_what_became_of_it()
    {
        var (physical, logical) = (await IdAsync("create", "shop/main", "--mode", "physical", "--json"), await IdAsync("create", "shop/main", "--database", "source", "--json"));
        await ExecuteAsync("source", "delete from sales.orders where id > 10; update sales.customers set name = 'lost'; delete from parts_2");

        Assert.Contains("sales.orders_before with 5000 rows", await SucceedAsync("restore", physical, "--table", "sales.orders", "--rename-to", "orders_before", "--database", "source", "--to-branch", "shop/main"), StringComparison.Ordinal);
        await SucceedAsync("restore", logical, "--table", "parts_2", "--rename-to", "then", "--to-branch", "shop/main");
        Assert.Equal("5000 / 10 / 9001 / orders_before_customer_idx,orders_before_pkey / 7", await ScalarAsync("source", """
            select (select count(*) from sales.orders_before) || ' / ' || (select count(*) from sales.orders) || ' / ' || nextval('sales.orders_before_id_seq') || ' / '
                || (select string_agg(relname, ',' order by relname) from pg_index join pg_class on pg_class.oid = indexrelid where indrelid = 'sales.orders_before'::regclass) || ' / ' || (select count(*) from "then")
            """));

        var there = await RunAsync("restore", logical, "--table", "sales.orders", "--to-branch", "shop/main");
        Assert.True(there.Status == 5 && there.Error.Contains("Nothing was changed", StringComparison.Ordinal) && there.Error.Contains("--rename-to", StringComparison.Ordinal), there.ToString());
        var none = await RunAsync("restore", logical, "--table", "sales.odrers", "--to-branch", "shop/main");
        Assert.True(none.Status == 4 && none.Error.Contains("no table matches sales.odrers", StringComparison.Ordinal), none.ToString());
        Assert.Equal(["shop/main"], (await _root.Workspace.Branches.ListAsync("shop", default)).Select(branch => branch.Name.ToString()));
        using var other = ScratchServer.Start(15);
        await SucceedAsync("restore", logical, "--table", "Odd schema.a \"table*", "--no-owner", "--to-url", $"postgresql://postgres@127.0.0.1:{other.Port}/postgres");
    }

    [Fact]
    public async Task Some_tables_are_chosen_by_patterns_and_what_they_need_is_told()
    {
        var url = await UrlAsync("source");
        var orders = await SucceedAsync("create", "--source", url, "--table", "orders");
        Assert.Contains("1 table, 5000 rows", orders, StringComparison.Ordinal);
        Assert.Contains("without the table sales.customers, to which sales.orders refers", orders, StringComparison.Ordinal);
        Assert.Contains("2 tables", await SucceedAsync("create", "--source", url, "--schema", "sales"), StringComparison.Ordinal);
        Assert.Contains("3 tables", await SucceedAsync("create", "--source", url, "--table", "public.parent", "--table", "child", "--table", "quick", "--table", "parts", "--exclude-table", "parts_?"), StringComparison.Ordinal);

        // A partitioned table is its parts; and a part may come without it.
        await _root.SqlAsync(ToolRoot.Main, "create database target");
        Assert.Contains("2 tables, 9 rows", await SucceedAsync("create", "--source", url, "--table", "parts"), StringComparison.Ordinal);
        await ExecuteAsync("target", "create function shout() returns trigger language plpgsql as $$ begin return null; end $$");
        await SucceedAsync("restore", "latest", "--to-url", await UrlAsync("target"));
        Assert.Equal("9", await ScalarAsync("target", "select count(*) from parts"));
        Assert.Contains("without the table public.parts, of which public.parts_2 is a part", await SucceedAsync("create", "--source", url, "--table", "parts_2"), StringComparison.Ordinal);
        await ExecuteAsync("target", "drop table parts");
        await SucceedAsync("restore", "latest", "--to-url", await UrlAsync("target"));
        Assert.Equal("7", await ScalarAsync("target", "select count(*) from parts_2"));

        var nothing = await RunAsync("create", "--source", url, "--table", "odrers");
        Assert.True(nothing.Status == 4 && nothing.Error.Contains("no table matches odrers", StringComparison.Ordinal), nothing.ToString());
        await ExecuteAsync("source", "create table orders (id int)");
        var several = await RunAsync("create", "--source", url, "--table", "orders");
        Assert.True(several.Status == 2 && several.Error.Contains("public.orders or sales.orders", StringComparison.Ordinal), several.ToString());
        Assert.Equal(5, JsonNode.Parse(await SucceedAsync("list", "--json"))!.AsArray().Count);
    }

    [Fact]
    public async Task A_role_that_may_not_read_is_told_what_to_grant_and_a_table_that_is_redefined_makes_nobody_wait()
    {
        await ExecuteAsync("source", "create role reader login password 'p w''%:@/x'; grant usage on schema sales, \"Odd schema\" to reader; grant select on all tables in schema public, sales to reader; grant select on all sequences in schema sales, public to reader");
        var url = (await ConnectionAsync("source")) with { User = "reader", Password = "p w'%:@/x" };

        var refused = await RunAsync("create", "--source", url.Format(UrlFormat.Libpq));
        Assert.True(refused.Status == 7 && refused.Error.Contains("GRANT SELECT ON \"Odd schema\".\"a \"\"table\"\"; drop\" TO \"reader\"", StringComparison.Ordinal), refused.ToString());
        Assert.DoesNotContain("p w", refused.Error, StringComparison.Ordinal);

        _folder.Write(".env", $"DB_HOST={url.Host}\nDB_PORT={url.Port}\nDB_NAME=source\nDB_USER=reader\nDB_PASSWORD=\"p w'%:@/x\"\n");
        Assert.Contains("2 tables", await SucceedAsync("create", "--env-file", Path.Combine(_folder.Path, ".env"), "--schema", "sales"), StringComparison.Ordinal);
        var manifest = await ManifestAsync();
        Assert.Contains("reader:***@", manifest, StringComparison.Ordinal);
        Assert.DoesNotContain("p w", manifest, StringComparison.Ordinal);

        await using (var connection = new Npgsql.NpgsqlConnection((await ConnectionAsync("source")).Format(UrlFormat.Npgsql)))
        {
            await connection.OpenAsync();
            await using var transaction = await connection.BeginTransactionAsync();
            await using var command = new Npgsql.NpgsqlCommand("alter table sales.orders add column late int", connection);
            await command.ExecuteNonQueryAsync();
            var locked = await RunAsync("create", "--source", await UrlAsync("source"), "--schema", "sales");
            Assert.True(locked.Status == 10 && locked.Error.Contains("\"sales\".\"orders\"", StringComparison.Ordinal), locked.ToString());
        }

        Assert.Single(JsonNode.Parse(await SucceedAsync("list", "--json"))!.AsArray());
    }

    /// <summary>The names and fields are those that its README and its code have.</summary>
    [Fact]
    public async Task An_exported_database_has_the_layout_of_dbtool_and_psql_alone_restores_it()
    {
        await ExecuteAsync("source", "create sequence \"it's \\\"; create table plain (id int); comment on table plain is E'\\\\! touch gone\\n\\\\! touch gone'; alter schema public owner to app");
        var before = await DumpAsync("source");
        var backup = JsonNode.Parse(await SucceedAsync("create", "--source", await UrlAsync("source"), "--json"))!;
        await ExecuteAsync("source", "delete from sales.orders");
        var time = $"{DateTimeOffset.Parse($"{backup["createdAt"]}", System.Globalization.CultureInfo.InvariantCulture).UtcDateTime:yyyyMMdd_HHmmss}";

        var exported = JsonNode.Parse(await SucceedAsync("export", "latest", "--layout", "dbtool", "--to", Dumps, "--json"))!;

        var folder = Assert.Single(Directory.GetFileSystemEntries(Dumps));
        Assert.Equal(($"full_source_{time}_{$"{backup["id"]}"[^4..]}", folder), (Path.GetFileName(folder), $"{exported["folder"]}"));
        Assert.Equal([".backup_diff", ".backup_diff/manifest.json", "metadata.json", "schema.sql", $"source_{time}.sql.zst"], TreeOf(folder));
        Assert.Equal(TreeOf(folder).Where(file => file != ".backup_diff").Order(StringComparer.Ordinal), exported["files"]!.AsArray().Select(file => $"{file}").Order(StringComparer.Ordinal));
        var others = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;
        Assert.All([folder, .. TreeOf(folder).Select(file => Path.Combine(folder, file))], file => Assert.Equal(UnixFileMode.None, File.GetUnixFileMode(file) & others));
        var metadata = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(folder, "metadata.json")))!.AsObject();
        Assert.Equal([.. CatalogFields, "schema_file"], metadata.Select(field => field.Key));
        Assert.Equal((Path.GetFileName(folder), folder, "15", 5000L), ($"{metadata["id"]}", $"{metadata["backup_location"]}", $"{metadata["database_version"]}"["PostgreSQL ".Length..], (long)metadata["tables"]!["sales.orders"]!["rows_count"]!));
        Assert.Equal(["base_backup", "diff_chain", "last_diff_timestamp"], JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(folder, ".backup_diff/manifest.json")))!.AsObject().Select(field => field.Key));

        await RestoreByPsqlAsync(Path.Combine(folder, $"source_{time}.sql.zst"), "target");
        Assert.Equal(before, await DumpAsync("target"));
        Assert.Equal("42 / 5000 / 2100000 / 0 / 9001", await ScalarAsync("target", "select answer() || ' / ' || (select * from sales.frozen) || ' / ' || length(lo_get(4711)) || ' / ' || length(lo_get(4712)) || ' / ' || nextval('sales.orders_id_seq')"));
        await _root.SqlAsync(ToolRoot.Main, "create database empty");
        LabCommand.Run("psql", "-v", "ON_ERROR_STOP=1", "-qX", "-o", "/dev/null", "-f", Path.Combine(folder, "schema.sql"), await UrlAsync("empty"));
        Assert.Equal("0", await ScalarAsync("empty", "select count(*) from sales.orders"));

        var again = await RunAsync("export", "latest", "--to", Dumps);
        Assert.True(again.Status == 5 && again.Error.Contains("is there already, and not empty", StringComparison.Ordinal), again.ToString());
    }

    [Fact]
    public async Task Some_tables_are_exported_as_partial_without_owners_and_nothing_is_left_of_what_is_damaged()
    {
        await SucceedAsync("create", "--source", await UrlAsync("source"), "--table", "parent", "--table", "child");
        await SucceedAsync("export", "latest", "--no-owner", "--to", Dumps);
        var file = Directory.GetFiles(Assert.Single(Directory.GetDirectories(Dumps, "partial_source_*")), "source_partial_*.sql.zst").Single();
        await RestoreByPsqlAsync(file, "target");
        Assert.Equal("2|1|postgres", await ScalarAsync("target", "select (select count(*) from parent) || '|' || (select count(*) from only parent) || '|' || (select relowner::regrole from pg_class where relname = 'parent')"));

        Directory.Delete(Dumps, recursive: true);
        var rows = Directory.EnumerateFiles(Repository, "00000.copy", SearchOption.AllDirectories).Single();
        var bytes = await File.ReadAllBytesAsync(rows);
        bytes[bytes.Length / 2] ^= 1;
        await File.WriteAllBytesAsync(rows, bytes);
        var damaged = await RunAsync("export", "latest", "--to", Dumps);
        Assert.True(damaged.Status == 1 && damaged.Error.Contains("is damaged", StringComparison.Ordinal), damaged.ToString());
        Assert.Empty(Directory.GetFileSystemEntries(Dumps));

        await SucceedAsync("create", "shop/main");
        var physical = await RunAsync("export", "latest", "--to", Dumps);
        Assert.True(physical.Status == 2 && physical.Error.Contains("--to-branch PROJECT/BRANCH", StringComparison.Ordinal), physical.ToString());
    }

    [Fact]
    public async Task What_was_left_of_an_export_that_was_killed_is_in_nobodys_way()
    {
        await SucceedAsync("create", "--source", await UrlAsync("source"), "--table", "orders");
        Assert.Equal(137, _root.ToolWith(new() { ["PGD_BACKUP_REPOSITORY"] = Repository, ["PGD_KILL_AT"] = "backup-export:written" }, "backup", "export", "latest", "--to", Dumps).Status);
        var left = Assert.Single(Directory.GetFileSystemEntries(Dumps));
        Assert.EndsWith(".partial", left, StringComparison.Ordinal);

        using (File.Open(Directory.GetFiles(left, "*.sql.zst").Single(), FileMode.Open, FileAccess.ReadWrite, FileShare.None))
            Assert.Equal(10, (await RunAsync("export", "latest", "--to", Dumps)).Status);
        await SucceedAsync("export", "latest", "--to", Dumps);

        Assert.Equal(left[..^".partial".Length], Assert.Single(Directory.GetFileSystemEntries(Dumps)));
    }

    [Fact]
    public async Task Backups_are_listed_as_in_the_catalog_of_dbtool()
    {
        await SucceedAsync("create", "shop/main");
        await SucceedAsync("create", "--source", await UrlAsync("source"));
        var backup = JsonNode.Parse(await SucceedAsync("create", "--source", await UrlAsync("source"), "--table", "child", "--json"))!;
        Directory.CreateDirectory(Path.Combine(Repository, "i/1/b/20260101T000000.000Z-F-000000"));
        await File.WriteAllTextAsync(Path.Combine(Repository, "i/1/b/20260101T000000.000Z-F-000000/manifest.json"), "{}");

        var catalog = JsonNode.Parse(await SucceedAsync("list", "--compat"))!.AsObject();

        Assert.Equal(["backups"], catalog.Select(field => field.Key));
        var backups = catalog["backups"]!.AsArray();
        Assert.All(backups, entry => Assert.Equal(CatalogFields, entry!.AsObject().Select(field => field.Key)));
        Assert.All(backups, entry => Assert.Equal(["total_tables", "total_rows_processed", "total_size_bytes"], entry!["statistics"]!.AsObject().Select(field => field.Key)));
        Assert.Equal([("full", "shop/main", 0), ("full", "source", 9), ("partial", "source", 1)], backups.Select(entry => ($"{entry!["type"]}", $"{entry["database_name"]}", (int)entry["statistics"]!["total_tables"]!)));
        Assert.Equal("""{"rows_count":1,"file_size_bytes":4,"file_path":"data/00000.copy"}""", backups[2]!["tables"]!["child"]!.ToJsonString());
        Assert.Equal(("completed", "postgresql", "zstd"), ($"{backups[2]!["status"]}", $"{backups[2]!["database_type"]}", $"{backups[2]!["compress_format"]}"));
        Assert.InRange((double)backups[2]!["duration_seconds"]!, 0.001, 60);
        Assert.EndsWith($"/{backup["id"]}", $"{backups[2]!["backup_location"]}", StringComparison.Ordinal);
    }

    private static IReadOnlyList<string> CatalogFields { get; } =
    [
        "id", "type", "version", "database_type", "database_version", "database_name", "timestamp_start", "timestamp_end", "duration_seconds", "parent_backup_id", "base_backup_id",
        "compress", "compress_format", "status", "tables", "statistics", "backup_location",
    ];

    private string Dumps => Path.Combine(_folder.Path, "my dumps");

    private static IEnumerable<string> TreeOf(string folder) => Directory.EnumerateFileSystemEntries(folder, "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = default }).Select(path => Path.GetRelativePath(folder, path)).Order(StringComparer.Ordinal);

    private async Task RestoreByPsqlAsync(string file, string database)
    {
        await _root.SqlAsync(ToolRoot.Main, $"create database {database}");
        LabCommand.Run("bash", "-c", "set -o pipefail; zstd -dc \"$0\" | psql -v ON_ERROR_STOP=1 -qX -o /dev/null \"$1\"", file, await UrlAsync(database));
    }

    /// <summary>Who looks at it as it was a moment ago sees no rows, and nothing tells him.</summary>
    [Fact]
    public async Task A_table_that_is_truncated_between_the_moment_and_its_lock_is_no_empty_table_in_a_backup()
    {
        await using var connection = new Npgsql.NpgsqlConnection((await ConnectionAsync("source")).Format(UrlFormat.Npgsql));
        await connection.OpenAsync();
        await using (var truncate = new Npgsql.NpgsqlCommand("begin; truncate sales.orders", connection))
            await truncate.ExecuteNonQueryAsync();
        var backup = RunAsync("create", "--source", await UrlAsync("source"), "--schema", "sales");
        await using (var waits = new Npgsql.NpgsqlCommand("select exists (select from pg_locks where not granted and relation = 'sales.orders'::regclass)", connection))
            await Until.TrueAsync(() => (bool)waits.ExecuteScalar()!, "the backup waits for the lock");
        await using (var commit = new Npgsql.NpgsqlCommand("commit", connection))
            await commit.ExecuteNonQueryAsync();

        var refused = await backup;

        Assert.True(refused.Status == 10 && refused.Error.Contains("truncated or rewritten", StringComparison.Ordinal), refused.ToString());
        Assert.Empty(JsonNode.Parse(await SucceedAsync("list", "--json"))!.AsArray());
    }

    private async Task<ConnectionUrl> ConnectionAsync(string database, BranchName? branch = null) => await _root.Workspace.Branches.ConnectAsync(branch ?? ToolRoot.Main, database, _root.Workspace.State.RequireProject("shop").Superuser, default);

    private async Task<string> UrlAsync(string database) => (await ConnectionAsync(database)).Format(UrlFormat.Libpq);

    private async Task ExecuteAsync(string database, string sql)
    {
        await using var connection = await ScriptConnection.OpenAsync(await ConnectionAsync(database), "test", null, default);
        foreach (var statement in SqlScript.Split(sql))
        {
            await using var command = connection.CommandOf(statement);
            await command.ExecuteNonQueryAsync();
        }
    }

    private async Task<string?> ScalarAsync(string database, string sql, BranchName? branch = null)
    {
        await using var connection = new Npgsql.NpgsqlConnection((await ConnectionAsync(database, branch)).Format(UrlFormat.Npgsql));
        await connection.OpenAsync();
        await using var command = new Npgsql.NpgsqlCommand(sql, connection);
        return (await command.ExecuteScalarAsync())?.ToString();
    }

    // What pg_dump says of it, but for what differs from run to run.
    private async Task<string> DumpAsync(string database)
    {
        var url = await ConnectionAsync(database);
        var start = new System.Diagnostics.ProcessStartInfo("/usr/lib/postgresql/15/bin/pg_dump", ["--no-password"]) { RedirectStandardOutput = true };
        url.ApplyTo(start.Environment);
        using var process = System.Diagnostics.Process.Start(start)!;
        var text = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.Equal(0, process.ExitCode);
        return string.Join('\n', text.Split('\n').Where(line => !line.StartsWith("\\restrict", StringComparison.Ordinal) && !line.StartsWith("\\unrestrict", StringComparison.Ordinal)));
    }

    private async Task<string> ManifestAsync()
    {
        var repository = await BackupRepository.OpenAsync(BackupStores.Open(Repository, new Dictionary<string, string>(), TimeProvider.System), null, default);
        using var manifest = new StreamReader(await repository.ReadAsync(Path.GetRelativePath(Repository, Directory.EnumerateFiles(Repository, "manifest.json", SearchOption.AllDirectories).Single()), compressed: true, default));
        return await manifest.ReadToEndAsync();
    }

    private async Task<string> IdAsync(params string[] arguments) => $"{JsonNode.Parse(await SucceedAsync(arguments))!["id"]}";

    private Task<ToolResult> RunAsync(params string[] arguments) => _root.InProcessWithAsync(new() { ["PGD_BACKUP_REPOSITORY"] = Repository }, ["backup", .. arguments]);

    private async Task<string> SucceedAsync(params string[] arguments)
    {
        var result = await RunAsync(arguments);
        Assert.True(result.Status == 0, $"dotnet pgd backup {string.Join(' ', arguments.Where(a => !a.Contains("://", StringComparison.Ordinal)))}: {result}");
        return result.Output;
    }
}
