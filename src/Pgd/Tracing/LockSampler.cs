using System.Diagnostics;
using System.Globalization;
using Npgsql;
using Pgd.Postgres;

namespace Pgd.Tracing;

/// <summary>Watches the locks of one database from a connection of its own, as often as it can without being felt.</summary>
internal sealed class LockSampler : IDisposable
{
    // The database's own tables and indexes; those of the catalogs are below.
    private const string Statement =
        """
        select (extract(epoch from n.at) * 1000000)::bigint::text, (n.lsn - '0/0'::pg_lsn)::bigint::text, l.pid::text, l.virtualtransaction, l.relation::text, l.mode, l.granted::text, (extract(epoch from a.query_start) * 1000000)::bigint::text
        from (select clock_timestamp() as at, pg_current_wal_insert_lsn() as lsn) n
        left join (select pid, virtualtransaction, relation, mode, granted from pg_locks where locktype = 'relation' and database = @database and relation::bigint >= 16384 and pid <> pg_backend_pid()) l on true
        left join pg_stat_get_activity(null) a on a.pid = l.pid
        """;

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(10);

    private readonly ServerAddress _server;
    private readonly string _database;
    private readonly uint _oid;
    private readonly Dictionary<LockKey, SampledLock> _held = [];
    private readonly List<SampledLock> _released = [];
    private readonly CancellationTokenSource _stop = new();
    private readonly Thread _thread;

    /// <param name="server">The server.</param>
    /// <param name="database">A database to connect to; not the one that is watched, which somebody may want to drop or copy.</param>
    /// <param name="oid">The one that is watched.</param>
    public LockSampler(ServerAddress server, string database, uint oid)
    {
        (_server, _database, _oid) = (server, database, oid);
        _thread = new(Watch) { IsBackground = true, Name = "pgd lock sampler" };
        _thread.Start();
    }

    /// <summary>How far the write-ahead log was at which time (microseconds since 1970), in ascending order.</summary>
    public List<(long At, long Lsn)> Log { get; } = [];

    /// <summary>Why it could not look for a while, each once.</summary>
    public HashSet<string> Interruptions { get; } = [];

    /// <summary>Stops looking. The locks that were seen, and those that are still held.</summary>
    public IReadOnlyList<SampledLock> Stop()
    {
        _stop.Cancel();
        _thread.Join();
        return [.. _released, .. _held.Values];
    }

    public void Dispose()
    {
        if (!_stop.IsCancellationRequested)
            Stop();
        _stop.Dispose();
    }

    private void Watch()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                using var connection = AdminConnection.Open(_server, _database, CancellationToken.None);
                using var command = new NpgsqlCommand(Statement, connection.Connection);
                command.Parameters.AddWithValue("database", NpgsqlTypes.NpgsqlDbType.Oid, _oid);
                // It would fill the log that it is a part of.
                connection.Execute("set log_min_duration_statement = -1", CancellationToken.None);
                command.Prepare();
                for (var next = Stopwatch.GetTimestamp(); !_stop.IsCancellationRequested;)
                {
                    Look(command);
                    next += Interval.Ticks * Stopwatch.Frequency / TimeSpan.TicksPerSecond;
                    var left = Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), next);
                    if (left > TimeSpan.Zero)
                        _stop.Token.WaitHandle.WaitOne(left);
                    else
                        next = Stopwatch.GetTimestamp();
                }
            }
            catch (NpgsqlException e)
            {
                // Who migrates may end any session, and a server may be restarted.
                Interruptions.Add(e is PostgresException { MessageText: var text } ? text : e.InnerException?.Message ?? e.Message);
                _stop.Token.WaitHandle.WaitOne(Interval);
            }
        }
    }

    private void Look(NpgsqlCommand command)
    {
        var (now, lsn, seen) = (0L, 0L, 0);
        using (var reader = command.ExecuteReader())
        {
            while (reader.Read())
            {
                if (seen++ == 0)
                    (now, lsn) = (Number(reader, 0), Number(reader, 1));

                if (reader.IsDBNull(2) || LockModes.Parse(reader.GetString(5)) is not { } mode)
                    continue;
                var key = new LockKey((int)Number(reader, 2), reader.GetString(3), (uint)Number(reader, 4), mode);
                if (!_held.TryGetValue(key, out var held))
                    _held[key] = held = new(key, Log.Count > 0 ? Log[^1].At : now, now, reader.IsDBNull(7) ? 0 : Number(reader, 7));
                if (reader.GetString(6) != "true")
                    held.WaitingSince ??= Math.Max(held.Before, held.StatementStart);
                else if (held.Granted == 0)
                    (held.GrantedAfter, held.Granted) = (held.WaitingSince is null ? held.Before : held.LastSeen, now);
                held.LastSeen = now;
            }

            if (seen > 0 && (Log.Count == 0 || now > Log[^1].At))
                Log.Add((now, lsn));
        }

        foreach (var (key, held) in _held)
        {
            if (held.LastSeen == now)
                continue;
            held.Gone = now;
            _released.Add(held);
            _held.Remove(key);
        }
    }

    private static long Number(NpgsqlDataReader reader, int column) => long.Parse(reader.GetString(column), CultureInfo.InvariantCulture);
}

/// <summary>A lock is the same as long as its transaction holds it.</summary>
internal readonly record struct LockKey(int Process, string Transaction, uint Relation, LockMode Mode);

/// <summary>A lock as it was seen. All times in microseconds since 1970, by the server's clock.</summary>
/// <param name="key">Which.</param>
/// <param name="before">The last look before it was there.</param>
/// <param name="first">The first look at it.</param>
/// <param name="statementStart">When the statement had begun that its session was at then.</param>
internal sealed class SampledLock(LockKey key, long before, long first, long statementStart)
{
    public LockKey Key { get; } = key;

    public long StatementStart { get; } = statementStart;

    public long Before { get; } = before;

    /// <summary>Since when it was waited for; null if it was never seen to wait.</summary>
    public long? WaitingSince { get; set; }

    /// <summary>The last look at which it was not yet held.</summary>
    public long GrantedAfter { get; set; }

    /// <summary>The first look at which it was held; 0 if it never was.</summary>
    public long Granted { get; set; }

    public long LastSeen { get; set; } = first;

    /// <summary>The first look at which it was gone; 0 while it is held.</summary>
    public long Gone { get; set; }
}
