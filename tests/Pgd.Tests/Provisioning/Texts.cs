using Pgd.Configuration;
using Pgd.Provisioning;
using Pgd.Tool.Commands;
using Pgd.Tool.Output;
using Xunit;

namespace Pgd.Tests.Provisioning;

/// <summary>What setup writes, reads and says.</summary>
public sealed class Texts
{
    private static readonly SetupReport Report = new("/var/lib/pgd", "runner", "tank", true,
        [new("group pgd", "groupadd --system pgd", SetupOutcome.Planned), new("user runner", "usermod --append --groups pgd runner", SetupOutcome.Done), new("pool tank", "zpool set delegation=on tank", SetupOutcome.Unchanged)],
        ["members of the group docker have root's power"]);

    [Fact]
    public void The_rule_for_sudo_names_one_program_and_has_no_wildcard()
    {
        Assert.Equal("%pgd, runner ALL=(root) NOPASSWD: /usr/local/libexec/pgd-zfs\n", SudoRule.Text("runner"));
        Assert.DoesNotContain("*", SudoRule.Text("runner"), StringComparison.Ordinal);
    }

    [Fact]
    public void The_unit_runs_the_tool_as_the_user() =>
        Snapshot.Match(ResumeUnit.Text(["/home/runner/.dotnet/tools/dotnet-pgd"], "/usr/share/dotnet", "runner", "/var/lib/pgd"));

    [Fact]
    public void The_unit_s_command_line_survives_odd_paths() =>
        Assert.Contains("""ExecStart="/opt/100%% \"new\"/dotnet" "/a b/dotnet-pgd.dll" "resume" "--root" "/var/lib/pgd" """.Trim() + "\n", ResumeUnit.Text(["/opt/100% \"new\"/dotnet", "/a b/dotnet-pgd.dll"], null, "runner", "/var/lib/pgd"), StringComparison.Ordinal);

    [Theory]
    [InlineData("/usr/share/dotnet/shared/Microsoft.NETCore.App/10.0.1/", "/usr/share/dotnet")]
    [InlineData("/home/runner/tool/", null)]
    public void A_runtime_that_programs_share_is_told_from_the_tool_s_own(string folder, string? root) => Assert.Equal(root, ResumeUnit.SharedRuntime(folder));

    [Fact]
    public void The_timer_catches_up_with_what_it_missed() => Snapshot.Match(SnapshotTimer.Text("Mon..Fri 06:00"));

    [Fact]
    public void The_timer_s_service_runs_the_tool_as_the_user() =>
        Snapshot.Match(SnapshotTimer.ServiceText(["/home/runner/.dotnet/tools/dotnet-pgd"], "/usr/share/dotnet", "runner", "/var/lib/pgd"));

    [Fact]
    public void The_units_are_what_systemd_understands()
    {
        var analyze = SystemPrograms.Find("systemd-analyze");
        Assert.SkipWhen(analyze is null && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("CI")), "systemd-analyze is not on this machine (Debian: apt-get install systemd)");
        Assert.NotNull(analyze);
        var folder = Directory.CreateTempSubdirectory("pgd-units-").FullName;
        try
        {
            // A program and an account that are there, for it looks for them.
            File.WriteAllText(Path.Combine(folder, ResumeUnit.Name), ResumeUnit.Text(["/bin/sh", "/opt/100% \"new\"/$x"], "/usr", "root", "/var/lib/pgd"));
            File.WriteAllText(Path.Combine(folder, SnapshotTimer.Service), SnapshotTimer.ServiceText(["/bin/sh", "/opt/100% \"new\"/$x"], "/usr", "root", "/var/lib/pgd"));
            File.WriteAllText(Path.Combine(folder, SnapshotTimer.Name), SnapshotTimer.Text("Mon..Fri *:0/30"));

            using var process = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo(analyze, ["verify", "--man=no", .. Directory.GetFiles(folder)]) { RedirectStandardError = true })!;
            var error = process.StandardError.ReadToEnd();
            process.WaitForExit();

            // It also complains of whatever else this machine has.
            Assert.DoesNotContain(error.Split('\n'), line => line.Contains("pgd-", StringComparison.Ordinal));
            Assert.Equal(0, process.ExitCode);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Theory]
    [InlineData("hourly", "0 * * * * DOTNET_ROOT=/usr/share/dotnet /opt/dotnet-pgd snapshot run --root /var/lib/pgd --quiet")]
    [InlineData("daily", "0 0 * * * DOTNET_ROOT=/usr/share/dotnet /opt/dotnet-pgd snapshot run --root /var/lib/pgd --quiet")]
    [InlineData("Mon..Fri 06:00", null)]
    public void Without_systemd_there_is_a_line_for_cron(string when, string? line) => Assert.Equal(line, SnapshotTimer.CronLine(when, ["/opt/dotnet-pgd"], "/usr/share/dotnet", "/var/lib/pgd"));

    [Fact]
    public void The_line_for_cron_survives_odd_paths() => Assert.Equal("""0 * * * * '/a b/100'\%' it'\''s' snapshot run --root /srv --quiet""", SnapshotTimer.CronLine("hourly", ["/a b/100% it's"], null, "/srv"));

    [Theory]
    [InlineData("hourly")]
    [InlineData("Mon..Fri *-*-* 06:00 Europe/Berlin")]
    [InlineData("*:0/30")]
    [InlineData("never")]
    public async Task A_schedule_is_taken_as_it_is_written(string when) => Assert.Equal(when, await Setup.ScheduleAsync(when, default));

    [Theory]
    [InlineData("")]
    [InlineData(" hourly")]
    [InlineData("hourly\nOnBootSec=1")]
    [InlineData("%h")]
    [InlineData("sometimes")]
    [InlineData("25:00")]
    public async Task What_is_no_schedule_is_refused(string when)
    {
        var refused = await Assert.ThrowsAsync<PgdException>(() => Setup.ScheduleAsync(when, default));

        Assert.Contains(refused.ExitCode, (ExitCode[])[ExitCode.Misuse, ExitCode.MachineLacks]);
        Assert.Contains("hourly", refused.Hint, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', refused.Message);
    }

    [Fact]
    public void What_is_delegated_is_read_for_one_name_and_one_dataset()
    {
        const string said = """
            ---- Permissions on tank/pgd -----------------------------------------
            Local permissions:
            	user ada hold
            Descendent permissions:
            	user runner atime,clone
            	group pgd destroy,snapshot
            Local+Descendent permissions:
            	group pgd create,mount
            ---- Permissions on tank ---------------------------------------------
            Local+Descendent permissions:
            	group pgd everything

            """;

        var pgd = Delegation.Parse(said, "tank/pgd", "group", "pgd");

        Assert.Equal(["create", "mount"], pgd.Local.Order());
        Assert.Equal(["create", "destroy", "mount", "snapshot"], pgd.Below.Order());
        Assert.Equal(["atime", "clone"], Delegation.Parse(said, "tank/pgd", "user", "runner").Below.Order());
        Assert.Empty(Delegation.Parse(said, "tank/pgd", "user", "pgd").Below);
        Assert.False(pgd.Covers(Delegation.NeededFor(new())));
    }

    [Fact]
    public void On_the_base_itself_nothing_but_children_may_be_made_and_places_of_mounts_are_nobody_s()
    {
        var needed = Delegation.NeededFor(new() { Zfs = new() { Properties = new Dictionary<string, string> { ["logbias"] = "throughput", ["mountpoint"] = "/etc", ["com.example:x"] = "y" } } });

        Assert.Equal(["create", "mount"], needed.Local);
        Assert.Contains("logbias", needed.Below);
        Assert.Empty(needed.Below.Intersect(["mountpoint", "rename", "share", "sharenfs", "setuid", "devices", "exec", "allow", "receive", "com.example:x"]));
    }

    [Theory]
    [InlineData("zfs-2.1.11-1+deb12u1\nzfs-kmod-2.1.11-1+deb12u1\n", "2.1.11-1+deb12u1", "2.1.11-1+deb12u1")]
    [InlineData("zfs-2.3.2-2~bpo12+1\nzfs-kmod-2.1.11-1\n", "2.3.2-2~bpo12+1", "2.1.11-1")]
    public void Versions_of_programs_and_module_are_told_apart(string said, string programs, string module)
    {
        Assert.Equal((programs, module), ZfsHost.ParseVersions(said));
        var findings = new SetupFindings("/nonexistent", new());
        findings.AddVersions(programs, module);
        Assert.Equal(programs == module ? Severity.Ok : Severity.Warning, findings.Findings[0].Severity);
    }

    [Theory]
    [InlineData("ONLINE", false, true, Severity.Ok)]
    [InlineData("DEGRADED", false, true, Severity.Warning)]
    [InlineData("FAULTED", false, true, Severity.Problem)]
    [InlineData("SUSPENDED", false, true, Severity.Problem)]
    [InlineData("ONLINE", true, true, Severity.Problem)]
    [InlineData("ONLINE", false, false, Severity.Problem)]
    public void A_pool_that_is_not_well_is_said_with_what_to_type(string health, bool readOnly, bool delegates, Severity worst)
    {
        var findings = new SetupFindings("/nonexistent", new());
        findings.AddPool(new("tank", health, readOnly, delegates));

        Assert.Equal(worst, findings.Findings.Max(finding => finding.Severity));
        Assert.All(findings.Findings.Where(finding => finding.Severity != Severity.Ok), finding => Assert.NotNull(finding.Remedy));
    }

    [Theory]
    [InlineData("20G", 20L << 30)]
    [InlineData("512m", 512L << 20)]
    [InlineData("1T", 1L << 40)]
    [InlineData("4096", 4096)]
    public void Sizes_are_read(string text, long bytes) => Assert.Equal(bytes, ByteSize.Parse(text));

    [Theory]
    [InlineData("")]
    [InlineData("G")]
    [InlineData("0")]
    [InlineData("-1G")]
    [InlineData("1.5G")]
    [InlineData("20 GB")]
    [InlineData("99999999999T")]
    public void What_is_no_size_is_refused(string text) => Assert.Equal(ExitCode.Misuse, Assert.Throws<PgdException>(() => ByteSize.Parse(text)).ExitCode);

    [Theory]
    [InlineData("2\n", "tank")]
    [InlineData("rpool\n", "rpool")]
    [InlineData("3\n", null)]
    [InlineData("", null)]
    public void Somebody_at_a_terminal_chooses_among_pools(string typed, string? chosen)
    {
        using var asked = new StringWriter { NewLine = "\n" };

        Assert.Equal(chosen, SetupRun.Ask(new() { Output = TextWriter.Null, Error = asked, Input = () => new MemoryStream(System.Text.Encoding.UTF8.GetBytes(typed)) }, ["rpool", "tank"]));
        Assert.Equal("  1  rpool\n  2  tank\nWhich pool shall hold the branches? [1-2] ", asked.ToString());
    }

    [Fact]
    public void A_mark_that_root_did_not_write_makes_no_shared_root()
    {
        var root = Directory.CreateTempSubdirectory("pgd-mark-").FullName;
        try
        {
            Assert.Null(SetupMark.Read(root));
            File.WriteAllText(SetupMark.FileIn(root), "{}");
            // Where the tests run as root, its own file is read, and found damaged.
            if (Environment.IsPrivilegedProcess)
                Assert.Throws<PgdException>(() => SetupMark.Read(root));
            else
                Assert.Null(SetupMark.Read(root));
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    [Fact]
    public void The_report_for_people()
    {
        using var output = new StringWriter { NewLine = "\n" };
        SetupText.Write(Report, new(new() { Output = output, Error = TextWriter.Null }));

        Snapshot.Match(output.ToString());
    }

    [Fact]
    public void The_report_for_programs() => Snapshot.Match(JsonText.Of(Report, JsonShapes.All.SetupReport));

    [Fact]
    public void What_was_resumed_for_people()
    {
        using var output = new StringWriter { NewLine = "\n" };
        ResumedText.Write(new(["tank/pgd/shop/dev/g1"], [], [BranchName.Parse("shop/dev")], [BranchName.Parse("shop/main")], [BranchName.Parse("shop/old")], ["shop/pr-1: port 21003 is taken"]), new(new() { Output = output, Error = TextWriter.Null }));

        Snapshot.Match(output.ToString());
    }
}
