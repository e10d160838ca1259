using System.Net.Sockets;
using Pgd.Linux;
using Pgd.State;
using Pgd.Storage;
using Xunit;

namespace Pgd.IntegrationTests.Storage;

/// <summary>What every storage must do, asked of each in turn. What they differ in is said in the constructor.</summary>
public abstract class StorageConformance : IDisposable
{
    private const int Kilobyte = 1024, Megabyte = 1024 * 1024;
    private static readonly CancellationToken Never = CancellationToken.None;
    private readonly string _name, _fileSystem;
    private readonly bool _shares, _isAtomic;
    private readonly Layout _layout;
    private readonly IStorage _storage;
    private readonly VolumeKey _main = new("shop", "main", "000000000001", 1), _dev = new("shop", "dev", "000000000002", 1);

    /// <summary>The storage of that name on a file system of that kind.</summary>
    protected StorageConformance(string name, string fileSystem, bool shares, bool isAtomic)
    {
        (_name, _fileSystem, _shares, _isAtomic) = (name, fileSystem, shares, isAtomic);
        (_layout, _storage) = Open(fileSystem == "zfs" ? Directory.CreateTempSubdirectory("pgd").FullName : Lab.Current.FileSystem(fileSystem).NewRoot(), name);
    }

    private bool OnZfs => _name == "zfs";

    /// <inheritdoc/>
    public void Dispose()
    {
        GC.SuppressFinalize(this);
        foreach (var volume in _storage.List())
            _storage.Delete(volume.Key);
        if (OnZfs)
            LabCommand.Run("zfs", "destroy", "-r", "-f", File.ReadAllText(_layout.Dataset).Trim());
    }

    private static (Layout Layout, IStorage Storage) Open(string root, string name)
    {
        var (layout, isZfs) = (new Layout(root), name == "zfs");
        var storages = new Storages(layout, isZfs ? new() { Zfs = new() { Pool = Lab.Current.Zfs.NewParent() } } : new());
        return (layout, isZfs ? storages.Choose("zfs") : storages.Named(name));
    }

    [Fact]
    public void It_says_that_it_can_be_used_and_leaves_no_trace_of_asking()
    {
        _layout.Ensure();
        var before = Inventory.Take(_layout.Root);

        Assert.Null(_storage.Unavailable());

        Assert.Equal(_isAtomic, _storage.IsAtomic);
        Assert.Empty(Inventory.Difference(before, Inventory.Take(_layout.Root)));
    }

    [Fact]
    public void A_new_volume_is_empty_closed_to_others_found_and_listed()
    {
        var volume = _storage.Create(_main);

        Assert.Empty(Directory.EnumerateFileSystemEntries(volume.Data));
        // PostgreSQL refuses a data directory that others can enter.
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(volume.Data));
        Assert.Equal(volume, _storage.Find(_main));
        Assert.Equal(volume, Assert.Single(_storage.List()));
        Assert.Null(_storage.Find(_dev));
        Assert.Null(_storage.Find(_main with { Generation = 2 }));
        Assert.Null(_storage.Find(_main with { BranchId = "000000000009" }));
    }

    [Fact]
    public async Task Volumes_of_one_branch_differ_by_generation_and_are_deleted_one_by_one()
    {
        var first = NewSource();
        var second = await CloneAsync(first, _main with { Generation = 2 });

        _storage.Delete(first.Key);

        Assert.Null(_storage.Find(first.Key));
        Assert.Equal(second, Assert.Single(_storage.List()));
        Assert.True(File.Exists($"{second.Data}/base/1/1234"));
    }

    [Fact]
    public async Task A_clone_has_the_folders_and_files_of_its_source()
    {
        var source = NewSource();

        var clone = await CloneAsync(source, _dev);

        Assert.Equal(Tree(source), Tree(clone));
        Assert.Equal(File.ReadAllBytes($"{source.Data}/base/1/1234"), File.ReadAllBytes($"{clone.Data}/base/1/1234"));
        Assert.Equal(clone, _storage.Find(_dev));
        Assert.Equal(2, _storage.List().Count);
    }

    [Fact]
    public async Task A_clone_and_its_source_do_not_see_each_others_changes()
    {
        var source = NewSource();
        var clone = await CloneAsync(source, _dev);

        Overwrite($"{clone.Data}/base/1/1234", "clone");
        File.WriteAllText($"{clone.Data}/only-in-clone", "");
        File.Delete($"{clone.Data}/PG_VERSION");
        Overwrite($"{source.Data}/base/1/5678", "source");
        File.WriteAllText($"{source.Data}/only-in-source", "");

        Assert.NotEqual("clone", Beginning($"{source.Data}/base/1/1234", 5));
        Assert.NotEqual("source", Beginning($"{clone.Data}/base/1/5678", 6));
        Assert.True(File.Exists($"{source.Data}/PG_VERSION"));
        Assert.False(File.Exists($"{source.Data}/only-in-clone"));
        Assert.False(File.Exists($"{clone.Data}/only-in-source"));
    }

    [Fact]
    public async Task A_clone_outlives_its_source_and_can_be_cloned_in_turn()
    {
        var source = NewSource();
        var content = File.ReadAllBytes($"{source.Data}/base/1/1234");
        var clone = await CloneAsync(source, _dev);
        _storage.Delete(source.Key);

        var grandchild = await CloneAsync(clone, new("shop", "grandchild", "000000000003", 1));
        _storage.Delete(clone.Key);

        Assert.Equal(content, File.ReadAllBytes($"{grandchild.Data}/base/1/1234"));
    }

    [Fact]
    public async Task A_clone_keeps_owners_groups_and_modes()
    {
        Lab.Require(Environment.IsPrivilegedProcess, "Giving files away needs root");
        var source = NewSource();
        LabCommand.Run("chown", "-R", "12345:23456", source.Data);
        LabCommand.Run("chmod", "750", $"{source.Data}/base");
        LabCommand.Run("chmod", "640", $"{source.Data}/base/1/1234");
        LabCommand.Run("chmod", "400", $"{source.Data}/PG_VERSION");
        LabCommand.Run("chown", "0:23456", $"{source.Data}/base/1/5678");

        var clone = await CloneAsync(source, _dev);

        Assert.Equal(Owners(source), Owners(clone));
        Assert.Contains("640 12345:23456 base/1/1234", Owners(clone));
        Assert.Contains("750 12345:23456 base", Owners(clone));
    }

    [Fact]
    public async Task A_clone_keeps_holes()
    {
        var source = NewSource();
        var file = $"{source.Data}/base/1/sparse";
        using (var stream = File.Create(file))
        {
            stream.Position = 32 * Megabyte;
            stream.Write(RandomBytes(64 * Kilobyte));
            stream.SetLength(64 * Megabyte);
        }

        var clone = await CloneAsync(source, _dev);

        Assert.Equal(File.ReadAllBytes(file), File.ReadAllBytes($"{clone.Data}/base/1/sparse"));
        LabCommand.Run("sync", "--file-system", clone.Data);
        if (OnZfs)
            LabCommand.Run("zpool", "sync");
        Assert.InRange(Libc.Status($"{clone.Data}/base/1/sparse").AllocatedBytes, 64 * Kilobyte, Megabyte);
    }

    [Fact]
    public async Task A_clone_takes_space_only_where_the_storage_cannot_share()
    {
        const int size = 200 * Megabyte;
        if (OnZfs)
        {
            await AssertDatasetSharesAsync();
            return;
        }

        // Its own file system, because free space is asked of the whole.
        using var fileSystem = Lab.Current.FileSystems.New(_fileSystem, 1024);
        var storage = Open(fileSystem.NewRoot(), _name).Storage;
        var source = storage.Create(_main);
        LabCommand.Run("dd", "if=/dev/urandom", $"of={source.Data}/large", "bs=1M", "count=200", "status=none");
        var before = fileSystem.UsedBytes();

        var clone = await storage.CloneAsync(source, _dev, running: false, SilentReporter.Instance, Never);

        var shared = SharedExtents.OfFolders(clone.Data, source.Data);
        var taken = fileSystem.UsedBytes() - before;
        Assert.True(shared.Bytes >= size);
        Assert.Equal(_shares ? 1 : 0, shared.Fraction);
        Assert.InRange(taken, _shares ? long.MinValue : size, _shares ? 8 * Megabyte : long.MaxValue);
    }

    // Its blocks cannot be asked for file by file; what the whole takes can.
    private async Task AssertDatasetSharesAsync()
    {
        var source = _storage.Create(_main);
        LabCommand.Run("dd", "if=/dev/urandom", $"of={source.Data}/large", "bs=1M", "count=50", "status=none");
        var parent = File.ReadAllText(_layout.Dataset).Trim();
        var before = ZfsLab.Used(parent);
        Assert.True(before >= 50 * Megabyte);

        await CloneAsync(source, _dev);

        Assert.InRange(ZfsLab.Used(parent) - before, 0, Megabyte);
    }

    [Fact]
    public void A_single_file_is_copied_as_cheaply_and_replaces_what_was_there()
    {
        var source = NewSource();
        var target = $"{_storage.Create(_dev).Data}/1234";
        File.WriteAllText(target, "old");

        _storage.CopyFile($"{source.Data}/base/1/1234", target);

        Assert.Equal(File.ReadAllBytes($"{source.Data}/base/1/1234"), File.ReadAllBytes(target));
        if (!OnZfs)
            Assert.Equal(_shares ? 1 : 0, SharedExtents.OfFiles(target, $"{source.Data}/base/1/1234").Fraction);
    }

    [Fact]
    public async Task What_has_no_mark_of_ours_is_neither_overwritten_nor_deleted()
    {
        var source = NewSource();
        var folder = Path.Combine(_layout.Volumes, "shop", "dev", "g1");
        Directory.CreateDirectory(Path.Combine(folder, "data"));
        File.WriteAllText(Path.Combine(folder, "data", "precious"), "mine");

        await AssertLeftAloneAsync(source, folder);
    }

    [Fact]
    public async Task What_carries_another_branchs_mark_is_neither_overwritten_nor_deleted()
    {
        var source = NewSource();
        var other = _storage.Create(_dev with { BranchId = "00000000000f" });
        File.WriteAllText($"{other.Data}/precious", "theirs");

        await AssertLeftAloneAsync(source, other.Directory);

        Assert.Contains("00000000000f", Assert.Throws<PgdException>(() => _storage.Create(_dev)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("null")]
    [InlineData("{\"project\":\"shop\"}")]
    public async Task What_carries_a_damaged_mark_is_neither_overwritten_nor_deleted(string mark)
    {
        var source = NewSource();
        var other = _storage.Create(_dev);
        File.WriteAllText($"{other.Data}/precious", "whose?");
        File.WriteAllText($"{other.Directory}/volume.json", mark);

        await AssertLeftAloneAsync(source, other.Directory);
        Assert.Equal(source, Assert.Single(_storage.List()));

        Directory.Delete(other.Directory, recursive: _name != "btrfs" || DeletedSubvolume(other.Data));
    }

    [Fact]
    public void A_copy_that_someone_made_of_a_volume_is_not_taken_for_it()
    {
        var source = NewSource();
        var backup = $"{source.Directory}.bak";
        LabCommand.Run("cp", "-a", source.Directory, backup);

        Assert.Equal(source, Assert.Single(_storage.List()));
        _storage.Delete(source.Key);

        Assert.Empty(_storage.List());
        Assert.True(File.Exists(OnZfs ? $"{backup}/volume.json" : $"{backup}/data/PG_VERSION"));
    }

    [Fact]
    public async Task A_file_in_the_place_of_a_volume_is_not_overwritten()
    {
        var source = NewSource();
        Directory.CreateDirectory(Path.Combine(_layout.Volumes, "shop", "dev"));
        var file = Path.Combine(_layout.Volumes, "shop", "dev", "g1");
        File.WriteAllText(file, "mine");

        Assert.Equal(ExitCode.Exists, Assert.Throws<PgdException>(() => _storage.Create(_dev)).ExitCode);
        Assert.Equal(ExitCode.Exists, (await Assert.ThrowsAsync<PgdException>(() => CloneAsync(source, _dev))).ExitCode);
        _storage.Delete(_dev);

        Assert.Equal("mine", File.ReadAllText(file));
    }

    [Fact]
    public async Task Deleting_twice_or_what_never_was_is_fine_and_nothing_is_left()
    {
        _layout.Ensure();
        var before = Inventory.Take(_layout.Root);
        var source = NewSource();
        var clone = await CloneAsync(source, _dev);
        File.WriteAllText(clone.Log, "a server's");
        File.WriteAllText(clone.HostBasedAuthentication, "");

        foreach (var key in (VolumeKey[])[_dev, _dev, _main, _main, new("never", "was", "000000000004", 1)])
            _storage.Delete(key);

        Assert.Empty(_storage.List());
        Assert.Empty(Inventory.Difference(before, Inventory.Take(_layout.Root)));
    }

    [Fact]
    public async Task A_folder_that_a_killed_operation_had_not_put_in_its_place_is_deleted_with_the_volume()
    {
        var source = NewSource();
        var unfinished = Path.Combine(_layout.Volumes, "shop", "dev", $"g1.{_dev.BranchId}.new");
        var others = Path.Combine(_layout.Volumes, "shop", "dev", "g1.00000000000f.new");
        Directory.CreateDirectory(unfinished);
        Directory.CreateDirectory(others);

        await CloneAsync(source, _dev);
        Directory.CreateDirectory(unfinished);
        _storage.Delete(_dev);

        Assert.False(Directory.Exists(unfinished));
        Assert.True(Directory.Exists(others));
        // Listed by its name, so that what was killed before it had a mark can be swept.
        Assert.Equal([_dev with { BranchId = "00000000000f" }, source.Key], _storage.List().Select(v => v.Key).OrderBy(k => k.Branch, StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("pg_wal")]
    [InlineData("base/1/link")]
    public async Task A_symbolic_link_in_the_source_is_refused(string link)
    {
        var source = NewSource();
        var outside = Directory.CreateDirectory($"{_layout.Root}/outside").FullName;
        File.WriteAllText($"{outside}/file", "shared");
        File.CreateSymbolicLink($"{source.Data}/{link}", outside);

        foreach (var running in (bool[])[false, true])
        {
            var error = await Assert.ThrowsAsync<PgdException>(() => _storage.CloneAsync(source, _dev, running, SilentReporter.Instance, Never));
            Assert.Equal(ExitCode.Unsafe, error.ExitCode);
            Assert.Contains(link, error.Message, StringComparison.Ordinal);
            _storage.Delete(_dev);
        }

        Assert.Equal("shared", File.ReadAllText($"{outside}/file"));
    }

    [Fact]
    public async Task Sockets_and_pipes_in_the_source_neither_stop_nor_block_a_clone()
    {
        var source = NewSource();
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint($"{source.Data}/.s.PGSQL.5432"));
        LabCommand.Run("mkfifo", $"{source.Data}/pipe");

        var clone = await CloneAsync(source, _dev).WaitAsync(TimeSpan.FromSeconds(30));

        Assert.True(File.Exists($"{clone.Data}/base/1/1234"));
    }

    [Fact]
    public async Task Files_and_folders_that_come_and_go_do_not_disturb_the_clone_of_a_running_source()
    {
        var source = NewSource();
        Directory.CreateDirectory($"{source.Data}/base/pgsql_tmp");
        using var done = new CancellationTokenSource();
        // What a server does all the time: temporary files, folders of shared temporary files, relations that are dropped.
        var churn = Task.Run(() =>
        {
            for (var i = 0; !done.IsCancellationRequested; i++)
            {
                var folder = Directory.CreateDirectory($"{source.Data}/base/pgsql_tmp/pgsql_tmp{i}.fileset").FullName;
                for (var file = 0; file < 20; file++)
                {
                    File.WriteAllText($"{folder}/{file}", "x");
                    File.WriteAllText($"{source.Data}/base/1/{i % 5}{file}", "x");
                }

                Directory.Delete(folder, recursive: true);
                for (var file = 0; file < 20; file++)
                    File.Delete($"{source.Data}/base/1/{i % 5}{file}");
            }
        }, CancellationToken.None);

        try
        {
            for (var i = 1; i <= (OnZfs ? 10 : 100); i++)
            {
                var clone = await _storage.CloneAsync(source, _dev with { Generation = i }, running: true, SilentReporter.Instance, Never);
                Assert.True(File.Exists($"{clone.Data}/base/1/1234"));
                _storage.Delete(clone.Key);
            }
        }
        finally
        {
            await done.CancelAsync();
            await churn;
        }
    }

    [Fact]
    public async Task A_cancelled_clone_ends_and_what_it_left_is_deleted_by_its_key()
    {
        var source = NewSource();
        _layout.Ensure();
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _storage.CloneAsync(source, _dev, running: false, SilentReporter.Instance, cancelled.Token));
        _storage.Delete(_dev);

        Assert.Equal(source, Assert.Single(_storage.List()));
        Assert.False(Directory.Exists(Path.Combine(_layout.Volumes, "shop", "dev")));
    }

    private static bool DeletedSubvolume(string data)
    {
        LabCommand.Run("btrfs", "subvolume", "delete", data);
        return true;
    }

    private async Task AssertLeftAloneAsync(Volume source, string folder)
    {
        var before = Content(folder);

        Assert.Equal(ExitCode.Exists, Assert.Throws<PgdException>(() => _storage.Create(_dev)).ExitCode);
        Assert.Equal(ExitCode.Exists, (await Assert.ThrowsAsync<PgdException>(() => CloneAsync(source, _dev))).ExitCode);
        Assert.Equal(ExitCode.Unsafe, Assert.Throws<PgdException>(() => _storage.Delete(_dev)).ExitCode);
        Assert.Null(_storage.Find(_dev));

        Assert.Equal(before, Content(folder));
        Assert.NotEmpty(before);
    }

    private static string Content(string folder) => string.Join('\n', Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal).Select(f => $"{f}: {File.ReadAllText(f)}"));

    private Task<Volume> CloneAsync(Volume source, VolumeKey key) => _storage.CloneAsync(source, key, running: false, SilentReporter.Instance, Never);

    private Volume NewSource()
    {
        var volume = _storage.Create(_main);
        Directory.CreateDirectory($"{volume.Data}/base/1");
        Directory.CreateDirectory($"{volume.Data}/empty");
        File.WriteAllText($"{volume.Data}/PG_VERSION", "15\n");
        File.WriteAllBytes($"{volume.Data}/base/1/1234", RandomBytes(Megabyte + 8192));
        File.WriteAllBytes($"{volume.Data}/base/1/5678", RandomBytes(8192));
        File.WriteAllBytes($"{volume.Data}/base/1/empty", []);
        return volume;
    }

    // Zeroes might be stored as a hole.
    private static byte[] RandomBytes(int size)
    {
        var bytes = new byte[size];
        new Random(size).NextBytes(bytes);
        return bytes;
    }

    private static void Overwrite(string file, string text)
    {
        using var stream = new FileStream(file, FileMode.Open, FileAccess.Write);
        stream.Write(System.Text.Encoding.ASCII.GetBytes(text));
    }

    private static string Beginning(string file, int length) => System.Text.Encoding.Latin1.GetString(File.ReadAllBytes(file), 0, length);

    private static string Tree(Volume volume) => LabCommand.Run("bash", "-c", "cd \"$0\" && find . -printf '%y %s %P\\n' | sed 's/^d [0-9]*/d/' | sort", volume.Data);

    private static string Owners(Volume volume) => LabCommand.Run("bash", "-c", "cd \"$0\" && find . -printf '%m %U:%G %P\\n' | sort", volume.Data);
}
