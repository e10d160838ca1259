using Xunit;

namespace Pgd.IntegrationTests;

/// <summary>
/// The timer that setup writes, in a mount namespace of its own: there /etc and /run are not the machine's, and <c>systemctl</c> is a stand-in that
/// keeps links and notes as the real one does.
/// </summary>
public sealed class SettingUpTimer
{
    private const string Prepare = """
        set -eu
        mount --make-rprivate /
        mount -t tmpfs none /srv; chmod 755 /srv; mkdir /srv/lab /srv/lab/upper /srv/lab/work /srv/lab/bin
        mount -t overlay -o lowerdir=/etc,upperdir=/srv/lab/upper,workdir=/srv/lab/work none /etc
        mount -t tmpfs none /run
        cat > /srv/lab/bin/systemctl <<'PROGRAM'
        #!/bin/sh
        units=/etc/systemd/system
        link() { case $1 in *.timer) echo $units/timers.target.wants/$1 ;; *) echo $units/multi-user.target.wants/$1 ;; esac; }
        case "$*" in
        "is-enabled --quiet "*) test -L "$(link "$3")" ;;
        "is-active --quiet "*) test -e "/run/active-$3" ;;
        "enable "*) mkdir -p "$(dirname "$(link "$2")")"; ln -sf "$units/$2" "$(link "$2")" ;;
        "restart "*) touch "/run/active-$2"; grep OnCalendar= "$units/$2" > /run/times ;;
        "disable --now "*) rm -f "$(link "$3")" "/run/active-$3" ;;
        "disable "*) rm -f "$(link "$2")" ;;
        daemon-reload) ;;
        *) exit 9 ;;
        esac
        PROGRAM
        chmod +x /srv/lab/bin/systemctl
        export PATH=/srv/lab/bin:$PATH HOME=/nonexistent
        setup() { dotnet "$0" setup --root /srv/pgd "$@" 2>&1; }
        units() { (cd /etc/systemd/system && find . -name 'pgd-*' | sort | tr '\n' ' '); }

        """;

    [Fact]
    public void Setup_has_a_timer_take_snapshots_and_a_second_run_changes_nothing()
    {
        var said = Run("""
            mkdir -p /run/systemd/system
            setup --user games --schedule hourly --dry-run | grep 'timer:'; echo "units: $(units)"
            setup --user games --schedule hourly | grep 'timer:'; echo "units: $(units) $(cat /run/times)"
            setup | tail -n 1
            setup --schedule 'Mon..Fri 06:00' | grep 'timer:'; cat /run/times
            rm /etc/systemd/system/pgd-snapshot.service; setup | grep 'timer:'
            setup --schedule sometimes && exit 1 || echo "status $?"
            setup --schedule never | grep 'timer:'; echo "units: $(units)"
            setup | tail -n 1
            setup --schedule daily > /dev/null; setup --undo | grep '\.timer:'; echo "units: $(units)"
            """);

        Assert.Equal(
        [
            "would  pgd-snapshot.timer: takes snapshots, hourly", "units: ",
            "done   pgd-snapshot.timer: takes snapshots, hourly", "units: ./multi-user.target.wants/pgd-resume.service ./pgd-resume.service ./pgd-snapshot.service ./pgd-snapshot.timer ./timers.target.wants/pgd-snapshot.timer  OnCalendar=hourly",
            "Nothing had to be changed.",
            "done   pgd-snapshot.timer: takes snapshots, Mon..Fri 06:00", "OnCalendar=Mon..Fri 06:00",
            "done   pgd-snapshot.timer: takes snapshots, Mon..Fri 06:00",
            "error: \"sometimes\" is not a schedule: Failed to parse calendar specification 'sometimes': Invalid argument", "status 2",
            "done   pgd-snapshot.timer: disabled and removed", "units: ./multi-user.target.wants/pgd-resume.service ./pgd-resume.service ",
            "Nothing had to be changed.",
            "done   pgd-snapshot.timer: disabled and removed", "units: ",
        ], said.Where(line => !line.StartsWith("hint: ", StringComparison.Ordinal)));
    }

    [Fact]
    public void Without_systemd_setup_says_the_line_for_cron_and_writes_no_timer()
    {
        var said = Run("""
            setup --user games --schedule daily | grep 'crontab -e'
            echo "units: $(units)"
            """);

        Assert.Contains("For cron, as games (crontab -e): 0 0 * * * ", said[0], StringComparison.Ordinal);
        Assert.EndsWith(" snapshot run --root /srv/pgd --quiet", said[0], StringComparison.Ordinal);
        Assert.Equal("units: ./pgd-resume.service ", said[1]);
    }

    private static string[] Run(string steps)
    {
        Lab.Require(Environment.IsPrivilegedProcess && LabCommand.Exists("unshare") && LabCommand.Exists("systemd-analyze"), "A mount namespace needs root, and schedules are read by systemd-analyze (Debian: apt-get install systemd)");
        // A pool of this machine's is none of this test's business.
        Lab.Require(!LabCommand.Exists("zpool"), "With ZFS, setup changes more than files: it is tested in the virtual machine alone (tests/zfs-vm)");
        return LabCommand.Run("unshare", "--mount", "bash", "-c", Prepare + steps, ToolRun.Program).TrimEnd('\n').Split('\n');
    }
}
