using System.Diagnostics;
using System.Globalization;
using Npgsql;
using Pgd.IntegrationTests;

namespace Pgd.Bench;

/// <summary>Backups, against PostgreSQL's own programs, pgBackRest, and what the simple tools do that call them.</summary>
internal sealed partial class Benchmark
{
    private void MeasureBackups() => MeasureBackupsAsync().GetAwaiter().GetResult();

    private async Task MeasureBackupsAsync()
    {
        var folder = NewFolder("xfs");
        using var server = new PlainServer(folder, "data", 23999, "shared_buffers = 512MB", "wal_keep_size = 2GB");
        await MeasureBackupsAsync(folder, server);
    }

    private async Task MeasureBackupsAsync(string folder, PlainServer server)
    {
        var (url, programs) = (server.Url("postgres"), PlainServer.Programs);
        Progress("backups: the data");
        // Half of it compresses and half of it does not, as with most data.
        LabCommand.Run("psql", "--no-psqlrc", "--quiet", "--dbname", url, "--command", $"""
            create table accounts as select i as id, md5(i::text) as token, 'customer ' || i || ' of branch ' || i % 1000 as name, md5((i * 7)::text) || md5((i * 13)::text) as note, (i * 7919 % 1000003)::numeric / 100 as balance,
                timestamptz '2026-01-01' + i * interval '7 seconds' as since from generate_series(1, {(scale * 100_000).ToString(CultureInfo.InvariantCulture)}::bigint) i
            """, "--command", "alter table accounts add primary key (id)");
        LabCommand.Run("psql", "--no-psqlrc", "--quiet", "--dbname", url, "--command", "vacuum freeze analyze", "--command", "checkpoint");
        var (root, copies) = ($"{folder}/root", $"{folder}/copies");
        PrepareBackRest(folder, server);

        var (floor, gzip, ours, rest) = (new Series(), new Series(), new Series(), new Series());
        var (dump, seedDump, table) = (new Series(), new Series(), new Series());
        var (count, scan, withKeys) = (new Series(), new Series(), new Series());
        var (incremental, restIncremental, restored, restRestored) = (new Series(), new Series(), new Series(), new Series());
        var since = LabCommand.Run("psql", "--no-psqlrc", "--tuples-only", "--no-align", "--dbname", url, "--command", "select txid_snapshot_xmin(txid_current_snapshot())").Trim();
        for (var round = 0; round <= rounds; round++)
        {
            Progress($"backups: round {round} of {rounds}");
            floor.Add(Shell($"{programs}/pg_basebackup -D {copies}/plain -Ft -X fetch -c fast --compress=server-zstd:level=3,workers={Environment.ProcessorCount} -d {url}"));
            if (round < 3)
                gzip.Add(Shell($"{programs}/pg_basebackup -D {copies}/gzip -Ft -X stream -c fast -z -d {url}"));
            NewRepository();
            ours.Add(Create("--source", url, "--mode", "physical"));
            rest.Add(BackRest("--no-archive-check --type=full backup"));

            dump.Add(Shell($"{programs}/pg_dump -Fc -Z0 -t accounts -d {url} | zstd -q -3 -T0 -o {copies}/dump"));
            if (round < 3)
                seedDump.Add(Shell($"{programs}/pg_dump -Fc -t accounts -d {url} | zstd -q -o {copies}/seed"));
            table.Add(Create("--source", url, "--table", "accounts"));

            // One in a hundred rows, all over the table.
            Shell($"psql -qX -d {url} -c 'update accounts set balance = balance + 1 where id % 1000 between {round * 10} and {(round * 10) + 9}' -c checkpoint");
            // Of the table and not of an index: what changed is found in the rows.
            count.Add(await QueryAsync(url, "set enable_indexonlyscan = off; select count(*) from only accounts"));
            var later = $"(age(xmin) <= (select age('{since}'::xid)))";
            scan.Add(await QueryAsync(url, $"select count(*), count(*) filter (where not {later}) from only accounts"));
            withKeys.Add(scan.Values[^1] + await QueryAsync(url, $"copy (select id::text from only accounts where not {later}) to stdout"));
            incremental.Add(Create("--source", url, "--mode", "physical", "--incremental"));
            restIncremental.Add(BackRest("--no-archive-check --type=incr backup"));

            restored.Add(Tool.Time(root, tool.Program, "backup", "restore", "latest", "--to", $"{copies}/restored", "--repo", $"{copies}/repository").Milliseconds);
            restRestored.Add(BackRest($"--pg1-path={folder}/rest-restored restore"));
            LabCommand.Run("rm", "-rf", copies, $"{folder}/rest-restored");
            LabCommand.Run("install", "-d", "-o", "postgres", "-m", "700", $"{folder}/rest-restored");
            Directory.CreateDirectory(copies);
            Settle(folder);
        }

        var size = LabCommand.Run("psql", "--no-psqlrc", "--tuples-only", "--no-align", "--dbname", url, "--command", "select pg_size_pretty(sum(pg_database_size(oid))) from pg_database").Trim();
        _rows.Add(new($"backups, {size}", $"pg_basebackup -Ft --compress=server-zstd:level=3,workers={Environment.ProcessorCount}", floor, null, null));
        Compared("dotnet pgd backup create --mode physical", ours, floor, 1.10);
        _rows.Add(new("", "pg_basebackup -Ft -z, as the simple tools do", gzip, $"{Number(gzip.Median / ours.Median, "F2")}×", new("≥ 4×", gzip.Median / ours.Median >= 4)));
        _rows.Add(new("", "pgbackrest --type=full, zstd 3", rest, $"{Number(rest.Median / ours.Median, "F2")}×", null));
        _rows.Add(new("", "pg_dump -Fc -Z0 of one table | zstd -3 -T0", dump, null, null));
        Compared("dotnet pgd backup create --table", table, dump, 1.15);
        _rows.Add(new("", "pg_dump -Fc | zstd, as the simple tools do", seedDump, $"{Number(seedDump.Median / table.Median, "F2")}×", new("≥ 2×", seedDump.Median / table.Median >= 2)));
        _rows.Add(new("", "select count(*)", count, null, null));
        Compared("  which rows changed", scan, count, 1.3);
        Compared("  and the keys of those that did not", withKeys, count, 4);
        _rows.Add(new("", "dotnet pgd backup create --incremental, 1 % changed", incremental, $"{Number(incremental.Median / ours.Median, "F2")}× full", new("≤ 0.5×", incremental.Median / ours.Median <= 0.5)));
        _rows.Add(new("", "pgbackrest --type=incr", restIncremental, $"{Number(restIncremental.Median / incremental.Median, "F2")}×", null));
        _rows.Add(new("", "dotnet pgd backup restore, full and incremental", restored, null, null));
        _rows.Add(new("", "pgbackrest restore", restRestored, $"{Number(restRestored.Median / restored.Median, "F2")}×", null));

        void Compared(string what, Series measured, Series with, double most) =>
            _rows.Add(new("", what, measured, $"{Number(measured.Median / with.Median, "F2")}×", new($"≤ {Number(most, "0.##")}×", measured.Median / with.Median <= most)));

        void NewRepository()
        {
            Directory.CreateDirectory(copies);
            Tool.Time(root, tool.Program, "backup", "init", "--repo", $"{copies}/repository");
        }

        double Create(params string[] arguments) => Tool.Time(root, tool.Program, ["backup", "create", .. arguments, "--repo", $"{copies}/repository"]).Milliseconds;

        double Shell(string command) => Tool.Time(root, "bash", "-o", "pipefail", "-c", $"mkdir -p {copies} && {command}").Milliseconds;

        double BackRest(string command) => Tool.Time(root, "runuser", ["-u", "postgres", "--", "pgbackrest", $"--config={folder}/pgbackrest.conf", "--stanza=bench", .. command.Split(' ')]).Milliseconds;
    }

    private static void PrepareBackRest(string folder, PlainServer server)
    {
        LabCommand.Run("install", "-d", "-o", "postgres", "-m", "700", $"{folder}/rest", $"{folder}/rest-restored");
        File.WriteAllText($"{folder}/pgbackrest.conf", $"""
            [global]
            repo1-path={folder}/rest
            log-path={server.SocketFolder}
            repo1-retention-full=2
            lock-path={server.SocketFolder}
            spool-path={server.SocketFolder}
            compress-type=zst
            compress-level=3
            process-max={Environment.ProcessorCount}
            start-fast=y
            [bench]
            pg1-path={server.Data}
            pg1-port={server.Port}
            pg1-socket-path={server.SocketFolder}
            """);
        LabCommand.Run("runuser", "-u", "postgres", "--", "pgbackrest", $"--config={folder}/pgbackrest.conf", "--stanza=bench", "--no-online", "stanza-create");
    }

    private static async Task<double> QueryAsync(string url, string sql)
    {
        await using var connection = new NpgsqlConnection($"Host=127.0.0.1;Port={new Uri(url).Port};Username=postgres;Database={new Uri(url).AbsolutePath[1..]};Pooling=false;Command Timeout=600");
        await connection.OpenAsync();
        var clock = Stopwatch.StartNew();
        if (sql.StartsWith("copy", StringComparison.Ordinal))
        {
            using var rows = await connection.BeginTextExportAsync(sql);
            await ((StreamReader)rows).BaseStream.CopyToAsync(Stream.Null);
        }
        else
        {
            await using var command = new NpgsqlCommand(sql, connection);
            await command.ExecuteNonQueryAsync();
        }

        return clock.Elapsed.TotalMilliseconds;
    }
}
