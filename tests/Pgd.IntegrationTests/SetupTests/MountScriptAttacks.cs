using Xunit;

namespace Pgd.IntegrationTests;

/// <summary>What a member of the group may do is to make, mount, unmount and destroy volumes; whatever else he tries, nothing of root's becomes his.</summary>
[Trait("Needs", "zfs")]
[Collection(nameof(WholeMachine))]
public sealed class MountScriptAttacks
{
    private const string User = SetUpMachine.User, Other = SetUpMachine.Member, Places = SetUpMachine.Root + "/zfs";

    [Fact]
    public async Task A_member_of_the_group_mounts_volumes_and_nothing_else()
    {
        using var machine = new SetUpMachine();
        SetUpMachine.Expect(0, SetUpMachine.Tool("setup", "--user", User, "--pool", machine.Pool));
        LabCommand.Run("usermod", "--append", "--groups", "pgd", Other);
        var (main, place) = ($"{machine.Base}/shop/main/g1", $"{Places}/shop/main/g1");
        foreach (var parent in (string[])["shop", "shop/main"])
            Succeeds(User, "zfs", "create", "-o", "canmount=off", $"{machine.Base}/{parent}");

        // Without the mark, or with another place for it, it is no volume.
        Succeeds(User, "zfs", "create", "-o", "canmount=noauto", main);
        Fails("is no volume of pgd", SetUpMachine.Mounting(User, "mount", main));
        Succeeds(User, "zfs", "set", "pgd:id=0a1b2c3d4e5f", main);
        Fails("permission denied", SetUpMachine.As(User, "zfs", "set", "mountpoint=/etc/cron.d", main));
        LabCommand.Run("zfs", "set", "mountpoint=/etc/cron.d", main);
        Fails("is no volume of pgd", SetUpMachine.Mounting(User, "mount", main));
        LabCommand.Run("zfs", "inherit", "mountpoint", main);
        Fails("is no volume of pgd", SetUpMachine.Mounting(User, "mount", $"{machine.Base}/shop/main/g2"));

        // Whoever mounts it first gets the empty folder; all others find it as it is, also those who come at the same moment.
        var all = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => Task.Run(() => SetUpMachine.Mounting(User, "mount", main))));
        Assert.All(all, result => Assert.True(result.Status == 0, result.Error));
        Assert.Equal([place], SetUpMachine.Mounts());
        Assert.Equal($"{User} 711", LabCommand.Run("stat", "--format=%U %a", place).Trim());
        var options = File.ReadLines("/proc/mounts").Single(line => line.StartsWith(main + " ", StringComparison.Ordinal)).Split(' ')[3].Split(',');
        Assert.Contains("nosuid", options);
        Assert.Contains("nodev", options);
        Succeeds(User, "ln", "-s", "/etc", $"{place}/link");
        Succeeds(Other, "sudo", "-n", SetUpMachine.Script, "unmount", main);
        Succeeds(Other, "sudo", "-n", SetUpMachine.Script, "mount", main);
        Assert.Equal($"{User} 711", LabCommand.Run("stat", "--format=%U %a", place).Trim());

        // The way to it is root's.
        Fails("ermission denied", SetUpMachine.As(User, "ln", "-s", "/etc", $"{Places}/evil"));
        Fails("ermission denied", SetUpMachine.As(User, "mv", Places, SetUpMachine.Root + "/away"));
        Fails("ermission denied", SetUpMachine.As(User, "mkdir", $"{Places}/shop/dev"));

        // A folder of a volume is no place for another one: neither now nor by root's own "zfs mount -a" at the next boot.
        Succeeds(User, "zfs", "create", "-o", "canmount=off", $"{main}/link");
        Succeeds(User, "zfs", "snapshot", $"{main}@s");
        Succeeds(User, "zfs", "clone", "-o", "canmount=on", "-o", "pgd:id=0a1b2c3d4e5f", $"{main}@s", $"{main}/link/cron.d");
        Succeeds(User, "zfs", "clone", "-o", "canmount=on", $"{main}@s", $"{machine.Base}/evil");
        Assert.NotEqual(0, SetUpMachine.Mounting(User, "mount", $"{main}/link/cron.d").Status);
        Succeeds(User, "zfs", "set", "canmount=on", main);
        LabCommand.Run("zfs", "mount", "-a");
        Assert.DoesNotContain(File.ReadLines("/proc/mounts"), line => line.Contains("cron.d", StringComparison.Ordinal));
        Assert.Equal([place], SetUpMachine.Mounts());

        // Something that is mounted over the way, as an older arrangement's boot may have done, stops it.
        Succeeds(User, "zfs", "create", "-o", "canmount=off", $"{machine.Base}/shop/dev");
        Succeeds(User, "zfs", "clone", "-o", "canmount=noauto", "-o", "pgd:id=0a1b2c3d4e5f", $"{main}@s", $"{machine.Base}/shop/dev/g1");
        Directory.CreateDirectory($"{Places}/shop/dev");
        LabCommand.Run("mount", "-t", "tmpfs", "tmpfs", $"{Places}/shop/dev");
        Fails("is not as setup made it", SetUpMachine.Mounting(User, "mount", $"{machine.Base}/shop/dev/g1"));
        LabCommand.Run("umount", $"{Places}/shop/dev");
        Succeeds(User, "sudo", "-n", SetUpMachine.Script, "mount", $"{machine.Base}/shop/dev/g1");

        // What is in use stays mounted.
        using (var busy = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("sleep", "600") { WorkingDirectory = place })!)
        {
            Fails("busy", SetUpMachine.Mounting(User, "unmount", main));
            busy.Kill();
            await busy.WaitForExitAsync(TestContext.Current.CancellationToken);
        }

        // sudo allows this one program, with the environment that it sets.
        foreach (string[] more in (string[][])[["/bin/sh"], ["mount", "-a"], ["PATH=/tmp", SetUpMachine.Script, "mount", main], ["/usr/local/libexec/../libexec/pgd-zfs.new", "mount", main]])
            Assert.NotEqual(0, SetUpMachine.As(User, ["sudo", "-n", .. more]).Status);
        Assert.NotEqual(0, SetUpMachine.Mounting("nobody", "mount", main).Status);

        // The base itself is nobody's.
        Fails("permission denied", SetUpMachine.As(User, "zfs", "set", "pgd:root=/home", machine.Base));
        Fails("permission denied", SetUpMachine.As(User, "zfs", "snapshot", $"{machine.Base}@s"));
        Fails("permission denied", SetUpMachine.As(User, "zfs", "allow", Other, "mountpoint", machine.Base));
        Fails("permission denied", SetUpMachine.As(User, "zfs", "create", "-o", "canmount=off", $"{machine.Pool}/evil"));
    }

    private static void Succeeds(string user, params string[] command)
    {
        var (status, _, error) = SetUpMachine.As(user, command);
        // Made, and not mounted: that is what is said of a dataset that may be.
        Assert.True(status == 0 || error.Contains("successfully created", StringComparison.Ordinal), $"{string.Join(' ', command)}: {error}");
    }

    private static void Fails(string reason, (int Status, string Output, string Error) result)
    {
        Assert.NotEqual(0, result.Status);
        Assert.Contains(reason, result.Error, StringComparison.Ordinal);
    }
}
