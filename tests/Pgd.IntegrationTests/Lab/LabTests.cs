using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Xunit;

namespace Pgd.IntegrationTests;

/// <summary>The lab's instruments are tested, too: one that cannot fail proves nothing.</summary>
public sealed class LabTests
{
    private const int FileSize = 4 * 1024 * 1024;

    [Theory]
    [InlineData("btrfs")]
    [InlineData("xfs")]
    public void A_reflinked_file_shares_all_of_its_extents(string fileSystem)
    {
        // Its own file system, because used space is asked of the whole, and other tests fill the shared one meanwhile.
        using var alone = Lab.Current.FileSystems.New(fileSystem, 512);
        var (original, copy) = NewFileIn(alone.NewRoot());
        var before = alone.UsedBytes();

        LabCommand.Run("cp", "--reflink=always", original, copy);

        Assert.Equal(1, SharedExtents.OfFiles(copy, original).Fraction);
        Assert.True(SharedExtents.OfFiles(copy, original).Bytes >= FileSize);
        Assert.InRange(alone.UsedBytes() - before, long.MinValue, FileSize / 2);
    }

    [Theory]
    [InlineData("btrfs")]
    [InlineData("xfs")]
    [InlineData("ext4")]
    public void A_plain_copy_shares_nothing(string fileSystem)
    {
        var (original, copy) = NewFile(fileSystem);

        LabCommand.Run("cp", "--reflink=never", original, copy);

        Assert.Equal(0, SharedExtents.OfFiles(copy, original).SharedBytes);
        Assert.True(SharedExtents.OfFiles(copy, original).Bytes >= FileSize);
    }

    [Theory]
    [InlineData("btrfs")]
    [InlineData("xfs")]
    public void A_reflinked_file_that_was_half_overwritten_shares_the_other_half(string fileSystem)
    {
        var (original, copy) = NewFile(fileSystem);
        LabCommand.Run("cp", "--reflink=always", original, copy);

        using (var stream = new FileStream(copy, FileMode.Open))
            stream.Write(RandomBytes(FileSize / 2));

        Assert.InRange(SharedExtents.OfFiles(copy, original).Fraction, 0.45, 0.55);
    }

    [Fact]
    public void A_snapshot_of_a_btrfs_subvolume_shares_all_of_its_files()
    {
        var root = Lab.Current.FileSystem("btrfs").NewRoot();
        LabCommand.Run("btrfs", "subvolume", "create", $"{root}/original");
        File.WriteAllBytes($"{root}/original/file", RandomBytes(FileSize));

        LabCommand.Run("btrfs", "subvolume", "snapshot", $"{root}/original", $"{root}/snapshot");
        File.WriteAllBytes($"{root}/snapshot/added", RandomBytes(FileSize));

        Assert.InRange(SharedExtents.OfFolders($"{root}/snapshot", $"{root}/original").Fraction, 0.49, 0.51);
        Assert.Equal(1, SharedExtents.OfFolders($"{root}/original", $"{root}/snapshot").Fraction);
    }

    [Fact]
    public void A_file_of_many_extents_is_mapped_to_its_end()
    {
        var (original, copy) = NewFile("xfs");
        using (var stream = new FileStream(original, FileMode.Create))
        {
            // A hole after each block keeps the extents apart: more of them than one call returns.
            for (var block = 0; block < 1500; block++)
            {
                stream.Position = block * 8192L;
                stream.Write(RandomBytes(4096));
            }
        }

        LabCommand.Run("cp", "--reflink=always", original, copy);

        Assert.Equal(new SharedExtents(1500 * 4096, 1500 * 4096), SharedExtents.OfFiles(copy, original));
    }

    [Theory]
    [InlineData("btrfs")]
    [InlineData("xfs")]
    [InlineData("ext4")]
    public void A_root_is_of_the_kind_that_was_asked_for_and_open_to_the_account_postgres(string fileSystem)
    {
        var root = Lab.Current.FileSystem(fileSystem).NewRoot();

        Assert.Equal(fileSystem, LabCommand.Run("stat", "--file-system", "--format=%T", root).Trim().Replace("ext2/ext3", "ext4", StringComparison.Ordinal));
        Lab.Require(LabCommand.Try("id", "postgres").Status == 0, "There is no account postgres");
        LabCommand.Run("runuser", "-u", "postgres", "--", "ls", root);
        Assert.NotEqual(root, Lab.Current.FileSystem(fileSystem).NewRoot());
    }

    [Fact]
    public void A_small_file_system_can_be_filled_and_is_gone_afterwards()
    {
        string mountPoint;
        using (var fileSystem = Lab.Current.FileSystems.New("ext4", 16))
        {
            mountPoint = fileSystem.MountPoint;
            Assert.ThrowsAny<IOException>(() => File.WriteAllBytes(Path.Combine(fileSystem.NewRoot(), "file"), new byte[32 * 1024 * 1024]));
        }

        Assert.DoesNotContain(mountPoint, LabFolder.MountPoints());
        Assert.False(Directory.Exists(mountPoint));
        Assert.False(File.Exists($"{mountPoint}.img"));
    }

    [Theory]
    [InlineData(15)]
    [InlineData(17)]
    [InlineData(18)]
    public void The_account_postgres_can_run_every_version_of_the_server(int major)
    {
        var folder = Lab.Current.Servers.Folder(major);

        foreach (var program in new[] { "initdb", "postgres", "pg_ctl" })
        {
            var version = Environment.IsPrivilegedProcess
                ? LabCommand.Run("runuser", "-u", "postgres", "--", $"{folder}/{program}", "--version")
                : LabCommand.Run($"{folder}/{program}", "--version");
            Assert.Contains($"(PostgreSQL) {major}.", version, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void An_inventory_sees_files_folders_volumes_mounts_and_sockets()
    {
        var root = Lab.Current.FileSystem("btrfs").NewRoot();
        var before = Inventory.Take(root);
        File.WriteAllText($"{root}/file", "");
        Directory.CreateDirectory($"{root}/folder");
        LabCommand.Run("btrfs", "subvolume", "create", $"{root}/volume");
        LabCommand.Run("mount", "-t", "tmpfs", "tmpfs", $"{root}/folder");
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint($"{root}/socket"));

        var after = Inventory.Take(root);
        LabCommand.Run("umount", $"{root}/folder");

        Assert.Equal(["+ file file", "+ folder folder", $"+ mount {root}/folder", "+ socket socket", "+ subvolume volume"], Inventory.Difference(before, after));
        Assert.Contains("- file file", Inventory.Difference(after, before));
        Assert.Empty(Inventory.Difference(after, after));
    }

    [Fact]
    public void An_inventory_sees_processes_by_their_folder_or_command_line_but_not_those_of_a_sibling()
    {
        var root = Directory.CreateTempSubdirectory("pgd-lab-").FullName;
        try
        {
            var before = Inventory.Take(root);
            using var inside = Start(root, "sleep", "60");
            using var mentioning = Start("/", "sh", "-c", "sleep 60; :", $"--data={root}/data");
            using var sibling = Start("/", "sh", "-c", "sleep 60; :", $"--data={root}1/data");

            var difference = Inventory.Difference(before, Inventory.Take(root));

            Assert.Equal(2, difference.Count);
            Assert.Contains(difference, line => line.StartsWith($"+ process {inside.Id} ", StringComparison.Ordinal));
            Assert.Contains(difference, line => line.StartsWith($"+ process {mentioning.Id} ", StringComparison.Ordinal));
            foreach (var process in new[] { inside, mentioning, sibling })
                process.Kill(entireProcessTree: true);
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    [Fact]
    public void An_inventory_sees_a_server_by_one_process_and_its_port_and_not_what_it_does_inside_its_data_directory()
    {
        var binaries = Lab.Current.Servers.Folder(15);
        var root = Lab.Current.FileSystem("ext4").NewRoot();
        var before = Inventory.Take(root);
        LabCommand.Run("install", "-d", "-o", "postgres", "-m", "700", $"{root}/data", $"{root}/s");
        AsPostgres($"{binaries}/initdb", "--no-sync", "--auth=trust", $"{root}/data");
        var port = FreePort();
        // The server inherits pg_ctl's standard output, which would never end: hence the log file.
        AsPostgres($"{binaries}/pg_ctl", "-w", "-s", "-D", $"{root}/data", "-l", $"{root}/data/log.txt", "-o", $"-p {port} -k {root}/s", "start");
        var running = Inventory.Take(root);
        AsPostgres($"{binaries}/psql", "-q", "-h", $"{root}/s", "-p", port.ToString(CultureInfo.InvariantCulture), "-d", "postgres",
            "-c", "create table t as select generate_series(1, 100000) i", "-c", "checkpoint");

        Assert.Empty(Inventory.Difference(running, Inventory.Take(root)));
        AsPostgres($"{binaries}/psql", "-q", "-h", $"{root}/s", "-p", port.ToString(CultureInfo.InvariantCulture), "-d", "postgres",
            "-c", "select pg_create_physical_replication_slot('left_over', true)");
        Assert.Equal(["+ folder data/pg_replslot/left_over"], Inventory.Difference(running, Inventory.Take(root)));

        AsPostgres($"{binaries}/pg_ctl", "-w", "-s", "-D", $"{root}/data", "-m", "immediate", "stop");
        var difference = Inventory.Difference(before, running);
        Assert.Contains($"+ port {port}", difference);
        Assert.Contains($"+ socket s/.s.PGSQL.{port}", difference);
        Assert.Single(difference, line => line.StartsWith("+ process ", StringComparison.Ordinal));
        Assert.Contains("+ folder data", difference);
        // pg_ctl sees the process-id file go, and the process ends a moment later.
        Assert.True(SpinWait.SpinUntil(
            () => !Inventory.Difference(before, Inventory.Take(root)).Any(line => line.StartsWith("+ process ", StringComparison.Ordinal) || line.StartsWith("+ port", StringComparison.Ordinal)),
            TimeSpan.FromSeconds(30)));
    }

    private static (string Original, string Copy) NewFile(string fileSystem) => NewFileIn(Lab.Current.FileSystem(fileSystem).NewRoot());

    private static (string Original, string Copy) NewFileIn(string root)
    {
        File.WriteAllBytes($"{root}/original", RandomBytes(FileSize));
        return ($"{root}/original", $"{root}/copy");
    }

    // Zeroes might be stored as a hole.
    private static byte[] RandomBytes(int size)
    {
        var bytes = new byte[size];
        new Random(1).NextBytes(bytes);
        return bytes;
    }

    private static void AsPostgres(params IReadOnlyList<string> command) => LabCommand.Run("runuser", ["-u", "postgres", "--", .. command]);

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static Process Start(string folder, string program, params IReadOnlyList<string> arguments)
    {
        var start = new ProcessStartInfo(program) { WorkingDirectory = folder };
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        return Process.Start(start)!;
    }
}
