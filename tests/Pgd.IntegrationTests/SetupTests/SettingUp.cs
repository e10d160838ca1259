using Xunit;

namespace Pgd.IntegrationTests;

/// <summary>The tool for an ordinary user, on a real pool: from setup over a boot to its undo.</summary>
[Trait("Needs", "zfs")]
[Collection(nameof(WholeMachine))]
public sealed class SettingUp
{
    [Fact]
    [Trait("Only", "soak")]
    public void After_setup_an_ordinary_user_makes_branches_a_boot_brings_them_back_and_undo_leaves_nothing()
    {
        using var machine = new SetUpMachine();
        var before = machine.Traces();
        string[] setup = ["setup", "--user", SetUpMachine.User, "--pool", machine.Pool];
        Assert.Contains("would  group pgd", SetUpMachine.Expect(0, SetUpMachine.Tool([.. setup, "--dry-run"])).Output, StringComparison.Ordinal);
        Assert.Equal(before, machine.Traces());

        Assert.Contains("done   group pgd", SetUpMachine.Expect(0, SetUpMachine.Tool(setup)).Output, StringComparison.Ordinal);
        Assert.Contains("Nothing had to be changed.", SetUpMachine.Expect(0, SetUpMachine.Tool("setup")).Output, StringComparison.Ordinal);

        foreach (string[] command in (string[][])[["project", "create", "shop"], ["branch", "create", "shop/dev"], ["branch", "create", "shop/idle"], ["stop", "shop/idle"], ["branch", "reset", "shop/dev"]])
            SetUpMachine.Expect(0, SetUpMachine.ToolAsUser(command));
        var url = SetUpMachine.Expect(0, SetUpMachine.ToolAsUser("branch", "url", "shop/dev")).Output;
        var doctor = SetUpMachine.Expect(0, SetUpMachine.ToolAsUser("doctor")).Output;
        Assert.DoesNotContain("problem ", doctor, StringComparison.Ordinal);
        Assert.Contains("mounting", doctor, StringComparison.Ordinal);
        // Root sees and deletes what the user made, and what root makes is the user's.
        Assert.Contains("shop/idle", SetUpMachine.Expect(0, SetUpMachine.Tool("branch", "list")).Output, StringComparison.Ordinal);
        SetUpMachine.Expect(0, SetUpMachine.Tool("branch", "create", "shop/admin"));
        SetUpMachine.Expect(0, SetUpMachine.ToolAsUser("branch", "delete", "shop/admin"));

        SetUpMachine.KillServers();
        foreach (var place in SetUpMachine.Mounts())
            LabCommand.Run("umount", place);
        SetUpMachine.Expect(0, SetUpMachine.ToolAsUser("resume"));
        Assert.Equal(url, SetUpMachine.Expect(0, SetUpMachine.ToolAsUser("branch", "url", "shop/dev")).Output);
        Assert.Matches(@"shop/idle +stopped", SetUpMachine.Expect(0, SetUpMachine.ToolAsUser("branch", "list")).Output);

        Assert.Contains("shop", SetUpMachine.Expect((int)ExitCode.Unsafe, SetUpMachine.Tool("setup", "--undo")).Error, StringComparison.Ordinal);
        SetUpMachine.Expect(0, SetUpMachine.ToolAsUser("project", "delete", "shop", "--force"));
        Assert.Empty(SetUpMachine.Mounts());
        SetUpMachine.Expect(0, SetUpMachine.Tool("setup", "--undo"));
        Assert.Equal(before, machine.Traces());
    }

    [Fact]
    public void A_dataset_of_somebody_else_s_is_left_untouched_and_a_damaged_arrangement_is_found_and_mended()
    {
        using var machine = new SetUpMachine();
        string[] setup = ["setup", "--user", SetUpMachine.User, "--pool", machine.Pool];
        LabCommand.Run("zfs", "create", "-o", "canmount=off", machine.Base);
        Assert.Contains("pgd did not make it", SetUpMachine.Expect((int)ExitCode.Unsafe, SetUpMachine.Tool(setup)).Error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(SetUpMachine.Root));
        LabCommand.Run("zfs", "set", "pgd:root=/srv/other", machine.Base);
        Assert.Contains("/srv/other", SetUpMachine.Expect((int)ExitCode.Unsafe, SetUpMachine.Tool(setup)).Error, StringComparison.Ordinal);
        LabCommand.Run("zfs", "destroy", machine.Base);

        SetUpMachine.Expect(0, SetUpMachine.Tool(setup));
        File.AppendAllText(SetUpMachine.Script, "# changed\n");
        LabCommand.Run("zfs", "unallow", "-u", SetUpMachine.User, machine.Base);
        File.Delete("/etc/sudoers.d/pgd");
        var doctor = SetUpMachine.Expect(1, SetUpMachine.ToolAsUser("doctor")).Output;
        Assert.Contains("is not what setup wrote", doctor, StringComparison.Ordinal);
        Assert.Contains($"user {SetUpMachine.User} may not do all that branches need", doctor, StringComparison.Ordinal);
        SetUpMachine.Expect(0, SetUpMachine.Tool("setup"));
        SetUpMachine.Expect(0, SetUpMachine.ToolAsUser("doctor"));
    }
}
