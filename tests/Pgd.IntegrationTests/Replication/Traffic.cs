using System.Globalization;
using Npgsql;

namespace Pgd.IntegrationTests.Replication;

/// <summary>Somebody who works on the shop: inserts, updates, deletes, moves keys and rows between parts, truncates, rolls back, until it is stopped.</summary>
internal sealed class Traffic : IAsyncDisposable
{
    private readonly CancellationTokenSource _end = new();
    private readonly List<Task<int>> _workers;

    private Traffic(int port, int seed, int workers, int? changes) => _workers = [.. Enumerable.Range(0, workers).Select(worker => Task.Run(() => WorkAsync(port, new Random(seed + worker), worker, changes)))];

    public static Traffic On(TwoServers servers, int seed, int workers = 2, int? changes = null) => new(servers.Source.Port, seed, workers, changes);

    /// <summary>Stops it.</summary>
    /// <returns>How many transactions there were.</returns>
    public async Task<int> EndAsync()
    {
        await _end.CancelAsync();
        return (await Task.WhenAll(_workers)).Sum();
    }

    public async ValueTask DisposeAsync()
    {
        await EndAsync();
        _end.Dispose();
    }

    private async Task<int> WorkAsync(int port, Random random, int worker, int? changes)
    {
        var done = 0;
        while (!_end.IsCancellationRequested && done < (changes ?? int.MaxValue))
        {
            try
            {
                await using var connection = new NpgsqlConnection(string.Create(CultureInfo.InvariantCulture, $"Host=127.0.0.1;Port={port};Database=shop;Username=postgres;Pooling=false;Application Name=traffic"));
                await connection.OpenAsync();
                while (!_end.IsCancellationRequested && done < (changes ?? int.MaxValue))
                {
                    await using var command = new NpgsqlCommand(Transaction(random, worker), connection);
                    await command.ExecuteNonQueryAsync();
                    done++;
                }
            }
            // A cutover ends sessions, and lets nobody write after it.
            catch (Exception e) when (e is NpgsqlException)
            {
                if (e is PostgresException { SqlState: not (PostgresErrorCodes.AdminShutdown or PostgresErrorCodes.ReadOnlySqlTransaction or PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.UniqueViolation) })
                    throw;
                if (e is PostgresException { SqlState: PostgresErrorCodes.ReadOnlySqlTransaction })
                    return done;
            }
        }

        return done;
    }

    private static string Transaction(Random random, int worker)
    {
        int Any(int most) => random.Next(1, most + 1);
        List<string> statements = [.. Enumerable.Range(0, Any(4)).Select(_ => random.Next(14) switch
        {
            0 => $"insert into sales.customers (name, feeling, n) values (E'new\\t{Any(1000)}', {(random.Next(2) == 0 ? "null" : "'sad'")}, {Any(9)})",
            1 => $"insert into sales.orders (customer, amount, data, raw) select {Any(500)}, i / 3.0, jsonb_build_object('n', i), sha256(i::text::bytea) from generate_series(1, {Any(20)}) i",
            2 => $"update sales.orders set amount = amount + 1, data = data || '{{\"more\": {Any(99)}}}' where id % 97 = {Any(96)}",
            3 => $"delete from sales.orders where id % 331 = {Any(330)}",
            4 => $"update sales.orders set id = -id - {Any(5)} * 10000000 where id = {Any(5000)}",
            5 => $"update \"Odd schema\".\"a \"\"table\"\"; drop\" set \"select\" = coalesce(\"select\", 0) + 1 where \"ключ\" is null",
            6 => $"insert into \"Odd schema\".\"a \"\"table\"\"; drop\" values (E'\\\\N{Any(99)}', {Any(9)}, '2026-02-{Any(28):D2}')",
            7 => $"insert into parts values ({Any(999)}, '2026-{Any(12):D2}-03')",
            8 => $"update parts set at = at + interval '5 months' where id = {Any(999)} and at < '2027-06-01'",
            9 => $"insert into coded values ('c{worker}-{Any(200)}', 'o{Any(200)}', {Any(99)}) on conflict (other, code) do update set n = excluded.n, code = excluded.code || '+'",
            10 => $"insert into child values ({Any(99)}, repeat('wide ', {Any(2000)}))",
            11 => $"update parent set id = id + 1 where id % 7 = {Any(6)}",
            12 => random.Next(10) == 0 ? "truncate emptied" : $"insert into emptied values ({Any(100000)}, 'x') on conflict do nothing",
            _ => $"savepoint s; update sales.customers set name = 'undone'; rollback to s; update sales.customers set name = name || '.' where id = {Any(500)}",
        })];
        return $"begin; {string.Join("; ", statements)}; {(random.Next(8) == 0 ? "rollback" : "commit")}";
    }
}
