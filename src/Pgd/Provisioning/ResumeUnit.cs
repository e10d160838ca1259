using System.Text;

namespace Pgd.Provisioning;

/// <summary>The systemd unit that brings the branches back after a boot.</summary>
internal static class ResumeUnit
{
    public const string Name = "pgd-resume.service";

    public const string Folder = "/etc/systemd/system/", File = Folder + Name;

    /// <summary>The unit that runs <paramref name="tool"/> as <paramref name="user"/>: his program must not run as root.</summary>
    public static string Text(IReadOnlyList<string> tool, string? dotnetRoot, string user, string root) => $"""
        # Written by "dotnet-pgd setup"; "dotnet-pgd setup --undo" removes it.
        [Unit]
        Description=pgd: mount the volumes of branches, and start their servers
        After=local-fs.target zfs.target docker.service network.target
        RequiresMountsFor={Quoted(root)}

        [Service]
        Type=oneshot
        RemainAfterExit=yes
        User={user}
        {(dotnetRoot is null ? "" : $"Environment={Quoted($"DOTNET_ROOT={dotnetRoot}")}\n")}ExecStart={string.Join(' ', tool.Append("resume").Append("--root").Append(root).Select(Quoted))}
        TimeoutStartSec=infinity
        # A shutdown ends the servers that it started: for PostgreSQL, SIGINT is the way that loses nothing and waits for no client.
        KillSignal=SIGINT

        [Install]
        WantedBy=multi-user.target

        """;

    /// <summary>Where the runtime of this process is, if it is one that several programs share: they look for it where the user may not have it.</summary>
    public static string? SharedRuntime(string runtimeFolder) =>
        runtimeFolder.IndexOf("/shared/Microsoft.NETCore.App/", StringComparison.Ordinal) is > 0 and var at ? runtimeFolder[..at] : null;

    /// <summary>A word of a unit.</summary>
    // systemd.syntax(7), systemd.unit(5): quotes, C escapes, and specifiers that begin with a percent sign; a dollar sign is for ExecStart alone.
    public static string Quoted(string text)
    {
        var quoted = new StringBuilder("\"");
        foreach (var c in text)
            quoted.Append(c is '"' or '\\' ? $"\\{c}" : c is '%' or '$' ? $"{c}{c}" : c.ToString());
        return quoted.Append('"').ToString();
    }
}
