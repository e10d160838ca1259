using System.Text;
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

    private static List<ServerLogEntry> Entries(string log) => [.. ServerLogEntry.Read(new MemoryStream(Encoding.UTF8.GetBytes(log)))];
}
