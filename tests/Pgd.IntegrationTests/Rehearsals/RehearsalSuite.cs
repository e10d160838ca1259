using System.Text.Json;
using Pgd.IntegrationTests.Branches;
using Pgd.Lint;
using Pgd.Migrations;
using Pgd.Tracing;
using Xunit;

namespace Pgd.IntegrationTests.Rehearsals;

/// <summary>Migrations of any kind, good and bad: there is a report all the same, and the branch serves as before.</summary>
public abstract class RehearsalSuite(ShopFixture fixture)
{
    private readonly Shop _shop = fixture.Shop;

    [Fact]
    public async Task A_program_is_watched_whatever_it_sends_together()
    {
        var report = await RehearseAsync("""psql -qXv ON_ERROR_STOP=1 -c "alter table orders add note text; update orders set note = 'x'; create index on orders (amount)" """);

        Assert.Null(report.Run.Error);
        Assert.Equal(["alter table orders add note text", "update orders set note = 'x'", "create index on orders (amount)"], report.Trace.Statements.Select(s => s.Text));
        Assert.Single(report.Trace.Statements.Select(s => s.Transaction).Distinct());
        Assert.Equal(("public.orders", LockMode.AccessExclusive, 1), report.Trace.Locks.Where(l => l.Kind == RelationKind.Table).Select(l => (l.Relation, l.Mode, l.Statement)).Single());
        Assert.Contains(report.Findings, f => f is { Rule: "index-not-concurrent", Statement: 3 });
        Assert.Equal("1 column added, 1 index added", report.Schema!.Summary);
        // What is written to a file and read again is the same.
        var json = JsonSerializer.Serialize(report, MigrationReportJson.Shape);
        Assert.Equal(json, JsonSerializer.Serialize(JsonSerializer.Deserialize(json, MigrationReportJson.Shape)!, MigrationReportJson.Shape));
    }

    [Fact]
    public async Task A_migration_that_fails_is_told_to_the_statement_that_did()
    {
        var report = await RehearseAsync("psql -qXv ON_ERROR_STOP=1 -c 'alter table orders add note text' -c 'select 1 / 0'");

        Assert.Equal(ExitCode.MigrationFailed, report.ExitCode);
        Assert.Equal(("select 1 / 0", "22012"), (report.Trace.Statements[^1].Text, report.Trace.Statements[^1].Error?.SqlState));
        Assert.All(report.Trace.Statements.SkipLast(1), s => Assert.Null(s.Error));
        Assert.InRange(report.Trace.Duration, TimeSpan.Zero, report.Run.Duration);
    }

    [Fact]
    public async Task One_whose_first_statement_fails_did_not_begin_before_it_was_run()
    {
        var report = await RehearseAsync("psql -qX -c 'select 1 / 0'");

        Assert.Equal("22012", report.Trace.Statements.Single().Error?.SqlState);
        Assert.InRange(report.Trace.Duration, TimeSpan.Zero, report.Run.Duration);
    }

    [Fact]
    public async Task What_a_statement_writes_is_told_in_bytes()
    {
        var report = await RehearseAsync(setup: "create table wide as select i, repeat('x', 500) as text from generate_series(1, 20000) i", script: "psql -qXv ON_ERROR_STOP=1 -c 'alter table wide alter column i type bigint' -c \"set work_mem = '64kB'; create table sorted as select * from generate_series(1, 200000) i order by random()\"");

        var change = report.Trace.Statements[0];
        // Its rows once, as they are: 20,000 of 500 bytes.
        Assert.Equal([("public.wide", RelationKind.Table)], change.Rewrites.Select(r => (r.Relation, r.Kind)));
        Assert.InRange(change.Rewrites[0].Bytes, 10_000_000, 13_000_000);
        Assert.False(change.WalIsApproximate);
        Assert.InRange(change.WalBytes, 10_000_000, report.Trace.WalBytes);
        // What is sorted does not fit into its memory, and is written out once or twice.
        Assert.InRange(report.Trace.Statements.Single(s => s.Text.StartsWith("create table sorted", StringComparison.Ordinal)).TemporaryBytes, 2_000_000, 20_000_000);
        Assert.Equal(0, change.TemporaryBytes);
        Assert.Contains(report.Trace.Tables, t => t is { Name: "public.sorted", BytesBefore: null, BytesAfter: > 5_000_000 });
    }

    [Theory]
    [InlineData("insert into big select i, i from generate_series(100001, 200000) i", 100_000)]
    [InlineData("update big set amount = amount + 1 where id <= 40000", 40_000)]
    [InlineData("delete from big where id > 10000", 30_000)]
    [InlineData("create table copied as select * from big b, generate_series(1, 3)", 120_000)]
    [InlineData("insert into big select i, i from generate_series(1, 60000) i on conflict do nothing", 20_000)]
    [InlineData("with gone as (delete from big where id <= 35000 returning *) insert into big select id + 1000000, amount from gone", 35_000)]
    public async Task How_many_rows_a_statement_had_to_do_with(string sql, long rows)
    {
        var report = await RehearseAsync(setup: "create table big as select i as id, i as amount from generate_series(1, 40000) i; alter table big add primary key (id)", script: $"psql -qXv ON_ERROR_STOP=1 -c '{sql}'");

        var statement = report.Trace.Statements.Single();
        Assert.Equal(rows, statement.Rows);
        Assert.False(statement.WalIsApproximate);
        // At least 30 bytes of each row, and no more than all of what was written.
        Assert.InRange(statement.WalBytes, rows * 30, report.Trace.WalBytes);
    }

    [Fact]
    public async Task What_a_block_executes_is_not_taken_for_what_it_did()
    {
        var report = await RehearseAsync("psql -qXv ON_ERROR_STOP=1 -c \"do \\$\\$ begin perform count(*) from generate_series(1, 1000000); update orders set amount = 0; end \\$\\$\" -c \"raise\" || true; psql -qX -c \"do \\$\\$ begin for i in 1 .. 3 loop raise log E'duration: 20 ms  plan:\\\\n{ \\\"Plan\\\": { \\\"Node Type\\\": \\\"x\\\", \\\"Actual Rows\\\": 9e18, \\\"Actual Loops\\\": 1 } }'; end loop; end \\$\\$\"");

        Assert.All(report.Trace.Statements, s => Assert.Null(s.Rows));
        Assert.True(report.Trace.Statements[0].WalIsApproximate);
    }

    [Fact]
    public async Task Rows_of_statements_that_were_sent_together_are_told_apart_and_triggers_make_the_log_an_estimate()
    {
        var report = await RehearseAsync(
            setup: "create table big as select i as id, i as amount from generate_series(1, 40000) i; create table copy (i int); create function note() returns trigger language plpgsql as 'begin insert into copy values (new.id); return new; end'; create trigger t after update on big for each row execute function note()",
            script: "psql -qXv ON_ERROR_STOP=1 -c 'insert into big select i, i from generate_series(1, 50000) i; alter table big add note text; update big set amount = 0 where id <= 30000'");

        Assert.Equal([50_000L, null, 60_000L], report.Trace.Statements.Select(s => s.Rows));
        Assert.Equal([false, false, true], report.Trace.Statements.Select(s => s.WalIsApproximate));
    }

    [Fact]
    public async Task Who_looks_at_the_locks_a_hundred_times_a_second_does_not_fill_the_log_with_it()
    {
        var report = await RehearseAsync($"psql -qX -c 'select pg_sleep(1)'; grep -c -e pg_sleep {_shop.Root}/volumes/shop/rehearsed/g1/trace/trace.csv; grep -c pg_stat_get_activity {_shop.Root}/volumes/shop/rehearsed/g1/trace/trace.csv || true");

        Assert.Equal("0", report.Run.OutputTail[^1]);
        Assert.NotEqual("0", report.Run.OutputTail[^2]);
    }

    [Fact]
    public async Task What_outlives_an_interrupted_program_is_ended_and_not_waited_for()
    {
        var clock = System.Diagnostics.Stopwatch.StartNew();
        var report = await RehearseAsync("setsid psql -qX -c 'begin; lock table orders; select pg_sleep(600)' & sleep 600", r => r with { Deadline = TimeSpan.FromSeconds(1) });

        Assert.Contains(report.Trace.Locks, l => l is { Relation: "public.orders", Mode: LockMode.AccessExclusive });
        Assert.InRange(clock.Elapsed, TimeSpan.Zero, TimeSpan.FromMinutes(2));
    }

    [Fact]
    public async Task A_file_that_is_interrupted_is_told_with_its_place()
    {
        var folder = Directory.CreateTempSubdirectory("pgd-rehearsal-").FullName;
        try
        {
            await File.WriteAllTextAsync(Path.Combine(folder, "1.sql"), "alter table orders add note text;\n\nselect pg_sleep(600);\n");
            var report = await RehearseAsync(null, r => r with
            {
                Deadline = TimeSpan.FromSeconds(2),
                Files = new() { Branch = r.Branch, Connection = r.Connection, WorkingDirectory = folder, Pattern = "*.sql", Added = null, Output = _ => { } },
            });

            Assert.Equal([("1.sql", 1), ("1.sql", 3)], report.Trace.Statements.Select(s => (s.File, s.Line ?? 0)));
            Assert.Equal("57014", report.Trace.Statements[^1].Error?.SqlState);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Theory]
    [InlineData("alter table orders add note text", "alter table orders drop column note", true, "the schema was as before, and the migration ran again in")]
    [InlineData("alter table orders add note text; create index on orders (note)", "alter table orders rename column note to old_note", false, "leaves a difference: 1 column added, 1 index added")]
    [InlineData("create table if not exists extra (i int)", "select 1 / 0", false, "failed after")]
    [InlineData("alter table orders add note text; do $$ begin if exists (select from done) then raise 'done'; end if; end $$; insert into done values (1)", "alter table orders drop column note", false, "but the migration then fails")]
    public async Task The_way_back_is_tried_where_nobody_sees_it(string up, string down, bool succeeds, string told)
    {
        var report = await RehearseAsync($"psql -qXv ON_ERROR_STOP=1 <<'SQL'\n{up}\nSQL", r => r with { Down = $"psql -qXv ON_ERROR_STOP=1 -c '{down}'" }, setup: "create table done (i int)");

        Assert.Equal((succeeds, succeeds ? ExitCode.Done : ExitCode.MigrationFailed), (report.Rollback!.Succeeded, report.ExitCode));
        Assert.Contains(told, report.Rollback.Summary, StringComparison.Ordinal);
        Assert.Null(report.Rerun);
        Assert.DoesNotContain(_shop.Workspace.State.Branches("shop"), b => b.Name.StartsWith("rehearsal-", StringComparison.Ordinal));
        // What was tried there is not here.
        Assert.Null(report.Run.Error);
        Assert.DoesNotContain("old_note", report.Schema!.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("create table if not exists extra (i int)", true, "changed nothing, in")]
    [InlineData("create table if not exists extra_lock (i int); insert into extra_lock values (1)", true, "changed nothing, in")]
    [InlineData("insert into orders select max(id) + generate_series(1, 3), 1 from orders", false, "writes: 3 rows of public.orders")]
    [InlineData("alter table orders add note text", false, "failed after")]
    [InlineData("create index on orders (amount)", false, "changes the schema: 1 index added")]
    public async Task A_second_time_should_change_nothing(string up, bool succeeds, string told)
    {
        var before = await _shop.SumAsync("main");
        var report = await RehearseAsync($"psql -qXv ON_ERROR_STOP=1 -c '{up}'", r => r with { Rerun = true });

        Assert.Equal((succeeds, succeeds ? ExitCode.Done : ExitCode.MigrationFailed), (report.Rerun!.Succeeded, report.ExitCode));
        Assert.Contains(told, report.Rerun.Summary, StringComparison.Ordinal);
        Assert.DoesNotContain(_shop.Workspace.State.Branches("shop"), b => b.Name.StartsWith("rehearsal-", StringComparison.Ordinal));
        Assert.Equal(before, await _shop.SumAsync("main"));
    }

    [Fact]
    public async Task The_way_back_is_not_judged_by_what_a_second_time_did()
    {
        var report = await RehearseAsync("psql -qXv ON_ERROR_STOP=1 -c 'create index on orders (amount)'", r => r with { Rerun = true, Down = "psql -qXv ON_ERROR_STOP=1 -c 'drop index orders_amount_idx'" });

        Assert.True(report.Rollback!.Succeeded, report.Rollback.Summary);
        Assert.False(report.Rerun!.Succeeded);
    }

    [Fact]
    public async Task A_way_back_that_drops_the_database_is_a_failure_of_its_own()
    {
        var report = await RehearseAsync("psql -qXc 'alter table orders add note text'", r => r with { Down = "psql -qX -d postgres -c 'drop database shop with (force)'" }, role: "postgres");

        Assert.Null(report.Run.Error);
        Assert.Contains("\"shop\" does not exist", report.Rollback!.Problem, StringComparison.Ordinal);
        Assert.NotEmpty(report.Trace.Locks);
    }

    [Fact]
    public async Task Old_files_of_any_kind_and_a_ledger_that_is_made_are_in_nobodys_way()
    {
        var folder = Directory.CreateTempSubdirectory("pgd-rehearsal-").FullName;
        try
        {
            await File.WriteAllTextAsync(Path.Combine(folder, "0.sql"), "\\connect other\ncopy orders from stdin;\n1\t2\n\\.\n-- pgd: allow drop-column because it is old\nalter table orders drop column amount;\n");
            await File.WriteAllTextAsync(Path.Combine(folder, "1.sql"), "alter table orders drop column amount;\n");
            await File.WriteAllTextAsync(Path.Combine(folder, "1.down.sql"), "alter table orders add column amount int not null default 0;\nalter table orders alter column amount drop default;\n");
            MigrationFiles Files(Rehearsal r) => new() { Branch = r.Branch, Connection = r.Connection, WorkingDirectory = folder, Pattern = "*.sql", Added = ["1.sql"], Output = _ => { } };
            var added = await RehearseAsync(null, r => r with { Files = Files(r) });

            Assert.Null(added.Run.Error);
            Assert.True(added.Rollback!.Succeeded, added.Rollback.Summary);
            Assert.Null(added.Findings.Single(f => f is { Rule: "drop-column", File: "1.sql" }).WaivedBecause);

            File.Delete(Path.Combine(folder, "0.sql"));
            var withLedger = await RehearseAsync(null, r => r with { Files = Files(r) with { Ledger = "ours.\"Ledger\"" } });
            Assert.True(withLedger.Rollback!.Succeeded, withLedger.Rollback.Summary + withLedger.Rollback.Left?.Text);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Theory]
    [InlineData("1.sql,1.down.sql,2.up.sql,2.down.sql", "ran in")]
    [InlineData("1.sql,2.up.sql,2.down.sql", "not tried: nothing takes 1.sql back")]
    [InlineData("1.sql,2.up.sql", null)]
    public async Task Files_are_taken_back_in_the_other_order_by_those_beside_them(string files, string? told)
    {
        var content = new Dictionary<string, string>
        {
            ["1.sql"] = "create table first (i int primary key);",
            ["1.down.sql"] = "drop table first;",
            ["2.up.sql"] = "create table second (i int references first);",
            ["2.down.sql"] = "drop table second;",
        };
        var folder = Directory.CreateTempSubdirectory("pgd-rehearsal-").FullName;
        try
        {
            foreach (var file in files.Split(','))
                await File.WriteAllTextAsync(Path.Combine(folder, file), content[file]);
            var report = await RehearseAsync(null, r => r with { Files = new() { Branch = r.Branch, Connection = r.Connection, WorkingDirectory = folder, Pattern = "*.sql", Added = null, Output = _ => { } } });

            Assert.Equal(ExitCode.Done, report.ExitCode);
            Assert.Equal(["1.sql", "2.up.sql"], report.Run.Files.Select(f => f.Path));
            Assert.Equal(told is null, report.Rollback is null);
            Assert.StartsWith(told ?? "", report.Rollback?.Summary ?? "", StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task One_that_writes_what_looks_like_our_notes_has_its_report()
    {
        var report = await RehearseAsync("psql -qX -c \"do \\$\\$ begin raise log 'pgd trace nonsense'; raise log 'pgd trace {}'; end \\$\\$\"");

        Assert.Single(report.Trace.Statements);
        Assert.Empty(report.Trace.Gaps);
    }

    [Fact]
    public async Task One_that_hangs_is_interrupted_at_its_deadline_and_what_it_held_is_told()
    {
        var report = await RehearseAsync("psql -qX -c 'begin; lock table orders; select pg_sleep(300)'", r => r with { Deadline = TimeSpan.FromSeconds(1) });

        Assert.Equal(ExitCode.MigrationFailed, report.ExitCode);
        Assert.Contains("had not ended after 1 s", report.Run.Error!.Message, StringComparison.Ordinal);
        var held = Assert.Single(report.Trace.Locks, l => l.Relation == "public.orders");
        Assert.Equal(LockMode.AccessExclusive, held.Mode);
        Assert.InRange(held.Held, TimeSpan.FromSeconds(0.5), TimeSpan.FromSeconds(30));
    }

    [Theory]
    [InlineData("ends every other session", "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and backend_type = 'client backend'")]
    [InlineData("ends itself", "select pg_terminate_backend(pg_backend_pid())")]
    [InlineData("drops what watches it", "drop schema pgd_trace cascade")]
    public async Task One_that_disturbs_its_watcher_has_a_report_all_the_same(string what, string sql)
    {
        var report = await RehearseAsync($"psql -qX -U postgres -c \"{sql}\" -c 'alter table orders add note text' || true", role: "postgres");

        Assert.NotEmpty(report.Trace.Statements);
        if (what == "drops what watches it")
            Assert.Contains("the event triggers were dropped meanwhile", Assert.Single(report.Trace.Gaps), StringComparison.Ordinal);
        else if (what != "ends itself")
            Assert.Contains(report.Trace.Locks, l => l is { Relation: "public.orders", Mode: LockMode.AccessExclusive });
    }

    [Fact]
    public async Task One_that_takes_every_connection_has_a_report_and_leaves_none_of_them()
    {
        var report = await RehearseAsync("psql -qXc 'alter table orders add note text'; for i in $(seq 120); do setsid psql -qX -c 'select pg_sleep(600)' >/dev/null 2>&1 & done; until (psql -qX -c 'select 1' 2>&1 || true) | grep 'too many clients'; do :; done; exit 3", role: "postgres");

        Assert.Equal((ExitCode.MigrationFailed, 3), (report.ExitCode, report.Run.Error!.ExitStatus));
        Assert.Contains("too many clients", string.Join('\n', report.Run.OutputTail), StringComparison.Ordinal);
        Assert.Contains(report.Trace.Locks, l => l is { Relation: "public.orders", Mode: LockMode.AccessExclusive });
        // What it left behind could not be asked for either, or it could.
        Assert.All(report.Trace.Gaps, g => Assert.Contains("too many clients", g, StringComparison.Ordinal));
    }

    [Fact]
    public async Task One_that_prints_100_MB_has_a_report_of_its_end()
    {
        var heard = 0L;
        var report = await RehearseAsync("exec 2>/dev/null; yes 'a line of forty characters, more or less' | head -c 60000000 || true; tr '\\0' x < /dev/zero | head -c 40000000 || true; echo; printf 'the end \\033[31mred\\n'", r => r with { Command = r.Command! with { Output = line => heard += line.Length + 1 } });

        Assert.Null(report.Run.Error);
        Assert.StartsWith("the end ", report.Run.OutputTail[^1], StringComparison.Ordinal);
        Assert.InRange(report.Run.OutputTail.Sum(l => l.Length), 100, 1_000_000);
        Assert.InRange(heard, 50_000_000, 110_000_000);
        Assert.InRange(System.Text.Encoding.UTF8.GetByteCount(Pgd.Action.Reports.RehearsalHtml.Page(report)), 1000, 2_000_000);
    }

    [Fact]
    public async Task One_that_drops_the_database_has_a_report_that_says_so()
    {
        var report = await RehearseAsync("psql -qX -d postgres -c 'drop database shop with (force)'", role: "postgres");

        Assert.Contains(report.Trace.Gaps, g => g.Contains("\"shop\" does not exist", StringComparison.Ordinal));
        Assert.Null(report.Schema);
    }

    [Fact]
    public async Task Passwords_in_statements_are_in_no_report_and_no_log_that_stays()
    {
        var report = await RehearseAsync("psql -qX -c \"create role clerk login password 'hunter2-secret'\"", role: "postgres");

        Assert.Equal("create role clerk login password '***'", report.Trace.Statements.Single().Text);
        Assert.DoesNotContain("hunter2-secret", JsonSerializer.Serialize(report, MigrationReportJson.Shape), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_budget_that_is_exceeded_is_named_with_what_it_came_to_and_a_waiver_in_the_SQL_counts()
    {
        var folder = Directory.CreateTempSubdirectory("pgd-rehearsal-").FullName;
        try
        {
            await File.WriteAllTextAsync(Path.Combine(folder, "1.sql"), "-- pgd: allow drop-column because nobody reads it\nalter table orders drop column amount;\nalter table orders rename to sales;\n");
            var report = await RehearseAsync(null, r => r with
            {
                Budget = new() { Deny = ["drop-column", "rename"], MaxWalBytes = 0 },
                Files = new() { Branch = r.Branch, Connection = r.Connection, WorkingDirectory = folder, Pattern = "*.sql", Added = null, Output = _ => { } },
            });

            Assert.Equal(ExitCode.BudgetExceeded, report.ExitCode);
            Assert.Equal(["max-wal-bytes", "deny"], report.Exceeded.Select(e => e.Name));
            Assert.Equal(("rename", "1.sql:3"), (report.Exceeded[1].Limit, report.Exceeded[1].Where));
            Assert.Equal("nobody reads it", report.Findings.Single(f => f.Rule == "drop-column").WaivedBecause);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task What_cannot_be_rehearsed_is_refused_before_anything_is_touched()
    {
        var connection = await _shop.ConnectAsync("main");
        var command = new MigrationCommand { Branch = Shop.Main, Connection = connection, Script = "true", Output = _ => { } };
        Assert.Contains("no place to try a migration", (await _shop.RefusedAsync(ExitCode.Unsafe, () => _shop.Workspace.Migrations.RehearseAsync(new() { Branch = Shop.Main, Connection = connection, Command = command }, default))).Message, StringComparison.Ordinal);
        await _shop.RefusedAsync(ExitCode.Misuse, () => _shop.Workspace.Migrations.RehearseAsync(new() { Branch = Shop.Main, Connection = connection, Command = command, Budget = new() { Deny = ["drop-colum"] } }, default));
    }

    private async Task<MigrationReport> RehearseAsync(string? script, Func<Rehearsal, Rehearsal>? with = null, string? role = null, string? setup = null)
    {
        var name = Shop.Name("rehearsed");
        await _shop.CreateAsync("rehearsed");
        try
        {
            if (setup is not null)
                await _shop.AskAsync("rehearsed", setup);
            var connection = await _shop.ConnectAsync("rehearsed", "shop", role);
            var rehearsal = new Rehearsal { Branch = name, Connection = connection, Command = script is null ? null : new() { Branch = name, Connection = connection, Script = script, Output = _ => { } } };
            var report = await _shop.Workspace.Migrations.RehearseAsync((with ?? (r => r))(rehearsal), default);
            // As it was: it serves, tells nobody what it executes, and nothing of ours is in it.
            var (branch, answer) = (await _shop.GetAsync("rehearsed"), await Sql.AskAsync(await _shop.Workspace.Branches.ConnectAsync(name, "postgres", "postgres", default), "select current_setting('log_destination') || ' ' || current_setting('logging_collector') || current_setting('session_preload_libraries')"));
            Assert.Equal("stderr off", answer);
            Assert.False(Directory.Exists(Path.Combine(branch.Directory, "trace")));
            var log = await _shop.LogAsync("rehearsed");
            Assert.DoesNotContain("hunter2", log, StringComparison.Ordinal);
            Assert.DoesNotContain("duration: ", log, StringComparison.Ordinal);
            // What its server had to say meanwhile is not lost with the statements.
            Assert.All(report.Trace.Statements.Select(s => s.Error?.Message).OfType<string>(), message => Assert.Contains($":  {message}", log, StringComparison.Ordinal));
            if (report.Trace.Gaps.Count == 0)
                Assert.Equal("0", await _shop.AskAsync("rehearsed", "select (select count(*) from pg_event_trigger) + (select count(*) from pg_namespace where nspname = 'pgd_trace')"));
            return report;
        }
        finally
        {
            await _shop.DeleteAsync("rehearsed");
        }
    }
}

[Collection("rehearsals")]
public sealed class RehearsalsOnReflink15(Reflink15 fixture) : RehearsalSuite(fixture), IClassFixture<Reflink15>;

[Collection("rehearsals")]
[Trait("Only", "soak")]
public sealed class RehearsalsOnBtrfsInDocker17(BtrfsDocker17 fixture) : RehearsalSuite(fixture), IClassFixture<BtrfsDocker17>;
