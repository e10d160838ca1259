using System.Globalization;

namespace Pgd.Postgres;

/// <summary>What a source does toward others and its branch does not, as one reads it.</summary>
internal static class Severed
{
    /// <summary>Libraries that start work of their own: the setting of the quarantine that keeps them from it, and what that work is called.</summary>
    public static IReadOnlyDictionary<string, (string Setting, string Name)> Jobs { get; } = new Dictionary<string, (string, string)>(StringComparer.OrdinalIgnoreCase)
    {
        ["pg_cron"] = ("cron.launch_active_jobs", "jobs of pg_cron"),
        ["timescaledb"] = ("timescaledb.max_background_workers", "jobs of TimescaleDB"),
        ["pg_partman_bgw"] = ("pg_partman_bgw.interval", "maintenance by pg_partman"),
    };

    /// <summary>From the files of the copy, as its source left them.</summary>
    /// <param name="configuration">The settings in its files.</param>
    /// <param name="clone">The copy.</param>
    /// <param name="subscriptions">How many subscriptions were dropped.</param>
    public static IReadOnlyList<string> Of(ServerConfiguration configuration, Clone clone, int subscriptions)
    {
        var severed = new List<string>();
        if (clone.Recovering)
            severed.Add("replication from its primary");
        if (configuration.IsOn("archive_mode", otherwise: false))
            severed.Add("archiving");
        if (clone.Slots > 0)
            severed.Add(Count(clone.Slots, "replication slot"));
        if (subscriptions > 0)
            severed.Add(Count(subscriptions, "subscription"));
        if (configuration.List("synchronous_standby_names").Count > 0)
            severed.Add("synchronous standbys");
        severed.AddRange(configuration.List("shared_preload_libraries").Select(l => Path.GetFileNameWithoutExtension(l)).Where(Jobs.ContainsKey).Select(l => Jobs[l].Name));
        return severed;
    }

    /// <summary>A number of things.</summary>
    public static string Count(int number, string what) => string.Create(CultureInfo.InvariantCulture, $"{number} {what}{(number == 1 ? "" : "s")}");
}
