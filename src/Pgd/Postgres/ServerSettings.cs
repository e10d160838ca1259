namespace Pgd.Postgres;

/// <summary>Settings that go on the server's command line, where they beat <c>postgresql.conf</c> and <c>ALTER SYSTEM</c>.</summary>
internal static class ServerSettings
{
    /// <summary>What every server of ours gets: its identity, its door and its log.</summary>
    public static Dictionary<string, string> Common(string clusterName, int port, string listen, string socketFolder, Storage.Volume volume) => new()
    {
        // A configuration file may name it, as distributions do: then the clone's server would run on the source's data.
        ["data_directory"] = volume.Data,
        ["cluster_name"] = clusterName,
        ["port"] = port.ToString(System.Globalization.CultureInfo.InvariantCulture),
        ["listen_addresses"] = listen,
        ["unix_socket_directories"] = socketFolder,
        ["unix_socket_permissions"] = "0700",
        ["unix_socket_group"] = "",
        ["hba_file"] = volume.HostBasedAuthentication,
        ["ident_file"] = volume.UserNameMap,
        // The source's own would be overwritten.
        ["external_pid_file"] = Path.Combine(socketFolder, "server.pid"),
        // Everything the server says goes to its log beside the data, in the order in which it happened.
        ["logging_collector"] = "off",
        ["log_destination"] = "stderr",
    };

    /// <summary>What spares a server the waits for the disk. On the command line and not in its configuration: what is made from it is to be safe again.</summary>
    public static IReadOnlyDictionary<string, string> Volatile { get; } = new Dictionary<string, string> { ["fsync"] = "off", ["full_page_writes"] = "off", ["synchronous_commit"] = "off" };

    /// <summary>
    /// What keeps a branch from touching anything that its source touches: the archive, publishers, standbys, the primary, jobs.
    /// </summary>
    public static Dictionary<string, string> Quarantine(int major)
    {
        var settings = new Dictionary<string, string>
        {
            // The branch's first segment would have the very name that the source is about to archive: the source's archiver would stop for good.
            ["archive_mode"] = "off",
            ["archive_command"] = "",
            ["restore_command"] = "",
            ["archive_cleanup_command"] = "",
            ["recovery_end_command"] = "",
            // An enabled subscription would take the source's slot on the publisher and consume what the source never sees.
            ["max_logical_replication_workers"] = "0",
            ["max_sync_workers_per_subscription"] = "0",
            ["primary_conninfo"] = "",
            ["primary_slot_name"] = "",
            // The first commit would wait for ever for standbys that a branch does not have.
            ["synchronous_standby_names"] = "",
            ["max_wal_senders"] = "0",
            ["wal_keep_size"] = "0",
            ["ssl"] = "off",
            // They were set aside for the source's server, and "on" without any left is fatal.
            ["huge_pages"] = "off",
            // Extensions that start work of their own; a name of an extension that is not loaded is a placeholder and has no effect.
            ["cron.launch_active_jobs"] = "off",
            ["timescaledb.max_background_workers"] = "0",
            ["pg_partman_bgw.interval"] = "315360000",
        };
        if (major >= 14)
            settings["min_dynamic_shared_memory"] = "0";
        if (major >= 15)
            settings["archive_library"] = "";
        if (major >= 17)
        {
            settings["sync_replication_slots"] = "off";
            settings["summarize_wal"] = "off";
        }

        return settings;
    }

    /// <summary>For a branch with TLS: its own certificate, and nothing of what the source's configuration names for its own.</summary>
    public static Dictionary<string, string> Tls(int major, Storage.Volume volume)
    {
        var settings = new Dictionary<string, string>
        {
            ["ssl"] = "on",
            ["ssl_cert_file"] = volume.Certificate,
            ["ssl_key_file"] = volume.Certificate,
            // A file that is missing keeps the server from starting, and so does a list that our key does not fit.
            ["ssl_ca_file"] = "",
            ["ssl_crl_file"] = "",
            ["ssl_dh_params_file"] = "",
            ["ssl_passphrase_command"] = "",
            ["ssl_ciphers"] = "HIGH:!aNULL",
            ["ssl_min_protocol_version"] = "TLSv1.2",
            ["ssl_max_protocol_version"] = "",
            [major >= 18 ? "ssl_groups" : "ssl_ecdh_curve"] = "prime256v1",
        };
        if (major >= 14)
            settings["ssl_crl_dir"] = "";
        if (major >= 18)
            settings["ssl_tls13_ciphers"] = "";
        return settings;
    }

    /// <summary>
    /// For a branch's place on a machine that it shares with others: the buffers of a large server could not even be had there. A quarter of
    /// its memory at most, as the manual advises; what its data asks for where that is less.
    /// </summary>
    public static Dictionary<string, string> Buffers(ServerConfiguration configuration, long memory)
    {
        const long usual = 128 << 20;
        var most = memory / 4;
        return (configuration.Find("shared_buffers") is { } asked ? Configuration.MemorySize.TryParse(asked) : usual) is { } bytes && bytes <= most
            ? [] : new() { ["shared_buffers"] = string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{most >> 10}kB") };
    }

    /// <summary>For the first start of a clone: one syncfs instead of opening and syncing every file.</summary>
    public static Dictionary<string, string> FirstStart(int major) => major >= 14 ? new() { ["recovery_init_sync_method"] = "syncfs" } : [];

    /// <summary>
    /// For the first start of a standby's clone: it replays the write-ahead log that came with it and becomes a primary on a timeline of its own.
    /// There is no target: "immediate" is never reached by a clone that has nothing left to replay, and its server would end.
    /// </summary>
    public static Dictionary<string, string> Promotion() => new()
    {
        ["recovery_target"] = "",
        ["recovery_target_time"] = "",
        ["recovery_target_lsn"] = "",
        ["recovery_target_xid"] = "",
        ["recovery_target_name"] = "",
        ["recovery_target_action"] = "promote",
        // A number left from an earlier recovery may name a timeline that this history does not lead to.
        ["recovery_target_timeline"] = "latest",
        // Without it, the settings that a standby compares with its primary's would have to be at least as high as those.
        ["hot_standby"] = "off",
        ["restore_command"] = "false",
    };
}
