using Xunit;

namespace Pgd.IntegrationTests;

/// <summary>
/// A whole machine that setup may change: groups, rules for sudo, /etc. Only a virtual one that is thrown away; what setup does not undo is removed at
/// the end all the same, because other tests run there.
/// </summary>
internal sealed class SetUpMachine : IDisposable
{
    public const string Root = "/var/lib/pgd", User = "pgduser", Member = "pgdmember", Script = "/usr/local/libexec/pgd-zfs";

    public SetUpMachine()
    {
        Pool = Environment.GetEnvironmentVariable("PGD_TEST_POOL") ?? "";
        Lab.Require(Pool.Length > 0 && Environment.MachineName == "zfs-vm" && LabCommand.Run("stat", "--file-system", "--format=%T", "/").Trim() == "overlayfs",
            "Setup changes the machine: it is tested in the virtual one alone (tests/zfs-vm)");
        Lab.Require(LabCommand.Exists("sudo"), "sudo is not installed");
        Lab.Require(!Directory.Exists(Root), $"{Root} is in use");
        foreach (var name in (string[])[User, Member])
            LabCommand.Run("useradd", "--create-home", name);
    }

    public string Pool { get; }

    public string Base => $"{Pool}/pgd";

    /// <summary>Runs the tool as root, as sudo would.</summary>
    public static ToolResult Tool(params string[] arguments) => Run(null, arguments);

    /// <summary>Runs the tool as the user, in a session that began before setup: it has no group but his own.</summary>
    public static ToolResult ToolAsUser(params string[] arguments) => Run(["setpriv", $"--reuid={User}", $"--regid={User}", "--clear-groups", "--"], arguments);

    public static ToolResult Expect(int status, ToolResult result)
    {
        Assert.True(result.Status == status, $"expected {status}: {result}");
        return result;
    }

    /// <summary>Runs a program as a user with the groups that he has today.</summary>
    public static (int Status, string Output, string Error) As(string user, params string[] command) =>
        LabCommand.Try("setpriv", [$"--reuid={user}", $"--regid={user}", "--init-groups", "--", .. command]);

    public static (int Status, string Output, string Error) Mounting(string user, string verb, string dataset) => As(user, "sudo", "-n", Script, verb, dataset);

    /// <summary>What setup makes on a machine, listed without asking our own code.</summary>
    public IReadOnlyList<string> Traces() =>
    [
        .. from file in (string[])[Root, Script, "/etc/sudoers.d/pgd", "/etc/pgd", "/etc/systemd/system/pgd-resume.service"] where Path.Exists(file) select file,
        .. from line in File.ReadLines("/etc/group") where line.StartsWith("pgd:", StringComparison.Ordinal) || line.Split(':')[3].Split(',').Contains(User) select line,
        .. from line in LabCommand.Run("zfs", "list", "-H", "-o", "name").Split('\n') where line == Base || line.StartsWith(Base + "/", StringComparison.Ordinal) select line,
    ];

    public static IReadOnlyList<string> Mounts() => [.. File.ReadLines("/proc/mounts").Select(line => line.Split(' ')[1]).Where(place => place.StartsWith(Root + "/", StringComparison.Ordinal))];

    public static void KillServers()
    {
        foreach (var server in LabProcess.All().Where(process => process.IsServer && LabFolder.Contains(Root, process.WorkingDirectory)))
            server.Kill();
    }

    public void Dispose()
    {
        KillServers();
        if (Lab.Current.Docker.IsUsed)
            LabCommand.Try("sh", "-c", $"docker ps --all --quiet --filter label=pgd.root={Root} | xargs --no-run-if-empty docker rm --force --volumes");
        foreach (var place in Mounts().Reverse())
            LabCommand.Try("umount", "--lazy", place);
        LabCommand.Try("zfs", "destroy", "-R", "-f", Base);
        LabCommand.Try("groupdel", "pgd");
        foreach (var name in (string[])[User, Member])
            LabCommand.Try("userdel", "--remove", name);
        foreach (var file in (string[])[Script, "/etc/sudoers.d/pgd", "/etc/pgd/config.yaml", "/etc/systemd/system/pgd-resume.service"])
            LabCommand.Try("rm", "-f", file);
        LabCommand.Try("rm", "-rf", Root, "/etc/pgd");
    }

    private static ToolResult Run(string[]? through, string[] arguments)
    {
        using var run = ToolRun.Start(new Dictionary<string, string>(), arguments, through);
        return run.Wait();
    }
}

/// <summary>Tests that change the machine under everybody's feet run alone.</summary>
[CollectionDefinition(nameof(WholeMachine), DisableParallelization = true)]
public sealed class WholeMachine;
