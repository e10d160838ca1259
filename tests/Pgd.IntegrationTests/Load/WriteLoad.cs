using Npgsql;

namespace Pgd.IntegrationTests;

/// <summary>
/// Writers that insert rows one by one and remember which of them the source has acknowledged, beside others that do what makes a copy of
/// files hard: tables that vanish, shrink and are rewritten, indexes, checkpoints, sorts that spill to disk.
/// </summary>
internal sealed class WriteLoad : IAsyncDisposable
{
    private readonly long[] _acknowledged;
    private readonly List<Task> _tasks = [];
    private readonly CancellationTokenSource _stop = new();

    private WriteLoad(int writers) => _acknowledged = new long[writers];

    /// <summary>The highest number that each writer knows to be committed.</summary>
    public long[] Acknowledged => [.. Enumerable.Range(0, _acknowledged.Length).Select(i => Interlocked.Read(ref _acknowledged[i]))];

    public static async Task<WriteLoad> StartAsync(ToolRoot root, int writers, int seed) => await StartAsync(await root.ConnectionStringAsync(ToolRoot.Main), writers, seed);

    public static async Task<WriteLoad> StartAsync(string address, int writers, int seed)
    {
        await AskAsync(address, """
            create table if not exists events (writer int, number bigint, note text, primary key (writer, number));
            create index if not exists events_note on events (note);
            create table if not exists balances (id int primary key, amount bigint);
            create index if not exists balances_amount on balances (amount);
            insert into balances select i, i from generate_series(1, 3000) i on conflict do nothing;
            """);
        var load = new WriteLoad(writers);
        for (var writer = 0; writer < writers; writer++)
        {
            var number = writer;
            load.Run(address, connection => load.WriteAsync(connection, number));
        }

        load.Run(address, connection => DisturbAsync(connection, new Random(seed)));
        await Until.TrueAsync(() => load.Acknowledged.All(n => n > 0), "every writer has written");
        return load;
    }

    /// <summary>Fails if a writer has ended by itself: a source that refuses writes meanwhile would prove nothing.</summary>
    public async Task StillRunsAsync()
    {
        if (_tasks.Find(task => task.IsCompleted) is { } ended)
        {
            await ended;
            throw new InvalidOperationException("A writer has ended.");
        }

        var before = Acknowledged;
        await Until.TrueAsync(() => Acknowledged.Zip(before).All(pair => pair.First > pair.Second), "every writer goes on");
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _stop.Dispose();
    }

    /// <summary>Ends the load: what is acknowledged then is all there is.</summary>
    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_tasks).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private static async Task AskAsync(string address, string sql)
    {
        await using var connection = new NpgsqlConnection(address);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    private void Run(string address, Func<NpgsqlConnection, Task> work) => _tasks.Add(Task.Run(async () =>
    {
        await using var connection = new NpgsqlConnection(address);
        await connection.OpenAsync();
        while (!_stop.IsCancellationRequested)
            await work(connection);
    }));

    private async Task WriteAsync(NpgsqlConnection connection, int writer)
    {
        var next = _acknowledged[writer] + 1;
        await using var insert = new NpgsqlCommand($"insert into events values ({writer}, {next}, md5('{next}'))", connection);
        await insert.ExecuteNonQueryAsync();
        Interlocked.Exchange(ref _acknowledged[writer], next);
    }

    private static async Task DisturbAsync(NpgsqlConnection connection, Random random)
    {
        var name = $"passing{random.Next(3)}";
        string[] disturbance = random.Next(8) switch
        {
            0 => ["checkpoint"],
            // The sum stays the same in every transaction: a branch that shows another one was caught in the middle.
            1 => ["update balances set amount = amount + case when id % 2 = 0 then 1 else -1 end"],
            2 => ["vacuum balances", "vacuum events"],
            3 => [$"drop table if exists {name}", $"create table {name} as select i, md5(i::text) t from generate_series(1, 5000) i", $"create index on {name} (t)"],
            4 => [$"create table if not exists {name} (i int, t text)", $"truncate {name}", $"insert into {name} select i, md5(i::text) from generate_series(1, 2000) i", $"delete from {name} where i > 100", $"vacuum {name}"],
            5 => ["reindex index events_note"],
            6 => ["set work_mem = '64kB'", "select count(*) from (select i, md5(i::text) t from generate_series(1, 20000) i order by 2 offset 5) s", "reset work_mem"],
            _ => ["vacuum full balances"],
        };
        foreach (var sql in disturbance)
        {
            await using var command = new NpgsqlCommand(sql, connection);
            await command.ExecuteNonQueryAsync();
        }
    }
}
