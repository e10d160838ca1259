using System.Globalization;
using System.Text.Json;
using Npgsql;
using Pgd.Migrations;
using Pgd.Postgres;

namespace Pgd.Tracing;

/// <summary>What auto_explain tells of a statement that took a while: how many rows it had to do with, and how much write-ahead log it wrote itself.</summary>
/// <remarks>Source: https://www.postgresql.org/docs/current/auto-explain.html, https://www.postgresql.org/docs/current/sql-explain.html.</remarks>
/// <param name="At">When it was told, in microseconds since 1970, cut off after the millisecond.</param>
/// <param name="Rows">The rows that it inserted, updated, deleted or returned.</param>
/// <param name="WalBytes">The write-ahead log; null if triggers wrote some as well, which is not in it, or if the server does not count it.</param>
internal sealed record StatementPlan(long At, long Rows, long? WalBytes)
{
    /// <summary>The setting that names what every session loads, beside what it names already.</summary>
    public const string Loads = "session_preload_libraries";

    private const string Library = "auto_explain";

    // Less is not worth a line for each: a migration may insert its rows one by one.
    private const int LeastMilliseconds = 10;

    /// <summary>What a server is started with so that it tells; empty if it has not got the library.</summary>
    /// <exception cref="NpgsqlException">The connection was lost.</exception>
    public static IReadOnlyDictionary<string, string> Settings(AdminConnection connection, int major, CancellationToken cancellationToken)
    {
        try
        {
            connection.Execute($"load '{Library}'", cancellationToken);
        }
        catch (PostgresException)
        {
            return new Dictionary<string, string>();
        }

        var settings = new Dictionary<string, string>
        {
            [Loads] = Library,
            [$"{Library}.log_min_duration"] = LeastMilliseconds.ToString(CultureInfo.InvariantCulture),
            [$"{Library}.log_analyze"] = "on",
            // A clock that is read for each row would be felt.
            [$"{Library}.log_timing"] = "off",
            [$"{Library}.log_buffers"] = "off",
            [$"{Library}.log_triggers"] = "on",
            [$"{Library}.log_verbose"] = "off",
            [$"{Library}.log_settings"] = "off",
            [$"{Library}.log_nested_statements"] = "off",
            [$"{Library}.log_format"] = "json",
            [$"{Library}.log_level"] = "log",
            [$"{Library}.sample_rate"] = "1",
        };
        if (major >= 13)
            settings[$"{Library}.log_wal"] = "on";
        if (major >= 16)
            settings[$"{Library}.log_parameter_max_length"] = "0";
        return settings;
    }

    /// <summary>
    /// What is known of a statement by the plans that were told while it ran; null if nothing is. Those inside a block, a procedure or the check of a foreign key are told as well, and are not what it did.
    /// </summary>
    public static StatementPlan? Of(IReadOnlyList<StatementPlan> plans, IReadOnlyList<SqlStatement> statements)
    {
        var makesTable = statements.Any(s => s.Words is ["create", ..]);
        if (plans.Count == 0 || statements.Count == 0 || !statements.All(s => s.Words is ["insert" or "update" or "delete" or "merge" or "select" or "with" or "values" or "table" or "execute" or "explain", ..]
            || (s.Words is ["create", "table" or "unlogged" or "temp" or "temporary", ..] && s.Words.Contains("as"))))
            return null;
        var (rows, bytes) = (0L, (long?)0);
        foreach (var plan in plans)
            (rows, bytes) = (unchecked(rows + plan.Rows), unchecked(bytes + plan.WalBytes));
        // The table's own making is not a part of the plan.
        return new(plans[^1].At, rows, makesTable ? null : bytes);
    }

    /// <summary>Reads an entry; null if it is none, or only looks like one.</summary>
    public static StatementPlan? Of(ServerLogEntry entry)
    {
        if (!entry.Message.StartsWith("duration: ", StringComparison.Ordinal) || entry.Message.IndexOf(" ms  plan:\n", StringComparison.Ordinal) is not (> 0 and var at))
            return null;
        try
        {
            using var document = JsonDocument.Parse(entry.Message.AsMemory(at + " ms  plan:\n".Length));
            var plan = document.RootElement.GetProperty("Plan");
            var hasTriggers = document.RootElement.TryGetProperty("Triggers", out var triggers) && triggers.GetArrayLength() > 0;
            return new(ExecutedStatement.Microseconds(entry.At), RowsOf(plan), !hasTriggers && plan.TryGetProperty("WAL Bytes", out var bytes) ? bytes.GetInt64() : null);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or OverflowException)
        {
            return null;
        }
    }

    private static long RowsOf(JsonElement plan)
    {
        if (plan.GetProperty("Node Type").GetString() != "ModifyTable")
            return Actual(plan);
        // What was done, where that is not the same as what came.
        string[] done = ["Tuples Inserted", "Tuples Updated", "Tuples Deleted"];
        return done.Any(name => plan.TryGetProperty(name, out _)) ? done.Sum(name => plan.TryGetProperty(name, out var count) ? (long)count.GetDouble() : 0)
            : plan.TryGetProperty("Plans", out var below) ? below.EnumerateArray().Where(p => p.GetProperty("Parent Relationship").GetString() is "Outer" or "Member").Sum(Actual)
            : Actual(plan);
    }

    private static long Actual(JsonElement plan) => (long)Math.Round(plan.GetProperty("Actual Rows").GetDouble() * plan.GetProperty("Actual Loops").GetDouble());
}
