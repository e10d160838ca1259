using System.Text.RegularExpressions;

namespace Pgd.Configuration;

/// <summary>Settings of PostgreSQL that nobody sets but pgd.</summary>
internal static partial class ReservedSettings
{
    private const string
        Door = "cannot be set: by it pgd finds, reaches and guards the server",
        Apart = "cannot be set: it keeps a branch from touching what its source works with (docs/safety.md)",
        Memory = "cannot be set: branches share the machine; for main alone, set it in there: alter system",
        Recovery = "cannot be set: it says up to where a server recovers, which is asked for by --at and its like";

    private static readonly Dictionary<string, string> Reasons = new()
    {
        ["data_directory"] = Door,
        ["config_file"] = Door,
        ["hba_file"] = Door,
        ["ident_file"] = Door,
        ["external_pid_file"] = Door,
        ["cluster_name"] = Door,
        ["port"] = Door,
        ["listen_addresses"] = Door,
        ["unix_socket_directories"] = Door,
        ["unix_socket_permissions"] = Door,
        ["unix_socket_group"] = Door,
        ["logging_collector"] = Door,
        ["log_destination"] = Door,
        ["archive_mode"] = Apart,
        ["archive_command"] = Apart,
        ["archive_library"] = Apart,
        ["archive_cleanup_command"] = Apart,
        ["restore_command"] = Apart,
        ["max_logical_replication_workers"] = Apart,
        ["max_sync_workers_per_subscription"] = Apart,
        ["primary_conninfo"] = Apart,
        ["primary_slot_name"] = Apart,
        ["synchronous_standby_names"] = Apart,
        ["max_wal_senders"] = Apart,
        ["wal_keep_size"] = Apart,
        ["sync_replication_slots"] = Apart,
        ["summarize_wal"] = Apart,
        ["cron.launch_active_jobs"] = Apart,
        ["timescaledb.max_background_workers"] = Apart,
        ["pg_partman_bgw.interval"] = Apart,
        ["huge_pages"] = Memory,
        ["min_dynamic_shared_memory"] = Memory,
        ["hot_standby"] = Recovery,
    };

    /// <summary>What is wrong with setting it, as the end of a sentence; null if nothing is.</summary>
    public static string? Fault(string name) =>
        !Name().IsMatch(name) ? "cannot be the name of a setting: it has lower-case letters, digits and underscores"
        : Reasons.TryGetValue(name, out var reason) ? reason
        : name.StartsWith("ssl", StringComparison.Ordinal) ? "cannot be set: whether branches have TLS is said by the key tls, and the rest follows"
        : name.StartsWith("recovery_", StringComparison.Ordinal) ? Recovery
        : null;

    [GeneratedRegex(@"^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)*\z")]
    private static partial Regex Name();
}
