using System.Diagnostics;
using System.Globalization;
using Pgd.IntegrationTests;
using Pgd.Libpq;
using Pgd.Replication;

namespace Pgd.Bench;

/// <summary>Comparing two databases row by row, against the statements by which others do it.</summary>
internal sealed partial class Benchmark
{
    private void MeasureComparisons() => MeasureComparisonsAsync().GetAwaiter().GetResult();

    private async Task MeasureComparisonsAsync()
    {
        var folder = NewFolder("xfs");
        using var server = new PlainServer(folder, "data", 23998, "shared_buffers = 1GB", "fsync = off");
        await MeasureComparisonsAsync(server.Port);
    }

    private async Task MeasureComparisonsAsync(int port)
    {
        Progress("comparisons: the data");
        string[] databases = ["source", "target"];
        LabCommand.Run("psql", "--no-psqlrc", "--quiet", "--dbname", Url("postgres"), "--command", "create database source");
        LabCommand.Run("psql", "--no-psqlrc", "--quiet", "--dbname", Url("source"), "--command", $"""
            create table accounts as select i as id, md5(i::text) as token, 'customer ' || i || ' of branch ' || i % 1000 as name, md5((i * 7)::text) || md5((i * 13)::text) as note, (i * 7919 % 1000003)::numeric / 100 as balance,
                timestamptz '2026-01-01' + i * interval '7 seconds' as since from generate_series(1, {(scale * 400_000).ToString(CultureInfo.InvariantCulture)}::bigint) i
            """, "--command", "alter table accounts add primary key (id)");
        LabCommand.Run("psql", "--no-psqlrc", "--quiet", "--dbname", Url("postgres"), "--command", "create database target template source");
        foreach (var database in databases)
            LabCommand.Run("psql", "--no-psqlrc", "--quiet", "--dbname", Url(database), "--command", "vacuum freeze analyze");
        const string columns = "id, token, name, note, balance, since";
        const string copydb = $"select count(1) as cnt, encode(sha256(format('%s-%s', sum(hashtext(({columns})::text)::bigint), count(1))::bytea), 'hex') from only accounts";
        const string seed = $"select md5(string_agg(row_data, '' order by row_num)), count(*) from (select coalesce(id::text, '') || '|' || coalesce(token::text, '') || '|' || coalesce(name::text, '') || '|' || coalesce(note::text, '') || '|' || coalesce(balance::text, '') || '|' || coalesce(since::text, '') as row_data, row_number() over (order by {columns}) as row_num from accounts) t";
        var (copydbs, seeds, ours, strict, differing) = (new Series(), new Series(), new Series(), new Series(), new Series());
        var comparison = new Comparison { Source = ConnectionUrl.Parse(Url("source")), Target = ConnectionUrl.Parse(Url("target")) };
        for (var round = 0; round <= rounds; round++)
        {
            Progress($"comparisons: round {round} of {rounds}");
            copydbs.Add(await BothAsync(copydb));
            ours.Add(await CompareAsync(comparison));
            if (round < 3)
            {
                seeds.Add(await BothAsync(seed));
                strict.Add(await CompareAsync(comparison with { Strict = true }));
            }

            LabCommand.Run("psql", "--no-psqlrc", "--quiet", "--dbname", Url("target"), "--command", "update accounts set balance = balance + 0.01 where id = 4711");
            differing.Add(await CompareAsync(comparison));
            LabCommand.Run("psql", "--no-psqlrc", "--quiet", "--dbname", Url("target"), "--command", "update accounts set balance = balance - 0.01 where id = 4711");
        }

        var size = LabCommand.Run("psql", "--no-psqlrc", "--tuples-only", "--no-align", "--dbname", Url("source"), "--command", "select pg_size_pretty(pg_table_size('accounts'))").Trim();
        _rows.Add(new($"comparisons, {size}", "the statement of pgcopydb compare data, on both at once", copydbs, null, null));
        _rows.Add(new("", "the statement of the seed's verify, on both at once", seeds, $"{Number(seeds.Median / copydbs.Median, "F2")}×", null));
        _rows.Add(new("", "replicate verify, all of it", ours, $"{Number(ours.Median / copydbs.Median, "F2")}×", new("≤ 0.6×", ours.Median / copydbs.Median <= 0.6)));
        _rows.Add(new("", "  against the seed's statement", ours, $"{Number(ours.Median / seeds.Median, "F2")}×", new("≤ 0.25×", ours.Median / seeds.Median <= 0.25)));
        _rows.Add(new("", "replicate verify --strict", strict, $"{Number(strict.Median / copydbs.Median, "F2")}×", null));
        _rows.Add(new("", "replicate verify, and one row differs", differing, $"{Number(differing.Median / copydbs.Median, "F2")}×", null));

        string Url(string database) => string.Create(CultureInfo.InvariantCulture, $"postgresql://postgres@127.0.0.1:{port}/{database}");

        async Task<double> BothAsync(string sql)
        {
            var clock = Stopwatch.StartNew();
            await Task.WhenAll(databases.Select(database => QueryAsync(Url(database), sql)));
            return clock.Elapsed.TotalMilliseconds;
        }

        static async Task<double> CompareAsync(Comparison one)
        {
            var clock = Stopwatch.StartNew();
            await one.RunAsync(SilentReporter.Instance, default);
            return clock.Elapsed.TotalMilliseconds;
        }
    }
}
