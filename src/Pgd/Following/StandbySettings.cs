using System.Globalization;
using Pgd.Libpq;
using Pgd.Postgres;
using Pgd.Storage;

namespace Pgd.Following;

/// <summary>Settings of a server that follows another one, over those that keep a branch apart from everything else.</summary>
internal static class StandbySettings
{
    /// <param name="major">Its version.</param>
    /// <param name="volume">Its data.</param>
    /// <param name="primary">Whom it follows.</param>
    /// <param name="configuration">What its files and the host's configuration say.</param>
    public static Dictionary<string, string> Of(int major, Volume volume, ConnectionUrl primary, ServerConfiguration configuration)
    {
        var settings = new Dictionary<string, string>
        {
            ["primary_conninfo"] = Primary.Conninfo(volume, primary),
            ["hot_standby"] = "on",
            // A slot of its own would have production keep its log for a runner that is gone, until its disk is full. This one is there while we are.
            ["wal_receiver_create_temp_slot"] = "on",
            // Rows that production has deleted are no longer needed because somebody here reads them.
            ["hot_standby_feedback"] = "off",
            // After half of that in which it hears nothing it asks: so it knows how new its data is also where nothing is written.
            ["wal_receiver_timeout"] = "20s",
            // What was left by an earlier recovery of the source's would end this one, or delay it.
            ["recovery_target"] = "",
            ["recovery_target_time"] = "",
            ["recovery_target_lsn"] = "",
            ["recovery_target_xid"] = "",
            ["recovery_target_name"] = "",
            // After a failover, production is another server with a timeline of its own.
            ["recovery_target_timeline"] = "latest",
            ["recovery_min_apply_delay"] = "0",
        };
        if (major < 16)
            settings["promote_trigger_file"] = "";
        // A reader may hold the replay up for a while, and not for ever.
        foreach (var name in (string[])["max_standby_streaming_delay", "max_standby_archive_delay"])
            settings[name] = "30s";
        // It could not repeat what its primary does with fewer of them, and refuses to. Since the data was copied, the primary may have been given more: that is in the control file as soon as it is known.
        foreach (var (name, least) in ControlData.LimitsOf(volume.Data))
            settings[name] = (int.TryParse(configuration.Find(name), NumberStyles.None, CultureInfo.InvariantCulture, out var chosen) && name != "max_wal_senders" ? Math.Max(chosen, least) : least).ToString(CultureInfo.InvariantCulture);
        return settings;
    }
}
