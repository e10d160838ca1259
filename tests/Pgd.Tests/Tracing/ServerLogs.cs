using System.Text;
using Pgd.Lint;
using Pgd.Tracing;
using Xunit;

namespace Pgd.Tests.Tracing;

/// <summary>What a server's log tells, as PostgreSQL 15 wrote it.</summary>
public sealed class ServerLogs
{
    private const string Extended =
        """"
        2026-11-28 23:13:05.422 UTC,"postgres","shop",8117,"127.0.0.1:51676",6b0b6001.1fb5,9,"PARSE",2026-11-28 23:13:05 UTC,4/2,740,LOG,00000,"duration: 0.059 ms  parse <unnamed>: alter table ""a,b""
        alter column n type bigint",,,,,,,,,"pgd migrations","client backend",,-8088603810717221390
        2026-11-28 23:13:05.422 UTC,"postgres","shop",8117,"127.0.0.1:51676",6b0b6001.1fb5,10,"BIND",2026-11-28 23:13:05 UTC,4/2,740,LOG,00000,"duration: 0.015 ms  bind <unnamed>: alter table ""a,b""
        alter column n type bigint",,,,,,,,,"pgd migrations","client backend",,-8088603810717221390
        2026-11-28 23:13:05.423 UTC,"postgres","shop",8117,"127.0.0.1:51676",6b0b6001.1fb5,11,"ALTER TABLE",2026-11-28 23:13:05 UTC,4/2,740,LOG,00000,"pgd trace {""at"": 1795907585423062, ""lsn"": 151125416, ""tag"": ""ALTER TABLE"", ""event"": ""ddl_command_start"", ""locks"": [], ""lock_timeout"": ""3s""}",,,,,"PL/pgSQL function pgd_trace.note() line 25 at RAISE","alter table",,,"pgd migrations","client backend",,-8088603810717221390
        2026-11-28 23:13:06.710 UTC,"postgres","shop",8117,"127.0.0.1:51676",6b0b6001.1fb5,13,"ALTER TABLE",2026-11-28 23:13:05 UTC,4/2,740,LOG,00000,"temporary file: path ""base/pgsql_tmp/pgsql_tmp8117.1.fileset/0.0"", size 8192",,,,,,"alter table",,,"pgd migrations","client backend",,-8088603810717221390
        2026-11-28 23:13:06.714 UTC,"postgres","shop",8117,"127.0.0.1:51676",6b0b6001.1fb5,18,"ALTER TABLE",2026-11-28 23:13:05 UTC,4/2,740,LOG,00000,"duration: 1291.662 ms  execute <unnamed>: alter table ""a,b""
        alter column n type bigint",,,,,,,,,"pgd migrations","client backend",,-8088603810717221390

        """";

    [Fact]
    public void A_statement_that_is_parsed_and_bound_before_it_is_executed_is_one_statement_with_all_that_was_noted_meanwhile()
    {
        var executed = Assert.Single(ExecutedStatement.Read(Entries(Extended)));

        Assert.Equal("alter table \"a,b\"\nalter column n type bigint", executed.Text);
        Assert.Equal(1_292_000, (double)(executed.End - executed.Start), 2_000.0);
        Assert.Equal((8192L, "4/2", true), (executed.TemporaryBytes, executed.Transaction, executed.LeavesTransactionOpen));
        Assert.Equal(("ALTER TABLE", "3s", false), (executed.Notes.Single().Tag, executed.Notes.Single().LockTimeout, executed.Notes.Single().IsNested));
    }

    [Theory]
    [InlineData("{ \"Plan\": { \"Node Type\": \"ModifyTable\", \"WAL Bytes\": 700, \"Plans\": [ { \"Parent Relationship\": \"Outer\", \"Actual Rows\": 40, \"Actual Loops\": 2 } ] } }", 80L, 700L)]
    [InlineData("{ \"Plan\": { \"Node Type\": \"ModifyTable\", \"Tuples Inserted\": 3.00, \"Tuples Updated\": 2.00, \"WAL Bytes\": 700 }, \"Triggers\": [ { \"Trigger Name\": \"t\" } ] }", 5L, null)]
    [InlineData("{ \"Plan\": { \"Node Type\": \"Seq Scan\", \"Actual Rows\": 7.00, \"Actual Loops\": 1 } }", 7L, null)]
    [InlineData("{ \"Plan\": { \"Node Type\": \"ModifyTable\", \"Tuples Inserted\": 9e18, \"Tuples Updated\": 9e18 } }", null, null)]
    [InlineData("{ \"Plan\": [] }", null, null)]
    [InlineData("no plan", null, null)]
    public void A_plan_tells_rows_and_log_and_what_only_looks_like_one_is_none(string json, long? rows, long? bytes)
    {
        var entry = Entries(Extended).First() with { Message = $"duration: 20.123 ms  plan:\n{json}" };

        var plan = StatementPlan.Of(entry);

        Assert.Equal((rows, bytes), (plan?.Rows, plan?.WalBytes));
    }

    [Fact]
    public void Where_nothing_could_be_seen_a_budget_counts_as_exceeded_and_without_one_nothing_does()
    {
        var unseen = Action.Reports.Of(new() { Duration = TimeSpan.FromSeconds(1) }).Trace with { Gaps = ["the server was started anew meanwhile"] };

        Assert.Equal("the server was started anew meanwhile", Assert.Single(new MigrationBudget { MaxWalBytes = 1 << 30 }.Exceeded(unseen, [])).Where);
        Assert.Empty(new MigrationBudget().Exceeded(unseen, []));
        Assert.Empty(new MigrationBudget { MaxWalBytes = 1 << 30 }.Exceeded(unseen with { Gaps = [] }, []));
    }

    [Fact]
    public void The_first_statement_of_a_session_that_fails_began_no_earlier_than_it_is_known_to()
    {
        const string failed = """"
            2026-11-28 23:13:05.422 UTC,"postgres","shop",8117,"127.0.0.1:51676",6b0b6001.1fb5,1,"SELECT",2026-11-28 23:13:05 UTC,4/2,0,ERROR,22012,"division by zero",,,,,,"select 1 / 0",,,"psql","client backend",,0

            """";
        var executed = Assert.Single(ExecutedStatement.Read(Entries(failed)));

        Assert.Equal(("select 1 / 0", executed.End, "22012"), (executed.Text, executed.Start, executed.Failure?.SqlState));
    }

    [Theory]
    [InlineData("pgd trace nonsense")]
    [InlineData("pgd trace {}")]
    [InlineData("pgd trace [1]")]
    [InlineData("pgd trace null")]
    [InlineData("pgd traces")]
    public void What_a_migration_writes_into_the_log_to_look_like_a_note_is_none(string message) =>
        Assert.Null(TraceNote.Of(Entries(Extended)[0] with { Message = message }));

    [Theory]
    [InlineData("create role a login password 'x1y2'", "create role a login password '***'")]
    [InlineData("ALTER USER a PASSWORD E'x1\\'y2'", "ALTER USER a PASSWORD '***'")]
    [InlineData("alter role a encrypted /* so */ password -- here\n $p$x1y2$p$ valid until 'infinity'", "alter role a encrypted /* so */ password -- here\n '***' valid until 'infinity'")]
    [InlineData("create user mapping for a server s options (user 'a', password 'x1y2')", "create user mapping for a server s options (user 'a', password '***')")]
    [InlineData("create subscription s connection 'host=a password=x1y2' publication p", "create subscription s connection '***' publication p")]
    [InlineData("select login(password := 'x1y2', name => 'a')", "select login(password := '***', name => 'a')")]
    [InlineData("select login(password => 'x1y2')", "select login(password => '***')")]
    [InlineData("insert into hints values ('no secret')", "insert into hints values ('no secret')")]
    public void A_password_in_a_statement_is_not_shown(string statement, string shown) => Assert.Equal(shown, StatementText.Shown(statement));

    [Theory]
    [InlineData("0", 0.0)]
    [InlineData("250ms", 0.25)]
    [InlineData("3s", 3.0)]
    [InlineData("2min", 120.0)]
    [InlineData("1d", 86400.0)]
    public void A_time_limit_is_read_as_the_server_shows_it(string shown, double seconds) => Assert.Equal(TimeSpan.FromSeconds(seconds), TraceReader.Timeout(shown));

    private static List<ServerLogEntry> Entries(string log) => [.. ServerLogEntry.Read(new MemoryStream(Encoding.UTF8.GetBytes(log)))];
}
