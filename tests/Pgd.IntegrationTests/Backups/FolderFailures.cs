using Pgd.Backups;
using Xunit;

namespace Pgd.IntegrationTests.Backups;

/// <summary>Folders on disks that are full or read-only, and what other hands put into them.</summary>
public sealed class FolderFailures
{
    private static readonly IReadOnlyDictionary<string, string> Nothing = new Dictionary<string, string>();

    [Fact]
    public async Task A_disk_that_fills_is_told_and_nothing_of_the_object_is_left()
    {
        using var fileSystem = Lab.Current.FileSystems.New("ext4", 32);
        var root = fileSystem.NewRoot();
        var repository = await BackupRepository.InitializeAsync(BackupStores.Open(root, Nothing, TimeProvider.System), null, default);
        await repository.WriteAsync("i/small", async (stream, token) => await stream.WriteAsync(new byte[1000], token), compress: false, default);
        var before = fileSystem.UsedBytes();

        var error = await Assert.ThrowsAsync<PgdException>(() => repository.WriteAsync("i/large", async (stream, token) =>
        {
            for (var i = 0; i < 64; i++)
                await stream.WriteAsync(new byte[1 << 20], token);
        }, compress: false, default));

        Assert.Equal(ExitCode.NoRoom, error.ExitCode);
        Assert.Contains(repository.Store.Url, error.Message, StringComparison.Ordinal);
        Assert.Equal(["i/small", "repo.json"], Files(root));
        Assert.InRange(fileSystem.UsedBytes() - before, 0, 1 << 20);
        Assert.Empty(Directory.GetFiles(Path.Combine(root, ".unfinished")));
    }

    [Fact]
    public async Task A_disk_that_is_read_only_is_told_and_what_is_on_it_can_be_read()
    {
        using var fileSystem = Lab.Current.FileSystems.New("ext4", 32);
        var root = fileSystem.NewRoot();
        var store = BackupStores.Open(root, Nothing, TimeProvider.System);
        var repository = await BackupRepository.InitializeAsync(store, null, default);
        await repository.WriteAsync("i/one", async (stream, token) => await stream.WriteAsync(new byte[1000], token), compress: false, default);
        LabCommand.Run("mount", "-o", "remount,ro", fileSystem.MountPoint);

        foreach (var change in new Func<Task>[]
        {
            () => repository.WriteAsync("i/two", (_, _) => Task.CompletedTask, compress: false, default),
            () => store.DeleteAsync("i/one", default),
            () => repository.LockAsync("x", isForGood: false, default),
        })
        {
            var error = await Assert.ThrowsAsync<PgdException>(change);
            Assert.Equal(ExitCode.MachineLacks, error.ExitCode);
            Assert.Contains("read-only", error.Message, StringComparison.Ordinal);
        }

        await using var read = await (await BackupRepository.OpenAsync(store, null, default)).ReadAsync("i/one", compressed: false, default);
        Assert.Equal(1000, await read.ReadAtLeastAsync(new byte[2000], 2000, throwOnEndOfStream: false));
    }

    [Fact]
    public async Task No_symbolic_link_leads_out_of_the_folder()
    {
        var root = Lab.Current.FileSystem("ext4").NewRoot();
        Directory.CreateDirectory($"{root}/outside");
        File.WriteAllText($"{root}/outside/secret", "secret");
        Directory.CreateDirectory($"{root}/inside/i");
        File.CreateSymbolicLink($"{root}/inside/i/folder", $"{root}/outside");
        File.CreateSymbolicLink($"{root}/inside/i/file", $"{root}/outside/secret");
        var store = BackupStores.Open($"{root}/inside", Nothing, TimeProvider.System);

        foreach (var call in new Func<Task>[]
        {
            () => store.ReadAsync("i/file", default),
            () => store.ReadAsync("i/folder/secret", default),
            () => store.WriteAsync("i/folder/secret", (_, _) => Task.CompletedTask, onlyIfAbsent: false, default),
            () => store.DeleteAsync("i/folder/secret", default),
            async () => await store.ListAsync("i/folder/", default).GetAsyncEnumerator().MoveNextAsync(),
        })
            Assert.Equal(ExitCode.Unsafe, (await Assert.ThrowsAsync<PgdException>(call)).ExitCode);
        // What is put in a link's place is a file, and the link is what is removed.
        await store.WriteAsync("i/file", (_, _) => Task.CompletedTask, onlyIfAbsent: false, default);
        await store.DeleteAsync("i/file", default);

        Assert.Equal("secret", File.ReadAllText($"{root}/outside/secret"));
        Assert.DoesNotContain("i/file", Files($"{root}/inside"));
    }

    [Fact]
    public async Task What_a_killed_writer_left_is_removed_by_the_next_one_and_what_is_being_written_is_not()
    {
        var root = Lab.Current.FileSystem("ext4").NewRoot();
        await BackupStores.Open(root, Nothing, TimeProvider.System).WriteAsync("one", (_, _) => Task.CompletedTask, onlyIfAbsent: false, default);
        File.WriteAllText($"{root}/.unfinished/left", "of a process that is no more");

        await BackupStores.Open(root, Nothing, TimeProvider.System).WriteAsync("two", async (_, _) =>
        {
            Assert.False(File.Exists($"{root}/.unfinished/left"));
            await BackupStores.Open(root, Nothing, TimeProvider.System).WriteAsync("three", (_, _) => Task.CompletedTask, onlyIfAbsent: false, default);
            Assert.Single(Directory.GetFiles($"{root}/.unfinished"));
        }, onlyIfAbsent: false, default);

        Assert.Equal(["one", "three", "two"], Files(root));
    }

    [Fact]
    public async Task Deleting_the_last_object_of_a_folder_does_not_disturb_who_writes_into_it()
    {
        var store = BackupStores.Open(Lab.Current.FileSystem("ext4").NewRoot(), Nothing, TimeProvider.System);
        await Parallel.ForAsync(0, 4, async (i, _) =>
        {
            for (var round = 0; round < 100; round++)
            {
                await store.WriteAsync($"a/b/{i}", (_, _) => Task.CompletedTask, onlyIfAbsent: round % 2 == 0, default);
                await store.DeleteAsync($"a/b/{i}", default);
            }
        });
    }

    private static IReadOnlyList<string> Files(string root) => [.. Directory.GetFiles(root, "*", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(root, file)).Where(file => !file.StartsWith(".locks", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];
}
