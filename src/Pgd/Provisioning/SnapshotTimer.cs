using System.Text;

namespace Pgd.Provisioning;

/// <summary>The systemd timer that takes snapshots, the unit that it starts, and for machines without systemd the line of a crontab.</summary>
internal static class SnapshotTimer
{
    public const string Name = "pgd-snapshot.timer", Service = "pgd-snapshot.service";

    public const string File = ResumeUnit.Folder + Name, ServiceFile = ResumeUnit.Folder + Service;

    /// <summary>Where systemd notes when a persistent timer last ran.</summary>
    public const string Stamp = "/var/lib/systemd/timers/stamp-" + Name;

    /// <summary>The timer. What was missed while the machine was off is caught up with after its start, once.</summary>
    public static string Text(string when) => $"""
        # Written by "dotnet-pgd setup --schedule"; "dotnet-pgd setup --schedule never" removes it.
        [Unit]
        Description=pgd: take snapshots of branches, {when}

        [Timer]
        OnCalendar={when}
        Persistent=true

        [Install]
        WantedBy=timers.target

        """;

    /// <summary>The unit that runs <paramref name="tool"/> as <paramref name="user"/>, after a boot not before the branches are back.</summary>
    public static string ServiceText(IReadOnlyList<string> tool, string? dotnetRoot, string user, string root) => $"""
        # Written by "dotnet-pgd setup --schedule"; "dotnet-pgd setup --schedule never" removes it.
        [Unit]
        Description=pgd: take snapshots of branches, and delete those that no rule keeps
        After={ResumeUnit.Name}
        RequiresMountsFor={ResumeUnit.Quoted(root)}

        [Service]
        Type=oneshot
        User={user}
        {(dotnetRoot is null ? "" : $"Environment={ResumeUnit.Quoted($"DOTNET_ROOT={dotnetRoot}")}\n")}ExecStart={string.Join(' ', Command(tool, root).Select(ResumeUnit.Quoted))}
        TimeoutStartSec=infinity

        """;

    /// <summary>The same for <c>crontab -e</c> of the user; null for a schedule that only systemd understands.</summary>
    public static string? CronLine(string when, IReadOnlyList<string> tool, string? dotnetRoot, string root)
    {
        var times = when switch { "hourly" => "0 * * * *", "daily" => "0 0 * * *", "weekly" => "0 0 * * 1", _ => null };
        return times is null ? null : $"{times} {(dotnetRoot is null ? "" : $"DOTNET_ROOT={Shell(dotnetRoot)} ")}{string.Join(' ', Command(tool, root).Select(Shell))} --quiet";
    }

    /// <summary>Whether the text can stand in a unit as it is: one line, of what times are written with.</summary>
    public static bool IsPlain(string when) => when.Length is > 0 and <= 200 && when.Trim() == when && when.All(c => char.IsAsciiLetterOrDigit(c) || " *-:,./~+_".Contains(c, StringComparison.Ordinal));

    private static IEnumerable<string> Command(IReadOnlyList<string> tool, string root) => [.. tool, "snapshot", "run", "--root", root];

    // For sh, and for cron, to which a percent sign is the end of the line. Most words need nothing.
    private static string Shell(string text)
    {
        if (text.All(c => char.IsAsciiLetterOrDigit(c) || "/._-".Contains(c, StringComparison.Ordinal)))
            return text;
        var quoted = new StringBuilder("'");
        foreach (var c in text)
            quoted.Append(c switch { '\'' => @"'\''", '%' => @"'\%'", _ => c.ToString() });
        return quoted.Append('\'').ToString();
    }
}
