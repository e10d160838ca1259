using Xunit;

namespace Pgd.IntegrationTests;

/// <summary>
/// Data directories that setup makes on file systems of their own, in a mount namespace of its own: there /etc and /srv are not the machine's, and what is mounted goes
/// with the last process in it, loop devices included.
/// </summary>
public sealed class MakingDataDirectories
{
    private const string Prepare = """
        set -eu
        mount --make-rprivate /
        mount -t tmpfs none /srv; chmod 755 /srv; mkdir /srv/lab /srv/lab/upper /srv/lab/work /srv/lab/bin
        mount -t overlay -o lowerdir=/etc,upperdir=/srv/lab/upper,workdir=/srv/lab/work none /etc
        mount -t tmpfs none /run
        printf '# of this machine\n' > /etc/fstab
        export PATH=/srv/lab/bin:$PATH HOME=/nonexistent
        setup() { dotnet "$0" setup --data-dir "$@" 2>&1; }
        # What is said in one line, with the status.
        refused() { setup "$@" > /srv/lab/said && echo "not refused" || echo "$? $(grep ^error: /srv/lab/said)"; }
        left() { ls /srv | grep -v '^lab$' | tr '\n' ' '; cat /etc/fstab; losetup --noheadings --output BACK-FILE | grep ^/srv/ || :; }

        """;

    [Theory]
    [InlineData("btrfs", "discard=async")]
    [InlineData("xfs", "discard")]
    public void A_server_clones_databases_in_a_directory_that_setup_has_made_and_undo_leaves_nothing(string type, string discard)
    {
        Lab.Require(LabCommand.Exists("filefrag"), "filefrag tells which extents are shared (Debian: apt-get install e2fsprogs)");
        var said = Run($$"""
            setup /srv/pg --filesystem {{type}} --loop 2G --dry-run | grep -c ^would; left
            setup /srv/pg --filesystem {{type}} --loop 2G | grep -c ^done; left
            stat --format='%U %a' /srv/pg; ls -A /srv/pg
            server() { setpriv --reuid=postgres --regid=postgres --init-groups -- env --chdir=/ "$@"; }
            bin={{Lab.Current.Servers.Folder(18)}}
            server "$bin/initdb" -D /srv/pg -A trust -U postgres -c file_copy_method=clone -c listen_addresses= -c unix_socket_directories=/srv/pg > /dev/null
            server "$bin/pg_ctl" -D /srv/pg -l /srv/pg/log -w start > /dev/null
            sql() { server psql -h /srv/pg -U postgres -X -q -A -t "$@"; }
            sql -c 'create database one'
            sql -d one -c 'create table t as select n, repeat(md5(n::text), 8) from generate_series(1, 20000) n'
            sql -c 'create database two template one strategy file_copy'
            file=$(sql -d two -c "select pg_relation_filepath('t')")
            # Before anybody reads it: who reads a row first notes in it that it is committed.
            filefrag -v "/srv/pg/$file" | grep '^ *[0-9]*:' | grep -qv shared || echo all shared
            sql -d two -c 'select count(*) from t'
            server "$bin/pg_ctl" -D /srv/pg -m fast -w stop > /dev/null
            setup /srv/pg --filesystem {{type}} --loop 2G | tail -n 1
            umount /srv/pg; ls -A /srv/pg; setup /srv/pg --filesystem {{type}} --loop 2G | grep ^done
            stat --format='%U %a' /srv/pg; cat /srv/pg/PG_VERSION
            refused /srv/pg --undo
            umount /srv/pg; refused /srv/pg --undo; mount /srv/pg
            find /srv/pg -mindepth 1 -delete
            setup /srv/pg --undo | grep -c ^done; left
            setup /srv/pg --undo
            """);

        Assert.Equal(
        [
            "3", "# of this machine",
            "3", "pg pg.img # of this machine", $"/srv/pg.img /srv/pg {type} loop,{discard},noatime,nosuid,nodev,nofail,x-pgd.data,x-pgd.folder 0 0", "/srv/pg.img",
            "postgres 700", "all shared", "20000",
            "Nothing had to be changed.",
            "done   mount /srv/pg: of /srv/pg.img", "postgres 700", "18",
            "7 error: /srv/pg is not empty: there is /srv/pg/*", "7 error: /srv/pg is not mounted, so whether it is empty cannot be told",
            "4", "# of this machine",
            "→ setup has made no file system for /srv/pg: there is nothing to remove",
        ], said.Select(line => line.StartsWith("7 error: /srv/pg is not empty: there is /srv/pg/", StringComparison.Ordinal) ? "7 error: /srv/pg is not empty: there is /srv/pg/*" : line));
    }

    [Fact]
    public void A_device_is_mounted_by_the_id_of_its_file_system_and_undo_wipes_what_setup_wrote()
    {
        var said = Run("""
            truncate --size=1G /srv/lab/one /srv/lab/two
            one=$(losetup --find --show /srv/lab/one); two=$(losetup --find --show /srv/lab/two)
            trap 'umount /srv/pg || :; losetup --detach $one $two' EXIT
            mkdir -m 750 /srv/pg
            setup /srv/pg --filesystem xfs --device $one | grep -c ^done
            id=$(blkid --probe --match-tag UUID --output value $one); grep ^UUID= /etc/fstab | sed "s/$id/THE-ID/"
            findmnt --noheadings --output SOURCE /srv/pg | sed "s,$one,ONE,"
            setup /srv/pg --filesystem xfs --device $one | tail -n 1
            refused /srv/pg --filesystem xfs --device $two | sed "s,$one,ONE,"
            refused /srv/other --filesystem xfs --device $one | sed "s,$one,ONE,"
            umount /srv/pg
            refused /srv/pg --filesystem xfs --device $two | sed "s,$one,ONE,"
            refused /srv/other --filesystem xfs --device $one | sed "s,$one,ONE,"
            setup /srv/pg --filesystem xfs --device $one | grep -c ^done
            setup /srv/pg --undo | grep -c ^done
            wipefs $one; ls -d /srv/pg; cat /etc/fstab
            trap 'losetup --detach $one $two' EXIT
            """);

        Assert.Equal(
        [
            "3", "UUID=THE-ID /srv/pg xfs noatime,nosuid,nodev,nofail,x-pgd.data 0 0", "ONE", "Nothing had to be changed.",
            "7 error: something is mounted at /srv/pg already: ONE (xfs)", "7 error: the device ONE is mounted at /srv/pg",
            "5 error: /srv/pg is on xfs in ONE already", "7 error: the device ONE is not empty: it has the signature of xfs",
            "1", "3", "/srv/pg", "# of this machine",
        ], said);
    }

    [Fact]
    public void What_is_not_empty_or_used_or_too_small_is_refused_and_left_as_it_is()
    {
        var said = Run("""
            truncate --size=1G /srv/lab/disk; truncate --size=100M /srv/lab/small
            disk=$(losetup --find --show --partscan /srv/lab/disk); small=$(losetup --find --show /srv/lab/small)
            trap 'losetup --detach $disk $small' EXIT
            mkdir /srv/full /srv/mounted /srv/open; touch /srv/full/x /srv/file /srv/there.img /srv/beside.img.new; chmod 777 /srv/open; ln -s /srv/full /srv/link
            mount -t tmpfs none /srv/mounted
            printf '/dev/sdz /srv/listed ext4 defaults 0 2\n' >> /etc/fstab
            left > /srv/lab/before
            for folder in full file mounted open/pg link listed there beside 'a b'; do refused "/srv/$folder" --filesystem btrfs --loop 1G; done
            for size in 100M 1000T; do refused /srv/pg --filesystem btrfs --loop $size; done
            refused /srv/pg --filesystem btrfs --device /srv/lab/disk
            refused /srv/pg --filesystem btrfs --device $small | sed "s,$small,SMALL,"
            refused /srv/pg --filesystem btrfs --device /dev/zero
            mkfs.ext4 -q $disk; refused /srv/pg --filesystem btrfs --device $disk | sed "s,$disk,DISK,"
            mount $disk /srv/mounted; refused /srv/pg --filesystem btrfs --device $disk | sed "s,$disk,DISK,"
            # Where another namespace has it mounted, no list tells.
            export -f setup refused; unshare --mount bash -c 'umount /srv/mounted; refused /srv/pg --filesystem btrfs --device $1 | sed "s,$1,DISK,"' "$0" $disk
            umount /srv/mounted; wipefs --quiet --all $disk
            mkswap $disk > /dev/null; refused /srv/pg --filesystem btrfs --device $disk | sed "s,$disk,DISK,"; wipefs --quiet --all $disk
            addpart $disk 1 2048 204800; refused /srv/pg --filesystem btrfs --device $disk | sed "s,$disk,DISK,g; s/loop[0-9]*p1/DISKp1/"
            for who in root nobodyatall; do refused /srv/pg --filesystem btrfs --loop 1G --owner $who; done
            left | cmp - /srv/lab/before && echo untouched
            """);

        Assert.Equal(
        [
            "7 error: /srv/full is not empty: a file system that is mounted there would hide what is in it",
            "5 error: /srv/file is a file",
            "7 error: something is mounted at /srv/mounted already: none (tmpfs)",
            "7 error: others than root can write in /srv or /srv/open: they could put another folder in the place of /srv/open/pg, at which root mounts a file system",
            "7 error: /srv/link is a symbolic link to /srv/full",
            "5 error: /etc/fstab mounts /dev/sdz at /srv/listed already, and pgd did not write that",
            "5 error: /srv/there.img exists already, and /etc/fstab has no line of pgd's for it",
            "5 error: /srv/beside.img.new exists already, and /etc/fstab has no line of pgd's for it",
            "2 error: the directory /srv/a b has more than letters, digits, dots, hyphens and underscores in its path",
            "2 error: a data directory needs 512M at least, and /srv/pg.img has 100M",
            "6 error: /srv/pg.img could grow to 1048576000M, and only FREE are free in /srv: a database whose file system cannot be written any more stops",
            "3 error: there is no block device /srv/lab/disk",
            "2 error: a data directory needs 512M at least, and SMALL has 100M",
            "3 error: there is no block device /dev/zero",
            "7 error: the device DISK is not empty: it has the signature of ext4",
            "7 error: the device DISK is mounted at /srv/mounted",
            "7 error: the device DISK is in use: mounted, for swap, or as a part of something else",
            "7 error: the device DISK is not empty: it has the signature of swap",
            "7 error: the device DISK has partitions: DISKp1",
            "2 error: the account root is root, and PostgreSQL does not run as root",
            "3 error: there is no account nobodyatall on this machine",
            "untouched",
        ], said.Select(line => System.Text.RegularExpressions.Regex.Replace(line, "only [0-9]+M are", "only FREE are")));
    }

    [Theory]
    [InlineData("data:noted")]
    [InlineData("data:image")]
    [InlineData("data:made")]
    [InlineData("data:mounted")]
    public void Killed_between_two_steps_a_second_run_completes_it_and_undo_takes_it_away(string place)
    {
        var said = Run($$"""
            killed() { PGD_KILL_AT={{place}} dotnet "$0" setup --data-dir /srv/pg --filesystem btrfs --loop 1G > /srv/lab/said 2>&1 && echo "not killed" || echo "status $?"; }
            killed; setup /srv/pg --filesystem btrfs --loop 1G > /dev/null; stat --format='%U %a' /srv/pg; findmnt --noheadings --output FSTYPE /srv/pg; ls /srv | grep -v lab
            setup /srv/pg --filesystem btrfs --loop 1G | tail -n 1
            setup /srv/pg --undo > /dev/null; left
            killed; mount /srv/pg 2> /dev/null || :; setup /srv/pg --undo > /dev/null || { mkdir /srv/pg; mount /srv/pg; setup /srv/pg --undo > /dev/null; }; left
            """);

        Assert.Equal(["status 137", "postgres 700", "btrfs", "pg", "pg.img", "Nothing had to be changed.", "# of this machine", "status 137", "# of this machine"], said);
    }

    [Fact]
    public void When_the_file_system_cannot_be_made_nothing_is_left()
    {
        var said = Run("""
            printf '#!/bin/sh\necho half > "$4"; echo "out of luck" >&2; exit 1\n' > /srv/lab/bin/mkfs.btrfs; chmod +x /srv/lab/bin/mkfs.btrfs
            refused /srv/pg --filesystem btrfs --loop 1G | grep -o '^1 .*mkfs.btrfs failed with status 1: out of luck'
            left
            # A machine without the programs.
            mkdir /srv/lab/sbin-upper /srv/lab/sbin-work
            mount -t overlay -o lowerdir=/usr/sbin,upperdir=/srv/lab/sbin-upper,workdir=/srv/lab/sbin-work none /usr/sbin
            rm /srv/lab/bin/mkfs.btrfs /usr/sbin/mkfs.btrfs /usr/sbin/mkfs.xfs
            for type in btrfs xfs; do refused /srv/pg --filesystem $type --loop 1G; grep ^hint: /srv/lab/said; done
            left
            """);

        Assert.EndsWith("mkfs.btrfs failed with status 1: out of luck", said[0], StringComparison.Ordinal);
        Assert.Equal(
        [
            "# of this machine",
            "3 error: the program mkfs.btrfs is not on this machine", "hint: apt-get install btrfs-progs",
            "3 error: the program mkfs.xfs is not on this machine", "hint: apt-get install xfsprogs",
            "# of this machine",
        ], said[1..]);
    }

    private static string[] Run(string steps)
    {
        Lab.Require(Environment.IsPrivilegedProcess && LabCommand.Exists("unshare"), "A mount namespace needs root");
        foreach (var program in (string[])["mkfs.btrfs", "mkfs.xfs", "mkfs.ext4", "losetup", "addpart"])
            Lab.Require(LabCommand.Exists(program), $"{program} is not installed");
        Lab.Require(File.ReadLines("/etc/passwd").Any(line => line.StartsWith("postgres:", StringComparison.Ordinal)), "There is no account postgres");
        return LabCommand.Run("unshare", "--mount", "bash", "-c", Prepare + steps, ToolRun.Program).TrimEnd('\n').Split('\n');
    }
}

/// <summary>The same on a pool of its own, of a real ZFS.</summary>
[Trait("Needs", "zfs")]
[Collection(nameof(WholeMachine))]
public sealed class MakingDataDirectoriesOnZfs
{
    private const string Folder = "/srv/pgd-data", Image = Folder + ".img", Pool = "pgd-data-test";

    [Fact]
    public void On_zfs_a_data_directory_is_a_dataset_of_a_pool_in_a_file_and_undo_leaves_nothing()
    {
        using var machine = new SetUpMachine();
        string[] setup = ["setup", "--data-dir", Folder, "--filesystem", "zfs", "--loop", "512M", "--pool", Pool, "--owner", SetUpMachine.User];
        try
        {
            Assert.Contains($"would  pool {Pool}", SetUpMachine.Expect(0, SetUpMachine.Tool([.. setup, "--dry-run"])).Output, StringComparison.Ordinal);
            Assert.False(File.Exists(Image));

            var said = SetUpMachine.Expect(0, SetUpMachine.Tool(setup)).Output;
            Assert.Contains($"done   dataset {Pool}/data", said, StringComparison.Ordinal);
            Assert.Contains($"done   directory {Folder}", said, StringComparison.Ordinal);
            Assert.Equal($"{SetUpMachine.User} 700", LabCommand.Run("stat", "--format=%U %a", Folder).Trim());
            Assert.Equal("off\nlz4\n32K\n", LabCommand.Run("zfs", "get", "-H", "-o", "value", "atime,compression,recordsize", $"{Pool}/data"));
            Assert.Equal(IsCloning(), !said.Contains("byte by byte", StringComparison.Ordinal));
            Assert.Contains("Nothing had to be changed.", SetUpMachine.Expect(0, SetUpMachine.Tool(setup)).Output, StringComparison.Ordinal);

            // As after a boot that did not mount it.
            LabCommand.Run("zfs", "unmount", $"{Pool}/data");
            Assert.Contains("is not mounted", SetUpMachine.Expect((int)ExitCode.Unsafe, Undo()).Error, StringComparison.Ordinal);
            Assert.Contains($"done   mount {Folder}", SetUpMachine.Expect(0, SetUpMachine.Tool(setup)).Output, StringComparison.Ordinal);

            File.WriteAllText($"{Folder}/x", "");
            Assert.Contains("is not empty", SetUpMachine.Expect((int)ExitCode.Unsafe, Undo()).Error, StringComparison.Ordinal);
            File.Delete($"{Folder}/x");
            LabCommand.Run("zfs", "create", $"{Pool}/other");
            Assert.Contains($"{Pool}/other", SetUpMachine.Expect((int)ExitCode.Unsafe, Undo()).Error, StringComparison.Ordinal);
            LabCommand.Run("zfs", "destroy", $"{Pool}/other");

            SetUpMachine.Expect(0, Undo());
            Assert.False(Path.Exists(Folder));
            Assert.False(File.Exists(Image));
            Assert.DoesNotContain(Pool, LabCommand.Run("zpool", "list", "-H", "-o", "name").Split('\n'));
            Assert.Contains("nothing to remove", SetUpMachine.Expect(0, Undo()).Output, StringComparison.Ordinal);
        }
        finally
        {
            CleanUp();
        }
    }

    [Fact]
    public void A_pool_of_somebody_else_s_is_refused_and_a_killed_run_is_completed()
    {
        using var machine = new SetUpMachine();
        string[] setup = ["setup", "--data-dir", Folder, "--filesystem", "zfs", "--loop", "512M", "--owner", SetUpMachine.User, "--pool"];
        try
        {
            Assert.Contains("was not made for", SetUpMachine.Expect((int)ExitCode.Exists, SetUpMachine.Tool([.. setup, machine.Pool])).Error, StringComparison.Ordinal);
            foreach (var place in (string[])["data:image", "data:made", "data:mounted"])
            {
                using (var killed = ToolRun.Start(new Dictionary<string, string> { ["PGD_KILL_AT"] = place }, [.. setup, Pool]))
                    Assert.Equal(137, killed.Wait().Status);
                SetUpMachine.Expect(0, SetUpMachine.Tool([.. setup, Pool]));
                Assert.Equal($"{SetUpMachine.User} 700", LabCommand.Run("stat", "--format=%U %a", Folder).Trim());
                SetUpMachine.Expect(0, Undo());
                Assert.False(Path.Exists(Image));
            }
        }
        finally
        {
            CleanUp();
        }
    }

    private static ToolResult Undo() => SetUpMachine.Tool("setup", "--undo", "--data-dir", Folder);

    private static bool IsCloning() => LabCommand.Try("zpool", "get", "-H", "-o", "value", "feature@block_cloning", Pool) is (0, var feature, _) && feature.Trim() is "enabled" or "active"
        && (!File.Exists("/sys/module/zfs/parameters/zfs_bclone_enabled") || File.ReadAllText("/sys/module/zfs/parameters/zfs_bclone_enabled").Trim() != "0");

    private static void CleanUp()
    {
        if (LabCommand.Try("zpool", "list", "-H", Pool).Status == 0)
            LabCommand.Run("zpool", "destroy", "-f", Pool);
        LabCommand.Try("rm", "-rf", Folder, Image);
    }
}
