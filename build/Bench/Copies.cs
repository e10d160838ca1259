using System.Globalization;
using System.Text.RegularExpressions;
using Pgd.IntegrationTests;

namespace Pgd.Bench;

/// <summary>Databases that are copied to another server, against PostgreSQL's own programs, pgcopydb, and two psql at the ends of a pipe.</summary>
internal sealed partial class Benchmark
{
    private void MeasureCopies()
    {
        var folder = NewFolder("xfs");
        string[] settings = ["shared_buffers = 512MB", "wal_level = logical", "max_locks_per_transaction = 1024", "maintenance_work_mem = 256MB"];
        using PlainServer source = new(folder, "source", 23998, settings), target = new(folder, "target", 23997, settings);
        MeasureCopies(folder);
    }

    private void MeasureCopies(string folder)
    {
        const string programs = PlainServer.Programs, source = "postgresql://postgres@127.0.0.1:23998", target = "postgresql://postgres@127.0.0.1:23997";
        var (root, jobs, rows) = ($"{folder}/root", Environment.ProcessorCount.ToString(CultureInfo.InvariantCulture), (scale * 100_000).ToString(CultureInfo.InvariantCulture));
        (string Name, string Shown, string Sql)[] all =
        [
            ("large", "one large table", $"create table accounts as select i as id, md5(i::text) as token, 'customer ' || i || ' of branch ' || i % 1000 as name, md5((i * 7)::text) || md5((i * 13)::text) as note, (i * 7919 % 1000003)::numeric / 100 as balance, timestamptz '2026-01-01' + i * interval '7 seconds' as since from generate_series(1, {rows}::bigint) i; alter table accounts add primary key (id)"),
            ("small", "2,000 small tables", "do $$ begin for i in 1..2000 loop execute format('create table t%s (id int primary key, name text); insert into t%s select n, md5(n::text) from generate_series(1, 100) n; create index on t%s (name)', i, i, i); if i % 100 = 0 then commit; end if; end loop; end $$"),
            ("wide", "wide rows", $"create table documents as select i as id, (select string_agg(md5((i * 1000 + n)::text), '') from generate_series(1, 600) n) as body from generate_series(1, {(scale * 400).ToString(CultureInfo.InvariantCulture)}) i; alter table documents add primary key (id)"),
            ("objects", "10,000 large objects", "select count(lo_from_bytea(0, decode(repeat(md5(i::text), 64), 'hex'))) from generate_series(1, 10000) i"),
        ];
        foreach (var (name, shown, sql) in all)
        {
            Progress($"copies, {shown}: the data");
            LabCommand.Run("psql", "--no-psqlrc", "--quiet", "--dbname", $"{source}/postgres", "--command", $"create database {name}");
            LabCommand.Run("psql", "--no-psqlrc", "--quiet", "--output=/dev/null", "--dbname", $"{source}/{name}", "--command", sql);
            LabCommand.Run("psql", "--no-psqlrc", "--quiet", "--dbname", $"{source}/{name}", "--command", "vacuum freeze analyze", "--command", "checkpoint");
            var (dump, pipes, copydb, ours) = (new Series(), new Series(), new Series(), new Series());
            for (var round = 0; round <= rounds; round++)
            {
                Progress($"copies, {shown}: round {round.ToString(CultureInfo.InvariantCulture)} of {rounds.ToString(CultureInfo.InvariantCulture)}");
                Anew();
                dump.Add(Shell($"{programs}/pg_dump -Fd -j{jobs} -Z0 -f {folder}/dump -d {source}/{name} && {programs}/pg_restore -j{jobs} -d {target}/{name} {folder}/dump"));
                if (name == "large")
                {
                    Anew();
                    // Half of it each, and then what is built on it: the floor of all that copies by COPY.
                    pipes.Add(Shell($"""
                        set -e; export PGOPTIONS='-c client_min_messages=warning'
                        pages=$(psql -XAtq -d {source}/{name} -c "select pg_relation_size('accounts') / 8192")
                        {programs}/pg_dump --section=pre-data -d {source}/{name} | psql -Xq -d {target}/{name} >/dev/null
                        psql -Xq -d {source}/{name} -c "copy (select * from accounts where ctid < '($((pages / 2)),0)') to stdout" | psql -Xq -d {target}/{name} -c 'copy accounts from stdin' &
                        psql -Xq -d {source}/{name} -c "copy (select * from accounts where ctid >= '($((pages / 2)),0)') to stdout" | psql -Xq -d {target}/{name} -c 'copy accounts from stdin'
                        wait $!
                        {programs}/pg_dump --section=post-data -d {source}/{name} | psql -Xq -d {target}/{name} >/dev/null
                        psql -Xq -d {target}/{name} -c analyze
                        """));
                }

                Anew();
                copydb.Add(Shell($"pgcopydb clone --source {source}/{name} --target {target}/{name} --table-jobs {jobs} --index-jobs {jobs} --dir {folder}/copydb --no-acl --no-owner >{folder}/copydb.log 2>&1 || {{ tail -5 {folder}/copydb.log >&2; exit 1; }}"));
                Anew();
                ours.Add(Tool.Time(root, tool.Program, "replicate", "init", "--no-sync", "--yes", "--source", $"{source}/{name}", "--target", $"{target}/{name}", "--jobs", jobs).Milliseconds);
            }

            var size = LabCommand.Run("psql", "--no-psqlrc", "--tuples-only", "--no-align", "--dbname", $"{source}/{name}", "--command", "select pg_size_pretty(pg_database_size(current_database()))").Trim();
            var most = name == "objects" ? 0.1 : 0.75;
            _rows.Add(new($"{shown}, {size}", $"pg_dump -Fd -j{jobs} -Z0, pg_restore -j{jobs}", dump, null, null));
            if (name == "large")
                _rows.Add(new("", "two psql | psql, each for half of it", pipes, $"{Number(ours.Median / pipes.Median, "F2")}×", null));
            _rows.Add(new("", "pgcopydb clone", copydb, $"{Number(ours.Median / copydb.Median, "F2")}×", name == "objects" ? null : new("≤ 1.1×", ours.Median / copydb.Median <= 1.1)));
            _rows.Add(new("", "dotnet pgd replicate init --no-sync", ours, $"{Number(ours.Median / dump.Median, "F2")}×", new($"≤ {Number(most, "0.##")}×", ours.Median / dump.Median <= most)));

            void Anew()
            {
                LabCommand.Run("rm", "-rf", $"{folder}/dump", $"{folder}/copydb");
                LabCommand.Run("psql", "--no-psqlrc", "--quiet", "--dbname", $"{target}/postgres", "--command", $"drop database if exists {name}", "--command", $"create database {name}", "--command", "checkpoint");
                Settle(folder);
            }
        }

        MeasureCutover();

        double Shell(string command) => Tool.Time(root, "bash", "-o", "pipefail", "-c", command).Milliseconds;

        // Of what nobody can write, and not of the command: that has other things to do before and after.
        void MeasureCutover()
        {
            var pause = new Series();
            for (var round = 0; round <= rounds; round++)
            {
                Progress($"cutover: round {round.ToString(CultureInfo.InvariantCulture)} of {rounds.ToString(CultureInfo.InvariantCulture)}");
                LabCommand.Run("psql", "--no-psqlrc", "--quiet", "--dbname", $"{source}/postgres", "--command", "drop database if exists shop", "--command", "create database shop");
                LabCommand.Run("psql", "--no-psqlrc", "--quiet", "--dbname", $"{target}/postgres", "--command", "drop database if exists shop");
                LabCommand.Run("psql", "--no-psqlrc", "--quiet", "--dbname", $"{source}/shop", "--command", "do $$ begin for i in 1..100 loop execute format('create table t%s (id bigserial primary key)', i); end loop; end $$");
                LabCommand.Run($"{programs}/pgbench", "--initialize", "--quiet", "--scale=5", $"{source}/shop");
                string[] both = ["--source", $"{source}/shop", "--target", $"{target}/shop"];
                LabCommand.Run("psql", "--no-psqlrc", "--quiet", "--dbname", $"{source}/shop", "--command", "alter table pgbench_history replica identity full");
                Tool.Time(root, tool.Program, ["replicate", "init", "--yes", .. both]);
                Tool.Time(root, tool.Program, ["replicate", "sync", .. both]);
                using var traffic = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo($"{programs}/pgbench", ["--no-vacuum", "--client=2", "--time=600", "--rate=200", $"{source}/shop"]) { RedirectStandardError = true, RedirectStandardOutput = true })!;
                var said = Tool.Time(root, tool.Program, ["replicate", "cutover", "--max-pause", "30s", "--json", .. both]).Output;
                traffic.WaitForExit();
                pause.Add(double.Parse(Pause().Match(said).Groups[1].Value, CultureInfo.InvariantCulture) * 1000);
            }

            _rows.Add(new("", "cutover under pgbench, 100 sequences: nobody can write", pause, null, new("< 2 s", pause.Median < 2000)));
        }
    }

    [GeneratedRegex("\"pauseSeconds\": ([0-9.e-]+)")]
    private static partial Regex Pause();
}
