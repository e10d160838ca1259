using Pgd.Storage;

namespace Pgd.Tracing;

/// <summary>What a server is started with so that its log tells every statement, to a folder of its own.</summary>
internal static class TraceSettings
{
    /// <summary>Whether a server is started to tell.</summary>
    public static bool Are(IReadOnlyDictionary<string, string> settings) => settings.GetValueOrDefault("logging_collector") == "on";

    /// <param name="volume">The server's volume.</param>
    /// <param name="major">Its version.</param>
    /// <param name="more">What else it is started with.</param>
    public static Dictionary<string, string> Of(Volume volume, int major, IReadOnlyDictionary<string, string> more)
    {
        var settings = new Dictionary<string, string>(more)
        {
            ["logging_collector"] = "on",
            ["log_destination"] = "csvlog",
            ["log_directory"] = TraceFolder.Of(volume),
            ["log_filename"] = "trace.log",
            ["log_file_mode"] = "0600",
            ["log_rotation_age"] = "0",
            ["log_rotation_size"] = "0",
            ["log_timezone"] = "UTC",
            // One line for each statement, when it has ended.
            ["log_min_duration_statement"] = "0",
            ["log_min_duration_sample"] = "-1",
            ["log_transaction_sample_rate"] = "0",
            ["log_statement"] = "none",
            ["log_duration"] = "off",
            ["log_temp_files"] = "0",
            ["log_min_messages"] = "warning",
            ["log_min_error_statement"] = "error",
            ["log_error_verbosity"] = "default",
            // Values are data, and data stays in the branch.
            ["log_parameter_max_length"] = "0",
            ["log_parameter_max_length_on_error"] = "0",
            ["track_activities"] = "on",
        };
        if (major >= 14)
            settings["compute_query_id"] = "on";
        if (major >= 17)
            settings["event_triggers"] = "on";
        return settings;
    }
}
